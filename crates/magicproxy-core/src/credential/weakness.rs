//! Credentials that ordinary text may contain: `docs/spec/upstreams.md` section 5.
//!
//! A response that repeats the credential is masked. Text that contains the same characters by
//! chance, or because they are a word, is masked as well, and damaged.

use super::{Credential, CredentialPlace, TypedCredential};

/// The shortest credential that responses are searched for, in bytes. Shorter texts would be found
/// in too much ordinary text.
pub const MIN_MASKED_BYTES: usize = 8;
/// The length below which a credential is short, in bytes.
const MIN_BYTES: usize = 16;
/// The length from which no credential counts as words, in bytes.
const NO_WORD_BYTES: usize = 32;
/// The largest number of digits behind a word: a year.
const MAX_YEAR_DIGITS: usize = 4;

/// Passwords that are no secret, where the user is the secret: at GitHub, Toggl, Freshdesk and
/// similar services.
const NO_PASSWORDS: [&str; 5] = ["", "x-oauth-basic", "api_token", "X", "x"];

/// The reason for which a credential is hard to mask in responses. Its text warns the minter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Weakness {
    /// Words, as ordinary text contains them: fewer than 32 bytes; between other characters only
    /// letters in one case or with a capital first, with at most four digits behind them.
    #[error(
        "the credential looks like a word: where a response of the API holds the word, it is masked with `*`; use a random credential"
    )]
    Word,
    /// Fewer than 16 bytes.
    #[error(
        "the credential has fewer than {MIN_BYTES} characters: other text of the API that holds them is masked with `*`; use a longer one"
    )]
    Short,
    /// Fewer than [`MIN_MASKED_BYTES`].
    #[error(
        "the credential has fewer than {MIN_MASKED_BYTES} characters: it is not masked where a response of the API repeats it; use a longer one"
    )]
    Unmasked,
    /// A name in capitals, `=` and a value: a whole line pasted from a file of variables.
    #[error(
        "the credential begins with a name and `=`, as a line of a file of variables does: the API gets the name as well; give what stands behind `=`"
    )]
    Assignment,
}

impl Weakness {
    /// Returns one word for logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Short => "short",
            Self::Unmasked => "unmasked",
            Self::Assignment => "assignment",
        }
    }

    /// Returns the weakness of a text.
    fn of(text: &str) -> Option<Self> {
        match text.len() {
            _ if is_assignment(text) => Some(Self::Assignment),
            ..MIN_MASKED_BYTES => Some(Self::Unmasked),
            MIN_BYTES.. => is_words(text).then_some(Self::Word),
            _ => Some(if is_words(text) { Self::Word } else { Self::Short }),
        }
    }
}

impl Credential {
    /// Returns the reason for which the credential is hard to mask in responses.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        Weakness::of(self.expose())
    }

    /// Returns the weakness of the secret in a pair `user:password`.
    #[must_use]
    pub fn weakness_of_pair(&self) -> Option<Weakness> {
        Weakness::of(self.secret_of_pair())
    }

    /// Returns the secret in a pair `user:password`: the password, or the user where the password
    /// is empty, as in `key:`, or a well-known placeholder. If that secret is too short to be
    /// searched for, the whole pair.
    #[must_use]
    pub fn secret_of_pair(&self) -> &str {
        let pair = self.expose();
        match pair.split_once(':') {
            Some((user, password))
                if user.len() >= MIN_MASKED_BYTES && NO_PASSWORDS.contains(&password) =>
            {
                user
            }
            Some((_, password)) if password.len() >= MIN_MASKED_BYTES => password,
            _ => pair,
        }
    }
}

impl TypedCredential {
    /// Returns the worst weakness of all parts. A part that is no secret, such as the name of an
    /// account, counts like any other part.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        match self {
            Self::Configured(credential) => credential.weakness(),
            Self::Fields(fields) => fields
                .iter()
                .filter_map(|field| match field.place {
                    CredentialPlace::Basic => field.credential.weakness_of_pair(),
                    CredentialPlace::Bearer | CredentialPlace::Header(_) => {
                        field.credential.weakness()
                    }
                })
                .max(),
        }
    }
}

/// True for a text such as `GITHUB_TOKEN=…`. The `=` of base64 stands at the end, so no value
/// follows.
fn is_assignment(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let letters = name.bytes().filter(u8::is_ascii_uppercase).count();
    let begins = name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_');
    letters >= 2 && begins && name.bytes().all(is_name) && value.len() >= MIN_MASKED_BYTES
}

fn is_words(text: &str) -> bool {
    let mut parts = text
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty());
    text.len() < NO_WORD_BYTES && parts.all(is_word)
}

/// True for `changeme`, `CHANGEME` and `Changeme`, with or without a year behind them, and for a
/// year.
fn is_word(part: &str) -> bool {
    let letters = part.trim_end_matches(|character: char| character.is_ascii_digit());
    let inner = letters.get(1..).unwrap_or_default();
    let one_case = letters.bytes().all(|byte| byte.is_ascii_uppercase())
        || inner.bytes().all(|byte| byte.is_ascii_lowercase());
    part.len() - letters.len() <= MAX_YEAR_DIGITS
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && one_case
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn credential(text: &str) -> Credential {
        Credential::parse(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn words_and_short_texts_are_weak() {
        for (text, expected) in [
            ("powerdns", Some(Weakness::Word)),
            ("PowerDNS", Some(Weakness::Short)),
            ("POWERDNS", Some(Weakness::Word)),
            ("Powerdns2024", Some(Weakness::Word)),
            ("changeme123", Some(Weakness::Word)),
            ("correct-horse-battery-staple", Some(Weakness::Word)),
            ("My_Secret_Key_2026", Some(Weakness::Word)),
            ("correct-horse-battery-staple-lamp", None),
            ("secret", Some(Weakness::Unmasked)),
            ("1234567", Some(Weakness::Unmasked)),
            ("12345678", Some(Weakness::Short)),
            ("a1b2c3d4e5f6g7h", Some(Weakness::Short)),
            ("a1b2c3d4e5f6g7h8", None),
            ("ghp_MARKEDsecretQ7zX0wV5uT3sR1pN9mL8kJ6h", None),
            ("sk-live-9f86d081884c7d65", None),
            ("0123456789abcdef", None),
            ("550e8400-e29b-41d4-a716-446655440000", None),
            ("GITHUB_TOKEN=ghp_MARKEDsecretQ7zX0wV5u", Some(Weakness::Assignment)),
            ("_KEY2=a1b2c3d4", Some(Weakness::Assignment)),
            ("TOKEN=MTIzNDU2Nzg5MGFiY2RlZg==", Some(Weakness::Assignment)),
            ("MTIzNDU2Nzg5MGFiY2RlZg==", None),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH==", None),
            ("QUJDREVGRw==AbCdEfGhIjKl", None),
            ("key=a1b2c3d4e5f6g7h8", None),
            ("2FA=a1b2c3d4e5f6g7h8", None),
        ] {
            assert_eq!(credential(text).weakness(), expected, "{text}");
        }
    }

    #[test]
    fn of_a_pair_the_secret_counts() {
        for (text, expected) in [
            ("admin:powerdns", Some(Weakness::Word)),
            ("administrator:a1b2c3d4e5f6g7h8", None),
            ("a1b2c3d4e5f6g7h8:", None),
            ("a1b2c3d4e5f6g7h8:x-oauth-basic", None),
            ("somebody:api_token", Some(Weakness::Word)),
            ("a1:b2", Some(Weakness::Unmasked)),
            // Neither a long user nor a user without words improves the password.
            ("administrator:a1b2c3d4", Some(Weakness::Short)),
            ("a1b2c3d4e5f6g7h8:powerdns", Some(Weakness::Word)),
        ] {
            assert_eq!(credential(text).weakness_of_pair(), expected, "{text}");
        }
    }

    /// The text that responses are searched for: where a secret is too short, the whole pair.
    #[test]
    fn the_secret_of_a_pair_is_long_enough_to_be_found() {
        for (pair, secret) in [
            ("admin:password", "password"),
            ("admin:passwor", "admin:passwor"),
            ("administrator:passwor", "administrator:passwor"),
            ("12345678:", "12345678"),
            ("1234567:", "1234567:"),
            ("12345678:api_token", "12345678"),
            ("1234567:api_token", "api_token"),
            ("12345678:X", "12345678"),
            ("1234567:X", "1234567:X"),
            ("12345678:y", "12345678:y"),
            ("admin:pass:word", "pass:word"),
            ("no-colon", "no-colon"),
        ] {
            assert_eq!(credential(pair).secret_of_pair(), secret, "{pair}");
        }
    }

    #[test]
    fn of_several_fields_the_worst_counts() {
        let json =
            br#"{"several":[{"bearer":"a1b2c3d4e5f6g7h8"},{"header":["x-auth-key","powerdns"]}]}"#;
        assert_eq!(TypedCredential::from_json(json).unwrap().weakness(), Some(Weakness::Word));
        let json = br#"{"basic":["administrator","a1b2c3d4e5f6g7h8"]}"#;
        assert_eq!(TypedCredential::from_json(json).unwrap().weakness(), None);
    }

    #[test]
    fn a_warning_shows_nothing_of_the_credential() {
        for text in ["powerdns", "a1b2c3d4", "s3cret", "API_KEY=a1b2c3d4e5f6"] {
            let warning = credential(text).weakness().unwrap().to_string();
            assert!(!warning.contains(text), "{warning}");
        }
    }
}
