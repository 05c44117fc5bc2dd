use rustls::{PeerIncompatible, PeerMisbehaved};

use super::*;

/// The failure of a handshake that the TLS library ended so, as `tokio_rustls` hands it over.
fn handshake(error: TlsError) -> ConnectFailure {
    ConnectFailure::of_tls(&io::Error::new(io::ErrorKind::InvalidData, error))
}

/// As webpki says it: an error of its own inside of the library's.
fn authority_as_server() -> CertificateError {
    #[derive(Debug)]
    struct CaUsedAsEndEntity;
    impl std::fmt::Display for CaUsedAsEndEntity {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("CaUsedAsEndEntity")
        }
    }
    impl std::error::Error for CaUsedAsEndEntity {}
    CertificateError::Other(rustls::OtherError(std::sync::Arc::new(CaUsedAsEndEntity)))
}

#[test]
fn each_cause_has_its_word() {
    let tcp = |kind: io::ErrorKind| ConnectFailure::of_tcp(&kind.into());
    let broken = |kind: io::ErrorKind| ConnectFailure::of_tls(&kind.into());
    let certificate = |error| handshake(TlsError::InvalidCertificate(error));
    let incompatible = |error| handshake(TlsError::PeerIncompatible(error));
    let expected = rustls_pki_types::ServerName::try_from("api.test").unwrap();
    let nameless = CertificateError::NotValidForNameContext { expected, presented: Vec::new() };
    let alert = |alert| handshake(TlsError::AlertReceived(alert));
    let cases = [
        (ConnectFailure::new(ConnectFault::Dns), 502, "dns_error", "cannot be resolved"),
        (
            ConnectFailure::new(ConnectFault::DnsTimeout),
            504,
            "dns_timeout",
            "could not be resolved in time",
        ),
        (
            ConnectFailure::new(ConnectFault::Timeout),
            504,
            "connection_timeout",
            "could not be reached in time",
        ),
        (ConnectFailure::new(ConnectFault::Http), 502, "http_protocol_error", "the HTTP handshake"),
        (tcp(io::ErrorKind::ConnectionRefused), 502, "connection_refused", "refuses connections"),
        (tcp(io::ErrorKind::HostUnreachable), 502, "destination_ip_unroutable", "no route"),
        (tcp(io::ErrorKind::NetworkUnreachable), 502, "destination_ip_unroutable", "no route"),
        (tcp(io::ErrorKind::TimedOut), 504, "connection_timeout", "in time"),
        (
            tcp(io::ErrorKind::ConnectionReset),
            502,
            "connection_terminated",
            "closed the connection",
        ),
        (tcp(io::ErrorKind::AddrNotAvailable), 502, "destination_unavailable", "cannot be reached"),
        (tcp(io::ErrorKind::Other), 502, "destination_unavailable", "cannot be reached"),
        (
            broken(io::ErrorKind::UnexpectedEof),
            502,
            "connection_terminated",
            "closed the connection",
        ),
        (
            broken(io::ErrorKind::ConnectionReset),
            502,
            "connection_terminated",
            "closed the connection",
        ),
        (broken(io::ErrorKind::TimedOut), 504, "connection_timeout", "in time"),
        (
            handshake(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)),
            502,
            "tls_protocol_error",
            "does not speak TLS",
        ),
        (
            handshake(TlsError::InvalidMessage(InvalidMessage::UnknownProtocolVersion)),
            502,
            "tls_protocol_error",
            "does not speak TLS",
        ),
        (
            handshake(TlsError::InvalidMessage(InvalidMessage::InvalidKeyUpdate)),
            502,
            "tls_protocol_error",
            "handshake",
        ),
        (
            handshake(TlsError::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived)),
            502,
            "tls_protocol_error",
            "handshake",
        ),
        (handshake(TlsError::NoApplicationProtocol), 502, "tls_protocol_error", "ALPN"),
        (
            alert(AlertDescription::NoApplicationProtocol),
            502,
            "tls_alert_received",
            "(alert `no_application_protocol`): it speaks none of the protocols that it was offered (`protocol",
        ),
        (
            alert(AlertDescription::HandshakeFailure),
            502,
            "tls_alert_received",
            "(alert `handshake_failure`)",
        ),
        (alert(AlertDescription::UnknownCA), 502, "tls_alert_received", "(alert `unknown_ca`)"),
        (
            alert(AlertDescription::UnknownPSKIdentity),
            502,
            "tls_alert_received",
            "(alert `unknown_psk_identity`)",
        ),
        (
            alert(AlertDescription::Unknown(0xfe)),
            502,
            "tls_alert_received",
            "broke the TLS handshake off",
        ),
        (
            ConnectFailure::new(ConnectFault::TlsTimeout),
            504,
            "connection_timeout",
            "is its API root `http://`?",
        ),
        (
            incompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            502,
            "tls_protocol_error",
            "neither TLS 1.2 nor TLS 1.3",
        ),
        (
            incompatible(PeerIncompatible::NoCipherSuitesInCommon),
            502,
            "tls_protocol_error",
            "no TLS parameters in common",
        ),
        (
            alert(AlertDescription::ProtocolVersion),
            502,
            "tls_alert_received",
            "neither TLS 1.2 nor TLS 1.3",
        ),
        (certificate(nameless), 502, "tls_certificate_error", "`subjectAltName`"),
        (
            certificate(CertificateError::InvalidPurpose),
            502,
            "tls_certificate_error",
            "not for servers",
        ),
        (certificate(CertificateError::Expired), 502, "tls_certificate_error", "has expired"),
        (certificate(CertificateError::NotValidYet), 502, "tls_certificate_error", "not valid yet"),
        (
            certificate(CertificateError::UnknownIssuer),
            502,
            "tls_certificate_error",
            "not signed by an authority",
        ),
        (
            certificate(CertificateError::NotValidForName),
            502,
            "tls_certificate_error",
            "for another name",
        ),
        (certificate(authority_as_server()), 502, "tls_certificate_error", "an authority's own"),
        (certificate(CertificateError::Revoked), 502, "tls_certificate_error", "is not accepted"),
        (
            certificate(CertificateError::BadSignature),
            502,
            "tls_certificate_error",
            "is not accepted",
        ),
    ];
    for (failure, status, error, words) in cases {
        let (said_status, code, said) = failure.kind();
        assert_eq!((said_status.as_u16(), said), (status, error), "{failure:?}");
        assert!(failure.to_string().contains(words), "{failure}: {words}");
        let expected = match (status, error) {
            (504, _) => "upstream_connect_timeout",
            (_, "http_protocol_error") => "upstream_protocol",
            (_, error) if error.starts_with("tls_") => "upstream_tls",
            _ => "upstream_unreachable",
        };
        assert_eq!(code, expected, "{failure:?}");
    }
}

#[test]
fn each_cause_on_the_way_has_its_word_too() {
    for (fault, status, error, words) in [
        (ConnectFault::Dns, 502, "dns_error", "the outbound proxy cannot be resolved"),
        (
            ConnectFault::DnsTimeout,
            504,
            "dns_timeout",
            "the outbound proxy could not be resolved in time",
        ),
        (
            ConnectFault::Refused,
            502,
            "connection_refused",
            "the outbound proxy refuses connections",
        ),
        (
            ConnectFault::Unroutable,
            502,
            "destination_ip_unroutable",
            "the outbound proxy is where no route leads",
        ),
        (
            ConnectFault::Unavailable,
            502,
            "destination_unavailable",
            "the outbound proxy cannot be reached",
        ),
        (
            ConnectFault::Timeout,
            504,
            "connection_timeout",
            "the outbound proxy did not connect in time",
        ),
        (
            ConnectFault::Terminated,
            502,
            "connection_terminated",
            "the outbound proxy closed the connection",
        ),
    ] {
        let failure = ConnectFailure::new(fault).of_proxy();
        let (said_status, _, said) = failure.kind();
        assert_eq!(
            (said_status.as_u16(), said, failure.step()),
            (status, error, ConnectStep::Proxy),
            "{fault:?}"
        );
        assert!(failure.to_string().starts_with(words), "{failure}");
    }
}

/// The words of the system or the library stand where ours say little, and only there.
#[test]
fn an_operator_reads_the_cause_where_our_words_say_little() {
    for (failure, words) in [
        (
            ConnectFailure::because(ConnectFault::Unavailable, "no such thing"),
            "the upstream cannot be reached: no such thing",
        ),
        (
            ConnectFailure::because(ConnectFault::Refused, "no such thing"),
            "the upstream refuses connections",
        ),
        (ConnectFailure::new(ConnectFault::Unavailable), "the upstream cannot be reached"),
    ] {
        assert_eq!(failure.in_words(), words);
    }
}
