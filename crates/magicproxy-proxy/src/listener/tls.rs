//! TLS towards callers: versions 1.2 and 1.3 on aws-lc-rs, no client certificates, no early data.
//!
//! The certificate can be replaced while connections are open; handshakes that begin later see the new one.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What a client may ask for (RFC 7301), by preference. The last is what `curl --http1.0` asks for.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// A certificate chain and the private key of its first certificate.
#[derive(Clone)]
pub struct TlsIdentity(Arc<CertifiedKey>);

/// Shows no key.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsIdentity").field("certificates", &self.0.cert.len()).finish_non_exhaustive()
    }
}

/// Why a certificate and a key are not an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsIdentityError {
    /// The chain is empty.
    #[error("there is no certificate")]
    NoCertificate,
    /// The first certificate cannot be read.
    #[error("the first certificate cannot be read")]
    Certificate,
    /// The private key cannot be read, or is of a kind that TLS has no use for.
    #[error("the private key cannot be used: expected RSA of at least 2048 bits, ECDSA or Ed25519")]
    Key,
    /// The private key is that of another certificate.
    #[error("the private key does not belong to the first certificate")]
    Mismatch,
}

impl TlsIdentity {
    /// Checks that the key is that of the first certificate. Names and validity are for clients to judge.
    ///
    /// # Errors
    /// [`TlsIdentityError`].
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TlsIdentityError> {
        use rustls::{Error, InconsistentKeys};
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(|_| TlsIdentityError::Key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self(Arc::new(certified))),
            Err(Error::NoCertificatesPresented) => Err(TlsIdentityError::NoCertificate),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(TlsIdentityError::Mismatch),
            // Doubt is denial.
            Err(Error::InconsistentKeys(_)) => Err(TlsIdentityError::Key),
            Err(_) => Err(TlsIdentityError::Certificate),
        }
    }
}

/// TLS for any number of listeners, with one certificate that can be replaced.
pub struct TlsServer {
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl TlsServer {
    /// TLS with this certificate.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(identity: TlsIdentity) -> Result<Arc<Self>, rustls::Error> {
        let current = Arc::new(Current(RwLock::new(identity)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        // Tickets hold what a session needs, so that idle clients take no memory here.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        // Early data can be replayed by whoever saw it (RFC 8446 section 8).
        config.max_early_data_size = 0;
        Ok(Arc::new(Self { current, config: Arc::new(config) }))
    }

    /// From now on new handshakes show this certificate.
    pub fn replace(&self, identity: TlsIdentity) {
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The certificate of now, whatever name a client asks for: clients check the name, and some send none.
#[derive(Debug)]
struct Current(RwLock<TlsIdentity>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}
