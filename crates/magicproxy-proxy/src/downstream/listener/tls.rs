//! TLS towards clients: versions 1.2 and 1.3 on aws-lc-rs, no client certificates, no early data.
//!
//! The certificate can be replaced while connections are open; handshakes that begin later see the new one.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// What a client may ask for (RFC 7301), by preference. The last is what `curl --http1.0` asks for.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// What asks for the response to a challenge (RFC 8737 section 3).
const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// A certificate chain and the private key of its first certificate.
#[derive(Clone)]
pub struct TlsIdentity(Arc<CertifiedKey>);

/// Shows no key.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsIdentity")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}

/// Why a certificate and a key are not an identity.
///
/// Exhaustive on purpose: other crates answer each kind in its own way, and do not compile before a new one has its response.
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
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsIdentityError> {
        use rustls::{Error, InconsistentKeys};
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| TlsIdentityError::Key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self(Arc::new(certified))),
            Err(Error::NoCertificatesPresented) => Err(TlsIdentityError::NoCertificate),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(TlsIdentityError::Mismatch)
            }
            // Doubt is denial.
            Err(Error::InconsistentKeys(_)) => Err(TlsIdentityError::Key),
            Err(_) => Err(TlsIdentityError::Certificate),
        }
    }

    /// The first certificate, in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        self.0.cert.first().map_or(&[], |certificate| certificate)
    }

    /// A challenge's self-signed certificate and its key, which were made together a moment ago.
    ///
    /// It is not checked whether they belong together: the check does not get past the critical extension that makes it a
    /// challenge's certificate (RFC 8737 section 3).
    ///
    /// # Errors
    /// [`TlsIdentityError::Key`].
    pub fn for_challenge(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsIdentityError> {
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| TlsIdentityError::Key)?;
        Ok(Self(Arc::new(CertifiedKey::new(vec![certificate], key))))
    }
}

/// TLS for any number of listeners, with one certificate that can be replaced.
pub struct TlsServer {
    current: Arc<CurrentCertificate>,
    challenges: Arc<Challenges>,
    config: Arc<ServerConfig>,
    challenge_config: Arc<ServerConfig>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl TlsServer {
    /// TLS with this certificate; without one, handshakes fail until [`Self::replace`].
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(identity: Option<TlsIdentity>) -> Result<Arc<Self>, rustls::Error> {
        let (current, challenges) =
            (Arc::new(CurrentCertificate(RwLock::new(identity))), Arc::<Challenges>::default());
        let mut config =
            server_config(Arc::clone(&current) as Arc<dyn ResolvesServerCert>, &PROTOCOLS)?;
        // Tickets hold what a session needs, so that idle clients take no memory here.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        let challenge_config = server_config(
            Arc::clone(&challenges) as Arc<dyn ResolvesServerCert>,
            &[CHALLENGE_PROTOCOL],
        )?;
        Ok(Arc::new(Self {
            current,
            challenges,
            config: Arc::new(config),
            challenge_config: Arc::new(challenge_config),
        }))
    }

    /// From now on new handshakes show this certificate.
    pub fn replace(&self, identity: TlsIdentity) {
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }

    /// Is this one of the names of the certificate that handshakes show now?
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = current.as_ref().and_then(|identity| identity.0.end_entity_cert().ok());
        let parsed =
            certificate.and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
        parsed.is_some_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }

    /// From now on who asks for `acme-tls/1` (RFC 8737) and this name is shown this certificate, and nothing else.
    pub fn set_challenge(&self, name: &str, identity: TlsIdentity) {
        self.challenges.all().insert(name.to_ascii_lowercase(), identity);
    }

    /// Nobody is shown a challenge's certificate any more.
    pub fn clear_challenges(&self) {
        self.challenges.all().clear();
    }

    /// What a handshake that begins so is to be continued with.
    pub(crate) fn config_for(&self, hello: &ClientHello<'_>) -> (Purpose, Arc<ServerConfig>) {
        if asks_for_challenge(hello) {
            (Purpose::Challenge, Arc::clone(&self.challenge_config))
        } else {
            (Purpose::Http, Arc::clone(&self.config))
        }
    }
}

/// What a handshake is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Http,
    /// To show who controls a name; not a byte is exchanged after it (RFC 8737 section 3).
    Challenge,
}

fn asks_for_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| {
        offered.next() == Some(CHALLENGE_PROTOCOL) && offered.next().is_none()
    })
}

fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    // Early data can be replayed by whoever saw it (RFC 8446 section 8).
    config.max_early_data_size = 0;
    Ok(config)
}

/// The certificate of now, whatever name a client asks for: clients check the name, and some send none.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Option<TlsIdentity>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|identity| Arc::clone(&identity.0))
    }
}

/// Certificates that answer challenges, by name.
#[derive(Debug, Default)]
struct Challenges(Mutex<HashMap<String, TlsIdentity>>);

impl Challenges {
    fn all(&self) -> MutexGuard<'_, HashMap<String, TlsIdentity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.all()
            .get(&hello.server_name()?.to_ascii_lowercase())
            .map(|identity| Arc::clone(&identity.0))
    }
}
