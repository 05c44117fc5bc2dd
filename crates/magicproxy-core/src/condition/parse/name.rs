//! Names as written in NAMES, with their marks and escapes. `conditions.md` section 2.

use crate::condition::fault::FaultKind;
use crate::condition::names::ListedName;
use crate::condition::value::has_controls;
use crate::target::names_method;

use super::Place;

/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 128;

/// Header fields that carry a token, belong to the connection or the body, or are the proxy's own.
const FIELDS_OF_CONNECTION: [&str; 20] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "connection",
    "content-length",
    "content-encoding",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "accept-encoding",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
];

/// A name with its marks read.
pub(super) struct WrittenName {
    pub(super) text: String,
    pub(super) is_optional: bool,
    pub(super) has_keys: bool,
}

impl WrittenName {
    /// Reads the marks behind a name, and undoes its escapes.
    pub(super) fn parse(written: &str) -> Result<Self, FaultKind> {
        let (rest, is_optional) = without_mark(written, "?");
        let (rest, has_keys) = without_mark(rest, "[*]");
        let mut text = String::with_capacity(rest.len());
        let mut characters = rest.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some(literal @ ('?' | '*' | '[' | '\\')) => text.push(literal),
                    _ => return Err(FaultKind::NameEscape),
                },
                other => text.push(other),
            }
        }
        if !(1..=MAX_NAME_BYTES).contains(&text.len()) || has_controls(&text) {
            return Err(FaultKind::Name);
        }
        Ok(Self { text, is_optional, has_keys })
    }

    /// Refuses a name or a mark that means nothing in this part of a request.
    pub(super) fn check(&self, place: Place) -> Result<(), FaultKind> {
        if self.has_keys && !matches!(place, Place::Query | Place::Form) {
            return Err(FaultKind::KeysHere);
        }
        match place {
            Place::Captures if self.is_optional => Err(FaultKind::OptionalHere),
            Place::Captures => Ok(()),
            Place::Headers => self.check_field(),
            Place::Query | Place::Form | Place::Json if names_method(&self.text) => {
                Err(FaultKind::Override)
            }
            Place::Query | Place::Form | Place::Json => Ok(()),
        }
    }

    fn check_field(&self) -> Result<(), FaultKind> {
        let is_token = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^`|~".contains(&byte)
        };
        if !self.text.bytes().all(is_token) {
            return Err(FaultKind::HeaderName);
        }
        let is_of_handshake = self.text.starts_with("sec-websocket-");
        if is_of_handshake || FIELDS_OF_CONNECTION.contains(&self.text.as_str()) {
            return Err(FaultKind::HeaderOfConnection);
        }
        Ok(())
    }
}

/// Takes a mark off the end of a name, unless a `\` takes the mark's meaning away.
fn without_mark<'n>(name: &'n str, mark: &str) -> (&'n str, bool) {
    let Some(rest) = name.strip_suffix(mark) else { return (name, false) };
    let escapes = rest.len() - rest.trim_end_matches('\\').len();
    if escapes % 2 == 1 { (name, false) } else { (rest, true) }
}

impl ListedName {
    /// True if some reader takes the two names for one.
    pub(super) fn is_twin_of(&self, other: &Self, place: Place) -> bool {
        if self.name == other.name && self.has_keys == other.has_keys {
            return true;
        }
        match place {
            Place::Captures | Place::Headers => false,
            Place::Json => self.twin_key == other.twin_key,
            Place::Query | Place::Form => {
                // Names in brackets are keys of one parameter: `metadata[order]`.
                let has_brackets = |name: &Self| name.has_keys || name.name.contains('[');
                self.twin_key == other.twin_key && !(has_brackets(self) && has_brackets(other))
            }
        }
    }
}
