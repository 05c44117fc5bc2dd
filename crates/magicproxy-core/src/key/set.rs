//! The signed key set that a proxy publishes. A minter that pinned the signing key can follow a
//! rotation, and refuses an older set played again.
//!
//! `token-v2.md` section 7. Sealing keys cannot sign, so a separate key signs the set, and nothing
//! else. Minters read the document and give their credentials to the holders of its keys, so in
//! doubt a set is refused.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::jwk::Jwk;
use super::{
    AcceptedTokens, KeyError, KeyId, KeyLifetime, KeyRing, MinterAlgorithm, MinterKey,
    MinterSigningKey, SealingKey, SealingPublicKey,
};
use crate::encoding::{base64url, from_base64url};
use crate::json::{self, present_object};
use crate::time::{MAX_UNIX_TIME, UnixTime};

/// The time for which a minter may use a signed set when no newer set can be fetched, in seconds:
/// 30 days.
pub const KEY_SET_LIFETIME_SECONDS: u64 = 30 * 24 * 60 * 60;
/// The largest tolerated difference between the clocks of the minter, of the proxy and of its
/// replicas, in seconds.
const KEY_SET_LEEWAY_SECONDS: u64 = 300;
/// The largest number of signatures in a set: by the active key, and by retired keys that some
/// minters still have pinned.
const MAX_SIGNATURES: usize = 4;
const TYPE: &str = "magicproxy-keys+jws";

/// A key that signs the key set, with its private half.
pub struct KeySetKey {
    pair: MinterSigningKey,
    lifetime: KeyLifetime,
}

impl KeySetKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when the system has no randomness.
    pub fn generate(now: UnixTime) -> Result<Self, KeyError> {
        let lifetime = KeyLifetime { created: Some(now), ..KeyLifetime::default() };
        Ok(Self { pair: MinterSigningKey::generate()?, lifetime })
    }

    /// Reads a private JWK of the curve `Ed25519`, with `created`, `retired` and `not_after` beside
    /// it.
    ///
    /// # Errors
    /// [`KeyError`]; no error repeats the text.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let lifetime = serde_json::from_str(text).map_err(|_| KeyError::Jwk)?;
        Ok(Self { pair: MinterSigningKey::from_json(text)?, lifetime })
    }

    /// Returns the private JWK, for writing a key file.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        self.pair.to_json_with(&self.lifetime)
    }

    /// Returns the key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        self.pair.id()
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

    fn is_usable(&self, now: UnixTime) -> bool {
        self.lifetime.not_after.is_none_or(|end| now < end)
    }

    /// Signs the payload as a compact JWS (RFC 7515 section 3.1).
    fn sign(&self, payload: &str) -> String {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"{TYPE}"}}"#, self.id());
        let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
        let signature = base64url(&self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

impl fmt::Debug for KeySetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeySetKey")
            .field("id", self.id())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Returns the version of the set: the latest time at which a sealing key, or a key of the set,
    /// was made or retired.
    #[must_use]
    pub fn key_set_version(&self) -> UnixTime {
        let sealing = self.sealing.iter().map(SealingKey::lifetime);
        let moments = sealing.chain(self.key_set.iter().map(KeySetKey::lifetime));
        moments
            .flat_map(|lifetime| [lifetime.created, lifetime.retired])
            .flatten()
            .max()
            .unwrap_or(UnixTime(0))
    }

    /// Returns a JWK Set of the published sealing keys of accepted kinds, without the denied keys.
    /// The set is signed if the ring has a usable set key that is not retired; retired keys then
    /// sign, too, while they are usable.
    #[must_use]
    pub fn key_set_document(
        &self,
        now: UnixTime,
        accepts: &AcceptedTokens,
        denied: &[String],
    ) -> serde_json::Value {
        let mut keys = Vec::new();
        for key in self.published(now) {
            let is_denied = denied.iter().any(|id| id == key.id().as_str());
            if accepts.kems.contains(&key.kem()) && !is_denied {
                keys.push(key.to_jwk());
            }
        }
        let signing: Vec<&KeySetKey> =
            self.key_set.iter().filter(|key| key.is_usable(now)).collect();
        let Some(active) = signing.iter().find(|key| key.lifetime.retired.is_none()) else {
            return serde_json::json!({ "keys": keys });
        };
        let payload = serde_json::json!({
            "keys": keys,
            "signer": active.pair.to_public_jwk(),
            "version": self.key_set_version(),
            "iat": now,
            "exp": now.0.saturating_add(KEY_SET_LIFETIME_SECONDS),
            "accepts": accepts,
        });
        let payload = payload.to_string();
        let signed: Vec<String> =
            signing.iter().take(MAX_SIGNATURES).map(|key| key.sign(&payload)).collect();
        serde_json::json!({ "keys": keys, "signed": signed })
    }
}

/// The public half of a key that signs the key set; minters pin this half.
#[derive(Debug)]
pub struct KeySetSigner(MinterKey);

impl KeySetSigner {
    /// Accepts Ed25519 keys only, since the header of a set's JWS says `EdDSA`: a further algorithm
    /// of minters must be decided on here.
    fn of(key: MinterKey) -> Option<Self> {
        match key.algorithm() {
            MinterAlgorithm::Ed25519 => Some(Self(key)),
        }
    }

    /// Reads a public JWK of the curve `Ed25519`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        Self::of(MinterKey::from_json(text)?).ok_or(KeyError::JwkKind)
    }

    /// Returns the key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        self.0.id()
    }

    /// Returns the first JWS that names this key, after verifying every JWS that names the key.
    fn signature_in<'s>(&self, signed: &'s [CompactJws]) -> Result<&'s CompactJws, KeySetError> {
        let own = || signed.iter().filter(|jws| jws.header.kid == self.id().as_str());
        let first = own().next().ok_or(KeySetError::Untrusted)?;
        let all_verify = own().all(|jws| self.0.verify(jws.message.as_bytes(), &jws.signature));
        if all_verify { Ok(first) } else { Err(KeySetError::Signature) }
    }
}

/// The part of a key set that a minter keeps, and checks the next set against.
#[derive(Clone, Copy, Debug)]
pub struct KeySetPin<'a> {
    /// The key that must sign the next sets.
    pub signer: &'a KeySetSigner,
    /// The time of the last change to the proxy's keys.
    pub version: UnixTime,
    /// The time of signing, if kept.
    pub issued_at: Option<UnixTime>,
}

/// A key set whose signature was verified.
///
/// INVARIANT: made only by [`SignedKeySet::first`] and [`SignedKeySet::following`].
///
/// ```compile_fail,E0451
/// fn prolong(set: magicproxy_core::SignedKeySet) -> magicproxy_core::SignedKeySet {
///     magicproxy_core::SignedKeySet { expires_at: magicproxy_core::UnixTime(u64::MAX), ..set }
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn read(json: &str) -> magicproxy_core::SignedKeySet {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
#[derive(Debug)]
pub struct SignedKeySet {
    keys: Vec<SealingPublicKey>,
    signer: KeySetSigner,
    version: UnixTime,
    issued_at: UnixTime,
    expires_at: UnixTime,
    accepts: Option<AcceptedTokens>,
}

/// The reason for which a key set is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a document of the form of `token-v2.md` section 7.
    #[error("this is not a key set that is understood here")]
    Malformed,
    /// A set without signatures.
    #[error("the key set is not signed")]
    Unsigned,
    /// No signature by the required key.
    #[error("the key set is not signed by the key that is pinned")]
    Untrusted,
    /// A signature that does not verify.
    #[error("the signature of the key set is not valid")]
    Signature,
    /// A set older than the pinned set.
    #[error("the key set is older than the one that is pinned")]
    RolledBack,
    /// A set at or after its `exp`.
    #[error("the key set has expired")]
    Expired,
    /// A set signed in the future.
    #[error("the key set is from the future: is the clock of this machine right?")]
    NotYetValid,
}

impl SignedKeySet {
    /// Reads a document that is signed by the key named inside. On first contact nothing more can
    /// be checked.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn first(document: &str) -> Result<Self, KeySetError> {
        let signed = CompactJws::all(document)?;
        let signer = signed.first().ok_or(KeySetError::Unsigned)?.read()?.signer;
        Self::verified(&signed, &signer)
    }

    /// Reads a document that is signed by the pinned key and not older than the pinned set.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn following(document: &str, pin: &KeySetPin<'_>) -> Result<Self, KeySetError> {
        let set = Self::verified(&CompactJws::all(document)?, pin.signer)?;
        // The accepted tokens and the denied keys change without a new version, so the time of
        // signing counts, too.
        let latest = set.issued_at.0.saturating_add(KEY_SET_LEEWAY_SECONDS);
        let is_before =
            pin.issued_at.is_some_and(|then| set.version == pin.version && latest < then.0);
        if set.version < pin.version || is_before { Err(KeySetError::RolledBack) } else { Ok(set) }
    }

    /// True if the set should replace the pinned set. A set of the same version that was signed
    /// earlier is accepted, but never pinned: if a pin could go back by the leeway, a sequence of
    /// sets could take the pin back by any time.
    #[must_use]
    pub fn replaces(&self, pin: &KeySetPin<'_>) -> bool {
        self.version != pin.version || pin.issued_at.is_none_or(|then| self.issued_at >= then)
    }

    /// Returns the part of the set that a minter keeps.
    #[must_use]
    pub fn pin(&self) -> KeySetPin<'_> {
        KeySetPin { signer: &self.signer, version: self.version, issued_at: Some(self.issued_at) }
    }

    /// Verifies the signatures of `signer` and of the key that the payload names for the next sets.
    /// With both, a kept document is read in the same way later.
    fn verified(signed: &[CompactJws], signer: &KeySetSigner) -> Result<Self, KeySetError> {
        let set = signer.signature_in(signed)?.read()?;
        set.signer.signature_in(signed)?;
        Ok(set)
    }

    /// Checks that the set may be used at `now`.
    ///
    /// # Errors
    /// [`KeySetError::Expired`], [`KeySetError::NotYetValid`].
    pub fn ensure_current(&self, now: UnixTime) -> Result<(), KeySetError> {
        if now >= self.expires_at {
            return Err(KeySetError::Expired);
        }
        let ahead = self.issued_at.0 > now.0.saturating_add(KEY_SET_LEEWAY_SECONDS);
        if ahead { Err(KeySetError::NotYetValid) } else { Ok(()) }
    }

    /// Returns the keys to which new tokens may be sealed, the preferred key of each kind first.
    #[must_use]
    pub fn keys(&self) -> &[SealingPublicKey] {
        &self.keys
    }

    /// Returns the key that must sign the next sets.
    #[must_use]
    pub fn signer(&self) -> &KeySetSigner {
        &self.signer
    }

    /// Returns the time of the last change to the proxy's keys.
    #[must_use]
    pub fn version(&self) -> UnixTime {
        self.version
    }

    /// Returns the tokens that the proxy accepts, if the set tells.
    #[must_use]
    pub fn accepts(&self) -> Option<&AcceptedTokens> {
        self.accepts.as_ref()
    }

    /// Returns the time from which the set must not be used.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

/// A compact JWS of a document, in parts, not yet verified.
struct CompactJws {
    message: String,
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// The signed payload. Unknown members are left to later versions, and ignored.
#[derive(Deserialize)]
struct Payload {
    /// Keys of any kind; keys other than sealing keys are ignored.
    keys: Vec<serde_json::Value>,
    #[serde(deserialize_with = "json::inner_object")]
    signer: Jwk,
    version: UnixTime,
    iat: UnixTime,
    exp: UnixTime,
    #[serde(default, deserialize_with = "present_object")]
    accepts: Option<AcceptedTokens>,
}

impl CompactJws {
    fn all(document: &str) -> Result<Vec<Self>, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default, deserialize_with = "json::present")]
            signed: Option<Vec<String>>,
        }
        let document: Document =
            json::extensible_object(document.as_bytes()).map_err(|_| KeySetError::Malformed)?;
        let texts = document.signed.ok_or(KeySetError::Unsigned)?;
        if !(1..=MAX_SIGNATURES).contains(&texts.len()) {
            return Err(KeySetError::Malformed);
        }
        let all: Vec<Self> = texts
            .iter()
            .map(|text| Self::parse(text))
            .collect::<Option<_>>()
            .ok_or(KeySetError::Malformed)?;
        // With two payloads, one might be followed now, and the other believed when the document is
        // read again.
        let one_payload =
            all.windows(2).all(|pair| matches!(pair, [one, next] if one.payload == next.payload));
        if one_payload { Ok(all) } else { Err(KeySetError::Malformed) }
    }

    fn parse(text: &str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: Header = json::object(&from_base64url(header)?).ok()?;
        let expected = header.alg == "EdDSA" && header.typ == TYPE;
        let signed = Self {
            message: message.to_owned(),
            header,
            payload: from_base64url(payload)?,
            signature: from_base64url(signature)?,
        };
        Some(signed).filter(|_| expected)
    }

    /// Reads the payload, without members and keys of unknown kinds.
    fn read(&self) -> Result<SignedKeySet, KeySetError> {
        let payload: Payload =
            json::extensible_object(&self.payload).map_err(|_| KeySetError::Malformed)?;
        let keys: Vec<_> = payload.keys.into_iter().filter_map(sealing_key).collect();
        let signer = MinterKey::from_jwk(&payload.signer)
            .ok()
            .and_then(KeySetSigner::of)
            .ok_or(KeySetError::Malformed)?;
        let Payload { version, iat, exp, accepts, .. } = payload;
        let is_time = [version, iat, exp].iter().all(|time| time.0 <= MAX_UNIX_TIME);
        // Without these bounds a set key that leaked once could sign for ever, or make each honest
        // set look older than its own.
        let lives = exp
            .0
            .checked_sub(iat.0)
            .filter(|seconds| (1..=KEY_SET_LIFETIME_SECONDS).contains(seconds));
        let is_past = version.0 <= iat.0.saturating_add(KEY_SET_LEEWAY_SECONDS);
        if keys.is_empty() || lives.is_none() || !is_past || !is_time {
            return Err(KeySetError::Malformed);
        }
        Ok(SignedKeySet { keys, signer, version, issued_at: iat, expires_at: exp, accepts })
    }
}

fn sealing_key(key: serde_json::Value) -> Option<SealingPublicKey> {
    // `serde` alone would accept a list of the members' values as an object.
    if !key.is_object() {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let key = SealingPublicKey::from_jwk(&jwk).ok()?;
    let names_itself = jwk.kid.as_deref().is_none_or(|kid| kid == key.id().as_str());
    let is_public = jwk.d.is_none() && jwk.private.is_none();
    let seals = jwk.usage.as_deref().is_none_or(|usage| usage == "enc");
    if names_itself && is_public && seals { Some(key) } else { None }
}
