//! Keys. RSA keys sign and verify tokens of version 1, and seal and open their credentials. Sealing
//! keys open tokens of version 2.
//!
//! Private keys are never printed; the public name of a key is its [`KeyId`] (RFC 7638).
//! Specification: `token-v1.md` sections 3, 5 and 7, `token-v2.md` section 7.

mod accepts;
mod jwk;
mod minter;
mod owners;
mod sealing;
mod set;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode as _, Encode as _};
use zeroize::Zeroizing;

use crate::encoding::base64url;
use crate::time::UnixTime;

pub use accepts::{AcceptError, AcceptedTokens, SealedTokenPlan};
pub use jwk::PublicKeySet;
pub use minter::{MinterAlgorithm, MinterKey, MinterSigningKey};
pub use owners::{CredentialBinding, OwnerSecret};
pub use sealing::{Kem, KeyLifetime, SealingKey, SealingPublicKey};
pub use set::{
    KEY_SET_LIFETIME_SECONDS, KeySetError, KeySetKey, KeySetPin, KeySetSigner, SignedKeySet,
};

/// The largest number of keys in a ring. The number is small because a token without `kid` is tried
/// with each key.
pub const MAX_KEYS: usize = 16;

/// Characters of a thumbprint: 32 bytes in base64url.
const THUMBPRINT_CHARACTERS: usize = 43;

/// The RFC 7638 thumbprint of a public key (SHA-256, base64url), the `kid` of tokens and key sets.
/// An id proves nothing about who holds the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Reads a thumbprint: 43 characters of `A-Z a-z 0-9 - _`. A key with this thumbprint need not
    /// exist.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (text.len() == THUMBPRINT_CHARACTERS && text.bytes().all(legal))
            .then(|| Self(text.to_owned()))
    }

    /// Returns the thumbprint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Computes the thumbprint of the key in an X.509 certificate, if tokens or key sets can be
    /// signed with a key of its kind: RSA or Ed25519. So the same key is recognised in two files,
    /// whatever each file wraps the key in.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let key = certificate.tbs_certificate().subject_public_key_info();
        let bits = key.subject_public_key.as_bytes()?;
        match key.algorithm.oid.to_string().as_str() {
            ED25519 => Some(jwk::thumbprint(&jwk::Jwk::octet_key_pair("Ed25519", bits))),
            // Read as RFC 8017 encodes the key, under any object identifier of the algorithm.
            _ => aws_lc_rs::rsa::PublicKey::from_der(bits).ok().map(|key| thumbprint(&key)),
        }
    }
}

/// The object identifier of Ed25519: RFC 8410 section 3.
const ED25519: &str = "1.3.101.112";

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The public half of an RSA key: verifies signatures and seals credentials.
pub struct PublicKey {
    id: KeyId,
    verifying: ParsedPublicKey,
    sealing: OaepPublicEncryptingKey,
    spki: Vec<u8>,
    bits: usize,
}

impl PublicKey {
    /// Reads a public key from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY`, or a `CERTIFICATE`, of which
    /// only the key is used.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pem = pem::parse(text).map_err(|_| KeyError::Pem)?;
        match pem.tag() {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::from_der(pem.contents()),
            "CERTIFICATE" => {
                Self::from_der(&key_in_certificate(pem.contents()).ok_or(KeyError::Certificate)?)
            }
            other => Err(KeyError::Tag(other.to_owned())),
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let key = aws_lc_rs::rsa::PublicKey::from_der(der).map_err(|_| KeyError::NotRsa)?;
        let bits = key.modulus_len() * 8;
        if !(2048..=8192).contains(&bits) {
            return Err(KeyError::Size(bits));
        }
        let spki: PublicKeyX509Der<'_> = key.as_der().map_err(|_| KeyError::NotRsa)?;
        let spki = spki.as_ref().to_vec();
        let sealing = PublicEncryptingKey::from_der(&spki).map_err(|_| KeyError::NotRsa)?;
        Ok(Self {
            id: thumbprint(&key),
            verifying: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &spki)
                .map_err(|_| KeyError::NotRsa)?,
            sealing: OaepPublicEncryptingKey::new(sealing).map_err(|_| KeyError::NotRsa)?,
            spki,
            bits,
        })
    }

    /// Returns the key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the size of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Returns the key as `PUBLIC KEY` in PEM (RFC 7468 section 13).
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem("PUBLIC KEY", &self.spki)
    }

    /// True if `signature` is a signature of `message` by this key: RSASSA-PKCS1-v1_5 with SHA-256.
    #[must_use]
    pub fn verify_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifying.verify_sig(message, signature).is_ok()
    }

    /// Returns the longest plaintext for RSA-OAEP with this key, in bytes.
    pub(crate) fn max_plaintext_bytes(&self) -> usize {
        self.sealing.max_plaintext_size(&OAEP_SHA256_MGF1SHA256)
    }

    /// Encrypts with RSAES-OAEP: SHA-256, MGF1-SHA-256, no label.
    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut output = vec![0; self.sealing.ciphertext_size()];
        let sealed = self.sealing.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut output, None);
        Ok(sealed.map_err(|_| KeyError::Operation)?.to_vec())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PublicKey")
            .field("id", &self.id)
            .field("bits", &self.bits)
            .finish_non_exhaustive()
    }
}

/// The private half of an RSA key: signs tokens and opens credentials.
pub struct PrivateKey {
    signing: KeyPair,
    opening: OaepPrivateDecryptingKey,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads a private key from PEM: `PRIVATE KEY` (PKCS#8) or `RSA PRIVATE KEY` (PKCS#1),
    /// unencrypted.
    ///
    /// # Errors
    /// [`KeyError`]; no error repeats the text.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pem = pem::parse(text).map_err(|_| KeyError::Pem)?;
        let tag = pem.tag().to_owned();
        let der = Zeroizing::new(pem.into_contents());
        let pair = match tag.as_str() {
            "PRIVATE KEY" => KeyPair::from_pkcs8(&der),
            "RSA PRIVATE KEY" => KeyPair::from_der(&der),
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            _ => return Err(KeyError::Tag(tag)),
        };
        Self::from_pair(pair.map_err(|_| KeyError::NotRsa)?)
    }

    /// Makes a new key of 2048, 3072 or 4096 bits.
    ///
    /// # Errors
    /// [`KeyError::Size`] for other sizes, [`KeyError::Operation`] when the system has no
    /// randomness.
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => return Err(KeyError::Size(bits)),
        };
        Self::from_pair(KeyPair::generate(size).map_err(|_| KeyError::Operation)?)
    }

    fn from_pair(signing: KeyPair) -> Result<Self, KeyError> {
        let public = PublicKey::from_der(signing.public_key().as_ref())?;
        let pkcs8: Pkcs8V1Der<'_> = signing.as_der().map_err(|_| KeyError::Operation)?;
        let opening =
            PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).map_err(|_| KeyError::NotRsa)?;
        let opening = OaepPrivateDecryptingKey::new(opening).map_err(|_| KeyError::NotRsa)?;
        Ok(Self { signing, opening, public })
    }

    /// Returns the public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the key as `PRIVATE KEY` in PEM (PKCS#8), for writing a key file.
    ///
    /// # Errors
    /// [`KeyError::Operation`] if the key cannot be encoded.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pkcs8: Pkcs8V1Der<'_> = self.signing.as_der().map_err(|_| KeyError::Operation)?;
        Ok(Zeroizing::new(to_pem("PRIVATE KEY", pkcs8.as_ref())))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| KeyError::Operation)?;
        Ok(signature)
    }

    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut output = Zeroizing::new(vec![0; self.opening.min_output_size()]);
        let opened = self.opening.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut output, None);
        let length = opened.map_err(|_| KeyError::Operation)?.len();
        output.truncate(length);
        Ok(output)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PrivateKey").field("id", self.public.id()).finish_non_exhaustive()
    }
}

/// The keys of a proxy. The active key mints, and all keys verify and open, so that a rotation does
/// not end live tokens.
#[derive(Debug)]
pub struct KeyRing {
    active: PrivateKey,
    others: Vec<PrivateKey>,
    sealing: Vec<SealingKey>,
    key_set: Vec<KeySetKey>,
    owner_secret: Option<OwnerSecret>,
}

impl KeyRing {
    /// Makes a ring of the active key and the others.
    ///
    /// # Errors
    /// [`KeyError::TooMany`] above [`MAX_KEYS`], [`KeyError::Twice`] for the same key twice.
    pub fn new(active: PrivateKey, others: Vec<PrivateKey>) -> Result<Self, KeyError> {
        if others.len() >= MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        let ring =
            Self { active, others, sealing: Vec::new(), key_set: Vec::new(), owner_secret: None };
        let mut seen = std::collections::HashSet::new();
        let twice =
            ring.keys().map(|key| key.public.id().clone()).find(|id| !seen.insert(id.clone()));
        twice.map_or(Ok(ring), |id| Err(KeyError::Twice(id)))
    }

    /// Returns the key that mints.
    #[must_use]
    pub fn active(&self) -> &PrivateKey {
        &self.active
    }

    /// Returns all RSA keys, the active key first.
    pub fn keys(&self) -> impl Iterator<Item = &PrivateKey> {
        std::iter::once(&self.active).chain(&self.others)
    }

    /// Returns the ring with these sealing keys for version 2, the preferred key of each kind
    /// first.
    ///
    /// # Errors
    /// [`KeyError::TooMany`] above [`MAX_KEYS`], [`KeyError::Twice`] for the same key twice.
    pub fn with_sealing(self, sealing: Vec<SealingKey>) -> Result<Self, KeyError> {
        if sealing.len() > MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = sealing.iter().find(|key| !seen.insert(key.public().id())) {
            return Err(KeyError::Twice(twice.public().id().clone()));
        }
        Ok(Self { sealing, ..self })
    }

    /// Returns the ring with these keys for signing its key set, the active key first.
    ///
    /// # Errors
    /// [`KeyError::TooMany`] above [`MAX_KEYS`], [`KeyError::Twice`] for the same key twice.
    pub fn with_key_set(self, key_set: Vec<KeySetKey>) -> Result<Self, KeyError> {
        if key_set.len() > MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = key_set.iter().find(|key| !seen.insert(key.id())) {
            return Err(KeyError::Twice(twice.id().clone()));
        }
        Ok(Self { key_set, ..self })
    }

    /// Returns the ring with this owner secret, which binds named owners to credentials.
    #[must_use]
    pub fn with_owner_secret(self, owner_secret: Option<OwnerSecret>) -> Self {
        Self { owner_secret, ..self }
    }

    /// Returns the owner secret, which binds named owners to credentials.
    #[must_use]
    pub fn owner_secret(&self) -> Option<&OwnerSecret> {
        self.owner_secret.as_ref()
    }

    /// Returns the keys that sign the key set.
    #[must_use]
    pub fn key_set(&self) -> &[KeySetKey] {
        &self.key_set
    }

    /// Returns the sealing keys.
    #[must_use]
    pub fn sealing(&self) -> &[SealingKey] {
        &self.sealing
    }

    /// Returns the public halves of the sealing keys to which new tokens may be sealed.
    pub fn published(&self, now: UnixTime) -> impl Iterator<Item = &SealingPublicKey> {
        self.sealing.iter().filter(move |key| key.is_active(now)).map(SealingKey::public)
    }

    pub(crate) fn sealing_by_id(&self, id: &str) -> Option<&SealingKey> {
        self.sealing.iter().find(|key| key.public().id().0 == id)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&PrivateKey> {
        self.keys().find(|key| key.public.id.0 == id)
    }
}

/// The reason for which a key cannot be read or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not PEM.
    #[error("this is not a PEM file (`-----BEGIN …-----`)")]
    Pem,
    /// PEM of another kind of object.
    #[error("the PEM file holds a `{0}`, not an RSA key")]
    Tag(String),
    /// A private key protected by a pass phrase.
    #[error(
        "the private key is encrypted with a pass phrase, which is not supported: protect the file instead"
    )]
    Encrypted,
    /// DER of another kind of object, or of an inconsistent key.
    #[error("the PEM file does not hold a valid RSA key")]
    NotRsa,
    /// A certificate that cannot be read.
    #[error("the certificate cannot be read")]
    Certificate,
    /// A key that is too short or too long, in bits.
    #[error("an RSA key of {0} bits: expected 2048 to 8192")]
    Size(usize),
    /// Not a JWK of the form that its kind needs.
    #[error("this is not a JSON Web Key that is understood here")]
    Jwk,
    /// A JWK of another kind.
    #[error("the JSON Web Key is of another kind than is needed here")]
    JwkKind,
    /// A private half, a public half and a `kid` that do not belong together.
    #[error("the halves of the JSON Web Key do not belong together")]
    JwkHalves,
    /// The same key twice in a ring.
    #[error("the key `{0}` is in the ring twice")]
    Twice(KeyId),
    /// More than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    /// A failure of the cryptographic operation.
    #[error("the cryptographic operation failed")]
    Operation,
}

/// Computes a thumbprint (RFC 7638 section 3): SHA-256 of the required members in lexicographic
/// order.
fn thumbprint(key: &aws_lc_rs::rsa::PublicKey) -> KeyId {
    let exponent = base64url(key.exponent().big_endian_without_leading_zero());
    let modulus = base64url(key.modulus().big_endian_without_leading_zero());
    let members = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
    KeyId(base64url(&sha256(members.as_bytes())))
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// Returns the SubjectPublicKeyInfo of a certificate of any version and serial number. Nothing else
/// in the certificate is trusted.
fn key_in_certificate(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
    certificate.tbs_certificate().subject_public_key_info().to_der().ok()
}

fn to_pem(tag: &str, der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new(tag, der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}
