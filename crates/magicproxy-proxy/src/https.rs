//! TLS to others than the upstreams: for errands of the binary's own, which decides where they go.
//!
//! Nothing of a client's and no credential travels here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::settings::{ApiRoot, Outbound, Timeouts, UpstreamProtocol};
use crate::transport::ConnectStep;
use crate::transport::connect::{Connector, Destination};
use crate::transport::dial::Dialer;
use crate::transport::trust::{client_config, is_authority_as_server, unreadable};

/// Connects with TLS 1.2 or 1.3 to whoever shows a certificate that the platform trusts.
#[derive(Clone)]
pub struct HttpsConnector(TlsConnector);

impl std::fmt::Debug for HttpsConnector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HttpsConnector").finish_non_exhaustive()
    }
}

impl HttpsConnector {
    /// Trusts the platform's roots and these.
    ///
    /// # Errors
    /// When there are no roots, or one of these is none.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut config = client_config(extra_roots)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// A connection on which HTTP/1.1 is to be spoken. The client bounds it in time.
    ///
    /// # Errors
    /// Those of the network, and of TLS as [`io::ErrorKind::InvalidData`].
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

/// Why nothing could be reached by TLS with these certificates.
///
/// Exhaustive on purpose: other crates answer each kind in its own way, and do not compile before a new one has its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustFault {
    /// Of those given, the one of this number, from 1 on, cannot be read.
    Unreadable(usize),
    /// The system has no authorities, or none that can be read, and none are given.
    NoAuthorities,
    /// TLS cannot be set up for another reason, which is told.
    Other(String),
}

/// Checks the certificates that are to be trusted besides the platform's: whether each can be read, and there are any at all.
///
/// # Errors
/// [`TrustFault`].
pub fn check_trust(extra_roots: &[CertificateDer<'static>]) -> Result<(), TrustFault> {
    if let Some(number) = unreadable(extra_roots).next() {
        return Err(TrustFault::Unreadable(number));
    }
    match client_config(extra_roots.to_vec()) {
        Ok(_) => Ok(()),
        // The library has no other word for it than a text.
        Err(Error::General(_)) => Err(TrustFault::NoAuthorities),
        Err(error) => Err(TrustFault::Other(error.to_string())),
    }
}

/// A look at whether an origin can be reached.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'p> {
    /// The origin.
    pub root: &'p ApiRoot,
    /// What is to be spoken.
    pub protocol: UpstreamProtocol,
    /// Trusted besides the platform's roots.
    pub extra_roots: &'p [CertificateDer<'static>],
    /// The proxies on the way.
    pub outbound: &'p Outbound,
    /// The time for all of it.
    pub limit: Duration,
}

/// How far a probe came, and why no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFailure {
    /// The step that failed.
    pub step: ProbeStep,
    /// What happened, in words.
    pub reason: String,
}

/// The steps of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    /// The name's addresses.
    Name,
    /// A connection of TCP.
    Tcp,
    /// `CONNECT` at the proxy on the way, or the way to it.
    Proxy,
    /// TLS, certificates among it.
    Tls,
    /// HTTP's own handshake.
    Http,
}

impl Probe<'_> {
    /// Connects as a proxy would that has a request, and closes the connection. No request is sent, and no credential.
    ///
    /// # Errors
    /// [`ProbeFailure`].
    pub async fn reach(&self) -> Result<(), ProbeFailure> {
        let timeouts = Timeouts { connect: self.limit, ..Timeouts::default() };
        let Self { root, protocol, extra_roots, outbound, .. } = *self;
        let connector =
            Connector::new(&Destination { root, protocol, extra_roots, outbound }, timeouts, 1);
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

/// Why a TLS handshake failed: what a person must know to mend it.
///
/// Exhaustive on purpose: other crates answer each kind in its own way, and do not compile before a new one has its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The certificate's issuer is not trusted.
    UnknownIssuer,
    /// The certificate is its own issuer, which only an authority may be.
    SelfSigned,
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not come.
    NotYetValid,
    /// The certificate is for other hosts.
    WrongName,
    /// The certificate is not accepted for another reason, which is told.
    Certificate(String),
    /// No TLS is spoken there.
    NotTls,
    /// Anything else, which is told.
    Other(String),
}

impl HandshakeFault {
    /// The fault that an error of [`HttpsConnector::connect`] stands for, if it is one of TLS and not of the network.
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
