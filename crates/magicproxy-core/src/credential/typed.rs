//! A credential together with its place in a request, as version 2 tokens seal it. `token-v2.md`
//! section 3.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Credential, ParseCredentialError, written_secret};
use crate::json::{self, present};

/// The largest number of header fields in one credential.
const MAX_FIELDS: usize = 4;
/// The longest name of a header field, in bytes.
const MAX_FIELD_NAME_BYTES: usize = 64;

/// A credential together with its place in a request.
#[derive(Clone, Debug)]
pub enum TypedCredential {
    /// A secret in the carrier that the operator configured for the upstream.
    Configured(Credential),
    /// Secrets in these header fields, whatever carrier the operator configured: one to four
    /// fields, no name twice.
    Fields(Vec<CredentialField>),
}

/// A header field of a credential.
#[derive(Clone, Debug)]
pub struct CredentialField {
    /// The name and the form of the field.
    pub place: CredentialPlace,
    /// The secret; for `Basic` the user and the password with a colon between.
    pub credential: Credential,
}

/// The place of a part of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlace {
    /// The field `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// The field `Authorization: Basic …` (RFC 7617).
    Basic,
    /// A header field of this name, in lower case.
    Header(String),
}

impl CredentialPlace {
    /// Returns the header field of this name, or `None` if the text is no field name (RFC 9110
    /// section 5.6.2).
    #[must_use]
    pub fn header(name: &str) -> Option<Self> {
        header_name(name).map(Self::Header)
    }

    /// Returns the name of the header field, in lower case.
    #[must_use]
    pub fn field_name(&self) -> &str {
        match self {
            Self::Bearer | Self::Basic => "authorization",
            Self::Header(name) => name,
        }
    }
}

impl TypedCredential {
    /// Reads a credential from JSON, as a token seals it.
    ///
    /// # Errors
    /// [`ParseCredentialError`]; no error repeats the text.
    pub fn from_json(json: &[u8]) -> Result<Self, ParseCredentialError> {
        let written: CredentialJson =
            json::compact_object(json).map_err(|_| ParseCredentialError::Form)?;
        written.try_into()
    }

    /// Reads the credential for a new token from JSON, as its minter wrote the text down: for
    /// instance, no secret may be in quotes of its own.
    ///
    /// # Errors
    /// [`ParseCredentialError`]; no error repeats the text.
    pub fn from_new_json(json: &[u8]) -> Result<Self, ParseCredentialError> {
        let credential = Self::from_json(json)?;
        let written = |field: &CredentialField| match (
            &field.place,
            field.credential.expose().split_once(':'),
        ) {
            // One half of a pair may be empty.
            (CredentialPlace::Basic, Some((user, password))) => [user, password]
                .into_iter()
                .filter(|half| !half.is_empty())
                .try_for_each(|half| written_secret(half).map(drop)),
            _ => written_secret(field.credential.expose()).map(drop),
        };
        match &credential {
            Self::Configured(secret) => written_secret(secret.expose()).map(drop)?,
            Self::Fields(fields) => fields.iter().try_for_each(written)?,
        }
        Ok(credential)
    }

    /// Returns the secret, where its carrier is the operator's choice.
    #[must_use]
    pub fn configured(&self) -> Option<&Credential> {
        match self {
            Self::Configured(credential) => Some(credential),
            Self::Fields(_) => None,
        }
    }

    /// Returns the total length of the secrets, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Configured(credential) => credential.expose().len(),
            Self::Fields(fields) => {
                fields.iter().map(|field| field.credential.expose().len()).sum()
            }
        }
    }

    /// Returns the JSON that a token seals. Values are visible ASCII, so only `"` and `\` need an
    /// escape.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let json = match self {
            Self::Configured(credential) => {
                format!("{{\"secret\":{}}}", quoted(credential.expose()).as_str())
            }
            Self::Fields(fields) => match fields.as_slice() {
                [field] => field.to_json().to_string(),
                fields => {
                    let parts: Vec<Zeroizing<String>> =
                        fields.iter().map(CredentialField::to_json).collect();
                    let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
                    format!("{{\"several\":[{}]}}", Zeroizing::new(parts.join(",")).as_str())
                }
            },
        };
        Zeroizing::new(json)
    }
}

impl CredentialField {
    fn to_json(&self) -> Zeroizing<String> {
        let secret = self.credential.expose();
        Zeroizing::new(match &self.place {
            CredentialPlace::Bearer => format!("{{\"bearer\":{}}}", quoted(secret).as_str()),
            CredentialPlace::Header(name) => {
                format!("{{\"header\":[\"{name}\",{}]}}", quoted(secret).as_str())
            }
            CredentialPlace::Basic => {
                let (user, password) = secret.split_once(':').unwrap_or((secret, ""));
                format!("{{\"basic\":[{},{}]}}", quoted(user).as_str(), quoted(password).as_str())
            }
        })
    }
}

/// Returns a JSON string, in memory that is wiped.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut json = Zeroizing::new(String::with_capacity(2 * text.len() + 2));
    json.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            json.push('\\');
        }
        json.push(character);
    }
    json.push('"');
    json
}

/// Text that is wiped when dropped, also where reading fails halfway.
type Secret = Zeroizing<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialJson {
    #[serde(default, deserialize_with = "secret")]
    secret: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    bearer: Option<Secret>,
    #[serde(default, deserialize_with = "pair")]
    basic: Option<(Secret, Secret)>,
    #[serde(default, deserialize_with = "pair")]
    header: Option<(Secret, Secret)>,
    #[serde(default, deserialize_with = "present")]
    several: Option<Vec<Part>>,
}

/// A member of `several`.
struct Part(CredentialJson);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::inner_object(deserializer).map(Self)
    }
}

impl TryFrom<CredentialJson> for TypedCredential {
    type Error = ParseCredentialError;

    fn try_from(written: CredentialJson) -> Result<Self, ParseCredentialError> {
        match written {
            CredentialJson {
                secret: Some(secret),
                bearer: None,
                basic: None,
                header: None,
                several: None,
            } => Ok(Self::Configured(Credential::parse(secret)?)),
            CredentialJson {
                secret: None,
                bearer: None,
                basic: None,
                header: None,
                several: Some(parts),
            } => {
                if !(2..=MAX_FIELDS).contains(&parts.len()) {
                    return Err(ParseCredentialError::Form);
                }
                let fields =
                    parts.into_iter().map(|part| field(part.0)).collect::<Result<Vec<_>, _>>()?;
                let mut seen = std::collections::HashSet::new();
                let distinct = fields.iter().all(|field| seen.insert(field.place.field_name()));
                if distinct { Ok(Self::Fields(fields)) } else { Err(ParseCredentialError::Form) }
            }
            single => Ok(Self::Fields(vec![field(single)?])),
        }
    }
}

fn field(written: CredentialJson) -> Result<CredentialField, ParseCredentialError> {
    match written {
        CredentialJson {
            secret: None,
            bearer: Some(secret),
            basic: None,
            header: None,
            several: None,
        } => Ok(CredentialField {
            place: CredentialPlace::Bearer,
            credential: Credential::parse(secret)?,
        }),
        CredentialJson {
            secret: None,
            bearer: None,
            basic: Some((user, password)),
            header: None,
            several: None,
        } => basic(&user, &password),
        CredentialJson {
            secret: None,
            bearer: None,
            basic: None,
            header: Some((name, secret)),
            several: None,
        } => {
            let place =
                CredentialPlace::Header(header_name(&name).ok_or(ParseCredentialError::Form)?);
            Ok(CredentialField { place, credential: Credential::parse(secret)? })
        }
        _ => Err(ParseCredentialError::Form),
    }
}

fn basic(user: &str, password: &str) -> Result<CredentialField, ParseCredentialError> {
    if user.contains(':') || (user.is_empty() && password.is_empty()) {
        return Err(ParseCredentialError::Form);
    }
    let mut pair = Zeroizing::new(String::with_capacity(user.len() + password.len() + 1));
    [user, ":", password].into_iter().for_each(|part| pair.push_str(part));
    Ok(CredentialField { place: CredentialPlace::Basic, credential: Credential::parse(pair)? })
}

/// Returns a field name in lower case, `None` if the text is none: RFC 9110 section 5.6.2.
fn header_name(name: &str) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    ((1..=MAX_FIELD_NAME_BYTES).contains(&name.len()) && name.bytes().all(legal))
        .then(|| name.to_ascii_lowercase())
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(Zeroizing::new(text)))
}

fn pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(Secret, Secret)>, D::Error> {
    let (first, second) = <(String, String)>::deserialize(deserializer)?;
    Ok(Some((Zeroizing::new(first), Zeroizing::new(second))))
}

impl From<Credential> for TypedCredential {
    fn from(credential: Credential) -> Self {
        Self::Configured(credential)
    }
}

/// Writes the place of each secret, without the secrets.
impl fmt::Display for TypedCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |place: &CredentialPlace| match place {
            CredentialPlace::Bearer => "bearer".to_owned(),
            CredentialPlace::Basic => "basic".to_owned(),
            CredentialPlace::Header(name) => format!("header {name}"),
        };
        match self {
            Self::Configured(_) => formatter.write_str("where the upstream's configuration says"),
            Self::Fields(fields) => formatter.write_str(
                &fields.iter().map(|field| name(&field.place)).collect::<Vec<_>>().join(", "),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for json in [
            r#"{"secret":"a"}"#,
            r#"{"bearer":"a\"b\\c"}"#,
            r#"{"basic":["","p:w"]}"#,
            r#"{"basic":["user","p"]}"#,
            r#"{"basic":["user",""]}"#,
            r#"{"header":["x-api-key","k"]}"#,
            r#"{"several":[{"bearer":"a"},{"header":["x-auth-email","b@c"]}]}"#,
        ] {
            assert_eq!(*TypedCredential::from_json(json.as_bytes()).unwrap().to_json(), json);
        }
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        for json in [
            "{}",
            r#"["a"]"#,
            r#"{"secret":""}"#,
            r#"{"secret":"a b"}"#,
            r#"{"secret":null}"#,
            r#"{"secret":"a","bearer":"b"}"#,
            r#"{"secret":"a","secret":"b"}"#,
            r#"{"token":"a"}"#,
            r#"{"basic":["us:er","p"]}"#,
            r#"{"basic":["",""]}"#,
            r#"{"basic":["user"]}"#,
            r#"{"basic":["user","p","q"]}"#,
            r#"{"header":["a b","c"]}"#,
            r#"{"header":["a\r\nb","c"]}"#,
            r#"{"several":[]}"#,
            r#"{"several":[{"bearer":"a"}]}"#,
            r#"{"several":[["a"],{"bearer":"a"}]}"#,
            r#"{"several":[{"bearer":"a"},{"secret":"a"}]}"#,
            r#"{"several":[{"bearer":"a"},{"basic":["a","b"]}]}"#,
            r#"{"several":[{"header":["X-A","b"]},{"header":["x-a","b"]}]}"#,
            r#" {"secret":"a"}"#,
            r#"{"secret":"a"} "#,
        ] {
            assert!(TypedCredential::from_json(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_new_credential_has_no_quotes_around_a_secret() {
        for json in [
            r#"{"secret":"'a'"}"#,
            r#"{"basic":["user","\"p\""]}"#,
            r#"{"header":["x-api-key","`k`"]}"#,
            r#"{"several":[{"bearer":"a"},{"header":["x-auth","\"b\""]}]}"#,
        ] {
            assert!(TypedCredential::from_json(json.as_bytes()).is_ok(), "{json}");
            assert!(
                matches!(
                    TypedCredential::from_new_json(json.as_bytes()),
                    Err(ParseCredentialError::Written(_))
                ),
                "{json}"
            );
        }
        for json in [r#"{"secret":"a\"b"}"#, r#"{"basic":["","p:w"]}"#, r#"{"basic":["user",""]}"#]
        {
            assert!(TypedCredential::from_new_json(json.as_bytes()).is_ok(), "{json}");
        }
    }

    #[test]
    fn nothing_that_is_printed_shows_it() {
        let credential = TypedCredential::from_json(
            br#"{"several":[{"bearer":"marked"},{"header":["x-a","marked"]}]}"#,
        )
        .unwrap();
        assert!(
            !format!("{credential:?} {credential}").contains("marked"),
            "{credential:?} {credential}"
        );
    }
}
