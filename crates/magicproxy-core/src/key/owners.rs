//! The secret that binds named owners to credentials. Specification: `state.md` section 1.
//!
//! A name alone identifies no owner, because any client that may request a token can name the
//! scope. So the owner's digest includes the credential of the token, through a MAC: with a plain
//! hash, a copy of the state store would help to guess credentials.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::{constant_time, hmac, rand};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::KeyError;
use crate::credential::{CredentialField, TypedCredential};
use crate::encoding::{base64url, from_base64url};
use crate::json;
use crate::time::UnixTime;

/// Bytes of the secret, and of a credential's binding.
const OWNER_SECRET_BYTES: usize = 32;

/// The owner secret: 32 random bytes, shared by all replicas of a proxy and kept when keys are
/// rotated.
pub struct OwnerSecret {
    bytes: Zeroizing<[u8; OWNER_SECRET_BYTES]>,
    created: Option<UnixTime>,
}

/// A MAC of a credential under the owner secret, by which owners of the same name are told apart
/// without the credential.
///
/// INVARIANT: made only by [`OwnerSecret::bind`], of a credential that a token sealed.
///
/// ```compile_fail,E0423
/// fn forge() -> magicproxy_core::CredentialBinding {
///     magicproxy_core::CredentialBinding([0; 32])
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CredentialBinding([u8; OWNER_SECRET_BYTES]);

impl OwnerSecret {
    /// Makes a new secret.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when the system has no randomness.
    pub fn generate(now: UnixTime) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; OWNER_SECRET_BYTES]);
        rand::fill(bytes.as_mut()).map_err(|_| KeyError::Operation)?;
        Ok(Self { bytes, created: Some(now) })
    }

    /// Reads a symmetric JWK (RFC 7518 section 6.4) of 32 bytes, with `created` beside it.
    ///
    /// # Errors
    /// [`KeyError`]; no error repeats the text.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let written: OwnerKeyJwk = json::object(text.as_bytes()).map_err(|_| KeyError::Jwk)?;
        if written.kty != "oct" || written.alg.as_deref().is_some_and(|alg| alg != "HS256") {
            return Err(KeyError::JwkKind);
        }
        let bytes = Zeroizing::new(from_base64url(&written.k).ok_or(KeyError::Jwk)?);
        let bytes = bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| KeyError::Jwk)?;
        Ok(Self { bytes, created: written.created })
    }

    /// Returns the JWK, for writing a key file.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let created =
            self.created.map(|time| format!("  \"created\": {},\n", time.0)).unwrap_or_default();
        let secret = Zeroizing::new(base64url(self.bytes.as_slice()));
        Zeroizing::new(format!(
            "{{\n  \"kty\": \"oct\",\n  \"alg\": \"HS256\",\n{created}  \"k\": \"{}\"\n}}\n",
            secret.as_str()
        ))
    }

    /// Returns the time at which the secret was made, if its file tells.
    #[must_use]
    pub fn created(&self) -> Option<UnixTime> {
        self.created
    }

    /// True if both secrets are the same, and so make the same owners.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.bytes.as_slice(), other.bytes.as_slice())
            .is_ok()
    }

    /// Returns an id that tells this secret from others and reveals nothing of the secret, for
    /// recording which secret a store belongs to.
    #[must_use]
    pub fn id(&self) -> [u8; OWNER_SECRET_BYTES] {
        // No credential is an empty list of parts, so the id is no credential's binding.
        self.mac(&[])
    }

    /// Computes the binding of a credential. The place of a single secret does not matter: a
    /// version 1 token and a version 2 token with `bearer` and the same secret have the same
    /// binding.
    #[must_use]
    pub fn bind(&self, credential: &TypedCredential) -> CredentialBinding {
        CredentialBinding(match credential {
            TypedCredential::Configured(secret) => self.mac(&["credential", secret.expose()]),
            TypedCredential::Fields(fields) => match fields.as_slice() {
                [field] => self.mac(&["credential", field.credential.expose()]),
                fields => {
                    let named = sorted(fields).into_iter();
                    let parts = named
                        .flat_map(|field| [field.place.field_name(), field.credential.expose()]);
                    self.mac(&std::iter::once("credentials").chain(parts).collect::<Vec<_>>())
                }
            },
        })
    }

    /// Computes HMAC-SHA256 of all parts, each preceded by its length, as in the digests of
    /// `state.md`.
    fn mac(&self, parts: &[&str]) -> [u8; OWNER_SECRET_BYTES] {
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.bytes.as_slice()));
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut mac = [0; OWNER_SECRET_BYTES];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

/// Sorts fields by name; no name occurs twice.
fn sorted(fields: &[CredentialField]) -> Vec<&CredentialField> {
    let mut fields: Vec<&CredentialField> = fields.iter().collect();
    fields.sort_by_key(|field| field.place.field_name());
    fields
}

impl CredentialBinding {
    pub(crate) fn as_bytes(&self) -> &[u8; OWNER_SECRET_BYTES] {
        &self.0
    }
}

impl fmt::Debug for OwnerSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OwnerSecret")
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// Hides the binding: with it, a reader of the store could tell the rows of each credential.
impl fmt::Debug for CredentialBinding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CredentialBinding(***)")
    }
}

/// The known members; other members are ignored, as RFC 7517 section 4 demands.
#[derive(Deserialize)]
struct OwnerKeyJwk {
    kty: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(deserialize_with = "secret")]
    k: Zeroizing<String>,
    #[serde(default)]
    created: Option<UnixTime>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}
