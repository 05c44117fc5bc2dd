//! JSON Web Keys (RFC 7517): the file format of sealing keys and minters' keys. `token-v2.md`
//! section 7.

use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::sealing::{KeyLifetime, SealingPublicKey};
use super::{KeyError, KeyId, sha256};
use crate::encoding::{base64url, from_base64url};
use crate::json;

/// The known members; other members are ignored, as RFC 7517 section 4 demands.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Jwk {
    pub(super) kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) x: Option<String>,
    #[serde(rename = "pub", default, skip_serializing_if = "Option::is_none")]
    pub(super) public: Option<String>,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
    #[serde(
        rename = "use",
        default,
        deserialize_with = "json::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) usage: Option<String>,
    // Private members are skipped by `Serialize`, so that no public JWK can contain them.
    #[serde(default, skip_serializing, deserialize_with = "secret")]
    pub(super) d: Option<Zeroizing<String>>,
    #[serde(rename = "priv", default, skip_serializing, deserialize_with = "secret")]
    pub(super) private: Option<Zeroizing<String>>,
}

impl Jwk {
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        json::object(text.as_bytes()).map_err(|_| KeyError::Jwk)
    }

    /// Makes a public JWK of an octet key pair (RFC 8037).
    pub(super) fn octet_key_pair(curve: &str, x: &[u8]) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: Some(curve.to_owned()),
            x: Some(base64url(x)),
            ..Self::default()
        }
    }

    /// Makes a public JWK of the key type `AKP`, for keys that belong to one algorithm.
    pub(super) fn algorithm_key_pair(algorithm: &str, public: &[u8]) -> Self {
        Self {
            kty: "AKP".to_owned(),
            alg: Some(algorithm.to_owned()),
            public: Some(base64url(public)),
            ..Self::default()
        }
    }

    /// Decodes a member that must hold exactly `N` bytes.
    pub(super) fn bytes_of<const N: usize>(
        &self,
        member: Option<&str>,
    ) -> Result<[u8; N], KeyError> {
        let bytes = Zeroizing::new(member.and_then(from_base64url).ok_or(KeyError::Jwk)?);
        bytes.as_slice().try_into().map_err(|_| KeyError::Jwk)
    }

    pub(super) fn set_d(&mut self, secret: &[u8]) {
        self.d = Some(Zeroizing::new(base64url(secret)));
    }

    pub(super) fn set_private(&mut self, secret: &[u8]) {
        self.private = Some(Zeroizing::new(base64url(secret)));
    }

    /// Returns the whole JWK with its private members, one member to a line.
    pub(super) fn to_private_json(&self, lifetime: &KeyLifetime) -> Zeroizing<String> {
        let public = serde_json::to_value(self).unwrap_or_default();
        let lifetime = serde_json::to_value(lifetime).unwrap_or_default();
        let mut lines: Vec<Zeroizing<String>> = Vec::new();
        for part in [&public, &lifetime] {
            for (name, value) in part.as_object().into_iter().flatten() {
                lines.push(Zeroizing::new(format!("  \"{name}\": {value}")));
            }
        }
        for (name, secret) in [("d", &self.d), ("priv", &self.private)] {
            // Base64url needs no escapes.
            if let Some(secret) = secret {
                lines.push(Zeroizing::new(format!("  \"{name}\": \"{}\"", secret.as_str())));
            }
        }
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
        Zeroizing::new(format!("{{\n{}\n}}\n", Zeroizing::new(lines.join(",\n")).as_str()))
    }
}

/// Computes a thumbprint (RFC 7638) over the members that the key's type requires, in lexicographic
/// order.
pub(super) fn thumbprint(jwk: &Jwk) -> KeyId {
    let text = |member: &Option<String>| member.clone().unwrap_or_default();
    let members = match jwk.kty.as_str() {
        "AKP" => {
            format!(r#"{{"alg":"{}","kty":"AKP","pub":"{}"}}"#, text(&jwk.alg), text(&jwk.public))
        }
        kty => format!(r#"{{"crv":"{}","kty":"{kty}","x":"{}"}}"#, text(&jwk.crv), text(&jwk.x)),
    };
    KeyId(base64url(&sha256(members.as_bytes())))
}

/// Public keys as published: one JWK, or a JWK Set (RFC 7517 section 5).
#[derive(Debug)]
pub struct PublicKeySet {
    keys: Vec<SealingPublicKey>,
}

impl PublicKeySet {
    /// Reads the sealing keys; keys of other kinds are ignored.
    ///
    /// # Errors
    /// [`KeyError::Jwk`] for other text than JSON of this form, [`KeyError::JwkKind`] without a
    /// sealing key.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Jwk>,
        }
        let keys = match json::object::<Set>(text.as_bytes()) {
            Ok(set) => set.keys,
            Err(_) => vec![Jwk::parse(text)?],
        };
        let keys: Vec<SealingPublicKey> =
            keys.iter().filter_map(|jwk| SealingPublicKey::from_jwk(jwk).ok()).collect();
        if keys.is_empty() { Err(KeyError::JwkKind) } else { Ok(Self { keys }) }
    }

    /// Returns the keys, the preferred key of each kind first.
    #[must_use]
    pub fn keys(&self) -> &[SealingPublicKey] {
        &self.keys
    }
}

fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(Zeroizing::new(text)))
}
