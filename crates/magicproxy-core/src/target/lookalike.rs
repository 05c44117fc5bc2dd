//! Characters that a server which normalises (NFKC, best fit) takes for ASCII with a meaning in a
//! path: `request-target.md` sections 2.2 and 4.

/// Returns the ASCII text that a character normalises to, or looks like, if the text has a meaning
/// in a path.
pub(super) fn normalized(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => ".",
        '\u{2025}' | '\u{fe30}' => "..",
        '\u{2026}' | '\u{fe19}' => "...",
        '\u{2044}' | '\u{2215}' | '\u{ff0f}' => "/",
        '\u{2100}' => "a/c",
        '\u{2101}' => "a/s",
        '\u{2105}' => "c/o",
        '\u{2106}' => "c/u",
        '\u{2216}' | '\u{29f5}' | '\u{fe68}' | '\u{ff3c}' => "\\",
        '\u{fe6a}' | '\u{ff05}' => "%",
        '\u{ff1b}' | '\u{37e}' | '\u{fe14}' | '\u{fe54}' => ";",
        '\u{ff1f}' | '\u{fe16}' | '\u{fe56}' => "?",
        '\u{2047}' => "??",
        '\u{2048}' => "?!",
        '\u{2049}' => "!?",
        '\u{ff03}' | '\u{fe5f}' => "#",
        _ => return None,
    })
}

/// True if the character stands for a dot, a slash, a backslash or a `%`. (The others end a path:
/// section 4 gives them a reading.)
pub(super) fn is_separator(character: char) -> bool {
    normalized(character).is_some_and(|ascii| ascii.contains(['.', '/', '\\', '%']))
}

/// Returns the ASCII letter, digit or sign of a full-width form.
pub(super) fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        _ => character,
    }
}
