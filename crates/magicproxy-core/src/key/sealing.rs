//! Sealing keys: a credential is sealed into a token with the public half, and opened with the
//! private half.
//!
//! HPKE (RFC 9180) as in `token-v2.md` section 3. X25519 is the implementation of aws-lc-rs,
//! through rustls. X-Wing is for credentials that must outlive today's cryptography, and costs five
//! times as much.

use std::fmt;

use aws_lc_rs::agreement;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::jwk::{Jwk, thumbprint};
use super::{KeyError, KeyId};
use crate::json::form::ValueFault;
use crate::time::UnixTime;

/// The HPKE `info`, which binds sealed text to this use: `token-v2.md` section 3.
const INFO: &[u8] = b"magic-api-proxy/v2";

type XWingPrivateKey = <XWing as hpke::Kem>::PrivateKey;
type XWingPublicKey = <XWing as hpke::Kem>::PublicKey;
type XWingEncapsulated = <XWing as hpke::Kem>::EncappedKey;

/// A key encapsulation mechanism.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Kem {
    /// DHKEM(X25519, HKDF-SHA256).
    #[default]
    #[serde(rename = "x25519")]
    X25519,
    /// ML-KEM-768 combined with X25519: secure as long as either is.
    #[serde(rename = "x-wing")]
    XWing,
}

impl Kem {
    /// All KEMs, the default first.
    pub const ALL: [Self; 2] = [Self::X25519, Self::XWing];

    /// Returns the KEM's name in a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::XWing => "x-wing",
        }
    }

    /// Returns the KEM of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kem| kem.as_str() == name)
    }

    /// Returns the length of `enc`, in bytes.
    fn encapsulated_bytes(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::XWing => 1_120,
        }
    }
}

/// Not derived, because derived code would also accept `{"x25519":null}`.
impl<'de> Deserialize<'de> for Kem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| D::Error::custom(ValueFault::Kem))
    }
}

impl fmt::Display for Kem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The public half of a sealing key.
#[derive(Clone)]
pub struct SealingPublicKey {
    id: KeyId,
    half: PublicHalf,
}

#[derive(Clone)]
enum PublicHalf {
    X25519([u8; 32]),
    XWing(Box<XWingPublicKey>),
}

impl SealingPublicKey {
    fn new(half: PublicHalf) -> Self {
        Self { id: thumbprint(&half.jwk()), half }
    }

    /// Reads the public half of a JWK; private members are ignored.
    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let half = match (jwk.kty.as_str(), jwk.crv.as_deref(), jwk.alg.as_deref()) {
            ("OKP", Some("X25519"), _) => PublicHalf::X25519(jwk.bytes_of(jwk.x.as_deref())?),
            ("AKP", _, Some("X-Wing")) => {
                PublicHalf::XWing(Box::new(xwing_public(jwk.public.as_deref())?))
            }
            _ => return Err(KeyError::JwkKind),
        };
        Ok(Self::new(half))
    }

    /// Returns the key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the KEM of the key.
    #[must_use]
    pub fn kem(&self) -> Kem {
        match self.half {
            PublicHalf::X25519(_) => Kem::X25519,
            PublicHalf::XWing(_) => Kem::XWing,
        }
    }

    /// Returns the JWK, with `kid` and `use`.
    #[must_use]
    pub fn to_jwk(&self) -> serde_json::Value {
        let jwk = Jwk {
            kid: Some(self.id.to_string()),
            usage: Some("enc".to_owned()),
            ..self.half.jwk()
        };
        serde_json::to_value(jwk).unwrap_or_default()
    }

    /// Seals with HPKE's `SealBase`. Returns `enc` followed by the ciphertext.
    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.seal_for(INFO, aad, plaintext)
    }

    /// Seals as [`Self::seal`] with another `info`, for known-answer tests.
    pub(crate) fn seal_for(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        match &self.half {
            PublicHalf::X25519(bytes) => {
                let key = HpkePublicKey(bytes.to_vec());
                let sealed = DH_KEM_X25519_HKDF_SHA256_AES_256.seal(info, aad, plaintext, &key);
                let (enc, ciphertext) = sealed.map_err(|_| KeyError::Operation)?;
                Ok([enc.0, ciphertext].concat())
            }
            PublicHalf::XWing(key) => {
                let sealed = hpke::single_shot_seal::<AesGcm256, HkdfSha256, XWing>(
                    &OpModeS::Base,
                    key,
                    info,
                    plaintext,
                    aad,
                );
                let (enc, ciphertext) = sealed.map_err(|_| KeyError::Operation)?;
                Ok([enc.to_bytes().as_slice(), &ciphertext].concat())
            }
        }
    }
}

impl PublicHalf {
    fn jwk(&self) -> Jwk {
        match self {
            Self::X25519(bytes) => Jwk::octet_key_pair("X25519", bytes),
            Self::XWing(key) => Jwk::algorithm_key_pair("X-Wing", key.to_bytes().as_slice()),
        }
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SealingPublicKey")
            .field("id", &self.id)
            .field("kem", &self.kem())
            .finish()
    }
}

/// A sealing key with its private half.
pub struct SealingKey {
    public: SealingPublicKey,
    half: PrivateHalf,
    lifetime: KeyLifetime,
}

enum PrivateHalf {
    X25519(HpkePrivateKey),
    XWing(Box<XWingPrivateKey>),
}

/// The lifetime of a sealing key, or of a key that signs the key set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLifetime {
    /// The time at which the key was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<UnixTime>,
    /// The time since when no new token is to be sealed to the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<UnixTime>,
    /// The time from which the key opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixTime>,
}

impl SealingKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when the system has no randomness.
    pub fn generate(kem: Kem, now: UnixTime) -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(secret.as_mut()).map_err(|_| KeyError::Operation)?;
        Self::from_secret(
            kem,
            &secret,
            KeyLifetime { created: Some(now), ..KeyLifetime::default() },
        )
    }

    pub(crate) fn from_secret(
        kem: Kem,
        secret: &[u8; 32],
        lifetime: KeyLifetime,
    ) -> Result<Self, KeyError> {
        let (public, half) = match kem {
            Kem::X25519 => {
                let key = agreement::PrivateKey::from_private_key(&agreement::X25519, secret)
                    .map_err(|_| KeyError::Operation)?;
                let public = key.compute_public_key().map_err(|_| KeyError::Operation)?;
                let bytes = public.as_ref().try_into().map_err(|_| KeyError::Operation)?;
                (
                    PublicHalf::X25519(bytes),
                    PrivateHalf::X25519(HpkePrivateKey::from(secret.to_vec())),
                )
            }
            Kem::XWing => {
                let key = XWingPrivateKey::from_bytes(secret).map_err(|_| KeyError::Operation)?;
                (
                    PublicHalf::XWing(Box::new(XWing::sk_to_pk(&key))),
                    PrivateHalf::XWing(Box::new(key)),
                )
            }
        };
        Ok(Self { public: SealingPublicKey::new(public), half, lifetime })
    }

    /// Reads a private JWK (`d`, or `priv` for X-Wing), with `created`, `retired` and `not_after`
    /// beside it.
    ///
    /// # Errors
    /// [`KeyError`]; no error repeats the text.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(text)?;
        let lifetime: KeyLifetime = serde_json::from_str(text).map_err(|_| KeyError::Jwk)?;
        let public = SealingPublicKey::from_jwk(&jwk)?;
        let secret = match public.kem() {
            Kem::X25519 => jwk.d.as_deref(),
            Kem::XWing => jwk.private.as_deref(),
        };
        let secret = Zeroizing::new(jwk.bytes_of::<32>(secret.map(String::as_str))?);
        let key = Self::from_secret(public.kem(), &secret, lifetime)?;
        if key.public.id != public.id || jwk.kid.as_ref().is_some_and(|kid| *kid != public.id.0) {
            return Err(KeyError::JwkHalves);
        }
        Ok(key)
    }

    /// Returns the private JWK, for writing a key file.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut jwk = Jwk { kid: Some(self.public.id.to_string()), ..self.public.half.jwk() };
        match &self.half {
            PrivateHalf::X25519(key) => jwk.set_d(key.secret_bytes()),
            PrivateHalf::XWing(key) => jwk.set_private(Zeroizing::new(key.to_bytes()).as_slice()),
        }
        jwk.to_private_json(&self.lifetime)
    }

    /// Returns the public half.
    #[must_use]
    pub fn public(&self) -> &SealingPublicKey {
        &self.public
    }

    /// Returns the key's lifetime.
    #[must_use]
    pub fn lifetime(&self) -> KeyLifetime {
        self.lifetime
    }

    /// Returns the same key with another lifetime.
    #[must_use]
    pub fn with_lifetime(self, lifetime: KeyLifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// True if the key may still open tokens.
    #[must_use]
    pub fn is_usable(&self, now: UnixTime) -> bool {
        self.lifetime.not_after.is_none_or(|end| now < end)
    }

    /// True if new tokens may be sealed to the key.
    #[must_use]
    pub fn is_active(&self, now: UnixTime) -> bool {
        self.lifetime.retired.is_none() && self.is_usable(now)
    }

    /// Opens with HPKE's `OpenBase`. All failures are one.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open_for(INFO, aad, sealed)
    }

    /// Opens as [`Self::open`] with another `info`, for known-answer tests.
    pub(crate) fn open_for(
        &self,
        info: &[u8],
        aad: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (enc, ciphertext) = sealed.split_at_checked(self.public.kem().encapsulated_bytes())?;
        let plaintext = match &self.half {
            PrivateHalf::X25519(key) => {
                let enc = EncapsulatedSecret(enc.to_vec());
                DH_KEM_X25519_HKDF_SHA256_AES_256.open(&enc, info, aad, ciphertext, key).ok()?
            }
            PrivateHalf::XWing(key) => {
                let enc = XWingEncapsulated::from_bytes(enc).ok()?;
                hpke::single_shot_open::<AesGcm256, HkdfSha256, XWing>(
                    &OpModeR::Base,
                    key,
                    &enc,
                    info,
                    ciphertext,
                    aad,
                )
                .ok()?
            }
        };
        Some(Zeroizing::new(plaintext))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SealingKey")
            .field("public", &self.public)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

fn xwing_public(text: Option<&str>) -> Result<XWingPublicKey, KeyError> {
    let bytes = text.and_then(crate::encoding::from_base64url).ok_or(KeyError::Jwk)?;
    XWingPublicKey::from_bytes(&bytes).map_err(|_| KeyError::Jwk)
}

#[cfg(test)]
mod tests {
    use hpke::kem::X25519HkdfSha256;

    use super::*;

    const NOW: UnixTime = UnixTime(1_790_000_000);

    #[test]
    fn what_is_sealed_opens_with_its_key_and_its_aad_only() {
        for kem in Kem::ALL {
            let (key, other) =
                (SealingKey::generate(kem, NOW).unwrap(), SealingKey::generate(kem, NOW).unwrap());
            let sealed = key.public().seal(b"aad", b"plaintext").unwrap();
            assert_eq!(sealed.len(), kem.encapsulated_bytes() + 9 + 16);
            assert_eq!(key.open(b"aad", &sealed).unwrap().as_slice(), b"plaintext");
            assert!(key.open(b"AAD", &sealed).is_none() && other.open(b"aad", &sealed).is_none());
            for length in [0, 1, kem.encapsulated_bytes(), sealed.len() - 1] {
                assert!(key.open(b"aad", &sealed[..length]).is_none(), "{length}");
            }
        }
    }

    #[test]
    fn a_kind_is_a_text() {
        for kem in Kem::ALL {
            let json = serde_json::to_string(&kem).unwrap();
            assert_eq!(serde_json::from_str::<Kem>(&json).unwrap(), kem);
            assert!(serde_json::from_str::<Kem>(&format!("{{{json}:null}}")).is_err());
        }
        for json in ["null", "\"X25519\"", "\"\"", "[\"x25519\"]", "0"] {
            assert!(serde_json::from_str::<Kem>(json).is_err(), "{json}");
        }
    }

    /// The two libraries implement the same HPKE.
    #[test]
    fn the_other_library_opens_an_x25519_seal_and_makes_one() {
        type Other = X25519HkdfSha256;
        let key = SealingKey::generate(Kem::X25519, NOW).unwrap();
        let PrivateHalf::X25519(secret) = &key.half else { panic!("another kind") };
        let private = <Other as hpke::Kem>::PrivateKey::from_bytes(secret.secret_bytes()).unwrap();
        let sealed = key.public().seal(b"aad", b"plaintext").unwrap();
        let (enc, ciphertext) = sealed.split_at(32);
        let enc = <Other as hpke::Kem>::EncappedKey::from_bytes(enc).unwrap();
        let opened = hpke::single_shot_open::<AesGcm256, HkdfSha256, Other>(
            &OpModeR::Base,
            &private,
            &enc,
            INFO,
            ciphertext,
            b"aad",
        );
        assert_eq!(opened.unwrap(), b"plaintext");
        let (enc, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Other>(
            &OpModeS::Base,
            &<Other as hpke::Kem>::sk_to_pk(&private),
            INFO,
            b"plaintext",
            b"aad",
        )
        .unwrap();
        let sealed = [enc.to_bytes().as_slice(), &ciphertext].concat();
        assert_eq!(key.open(b"aad", &sealed).unwrap().as_slice(), b"plaintext");
    }

    #[test]
    fn a_key_survives_its_jwk_and_shows_nothing() {
        for kem in Kem::ALL {
            let lifetime = KeyLifetime {
                created: Some(NOW),
                retired: Some(UnixTime(NOW.0 + 1)),
                not_after: Some(UnixTime(NOW.0 + 2)),
            };
            let key = SealingKey::generate(kem, NOW).unwrap().with_lifetime(lifetime);
            let json = key.to_json();
            let again = SealingKey::from_json(&json).unwrap();
            assert_eq!((again.public().id(), again.lifetime()), (key.public().id(), lifetime));
            let secret: serde_json::Value = serde_json::from_str(&json).unwrap();
            let secret = secret.get("d").or(secret.get("priv")).unwrap().as_str().unwrap();
            assert!(!format!("{key:?}{}", key.public().to_jwk()).contains(secret));
            let public = super::super::PublicKeySet::from_json(
                &serde_json::json!({ "keys": [key.public().to_jwk()] }).to_string(),
            );
            assert_eq!(public.unwrap().keys()[0].id(), key.public().id());
        }
    }

    #[test]
    fn halves_that_do_not_belong_together_are_no_key() {
        let (one, other) = (
            SealingKey::generate(Kem::X25519, NOW).unwrap(),
            SealingKey::generate(Kem::X25519, NOW).unwrap(),
        );
        let parse =
            |key: &SealingKey| serde_json::from_str::<serde_json::Value>(&key.to_json()).unwrap();
        let mut mixed = parse(&one);
        mixed["d"] = parse(&other)["d"].clone();
        assert_eq!(SealingKey::from_json(&mixed.to_string()).unwrap_err(), KeyError::JwkHalves);
        let mut renamed = parse(&one);
        renamed["kid"] = parse(&other)["kid"].clone();
        assert_eq!(SealingKey::from_json(&renamed.to_string()).unwrap_err(), KeyError::JwkHalves);
        for text in [
            "",
            "{}",
            "[]",
            r#"{"kty":"OKP"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#,
            &one.public().to_jwk().to_string(),
        ] {
            assert!(SealingKey::from_json(text).is_err(), "{text}");
        }
    }
}
