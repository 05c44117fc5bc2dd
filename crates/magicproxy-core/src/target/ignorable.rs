//! Characters that some servers ignore in a path: `request-target.md` sections 2.6 and 4.

/// Returns a path or a segment without its [ignorable](is_ignorable) characters, still
/// percent-encoded; `None` if the path has none.
///
/// `path` is canonical: its characters beyond ASCII stand in triplets, which are UTF-8 together.
pub(crate) fn without_ignorables(path: &str) -> Option<String> {
    let mut kept = String::new();
    let mut rest = path;
    while let Some((before, character, behind)) = next_encoded(rest) {
        kept.push_str(before);
        let encoded = rest.get(before.len()..rest.len() - behind.len()).unwrap_or_default();
        if !is_ignorable(character) {
            kept.push_str(encoded);
        }
        rest = behind;
    }
    kept.push_str(rest);
    (kept.len() < path.len()).then_some(kept)
}

/// Returns the first character beyond ASCII, with the text before and the text behind.
fn next_encoded(text: &str) -> Option<(&str, char, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('%')?;
        let length = match byte(text, at)? {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => {
                from = at + 3;
                continue;
            }
        };
        let bytes: Option<Vec<u8>> =
            (0..length).map(|number| byte(text, at + 3 * number)).collect();
        let character = String::from_utf8(bytes?).ok()?.chars().next()?;
        return Some((text.get(..at)?, character, text.get(at + 3 * length..)?));
    }
}

/// Returns the byte of the triplet at this place.
fn byte(text: &str, at: usize) -> Option<u8> {
    u8::from_str_radix(text.get(at..)?.strip_prefix('%')?.get(..2)?, 16).ok()
}

/// True if the character has Unicode's property `Default_Ignorable_Code_Point`. HFS+ ignores some
/// of these characters in the names of files (CVE-2014-9390), and servers that compare texts by
/// NFKC_Casefold ignore all.
pub(super) fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
