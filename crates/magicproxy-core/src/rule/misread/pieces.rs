//! A pattern, cut into the pieces that its reader sees. The pattern need not parse.

/// A piece of a pattern.
#[derive(Debug)]
pub(super) struct Piece<'p> {
    pub(super) text: &'p str,
    /// The piece's first byte in the pattern.
    pub(super) start: usize,
    pub(super) kind: Kind,
}

/// The kind of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A character that stands for itself.
    Literal,
    /// A repetition: `*`, `+`, `?`, `{2}`.
    Repeat,
    /// Braces that hold no number.
    Braces,
    /// All other pieces: classes, groups, `.`, other escapes.
    Other,
}

impl Piece<'_> {
    /// The byte behind the piece.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is_literal(&self, character: char) -> bool {
        let escaped = self.kind == Kind::Other
            && self.text.strip_prefix('\\') == Some("/")
            && character == '/';
        escaped || self.kind == Kind::Literal && self.text.chars().eq([character])
    }
}

/// Returns the pieces of a pattern, in their order.
pub(super) fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while let Some(rest) = pattern.get(start..).filter(|rest| !rest.is_empty()) {
        let (length, kind) = first(rest);
        let text = rest.get(..length).unwrap_or(rest);
        pieces.push(Piece { text, start, kind });
        start += text.len();
    }
    pieces
}

/// Returns the length in bytes and the kind of the first piece of a text.
fn first(rest: &str) -> (usize, Kind) {
    match rest.chars().next() {
        Some('\\') => (escape(rest), Kind::Other),
        Some('[') => (class(rest), Kind::Other),
        Some('(') => (group(rest), Kind::Other),
        Some('{') => braces(rest),
        Some('*' | '+' | '?') => (1, Kind::Repeat),
        Some('.' | ')' | '|' | '^' | '$') => (1, Kind::Other),
        Some(character) => (character.len_utf8(), Kind::Literal),
        None => (0, Kind::Other),
    }
}

/// Returns the length of an escape: `\d`, `\x{2D}`, `\pL`.
fn escape(rest: &str) -> usize {
    let Some(escaped) = rest.chars().nth(1) else { return rest.len() };
    let short = 1 + escaped.len_utf8();
    let braced = matches!(escaped, 'x' | 'u' | 'U' | 'p' | 'P')
        && rest.get(short..).is_some_and(|rest| rest.starts_with('{'));
    if braced { rest.find('}').map_or(rest.len(), |end| end + 1) } else { short }
}

/// Returns the length of a class, from `[` to its `]`; classes may stand in classes.
fn class(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '[' => {
                depth += 1;
                characters.next_if(|(_, next)| *next == '^');
                // A `]` that comes first stands for itself.
                characters.next_if(|(_, next)| *next == ']');
            }
            ']' if depth == 1 => return at + 1,
            ']' => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the length of a `(`, with the flags or the name behind.
fn group(rest: &str) -> usize {
    if !rest.starts_with("(?") {
        return 1;
    }
    let named = rest.starts_with("(?P<") || rest.starts_with("(?<");
    let ends: &[char] = if named { &['>', ')'] } else { &[':', ')', '=', '!'] };
    rest.find(ends).map_or(rest.len(), |end| end + 1)
}

/// Returns the length and kind of `{2,5}`, or of braces around other text.
fn braces(rest: &str) -> (usize, Kind) {
    let Some(end) = rest.find('}') else { return (1, Kind::Other) };
    let inside = rest.get(1..end).unwrap_or_default();
    let number = inside.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b' ');
    (end + 1, if number { Kind::Repeat } else { Kind::Braces })
}

#[cfg(test)]
mod tests {
    use super::pieces;

    /// A piece ends where the parser of patterns ends the piece: the text behind is looked at by
    /// itself.
    #[test]
    fn a_pattern_falls_into_its_pieces() {
        for (pattern, expected) in [
            ("/a", &["/", "a"][..]),
            ("/é*", &["/", "é", "*"]),
            (r"\d{2}a", &[r"\d", "{2}", "a"]),
            (r"\d{name}a", &[r"\d", "{name}", "a"]),
            (r"\x{2D}a", &[r"\x{2D}", "a"]),
            (r"\p{L}\u{e9}\U{e9}\P{L}a", &[r"\p{L}", r"\u{e9}", r"\U{e9}", r"\P{L}", "a"]),
            (r"\x2D{2}", &[r"\x", "2", "D", "{2}"]),
            (r"\.{2}\", &[r"\.", "{2}", r"\"]),
            ("(a)?", &["(", "a", ")", "?"]),
            ("(?:a)+", &["(?:", "a", ")", "+"]),
            ("(?P<n>a)(?<n>b)", &["(?P<n>", "a", ")", "(?<n>", "b", ")"]),
            ("(?i)a(?i:b)", &["(?i)", "a", "(?i:", "b", ")"]),
            ("(?=a)(?!b)", &["(?=", "a", ")", "(?!", "b", ")"]),
            ("[ab]c", &["[ab]", "c"]),
            ("[]a]b[^]a]c", &["[]a]", "b", "[^]a]", "c"]),
            (r"[\]a]b", &[r"[\]a]", "b"]),
            ("[a[bc]d]e", &["[a[bc]d]", "e"]),
            ("{a}{1,2}{", &["{a}", "{1,2}", "{"]),
            ("[a", &["[a"]),
            ("(?a", &["(?a"]),
        ] {
            assert_eq!(
                pieces(pattern).iter().map(|piece| piece.text).collect::<Vec<_>>(),
                expected,
                "{pattern}"
            );
        }
    }
}
