//! The upstream's secret, in a type that cannot be printed and is wiped from memory when dropped.
//!
//! Never give this type `Display`, `Serialize` or a `Debug` that shows the secret. Specification:
//! `token-v1.md` section 5.

mod typed;
mod weakness;
mod written;

use std::fmt;

use zeroize::Zeroizing;

pub use typed::{CredentialField, CredentialPlace, TypedCredential};
pub use weakness::{MIN_MASKED_BYTES, Weakness};
pub use written::{SecretFault, written_secret};

/// The longest credential that is accepted, in bytes.
pub const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// An upstream's secret: 1 to 8,192 bytes of visible ASCII, so that a credential fits into one
/// header field and cannot add another.
///
/// ```
/// fn length(credential: &magicproxy_core::Credential) -> usize {
///     credential.expose().len()
/// }
/// ```
///
/// No credential can be printed, serialised or compared with `==`:
///
/// ```compile_fail,E0277
/// fn print(credential: &magicproxy_core::Credential) -> String {
///     format!("{credential}")
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn serialise(credential: &magicproxy_core::Credential) -> String {
///     serde_json::to_string(credential).unwrap()
/// }
/// ```
///
/// ```compile_fail,E0369
/// fn compare(one: &magicproxy_core::Credential, other: &magicproxy_core::Credential) -> bool {
///     one == other
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn unchecked(text: zeroize::Zeroizing<String>) -> magicproxy_core::Credential {
///     magicproxy_core::Credential { 0: text }
/// }
/// ```
#[derive(Clone)]
pub struct Credential(Zeroizing<String>);

impl Credential {
    /// Reads a credential from text, as sent by a minter or opened from a token.
    ///
    /// # Errors
    /// [`ParseCredentialError`]; no error repeats the text.
    pub fn parse(text: Zeroizing<String>) -> Result<Self, ParseCredentialError> {
        if text.is_empty() {
            return Err(ParseCredentialError::Empty);
        }
        if text.len() > MAX_CREDENTIAL_BYTES {
            return Err(ParseCredentialError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ParseCredentialError::Character);
        }
        Ok(Self(text))
    }

    /// Reads a credential for a new token, as its minter wrote the text down.
    ///
    /// # Errors
    /// As [`Self::parse`], and [`ParseCredentialError::Written`] for text that is no part of a
    /// secret, such as enclosing quotes.
    pub fn parse_new(text: &str) -> Result<Self, ParseCredentialError> {
        Self::parse(Zeroizing::new(written_secret(text)?.to_owned()))
    }

    /// Returns the secret. Every use of this function could leak the secret; grep finds all uses.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credential(***)")
    }
}

/// The reason for which a text is no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseCredentialError {
    /// No text.
    #[error("the credential is empty")]
    Empty,
    /// Longer than [`MAX_CREDENTIAL_BYTES`].
    #[error("the credential is longer than {MAX_CREDENTIAL_BYTES} bytes")]
    TooLong,
    /// No form of credential that a token may seal.
    #[error("the credential is not in a form that a token may hold")]
    Form,
    /// Text around or inside the secret, such as quotes or blanks, that no secret has.
    #[error("the credential is not taken as it stands: {0}")]
    Written(#[from] SecretFault),
    /// A blank, a control byte or a byte outside ASCII.
    #[error(
        "the credential may hold visible ASCII characters only: no blanks, line ends or accents"
    )]
    Character,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Credential, ParseCredentialError> {
        Credential::parse(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn debug_shows_nothing() {
        let credential = parse("ghp_marked").unwrap();
        assert_eq!(format!("{credential:?}"), "Credential(***)");
    }

    #[test]
    fn refuses_what_cannot_stand_in_a_header() {
        assert_eq!(parse("").unwrap_err(), ParseCredentialError::Empty);
        // Existing tokens are taken unchanged; only the credential of a new token must be free of
        // quotes.
        assert!(parse("\"quoted\"").is_ok());
        assert_eq!(
            Credential::parse_new("\"quoted\"").unwrap_err(),
            ParseCredentialError::Written(SecretFault::Quoted)
        );
        assert_eq!(Credential::parse_new("\u{feff}marked\r\n").unwrap().expose(), "marked");
        assert_eq!(Credential::parse_new("é").unwrap_err(), ParseCredentialError::Character);
        for text in ["a b", " a", "a\r\nX: y", "a\0", "é", "a\u{7f}", "a\t"] {
            assert_eq!(parse(text).unwrap_err(), ParseCredentialError::Character, "{text:?}");
        }
        assert_eq!(parse(&"a".repeat(8193)).unwrap_err(), ParseCredentialError::TooLong);
        assert!(parse(&"a".repeat(8192)).is_ok());
    }
}
