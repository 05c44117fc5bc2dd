//! RFC 8259 to the last byte, into a tree that keeps duplicates and the spelling of numbers.

use std::sync::LazyLock;

use regex::Regex;

/// The greatest number of containers around a value.
const DEPTH: usize = 64;

/// A text; `None` if it has a lone surrogate, which is no character.
pub(crate) type Text = Option<String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A number as it was spelled.
    Number(String),
    Text(Text),
    List(Vec<Json>),
    /// The members in their order, with duplicates.
    Object(Vec<(Text, Json)>),
}

/// Reads a text; `None` if it is not UTF-8 without BOM, or not JSON, or too deep.
pub(crate) fn parse(bytes: &[u8]) -> Option<Json> {
    let mut reader = Reader { rest: std::str::from_utf8(bytes).ok()? };
    let value = reader.value(0)?;
    reader.blank();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        Some(next)
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.blank();
        match self.rest.chars().next()? {
            '{' if depth < DEPTH => self.object(depth + 1),
            '[' if depth < DEPTH => self.list(depth + 1),
            '"' => self.text().map(Json::Text),
            't' => self.take("true").map(|()| Json::Bool(true)),
            'f' => self.take("false").map(|()| Json::Bool(false)),
            'n' => self.take("null").map(|()| Json::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        let mut members = Vec::new();
        self.take("{")?;
        self.blank();
        if self.take("}").is_some() {
            return Some(Json::Object(members));
        }
        loop {
            self.blank();
            let name = self.text()?;
            self.blank();
            self.take(":")?;
            members.push((name, self.value(depth)?));
            self.blank();
            if self.take(",").is_none() {
                return self.take("}").map(|()| Json::Object(members));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        let mut elements = Vec::new();
        self.take("[")?;
        self.blank();
        if self.take("]").is_some() {
            return Some(Json::List(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.blank();
            if self.take(",").is_none() {
                return self.take("]").map(|()| Json::List(elements));
            }
        }
    }

    fn text(&mut self) -> Option<Text> {
        self.take("\"")?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let unit = match self.next()? {
                '"' => return Some(String::from_utf16(&units).ok()),
                '\\' => self.escape()?,
                control if control < ' ' => return None,
                other => {
                    units.extend_from_slice(other.encode_utf16(&mut [0; 2]));
                    continue;
                }
            };
            units.push(unit);
        }
    }

    fn escape(&mut self) -> Option<u16> {
        Some(match self.next()? {
            '"' => u16::from(b'"'),
            '\\' => u16::from(b'\\'),
            '/' => u16::from(b'/'),
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits = self.rest.get(..4)?;
                self.rest = self.rest.get(4..)?;
                let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                hex.then(|| u16::from_str_radix(digits, 16).unwrap())?
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<Json> {
        let end =
            self.rest.find(|digit: char| !matches!(digit, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let (spelled, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        static GRAMMAR: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\z").unwrap()
        });
        self.rest = rest;
        GRAMMAR.is_match(spelled).then(|| Json::Number(spelled.to_owned()))
    }
}
