//! Excerpts of texts of users, for messages.

/// The longest excerpt, in characters.
const EXCERPT_CHARACTERS: usize = 80;

/// Returns the text for a message between backquotes: in a single line, at most
/// [`EXCERPT_CHARACTERS`] long, and without characters that a terminal obeys.
pub(crate) fn shorten(text: &str) -> String {
    let harmless = |character: char| match character {
        '\\' | '"' | '\'' => character.to_string(),
        other => other.escape_debug().to_string(),
    };
    let mut shown: String = text.chars().take(EXCERPT_CHARACTERS).map(harmless).collect();
    if text.chars().nth(EXCERPT_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(shorten(text), expected, "{text:?}");
    }

    #[test]
    fn a_text_is_one_harmless_line() {
        check("", "");
        check(r#"GET /a\.b"'c"#, r#"GET /a\.b"'c"#);
        check("a\nb\tc\u{1b}[1m\u{202e}", r"a\nb\tc\u{1b}[1m\u{202e}");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let longest = "é".repeat(EXCERPT_CHARACTERS);
        check(&longest, &longest);
        check(&format!("{longest}x"), &format!("{longest}…"));
    }
}
