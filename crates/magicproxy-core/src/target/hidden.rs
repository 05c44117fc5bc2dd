//! Dot segments that only a server other than the configured server would see: behind further
//! layers of percent-encoding, in look-alikes, before path parameters. Refused under every setting
//! of the upstream, because no real name looks like a dot segment, and a gateway before the server
//! may read paths in another way than the server. `request-target.md` section 2.7.

use std::borrow::Cow;

use super::ParseTargetError;
use super::ignorable::is_ignorable;
use super::lookalike::{narrow, normalized};

/// The layers of percent-encoding, behind the first, that are looked through.
const MAX_LAYERS: usize = 8;

/// Checks a canonical path for hidden dot segments.
pub(super) fn check(path: &str) -> Result<(), ParseTargetError> {
    path.split('/').filter(|segment| segment.contains(['%', ';'])).try_for_each(check_segment)
}

fn check_segment(segment: &str) -> Result<(), ParseTargetError> {
    let mut bytes = Cow::Borrowed(segment.as_bytes());
    // As written, as decoded once, and the further layers.
    for _ in 0..MAX_LAYERS + 2 {
        let text = as_normalized(&bytes);
        check_parts(&text)?;
        match decode_once(text.as_bytes()) {
            Some(decoded) => bytes = Cow::Owned(decoded),
            None => return Ok(()),
        }
        if has_overlong_form(&bytes) {
            return Err(ParseTargetError::Utf8);
        }
    }
    Err(ParseTargetError::Layers)
}

/// Returns the text with look-alikes and full-width forms replaced by the ASCII of their
/// normalisation.
fn as_normalized(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        match normalized(character) {
            Some(ascii) => text.push_str(ascii),
            None => text.push(narrow(character)),
        }
    }
    text
}

/// Refuses a part `.` or `..` between slashes and backslashes, and a text of nothing but slashes
/// and empty parameters.
fn check_parts(text: &str) -> Result<(), ParseTargetError> {
    if text.bytes().all(|byte| matches!(byte, b'/' | b'\\' | b';')) {
        return Err(ParseTargetError::EmptySegment);
    }
    let mut parts = text.split(['/', '\\']);
    if parts.any(is_dot_segment) { Err(ParseTargetError::DotSegment) } else { Ok(()) }
}

/// True if the part is `.` or `..` for a server that ends the part at a parameter, a query, a NUL
/// or a line, and does not see blanks and ignorable characters.
fn is_dot_segment(part: &str) -> bool {
    let until_end = part.split([';', '?', '#', '\0', '\r', '\n']).next().unwrap_or_default();
    let unseen = |character: &char| {
        character.is_control() || character.is_whitespace() || is_ignorable(*character)
    };
    let mut seen = until_end.chars().filter(|character| !unseen(character));
    seen.next() == Some('.')
        && seen.next().is_none_or(|second| second == '.' && seen.next().is_none())
}

/// Removes a layer of percent-encoding, `%uXXXX` included; `None` if the text has none.
fn decode_once(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some((first, behind)) = rest.split_first() {
        let triplet = (*first == b'%').then(|| triplet(behind)).flatten();
        match triplet {
            Some((character, length)) => {
                found = true;
                decoded.extend(character);
                rest = behind.get(length..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    found.then_some(decoded)
}

/// Returns the bytes encoded by the digits behind a `%`, and the length of these digits.
fn triplet(behind: &[u8]) -> Option<(Vec<u8>, usize)> {
    let value = |range: std::ops::Range<usize>| {
        let digits = behind.get(range).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match behind.first() {
        Some(b'u' | b'U') => {
            char::from_u32(value(1..5)?).map(|character| (character.to_string().into_bytes(), 5))
        }
        _ => Some((vec![u8::try_from(value(0..2)?).ok()?], 2)),
    }
}

/// True if the bytes hold a form of UTF-8 that is longer than need be: old decoders read a dot or a
/// slash there.
fn has_overlong_form(bytes: &[u8]) -> bool {
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    bytes.iter().any(|byte| matches!(byte, 0xC0 | 0xC1))
        || pairs.into_iter().any(|pair| matches!(pair, (0xE0, 0x80..=0x9F) | (0xF0, 0x80..=0x8F)))
}
