//! The key set that a proxy publishes, signed: whoever pinned its signing key follows a rotation, and no older set comes back.
//!
//! `token-v2.md` section 7. Sealing keys cannot sign, so a key of its own does, which signs nothing else. The document is read by
//! minters, who give their credentials to whoever's keys are in it: doubt is refusal.

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

/// How long a signed set may be used by whoever cannot ask for a newer one, in seconds: 30 days.
pub const KEY_SET_LIFETIME_SECONDS: u64 = 30 * 24 * 60 * 60;
/// How far apart the clocks of the minter, of the proxy and of its replicas may be, in seconds.
const KEY_SET_LEEWAY_SECONDS: u64 = 300;
/// The most signatures that a set bears: of the active key, and of retired ones whose pins are still out.
const MAX_SIGNATURES: usize = 4;
const TYPE: &str = "magicproxy-keys+jws";

/// A key that signs the key set, with its private half.
pub struct KeySetKey {
    pair: MinterSigningKey,
    standing: KeyLifetime,
}

impl KeySetKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when the system has no randomness.
    pub fn generate(now: UnixTime) -> Result<Self, KeyError> {
        let standing = KeyLifetime { created: Some(now), ..KeyLifetime::default() };
        Ok(Self { pair: MinterSigningKey::generate()?, standing })
    }

    /// Reads a private JWK of the curve `Ed25519`, with `created`, `retired` and `not_after` beside it.
    ///
    /// # Errors
    /// [`KeyError`]; it never repeats the text.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let standing = serde_json::from_str(text).map_err(|_| KeyError::Jwk)?;
        Ok(Self { pair: MinterSigningKey::from_json(text)?, standing })
    }

    /// The private JWK, for the one who writes the key file.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        self.pair.to_json_with(&self.standing)
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        self.pair.id()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn standing(&self) -> KeyLifetime {
        self.standing
    }

    /// The same key, at another point of its life.
    #[must_use]
    pub fn with_standing(self, standing: KeyLifetime) -> Self {
        Self { standing, ..self }
    }

    fn is_usable(&self, now: UnixTime) -> bool {
        self.standing.not_after.is_none_or(|end| now < end)
    }

    /// A compact JWS (RFC 7515 section 3.1) over the payload.
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
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// When the sealing keys, or the keys of the set, last changed: the version of the set.
    #[must_use]
    pub fn key_set_version(&self) -> UnixTime {
        let sealing = self.sealing.iter().map(SealingKey::standing);
        let moments = sealing.chain(self.key_set.iter().map(KeySetKey::standing));
        moments
            .flat_map(|standing| [standing.created, standing.retired])
            .flatten()
            .max()
            .unwrap_or(UnixTime(0))
    }

    /// The published sealing keys of the accepted kinds as a JWK Set, without those that are denied, with signatures where there is a
    /// key that signs.
    #[must_use]
    pub fn key_set_document(
        &self,
        now: UnixTime,
        accepts: &AcceptedTokens,
        denied: &[String],
    ) -> serde_json::Value {
        let is_denied = |key: &SealingPublicKey| denied.iter().any(|id| id == key.id().as_str());
        let accepted =
            self.published(now).filter(|key| accepts.kems.contains(&key.kem()) && !is_denied(key));
        let keys: Vec<_> = accepted.map(SealingPublicKey::to_jwk).collect();
        let signing = self.key_set.iter().filter(|key| key.is_usable(now));
        let active = signing.clone().find(|key| key.standing.retired.is_none());
        let Some(active) = active else { return serde_json::json!({ "keys": keys }) };
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
            signing.take(MAX_SIGNATURES).map(|key| key.sign(&payload)).collect();
        serde_json::json!({ "keys": keys, "signed": signed })
    }
}

/// The public half of a key that signs the key set: what a minter pins.
#[derive(Debug)]
pub struct KeySetSigner(MinterKey);

impl KeySetSigner {
    /// The header of a set's JWS says `EdDSA`, whatever else minters' keys may be one day.
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

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        self.0.id()
    }

    /// The first JWS that names this key. The signatures of all that do must be by it.
    fn signature_in<'s>(&self, signed: &'s [Signed]) -> Result<&'s Signed, KeySetError> {
        let own = || signed.iter().filter(|jws| jws.header.kid == self.id().as_str());
        let first = own().next().ok_or(KeySetError::Untrusted)?;
        let all_verify = own().all(|jws| self.0.verify(jws.message.as_bytes(), &jws.signature));
        if all_verify { Ok(first) } else { Err(KeySetError::Signature) }
    }
}

/// What a minter keeps of a set, and holds the next one against.
#[derive(Clone, Copy, Debug)]
pub struct KeySetPin<'a> {
    /// The key that signs the sets to come.
    pub signer: &'a KeySetSigner,
    /// When the proxy's keys last changed.
    pub version: UnixTime,
    /// When the set was signed, where that was kept.
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

/// Why a key set is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a document of the form of `token-v2.md` section 7.
    #[error("this is not a key set that is understood here")]
    Malformed,
    /// A set without signatures.
    #[error("the key set is not signed")]
    Unsigned,
    /// No signature is by the key that it must be by.
    #[error("the key set is not signed by the key that is pinned")]
    Untrusted,
    /// The signature does not verify.
    #[error("the signature of the key set is not valid")]
    Signature,
    /// Older than the set that is pinned.
    #[error("the key set is older than the one that is pinned")]
    RolledBack,
    /// From `exp` on.
    #[error("the key set has expired")]
    Expired,
    /// Signed in the future.
    #[error("the key set is from the future: is the clock of this machine right?")]
    NotYetValid,
}

impl SignedKeySet {
    /// Reads a document that is signed by the key that it names itself: all that a first contact can tell.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn first(document: &str) -> Result<Self, KeySetError> {
        let signed = Signed::all(document)?;
        let signer = signed.first().ok_or(KeySetError::Unsigned)?.read()?.signer;
        Self::verified(&signed, &signer)
    }

    /// Reads a document that is signed by the key that was pinned, and not older than what was pinned.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn following(document: &str, pin: &KeySetPin<'_>) -> Result<Self, KeySetError> {
        let set = Self::verified(&Signed::all(document)?, pin.signer)?;
        // What the proxy accepts, and which keys it denies, changes without a new version.
        let latest = set.issued_at.0.saturating_add(KEY_SET_LEEWAY_SECONDS);
        let is_before =
            pin.issued_at.is_some_and(|then| set.version == pin.version && latest < then.0);
        if set.version < pin.version || is_before { Err(KeySetError::RolledBack) } else { Ok(set) }
    }

    /// Does it take the place of what was pinned? One of the same version that was signed before is right, and never pinned: a pin
    /// that could go back by the leeway would go back by any time in enough steps.
    #[must_use]
    pub fn replaces(&self, pin: &KeySetPin<'_>) -> bool {
        self.version != pin.version || pin.issued_at.is_none_or(|then| self.issued_at >= then)
    }

    /// What is kept of it.
    #[must_use]
    pub fn pin(&self) -> KeySetPin<'_> {
        KeySetPin { signer: &self.signer, version: self.version, issued_at: Some(self.issued_at) }
    }

    /// By this key, and by the one that it names for the sets to come: so whoever keeps the document reads the same in it again.
    fn verified(signed: &[Signed], signer: &KeySetSigner) -> Result<Self, KeySetError> {
        let set = signer.signature_in(signed)?.read()?;
        set.signer.signature_in(signed)?;
        Ok(set)
    }

    /// Is this a time at which it may be used?
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

    /// The keys that new tokens may be sealed to, the preferred one of each kind first.
    #[must_use]
    pub fn keys(&self) -> &[SealingPublicKey] {
        &self.keys
    }

    /// The key that signs the sets to come.
    #[must_use]
    pub fn signer(&self) -> &KeySetSigner {
        &self.signer
    }

    /// When the proxy's keys last changed.
    #[must_use]
    pub fn version(&self) -> UnixTime {
        self.version
    }

    /// What the proxy accepts, where the set says so.
    #[must_use]
    pub fn accepts(&self) -> Option<&AcceptedTokens> {
        self.accepts.as_ref()
    }

    /// From when on it is used no more.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

/// One compact JWS of a document, in parts, not yet verified.
struct Signed {
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

/// What stands under the signature. Members that are not named here are for later versions.
#[derive(Deserialize)]
struct Payload {
    /// Of whatever kind: those that are no sealing keys are passed over.
    keys: Vec<serde_json::Value>,
    #[serde(deserialize_with = "json::inner_object")]
    signer: Jwk,
    version: UnixTime,
    iat: UnixTime,
    exp: UnixTime,
    #[serde(default, deserialize_with = "present_object")]
    accepts: Option<AcceptedTokens>,
}

impl Signed {
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
        // Else one of them would be followed, and another believed when the document is read again.
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

    /// The payload, as far as it is understood.
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
        // Else a set key that leaked once would sign for ever, or make each honest set look older than its own.
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
    // `serde` would take a list of the members' values for an object.
    let jwk: Jwk = serde_json::from_value(Some(key).filter(serde_json::Value::is_object)?).ok()?;
    let key = SealingPublicKey::from_jwk(&jwk).ok()?;
    let names_itself = jwk.kid.as_deref().is_none_or(|kid| kid == key.id().as_str());
    let is_public = jwk.d.is_none() && jwk.private.is_none();
    let seals = jwk.usage.as_deref().is_none_or(|usage| usage == "enc");
    Some(key).filter(|_| names_itself && is_public && seals)
}
