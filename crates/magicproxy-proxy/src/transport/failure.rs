//! Failures to connect to the upstream: one word for each cause, as RFC 9209 section 2.3 names the
//! causes.
//!
//! The table for operators is in `docs/guide/life-of-a-request.md`. The messages of the system and
//! of the TLS library go to the log only.

#[cfg(test)]
mod tests;

use std::io;

use http::StatusCode;
use rustls::{
    AlertDescription, CertificateError, Error as TlsError, InvalidMessage, PeerIncompatible,
};

use super::trust::is_authority_as_server;

/// Failure to make a connection. Made by the dialer, the connector and the tunnel, before any
/// request is sent on the connection; only a late alert of TLS ([`Self::of_late_alert`]) may follow
/// a request. The message is shown to clients; the cause is not.
#[derive(Debug, thiserror::Error)]
#[error("{fault}{hint}")]
pub(crate) struct ConnectFailure {
    fault: ConnectFault,
    /// Remark on a possible remedy; may be empty.
    hint: Box<str>,
    step: ConnectStep,
    /// Message of the system or the library; none where only time ran out.
    cause: Option<Box<str>>,
}

/// Step at which a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectStep {
    Name,
    Tcp,
    Proxy,
    Tls,
    Http,
}

/// Causes that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectFault {
    #[error("the upstream's name cannot be resolved")]
    Dns,
    #[error("the upstream's name could not be resolved in time")]
    DnsTimeout,
    #[error("the upstream refuses connections")]
    Refused,
    #[error("there is no route to the upstream")]
    Unroutable,
    #[error("the upstream cannot be reached")]
    Unavailable,
    #[error("the upstream could not be reached in time")]
    Timeout,
    #[error("the upstream closed the connection before it could be used")]
    Terminated,
    #[error("the upstream does not speak TLS (is its API root `http://`?)")]
    NotTls,
    #[error(
        "the upstream takes connections and does not answer the TLS handshake in time (is its API root `http://`?)"
    )]
    TlsTimeout,
    #[error("the upstream speaks neither TLS 1.2 nor TLS 1.3")]
    TlsVersion,
    #[error("the upstream and the proxy have no TLS parameters in common")]
    TlsParameters,
    #[error("the TLS handshake with the upstream failed")]
    TlsProtocol,
    #[error("the upstream broke the TLS handshake off{}", told_by_alert(.0))]
    TlsAlert(AlertDescription),
    #[error("the upstream chose a protocol that it was not offered (ALPN)")]
    Alpn,
    #[error("the upstream's certificate has expired")]
    Expired,
    #[error("the upstream's certificate is not valid yet")]
    NotYetValid,
    #[error(
        "the upstream's certificate is not signed by an authority that the proxy trusts (`extra_ca_file` names further ones)"
    )]
    UnknownIssuer,
    #[error("the upstream's certificate is for another name")]
    WrongName,
    #[error("the upstream's certificate is for no host: its names must stand in `subjectAltName`")]
    Nameless,
    #[error(
        "the upstream's certificate is an authority's own, which is accepted where `extra_ca_file` lists this very certificate"
    )]
    SelfSigned,
    #[error("the upstream's certificate is not for servers")]
    WrongUse,
    #[error("the upstream's certificate is not accepted")]
    Certificate,
    #[error("the HTTP handshake with the upstream failed")]
    Http,
    #[error("the outbound proxy {0}")]
    Proxy(ProxyFault),
}

/// Fault of the outbound proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyFault {
    #[error("cannot be resolved")]
    Dns,
    #[error("could not be resolved in time")]
    DnsTimeout,
    #[error("refuses connections")]
    Refused,
    #[error("is where no route leads")]
    Unroutable,
    #[error("cannot be reached")]
    Unavailable,
    #[error("did not connect in time")]
    Timeout,
    #[error("closed the connection before it could be used")]
    Terminated,
    #[error("wants a user and a password, or others (407)")]
    Authentication,
    #[error("refuses to connect to the upstream (status {0})")]
    Denied(u16),
    #[error("does not answer CONNECT as an HTTP proxy does")]
    Http,
}

impl ConnectFailure {
    /// Makes a failure without a known cause.
    pub(super) fn new(fault: ConnectFault) -> Self {
        Self { fault, hint: Box::default(), step: fault.step(), cause: None }
    }

    /// Makes a failure with the message of the cause.
    pub(super) fn because(fault: ConnectFault, cause: impl ToString) -> Self {
        Self {
            fault,
            hint: Box::default(),
            step: fault.step(),
            cause: Some(cause.to_string().into()),
        }
    }

    /// Makes the failure of connecting to an address.
    pub(crate) fn of_tcp(error: &io::Error) -> Self {
        Self::because(ConnectFault::of_tcp(error.kind()), error)
    }

    /// Makes the failure of a TLS handshake.
    pub(super) fn of_tls(error: &io::Error) -> Self {
        let by_tls = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>());
        let fault = match (by_tls, error.kind()) {
            (Some(cause), _) => ConnectFault::of_tls(cause),
            (None, io::ErrorKind::UnexpectedEof) => ConnectFault::Terminated,
            (None, io::ErrorKind::TimedOut) => ConnectFault::TlsTimeout,
            (None, kind) => ConnectFault::of_tcp(kind),
        };
        Self { step: ConnectStep::Tls, ..Self::because(fault, error) }
    }

    /// Makes the failure of the first request on a connection, which the upstream ended by an alert
    /// of TLS: a server of TLS 1.3 judges the client's part of the handshake when the client may
    /// have sent the request already. `None` where there was no alert.
    pub(crate) fn of_late_alert(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut sources = std::iter::successors(Some(error), |error| error.source());
        let failure = sources.find_map(|error| error.downcast_ref::<io::Error>())?;
        let of_alert =
            matches!(failure.get_ref()?.downcast_ref::<TlsError>()?, TlsError::AlertReceived(_));
        of_alert.then(|| Self::of_tls(failure))
    }

    /// Turns the failure into a failure of the connection to the outbound proxy.
    pub(super) fn of_proxy(self) -> Self {
        let fault = match self.fault {
            ConnectFault::Dns => ProxyFault::Dns,
            ConnectFault::DnsTimeout => ProxyFault::DnsTimeout,
            ConnectFault::Refused => ProxyFault::Refused,
            ConnectFault::Unroutable => ProxyFault::Unroutable,
            ConnectFault::Timeout => ProxyFault::Timeout,
            ConnectFault::Terminated => ProxyFault::Terminated,
            _ => ProxyFault::Unavailable,
        };
        Self { fault: ConnectFault::Proxy(fault), step: ConnectStep::Proxy, ..self }
    }

    /// Adds the remark that `variable` names a proxy which is not used, where that proxy may be the
    /// only route.
    pub(super) fn hinting_at(self, variable: &str) -> Self {
        let fault = self.fault;
        let is_of_way = matches!(fault.step(), ConnectStep::Name | ConnectStep::Tcp);
        let hint = format!(
            "; `{variable}` is set in the proxy's environment, and only `outbound_proxy = \"environment\"` uses it"
        );
        Self { hint: if is_of_way { hint.into() } else { self.hint }, ..self }
    }

    /// Returns the step at which the connection failed.
    pub(crate) fn step(&self) -> ConnectStep {
        self.step
    }

    /// True if another address of the same name may do better. False where a peer responded, with
    /// whatever content: a peer with a wrong certificate is not passed over.
    pub(super) fn is_of_address(&self) -> bool {
        matches!(
            self.fault,
            ConnectFault::Timeout | ConnectFault::TlsTimeout | ConnectFault::Terminated
        )
    }

    /// Describes the failure for the operator, with the library's message where our words say
    /// little.
    pub(crate) fn in_words(&self) -> String {
        match self.cause() {
            Some(cause) if self.fault.is_vague() => format!("{self}: {cause}"),
            _ => self.to_string(),
        }
    }

    /// Returns the message of the cause, for the log.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Returns the status and the stable code.
    pub(crate) fn status_and_code(&self) -> (StatusCode, &'static str) {
        let (status, code, _) = self.kind();
        (status, code)
    }

    /// Returns the error type of RFC 9209 section 2.3.
    pub(crate) fn error_type(&self) -> &'static str {
        self.kind().2
    }

    /// Returns the status, the stable code and the error type.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        use ConnectFault::{
            Alpn, Certificate, Dns, DnsTimeout, Expired, Http, Nameless, NotTls, NotYetValid,
            Refused, SelfSigned, Terminated, Timeout, TlsAlert, TlsParameters, TlsProtocol,
            TlsTimeout, TlsVersion, Unavailable, UnknownIssuer, Unroutable, WrongName, WrongUse,
        };
        let unreachable = |error| (StatusCode::BAD_GATEWAY, "upstream_unreachable", error);
        let tls = |error| (StatusCode::BAD_GATEWAY, "upstream_tls", error);
        let late = |error| (StatusCode::GATEWAY_TIMEOUT, "upstream_connect_timeout", error);
        match self.fault {
            Dns => unreachable("dns_error"),
            DnsTimeout => late("dns_timeout"),
            Refused => unreachable("connection_refused"),
            Unroutable => unreachable("destination_ip_unroutable"),
            Unavailable => unreachable("destination_unavailable"),
            Timeout | TlsTimeout => late("connection_timeout"),
            Terminated => unreachable("connection_terminated"),
            NotTls | TlsVersion | TlsParameters | TlsProtocol | Alpn => tls("tls_protocol_error"),
            TlsAlert(_) => tls("tls_alert_received"),
            Expired | NotYetValid | UnknownIssuer | WrongName | Nameless | SelfSigned
            | WrongUse | Certificate => tls("tls_certificate_error"),
            Http => (StatusCode::BAD_GATEWAY, "upstream_protocol", "http_protocol_error"),
            ConnectFault::Proxy(ProxyFault::DnsTimeout) => late("dns_timeout"),
            ConnectFault::Proxy(ProxyFault::Timeout) => late("connection_timeout"),
            ConnectFault::Proxy(fault) => unreachable(fault.error()),
        }
    }
}

impl ProxyFault {
    /// Returns the error type of RFC 9209 section 2.3: the proxy is the next hop.
    fn error(self) -> &'static str {
        match self {
            Self::Dns => "dns_error",
            Self::DnsTimeout => "dns_timeout",
            Self::Refused => "connection_refused",
            Self::Unroutable => "destination_ip_unroutable",
            Self::Unavailable | Self::Denied(_) => "destination_unavailable",
            Self::Timeout => "connection_timeout",
            Self::Terminated => "connection_terminated",
            Self::Authentication => "proxy_configuration_error",
            Self::Http => "http_protocol_error",
        }
    }
}

impl ConnectFault {
    fn step(self) -> ConnectStep {
        match self {
            Self::Dns | Self::DnsTimeout => ConnectStep::Name,
            Self::Refused
            | Self::Unroutable
            | Self::Unavailable
            | Self::Timeout
            | Self::Terminated => ConnectStep::Tcp,
            Self::Http => ConnectStep::Http,
            Self::Proxy(_) => ConnectStep::Proxy,
            _ => ConnectStep::Tls,
        }
    }

    /// True if the library's message adds something to our words.
    fn is_vague(self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::TlsProtocol
                | Self::TlsParameters
                | Self::Certificate
                | Self::Http
        )
    }

    fn of_tcp(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unroutable,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Terminated,
            _ => Self::Unavailable,
        }
    }

    fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            TlsError::InvalidCertificate(error) => Self::of_certificate(error),
            TlsError::PeerIncompatible(error) => Self::of_incompatible(error),
            TlsError::NoApplicationProtocol => Self::Alpn,
            TlsError::AlertReceived(alert) => Self::TlsAlert(*alert),
            _ => Self::TlsProtocol,
        }
    }

    fn of_incompatible(error: &PeerIncompatible) -> Self {
        match error {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Self::TlsVersion,
            _ => Self::TlsParameters,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                Self::Nameless
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::WrongUse
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            error if is_authority_as_server(error) => Self::SelfSigned,
            _ => Self::Certificate,
        }
    }
}

/// Returns the alert's name, with a remedy where one is known; nothing for an alert without a name.
fn told_by_alert(alert: &AlertDescription) -> String {
    let remedy = match alert {
        AlertDescription::NoApplicationProtocol => {
            ": it speaks none of the protocols that it was offered (`protocol = \"auto\"` offers HTTP/2 as well as HTTP/1.1)"
        }
        AlertDescription::CertificateRequired => {
            ": it wants a certificate of its client, and the proxy has none to show"
        }
        _ => "",
    };
    alert_name(alert) + remedy
}

/// Returns the alert's name as the TLS standards write the name (`unknown_ca`); nothing for an
/// alert without a name.
fn alert_name(alert: &AlertDescription) -> String {
    // The standards have the American spelling.
    let name: Vec<char> =
        format!("{alert:?}").replace("Unrecognised", "Unrecognized").chars().collect();
    if !name.iter().all(char::is_ascii_alphanumeric) {
        return String::new();
    }
    let is = |at: usize, test: fn(&char) -> bool| name.get(at).is_some_and(test);
    let begins_word = |at: usize| {
        let after_lower = is(at.wrapping_sub(1), char::is_ascii_lowercase);
        at > 0
            && is(at, char::is_ascii_uppercase)
            && (after_lower || is(at + 1, char::is_ascii_lowercase))
    };
    let words = name.iter().enumerate().map(|(at, letter)| {
        let gap = if begins_word(at) { "_" } else { "" };
        format!("{gap}{}", letter.to_ascii_lowercase())
    });
    let remark = if *alert == AlertDescription::ProtocolVersion {
        ": it takes neither TLS 1.2 nor TLS 1.3"
    } else {
        ""
    };
    format!(" (alert `{}`{remark})", words.collect::<String>())
}
