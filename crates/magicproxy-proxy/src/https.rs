//! TLS to servers other than the upstreams, for tasks of the binary, which decides on the
//! destinations.
//!
//! No client's data and no credential travels on these connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::settings::{ApiRoot, Outbound, Timeouts, UpstreamProtocol};
use crate::transport::connect::{Connector, Destination};
use crate::transport::dial::Dialer;
use crate::transport::trust::{client_config, is_authority_as_server, unreadable};
use crate::transport::{ConnectStep, ConnectionTimes};

/// A connector for TLS 1.2 and 1.3 to servers with a certificate that the platform trusts.
#[derive(Clone)]
pub struct HttpsConnector(TlsConnector);

impl std::fmt::Debug for HttpsConnector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HttpsConnector").finish_non_exhaustive()
    }
}

impl HttpsConnector {
    /// Makes a connector that trusts the platform's roots and `extra_roots`.
    ///
    /// # Errors
    /// No roots were found, or one of `extra_roots` is no root.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut config = client_config(extra_roots)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Opens a connection for HTTP/1.1. The function sets no time limit.
    ///
    /// # Errors
    /// The errors of the network; errors of TLS as [`io::ErrorKind::InvalidData`].
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = Dialer::new(host, port).dial().await?;
        self.0.connect(name, stream).await
    }
}

/// A reason for which no server could be reached by TLS with these certificates.
///
/// Exhaustive on purpose: other crates handle each kind separately, and do not compile before a new
/// kind is handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustFault {
    /// The extra certificate of this number, counted from 1, cannot be read.
    Unreadable(usize),
    /// The system has no readable authorities, and none are given.
    NoAuthorities,
    /// TLS cannot be set up for another reason, given in the text.
    Other(String),
}

/// Checks the certificates that are to be trusted in addition to the platform's: each can be read,
/// and at least one root is known.
///
/// # Errors
/// [`TrustFault`].
pub fn check_trust(extra_roots: &[CertificateDer<'static>]) -> Result<(), TrustFault> {
    if let Some(number) = unreadable(extra_roots).next() {
        return Err(TrustFault::Unreadable(number));
    }
    match client_config(extra_roots.to_vec()) {
        Ok(_) => Ok(()),
        // The library reports this fault as text only.
        Err(Error::General(_)) => Err(TrustFault::NoAuthorities),
        Err(error) => Err(TrustFault::Other(error.to_string())),
    }
}

/// A probe of whether an origin can be reached.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'p> {
    /// The origin.
    pub root: &'p ApiRoot,
    /// The HTTP version to speak.
    pub protocol: UpstreamProtocol,
    /// Certificate authorities that are trusted in addition to the platform's roots.
    pub extra_roots: &'p [CertificateDer<'static>],
    /// The HTTP proxies through which the origin is reached.
    pub outbound: &'p Outbound,
    /// The time limit for the whole probe.
    pub limit: Duration,
}

/// The step at which a probe failed, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFailure {
    /// The step that failed.
    pub step: ProbeStep,
    /// The reason, in words.
    pub reason: String,
}

/// The steps of opening a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    /// Resolving the name.
    Name,
    /// Opening the TCP connection.
    Tcp,
    /// `CONNECT` at an HTTP proxy, or the connection to the HTTP proxy.
    Proxy,
    /// The TLS handshake, including the check of certificates.
    Tls,
    /// The handshake of HTTP.
    Http,
}

impl Probe<'_> {
    /// Connects like a proxy that has a request, and closes the connection. No request and no
    /// credential is sent.
    ///
    /// # Errors
    /// [`ProbeFailure`].
    pub async fn reach(&self) -> Result<(), ProbeFailure> {
        let times =
            ConnectionTimes { connect: self.limit, ..ConnectionTimes::of(&Timeouts::default()) };
        let Self { root, protocol, extra_roots, outbound, .. } = *self;
        let connector =
            Connector::new(&Destination { root, protocol, extra_roots, outbound }, times, 1);
        let connector = connector
            .map_err(|error| ProbeFailure { step: ProbeStep::Tls, reason: error.to_string() })?;
        connector.reach().await.map_err(|failure| ProbeFailure {
            step: failure.step().into(),
            reason: failure.in_words(),
        })
    }
}

impl From<ConnectStep> for ProbeStep {
    fn from(step: ConnectStep) -> Self {
        match step {
            ConnectStep::Name => Self::Name,
            ConnectStep::Tcp => Self::Tcp,
            ConnectStep::Proxy => Self::Proxy,
            ConnectStep::Tls => Self::Tls,
            ConnectStep::Http => Self::Http,
        }
    }
}

/// A reason for which a TLS handshake failed, in the detail that a person needs to repair it.
///
/// Exhaustive on purpose: other crates handle each kind separately, and do not compile before a new
/// kind is handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The certificate's issuer is not trusted.
    UnknownIssuer,
    /// The certificate is its own issuer, which only an authority may be.
    SelfSigned,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is for other hosts.
    WrongName,
    /// The certificate is not accepted for another reason, given in the text.
    Certificate(String),
    /// The server does not speak TLS.
    NotTls,
    /// Another fault, given in the text.
    Other(String),
}

impl HandshakeFault {
    /// Returns the fault behind an error of [`HttpsConnector::connect`]; `None` for errors of the
    /// network.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Other(other.to_string()),
        })
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            error if is_authority_as_server(error) => Self::SelfSigned,
            other => Self::Certificate(other.to_string()),
        }
    }
}
