//! TLS to others than the upstreams: for errands of the binary's own, which decides where they go.
//!
//! Nothing of a caller's and no credential travels here.

use std::io;
use std::sync::Arc;

use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::upstream::connect::client_config;

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

    /// A connection on which HTTP/1.1 is to be spoken. The caller bounds it in time.
    ///
    /// # Errors
    /// Those of the network, and of TLS as [`io::ErrorKind::InvalidData`].
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = TcpStream::connect((host, port)).await?;
        self.0.connect(name, stream).await
    }
}

/// Why a TLS handshake failed: what a person must know to mend it.
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
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
            error if is_authority_as_server(error) => Self::SelfSigned,
            other => Self::Certificate(other.to_string()),
        }
    }
}

/// Is the certificate an authority's own, as a self-signed one is unless it says otherwise?
pub(crate) fn is_authority_as_server(error: &CertificateError) -> bool {
    // webpki knows no plainer word for it.
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}
