//! The armoured spelling of a version 1 token: letters, digits and dots behind `mt1_`.
//! `token-v1.md` section 1.1.
//!
//! Armour is for carriers and for input by people only: it is removed there, and no later code
//! meets an armoured token.

use zeroize::Zeroizing;

use super::MAX_TOKEN_BYTES;

/// The beginning of an armoured token.
const PREFIX: &str = "mt1_";

/// True if the text must be read with [`unarmoured`].
#[must_use]
pub fn is_armoured(text: impl AsRef<[u8]>) -> bool {
    text.as_ref().starts_with(PREFIX.as_bytes())
}

/// Returns the armoured spelling of a JWT. `None` for a text with characters that no JWT has, or
/// with the beginning of an armoured or sealed token.
#[must_use]
pub fn armoured(jwt: &str) -> Option<Zeroizing<String>> {
    if !is_armourable(jwt) {
        return None;
    }
    // Allocated at full length at once, so that growing leaves no copy of the secret behind.
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * jwt.len()));
    text.push_str(PREFIX);
    for character in jwt.chars() {
        match character {
            'z' => text.push_str("z0"),
            '-' => text.push_str("z1"),
            '_' => text.push_str("z2"),
            other => text.push(other),
        }
    }
    Some(text)
}

/// Returns the JWT of an armoured spelling, `None` for any other text.
#[must_use]
pub fn unarmoured(text: &str) -> Option<Zeroizing<String>> {
    let behind = text.strip_prefix(PREFIX)?;
    if behind.len() > 2 * MAX_TOKEN_BYTES {
        return None;
    }
    let mut jwt = Zeroizing::new(String::with_capacity(behind.len()));
    let mut characters = behind.chars();
    while let Some(character) = characters.next() {
        jwt.push(match character {
            'z' => match characters.next()? {
                '0' => 'z',
                '1' => '-',
                '2' => '_',
                _ => return None,
            },
            '.' => '.',
            other if other.is_ascii_alphanumeric() => other,
            _ => return None,
        });
    }
    is_armourable(&jwt).then_some(jwt)
}

/// True if the text has the characters of a JWT and not the beginning of another form.
fn is_armourable(text: &str) -> bool {
    let of_jwt = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty()
        && text.bytes().all(of_jwt)
        && !text.starts_with(PREFIX)
        && !text.starts_with("mt2_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_text_of_another_form_is_armoured() {
        for text in ["", "a b", "a=", "a+b", "a/b", "mt1_a.b.c", "mt2_a.b.c", "é", "a\n", "a\0"] {
            assert_eq!(armoured(text), None, "{text:?}");
        }
    }

    proptest! {
        /// Armour works both ways with a length known in advance: two characters for each of `z`,
        /// `-` and `_`.
        #[test]
        fn armour_is_a_bijection(jwt in "[A-Za-z0-9._z-]{1,200}") {
            prop_assume!(is_armourable(&jwt));
            let text = armoured(&jwt).unwrap();
            prop_assert!(text["mt1_".len()..].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'));
            prop_assert_eq!(text.len(), 4 + jwt.len() + jwt.matches(['z', '-', '_']).count());
            prop_assert_eq!(unarmoured(&text).unwrap().to_string(), jwt);
        }

        #[test]
        fn what_is_undone_has_this_armour_only(behind in "(z[012]|[A-Za-z0-9.]|[._z-]){1,40}") {
            let text = format!("mt1_{behind}");
            if let Some(jwt) = unarmoured(&text) {
                prop_assert_eq!(armoured(&jwt).unwrap().to_string(), text);
            }
        }
    }
}
