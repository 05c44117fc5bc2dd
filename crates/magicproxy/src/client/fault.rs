//! Faults of a request to a proxy that brought no response, in words with a remedy.

use std::fmt;
use std::io;

use magicproxy_proxy::https::HandshakeFault;

use super::Peer;
use crate::ground::failure::Failure;
use magicproxy_config::ground::scheme::Scheme;
use magicproxy_config::ground::text::reason;

/// The reason for a missing response.
#[derive(Debug)]
pub(crate) struct ClientFault {
    /// The kind: nobody reached, or a server that cannot be taken for the proxy.
    pub(crate) kind: ClientFaultKind,
    message: String,
}

/// The kind of fault. A holder of the proxy's pinned keys may go on without an unreachable proxy,
/// and after no other fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFaultKind {
    /// No way to the proxy now, or a broken connection.
    Unreachable,
    /// A server that does not prove to be the proxy, or speaks another protocol.
    NotTheProxy,
}

impl ClientFault {
    /// Makes the fault of a proxy that was not reached.
    pub(super) fn unreachable(peer: &Peer, what: impl fmt::Display) -> Self {
        Self { kind: ClientFaultKind::Unreachable, message: format!("{}: {what}", peer.url()) }
    }

    /// Makes the fault of a request that cannot be sent, or of a server that is not the proxy.
    pub(super) fn unusable(message: String) -> Self {
        Self { kind: ClientFaultKind::NotTheProxy, message }
    }

    fn not_the_proxy(peer: &Peer, what: impl fmt::Display) -> Self {
        Self::unusable(format!("{}: {what}", peer.url()))
    }

    /// Describes a host without an address.
    pub(super) fn of_lookup(peer: &Peer, error: &io::Error) -> Self {
        Self::unreachable(peer, format!("the host `{}` is not known: {}", peer.host, reason(error)))
    }

    /// Describes a connection that was not made, or broke.
    pub(super) fn of_io(peer: &Peer, error: &io::Error) -> Self {
        let what = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!("nobody listens at {}: the connection was refused", peer.authority())
            }
            _ => reason(error),
        };
        Self::unreachable(peer, what)
    }

    /// Describes a failed TLS handshake, or a connection broken before the handshake.
    pub(super) fn of_tls(peer: &Peer, error: &io::Error) -> Self {
        let Some(fault) = HandshakeFault::of(error) else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::not_the_proxy(
                    peer,
                    "the connection was closed in the middle of the TLS handshake: is it `http://`?",
                ),
                io::ErrorKind::InvalidInput => {
                    Self::not_the_proxy(peer, "this is no host that a certificate can be for")
                }
                _ => Self::of_io(peer, error),
            };
        };
        let (host, trust) = (&peer.host, peer.how_to_trust());
        let what = match fault {
            HandshakeFault::UnknownIssuer => {
                format!(
                    "the certificate of `{host}` is not trusted: its issuer is unknown; {trust}"
                )
            }
            HandshakeFault::SelfSigned => {
                format!(
                    "the certificate of `{host}` is not trusted: it is an authority's own, used as a server's; {trust}"
                )
            }
            HandshakeFault::Expired => {
                format!("the certificate of `{host}` has expired: it must be renewed at the proxy")
            }
            HandshakeFault::NotYetValid => {
                format!(
                    "the certificate of `{host}` is not valid yet: is the clock of this machine right?"
                )
            }
            HandshakeFault::WrongName => {
                format!(
                    "the certificate is not for `{host}`: name the proxy as its certificate does, or get one for this name"
                )
            }
            HandshakeFault::Certificate(why) => {
                format!("the certificate of `{host}` is not accepted: {why}")
            }
            HandshakeFault::NotTls => "no TLS is spoken there: is it `http://`?".to_owned(),
            HandshakeFault::Other(why) => format!("the TLS handshake failed: {why}"),
        };
        Self::not_the_proxy(peer, what)
    }

    /// Describes a machine without trusted certificate authorities.
    pub(super) fn without_roots(peer: &Peer, error: &str) -> Self {
        Self::not_the_proxy(
            peer,
            format!("no certificate authority is trusted here ({error}); {}", peer.how_to_trust()),
        )
    }

    /// Describes a connection on which no HTTP came.
    pub(super) fn of_http(peer: &Peer, error: &hyper::Error) -> Self {
        if error.is_parse() {
            let tls = if peer.scheme == Scheme::Http { ": is it `https://`?" } else { "" };
            return Self::not_the_proxy(peer, format!("no HTTP is spoken there{tls}"));
        }
        let tls =
            if peer.scheme == Scheme::Http { " (a port for `https://` does so, too)" } else { "" };
        Self::unreachable(peer, format!("the connection was closed without a response{tls}"))
    }
}

impl Peer {
    fn how_to_trust(&self) -> &'static str {
        if self.roots.is_empty() {
            "name the proxy's certificate authority: `--ca-file FILE`, or `$SSL_CERT_FILE`"
        } else {
            "it is in the file of `--ca-file` neither"
        }
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ClientFault {}

impl From<ClientFault> for Failure {
    fn from(fault: ClientFault) -> Self {
        Self::Error(fault.into())
    }
}
