//! An opened credential: in its outgoing form, with the mask of its spellings in responses.
//!
//! `docs/spec/upstreams.md` section 5. All memory in this module that holds the secret is wiped
//! when its last user lets go, and nothing of the secret shows when printed.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use magicproxy_core::{Credential, CredentialField, CredentialPlace, TypedCredential};
use zeroize::Zeroizing;

use crate::credential::carriers::Carriers;
use crate::mask::SecretMask;
use crate::rejection::Rejection;
use crate::settings::CredentialCarrier;

/// The credential of a token in the carrier of an upstream, ready to be set on a request that holds
/// a permit. Made of the credential that a permit opened, by
/// [`CredentialSource`](super::source::CredentialSource).
#[derive(Debug)]
pub(crate) struct AttachedCredential {
    attached_part: AttachedPart,
    secret_mask: Option<SecretMask>,
}

/// The carrier and its content: finished header fields, or a query parameter.
enum AttachedPart {
    Headers(Vec<(HeaderName, HeaderValue)>),
    Query(QueryCredential),
}

/// `NAME=CREDENTIAL`, percent-encoded: the parameter appended to the query of a request when sent.
#[derive(Clone)]
pub(crate) struct QueryCredential(Arc<Zeroizing<String>>);

impl AttachedCredential {
    /// Puts a credential into its carrier: the operator's choice `carrier`, or, where the minter
    /// chose the fields, fields in `carriers`.
    pub(super) fn new(
        credential: &TypedCredential,
        carrier: &CredentialCarrier,
        carriers: &Carriers,
    ) -> Result<Self, Rejection> {
        match credential {
            TypedCredential::Configured(credential) => Self::configured(credential, carrier),
            TypedCredential::Fields(fields) => Self::in_fields(fields, carriers),
        }
    }

    /// Puts a credential into the fields chosen by the minter (`token-v2.md` section 3). Refuses
    /// any field that the upstream does not accept from clients for a credential.
    fn in_fields(fields: &[CredentialField], carriers: &Carriers) -> Result<Self, Rejection> {
        let (mut headers, mut secrets) = (Vec::with_capacity(fields.len()), Vec::new());
        for CredentialField { place, credential } in fields {
            let secret = credential.expose();
            match place {
                CredentialPlace::Bearer => headers.push((AUTHORIZATION, value("Bearer ", secret)?)),
                CredentialPlace::Basic => {
                    let encoded = base64(&[secret]);
                    headers.push((AUTHORIZATION, value("Basic ", &encoded)?));
                    secrets
                        .extend([Zeroizing::new(credential.secret_of_pair().to_owned()), encoded]);
                    continue;
                }
                CredentialPlace::Header(name) => {
                    let known = std::iter::once(&AUTHORIZATION)
                        .chain(carriers.headers())
                        .find(|known| known.as_str() == name);
                    let name = known.ok_or_else(|| Rejection::CredentialField(name.clone()))?;
                    headers.push((name.clone(), value("", secret)?));
                }
            }
            secrets.push(Zeroizing::new(secret.to_owned()));
        }
        let secret_mask = SecretMask::new(secrets.iter().map(|secret| secret.as_bytes()));
        Ok(Self { attached_part: AttachedPart::Headers(headers), secret_mask })
    }

    fn configured(credential: &Credential, carrier: &CredentialCarrier) -> Result<Self, Rejection> {
        carrier.check(credential).map_err(Rejection::Unfit)?;
        let secret = credential.expose();
        match carrier {
            CredentialCarrier::Bearer => {
                Self::in_header(AUTHORIZATION, "Bearer ", secret, &[secret])
            }
            CredentialCarrier::Token => Self::in_header(AUTHORIZATION, "token ", secret, &[secret]),
            CredentialCarrier::Header(name) => {
                Self::in_header(name.name().clone(), "", secret, &[secret])
            }
            CredentialCarrier::BasicPair => {
                let encoded = base64(&[secret]);
                Self::in_header(
                    AUTHORIZATION,
                    "Basic ",
                    &encoded,
                    &[credential.secret_of_pair(), &encoded],
                )
            }
            CredentialCarrier::Basic(user) => {
                let encoded = base64(&[user.as_str(), ":", secret]);
                Self::in_header(AUTHORIZATION, "Basic ", &encoded, &[secret, &encoded])
            }
            CredentialCarrier::Query(name) => {
                let encoded = percent_encoded(secret);
                let secret_mask = SecretMask::new([secret.as_bytes(), encoded.as_bytes()]);
                let parameter = Zeroizing::new(joined(&[name.as_str(), "=", &encoded]));
                Ok(Self {
                    attached_part: AttachedPart::Query(QueryCredential(Arc::new(parameter))),
                    secret_mask,
                })
            }
        }
    }

    fn in_header(
        name: HeaderName,
        scheme: &str,
        text: &str,
        secrets: &[&str],
    ) -> Result<Self, Rejection> {
        let secret_mask = SecretMask::new(secrets.iter().map(|secret| secret.as_bytes()));
        Ok(Self {
            attached_part: AttachedPart::Headers(vec![(name, value(scheme, text)?)]),
            secret_mask,
        })
    }

    /// Returns the mask of the credential's spellings, applied to responses.
    pub(crate) fn secret_mask(&self) -> Option<&SecretMask> {
        self.secret_mask.as_ref()
    }

    /// Sets the credential in `headers`, or returns the parameter for the query.
    pub(crate) fn place(&self, headers: &mut HeaderMap) -> Option<QueryCredential> {
        match &self.attached_part {
            AttachedPart::Headers(fields) => {
                for (name, value) in fields {
                    headers.insert(name.clone(), value.clone());
                }
                None
            }
            AttachedPart::Query(parameter) => Some(parameter.clone()),
        }
    }
}

impl QueryCredential {
    /// Returns the target with this parameter behind the query, in memory wiped after use.
    pub(crate) fn append_to(&self, target: &str) -> Bytes {
        let separator = match target.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        Bytes::from_owner(Zeroizing::new(joined(&[target, separator, &self.0]).into_bytes()))
    }
}

impl fmt::Debug for AttachedPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headers(fields) => {
                formatter.debug_map().entries(fields.iter().map(|(name, _)| (name, "***"))).finish()
            }
            Self::Query(parameter) => parameter.fmt(formatter),
        }
    }
}

impl fmt::Debug for QueryCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Query(***)")
    }
}

/// Makes a sensitive field value, in memory wiped when its last user lets go.
fn value(scheme: &str, text: &str) -> Result<HeaderValue, Rejection> {
    let bytes = Zeroizing::new(joined(&[scheme, text]).into_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))
        .map_err(|_| Rejection::Internal)?;
    value.set_sensitive(true);
    Ok(value)
}

fn base64(parts: &[&str]) -> Zeroizing<String> {
    let pair = Zeroizing::new(joined(parts));
    // Exactly the room needed: growing would leave copies of the secret behind.
    let mut encoded = Zeroizing::new(String::with_capacity(pair.len().div_ceil(3) * 4));
    STANDARD.encode_string(pair.as_bytes(), &mut encoded);
    encoded
}

/// Encodes all but unreserved characters (RFC 3986 section 2.3) as triplets.
fn percent_encoded(secret: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(3 * secret.len()));
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(hex(byte >> 4));
            encoded.push(hex(byte & 15));
        }
    }
    encoded
}

fn hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

/// Joins the parts in a single piece of memory, allocated once, so no copy of a secret is left
/// behind.
fn joined(parts: &[&str]) -> String {
    let mut whole = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| whole.push_str(part));
    whole
}
