//! The two spellings of a sealed token's parts, neither of which contains `-` or `_`. `token-v2.md`
//! sections 1 and 1.1.

use crate::encoding::{base32, base64url, from_base32, from_base64url};

/// Returns the part for a JSON text: base64url of its ASCII spelling.
pub(super) fn of_json(json: &str) -> String {
    base64url(ascii(json).as_bytes())
}

/// Returns the JSON text of a part, if not empty.
pub(super) fn to_json(part: &str) -> Option<Vec<u8>> {
    from_base64url(part).filter(|json| !json.is_empty())
}

/// Returns the part for bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    base32(bytes)
}

/// Returns the bytes of a part, if not empty.
pub(super) fn to_bytes(part: &str) -> Option<Vec<u8>> {
    from_base32(part).filter(|bytes| !bytes.is_empty())
}

/// Returns the same JSON text with an escape for each character that base64url could encode as `-`
/// or `_`. In JSON such characters occur in strings only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, '>' | '?' | '~' | '\u{7f}') || !character.is_ascii() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_alphabet_cannot_hold_is_escaped() {
        for (value, text) in [
            (json!("a?b"), r#""a\u003fb""#),
            (json!(">~\u{7f}"), r#""\u003e\u007e\u007f""#),
            (json!("\\?"), r#""\\\u003f""#),
            (json!("é"), r#""\u00e9""#),
            (json!("😀"), r#""\ud83d\ude00""#),
            (json!("\u{2028}\u{ffff}"), r#""\u2028\uffff""#),
            (json!("a\tb\u{1}"), r#""a\tb\u0001""#),
        ] {
            assert_eq!(ascii(&value.to_string()), text);
        }
    }

    proptest! {
        /// Any text at any offset in the part.
        #[test]
        fn a_part_of_json_is_letters_and_digits(name in any::<String>(), text in any::<String>(), ascii in "[ -~\u{7f}]{0,40}") {
            let json = json!({name: [text, ascii]});
            let part = of_json(&json.to_string());
            prop_assert!(part.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", part);
            let read: serde_json::Value = serde_json::from_slice(&to_json(&part).unwrap()).unwrap();
            prop_assert_eq!(read, json);
        }

        #[test]
        fn a_part_of_bytes_is_letters_and_digits(bytes in proptest::collection::vec(any::<u8>(), 1..100)) {
            let part = of_bytes(&bytes);
            prop_assert!(part.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", part);
            prop_assert_eq!(to_bytes(&part), Some(bytes));
        }
    }
}
