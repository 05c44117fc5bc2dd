//! A secret as a person or a program wrote it down: in a file, a variable, a mint request.
//! `token-v1.md` section 5.1.
//!
//! No error here repeats the text.

/// Removes the byte order mark before a secret and the line ends around it, as editors and `echo`
/// leave them.
///
/// # Errors
/// [`SecretFault`] for any other text that is no part of a secret, and would be sent as a part of
/// it.
pub fn written_secret(text: &str) -> Result<&str, SecretFault> {
    let line_end = ['\n', '\r'];
    let secret = text.trim_start_matches('\u{feff}').trim_matches(line_end);
    if secret.is_empty() {
        Err(SecretFault::Empty)
    } else if secret.contains(line_end) {
        Err(SecretFault::Lines)
    } else if is_quoted(secret) {
        Err(SecretFault::Quoted)
    } else {
        secret.chars().find_map(fault_of).map_or(Ok(secret), Err)
    }
}

/// True if the whole text stands in one pair of quotes.
fn is_quoted(text: &str) -> bool {
    let between =
        |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).is_some();
    ['"', '\'', '`'].into_iter().any(between)
}

fn fault_of(character: char) -> Option<SecretFault> {
    match character {
        // Soft hyphen, joiners and marks of direction, fillers, and a byte order mark inside the
        // text.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180e}' => Some(SecretFault::Invisible),
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => Some(SecretFault::Invisible),
        blank if blank.is_whitespace() => Some(SecretFault::Blank),
        control if control.is_control() => Some(SecretFault::Control),
        _ => None,
    }
}

/// The reason for which a text is not accepted as a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFault {
    /// Nothing but line ends.
    #[error("it is empty")]
    Empty,
    /// More than one line.
    #[error("there are several lines: expected one secret and nothing else")]
    Lines,
    /// Quotes around the secret, as `docker --env-file` leaves them.
    #[error(
        "it stands in quotes, which would be sent as a part of it: leave them out (`docker --env-file` does not take them away)"
    )]
    Quoted,
    /// A blank, a tab or another space character.
    #[error("there is a blank before, in or behind it: leave it out")]
    Blank,
    /// A control character, which no secret has.
    #[error("there is a control character in it: leave it out")]
    Control,
    /// A character without width, which is copied along with text from a page.
    #[error(
        "there is a character in it that cannot be seen, as pages leave one in copied text: leave it out"
    )]
    Invisible,
}

impl SecretFault {
    /// Returns the name of the fault in the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Lines => "lines",
            Self::Quoted => "quoted",
            Self::Blank => "blank",
            Self::Control => "control",
            Self::Invisible => "invisible",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_as_the_vectors_say() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../../testdata/vectors/secret.json")).unwrap();
        let pairs = |name: &str| {
            let list = vectors[name].as_array().unwrap().iter();
            list.map(|pair| [0, 1].map(|at| pair[at].as_str().unwrap().to_owned()))
                .collect::<Vec<_>>()
        };
        for [text, secret] in pairs("read") {
            assert_eq!(written_secret(&text), Ok(secret.as_str()), "{text:?}");
        }
        for [text, fault] in pairs("refused") {
            let refused = written_secret(&text).unwrap_err();
            assert_eq!(refused.name(), fault, "{text:?}");
            assert!(!refused.to_string().contains("marked"), "{refused}");
        }
    }
}
