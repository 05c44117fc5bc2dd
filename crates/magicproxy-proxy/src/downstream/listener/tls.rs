//! TLS towards clients: versions 1.2 and 1.3 on aws-lc-rs, no client certificates, no early data.
//!
//! The certificate can be replaced while connections are open; later handshakes use the new
//! certificate.

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
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::metrics::{Gauges, Samples, families};

/// The ALPN protocols that a client may offer (RFC 7301), by preference. `curl --http1.0` offers
/// the last.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// The ALPN protocol that requests the response to an ACME challenge (RFC 8737 section 3).
const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// A certificate chain and the private key of its first certificate: the identity that the proxy
/// shows to clients.
#[derive(Clone)]
pub struct TlsIdentity(Arc<CertifiedKey>);

/// Shows the number of certificates and no key.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsIdentity")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}

/// A reason for which a certificate and a key are no identity.
///
/// Exhaustive on purpose: other crates handle each kind separately, and do not compile before a new
/// kind is handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsIdentityError {
    /// The chain is empty.
    #[error("there is no certificate")]
    NoCertificate,
    /// The first certificate cannot be read.
    #[error("the first certificate cannot be read")]
    Certificate,
    /// The private key cannot be read, or is of a kind without use in TLS.
    #[error("the private key cannot be used: expected RSA of at least 2048 bits, ECDSA or Ed25519")]
    Key,
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the first certificate")]
    Mismatch,
}

impl TlsIdentity {
    /// Makes an identity after a check that the key belongs to the first certificate. Clients judge
    /// names and validity.
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
            // Doubt about the match is a refusal.
            Err(Error::InconsistentKeys(_)) => Err(TlsIdentityError::Key),
            Err(_) => Err(TlsIdentityError::Certificate),
        }
    }

    /// The first certificate, in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        self.0.cert.first().map_or(&[], |certificate| certificate)
    }

    /// Makes an identity from a challenge's self-signed certificate and its key, which were made
    /// together a moment ago.
    ///
    /// The match of key and certificate is not checked, because the check rejects the critical
    /// extension of a challenge's certificate (RFC 8737 section 3).
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

/// TLS for any number of listeners, with one replaceable certificate.
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
    /// Sets up TLS with this certificate. Without a certificate, handshakes fail until
    /// [`Self::replace`].
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(identity: Option<TlsIdentity>) -> Result<Arc<Self>, rustls::Error> {
        let (current, challenges) =
            (Arc::new(CurrentCertificate(RwLock::new(identity))), Arc::<Challenges>::default());
        let mut config =
            server_config(Arc::clone(&current) as Arc<dyn ResolvesServerCert>, &PROTOCOLS)?;
        // Tickets hold the state of sessions, so that idle clients take no memory of the proxy.
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

    /// Uses this certificate for new handshakes from now on.
    pub fn replace(&self, identity: TlsIdentity) {
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }

    /// Returns the current certificate, in DER; `None` before there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<Vec<u8>> {
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|identity| identity.certificate().to_vec())
    }

    /// True if the current certificate is valid for this name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = current.as_ref().and_then(|identity| identity.0.end_entity_cert().ok());
        let parsed =
            certificate.and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
        parsed.is_some_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }

    /// Shows this challenge certificate, and nothing else, to clients that offer `acme-tls/1` (RFC
    /// 8737) and the given name, from now on.
    pub fn set_challenge(&self, name: &str, identity: TlsIdentity) {
        self.challenges.all().insert(name.to_ascii_lowercase(), identity);
    }

    /// Removes all challenge certificates.
    pub fn clear_challenges(&self) {
        self.challenges.all().clear();
    }

    /// Returns the purpose of a handshake with this beginning, and the TLS settings to continue
    /// with.
    pub(crate) fn config_for(&self, hello: &ClientHello<'_>) -> (Purpose, Arc<ServerConfig>) {
        if asks_for_challenge(hello) {
            (Purpose::Challenge, Arc::clone(&self.challenge_config))
        } else {
            (Purpose::Http, Arc::clone(&self.config))
        }
    }
}

impl Gauges for TlsServer {
    fn sample(&self, samples: &mut Samples) {
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(identity) = current else { return };
        let Ok(certificate) = Certificate::from_der(identity.certificate()) else { return };
        let validity = certificate.tbs_certificate().validity();
        for (family, moment) in [
            (&families::CERTIFICATE_START, validity.not_before),
            (&families::CERTIFICATE_EXPIRY, validity.not_after),
        ] {
            samples.add(family, &[], moment.to_unix_duration().as_secs() as f64);
        }
    }
}

/// The purpose of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Http,
    /// An ACME challenge, which shows who controls a name. No byte follows the handshake (RFC 8737
    /// section 3).
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
    // An observer can replay early data (RFC 8446 section 8).
    config.max_early_data_size = 0;
    Ok(config)
}

/// The current certificate, for every name in a `ClientHello`: clients check the name, and some
/// send none.
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

/// The certificates for ACME challenges, by name.
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
