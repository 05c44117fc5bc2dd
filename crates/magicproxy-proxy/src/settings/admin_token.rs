//! The token that reads the admin listener over TCP: `docs/spec/admin.md` section 3.

use std::fmt;

use aws_lc_rs::{constant_time, digest};

/// The fewest characters of an admin token: 128 bits, written in hexadecimal.
const LEAST: usize = 32;
/// The most characters of an admin token.
const MOST: usize = 512;

/// The token that an operator gives to the programs that read the admin listener over TCP. No magic
/// token, and no credential of an API. Only a digest of its text is kept.
#[derive(Clone)]
pub struct AdminToken([u8; digest::SHA256_OUTPUT_LEN]);

/// A text that is no admin token. The error never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseAdminTokenError {
    /// Another length.
    #[error(
        "expected {LEAST} to {MOST} characters, such as `openssl rand -hex 32` makes; a shorter one could be guessed"
    )]
    Length,
    /// A character that cannot stand behind `Bearer` (RFC 6750 section 2.1).
    #[error("expected letters, digits and `-._~+/`, with `=` at the end alone")]
    Character,
}

impl AdminToken {
    /// Reads a token in the alphabet of RFC 6750 section 2.1, of 32 to 512 characters.
    ///
    /// # Errors
    /// [`ParseAdminTokenError`].
    pub fn parse(text: &str) -> Result<Self, ParseAdminTokenError> {
        if !(LEAST..=MOST).contains(&text.len()) {
            return Err(ParseAdminTokenError::Length);
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        if !text.trim_end_matches('=').bytes().all(legal) {
            return Err(ParseAdminTokenError::Character);
        }
        Ok(Self(digest_of(text)))
    }

    /// True if a client shows this token. The time that the comparison takes says nothing about the
    /// token.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &digest_of(shown)).is_ok()
    }
}

/// Shows nothing of the token.
impl fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdminToken(***)")
    }
}

fn digest_of(text: &str) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut found = [0; digest::SHA256_OUTPUT_LEN];
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    found.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    found
}

#[cfg(test)]
mod tests {
    use super::{AdminToken, ParseAdminTokenError};

    const TOKEN: &str = "0123456789abcdef0123456789ABCDEF";

    #[test]
    fn a_token_is_itself_alone() {
        let token = AdminToken::parse(TOKEN).unwrap();
        assert!(token.is(TOKEN));
        let (shorter, longer) = (&TOKEN[1..], format!("{TOKEN}0"));
        for other in ["", shorter, &longer, &TOKEN.to_lowercase(), &format!(" {TOKEN}")] {
            assert!(!token.is(other), "{other}");
        }
        assert_eq!(format!("{token:?}"), "AdminToken(***)");
    }

    #[test]
    fn what_could_be_guessed_or_cannot_be_sent_is_no_token() {
        let long = "a".repeat(512);
        for (text, expected) in [
            (TOKEN, Ok(())),
            (&long, Ok(())),
            ("abcdefghijklmnopqrstuvwxyz-._~+/==", Ok(())),
            (&TOKEN[1..], Err(ParseAdminTokenError::Length)),
            ("", Err(ParseAdminTokenError::Length)),
            (&format!("{long}a"), Err(ParseAdminTokenError::Length)),
            (&format!("{TOKEN} a"), Err(ParseAdminTokenError::Character)),
            (&format!("{TOKEN}=a"), Err(ParseAdminTokenError::Character)),
            (&format!("{TOKEN}\u{e9}"), Err(ParseAdminTokenError::Character)),
        ] {
            assert_eq!(AdminToken::parse(text).map(drop), expected, "{text}");
        }
    }
}
