//! The query of a target: passed on unchanged, and refused if a parameter overrides the method.
//! `request-target.md` section 3.

use std::borrow::Cow;

use crate::json::folded;

use super::ParseTargetError;
use super::ignorable::is_ignorable;

/// Names, as written by [`canonical`], of parameters that frameworks and APIs let override the
/// method: Salesforce has `_HttpMethod`, Google `$httpMethod`, and `$httpHeaders` that can hold an
/// overriding field.
const OVERRIDES: [&str; 8] = [
    "_method",
    "$method",
    "_httpmethod",
    "$httpmethod",
    "$httpheaders",
    "x_http_method_override",
    "x_http_method",
    "x_method_override",
];

/// The layers of percent-encoding that are looked through.
const MAX_LAYERS: usize = 8;

/// Checks a raw query and returns the query as text.
pub(super) fn check(raw: &[u8]) -> Result<&str, ParseTargetError> {
    let text = std::str::from_utf8(raw).map_err(|_| ParseTargetError::Character)?;
    if !raw.iter().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\".contains(byte)) {
        return Err(ParseTargetError::Character);
    }
    check_triplets(raw)?;
    if overrides_method(text, MAX_LAYERS) {
        return Err(ParseTargetError::MethodOverride);
    }
    Ok(text)
}

/// True if a parameter overrides the method, in the query as written or for a server that decodes,
/// once or more, before splitting. A query still encoded after all layers was wrapped to hide
/// something, and unwrapping everything would cost more than reading.
///
/// Strangers' requests come this far: a query without encoding is read once, and nothing is copied.
fn overrides_method(query: &str, layers: usize) -> bool {
    parameters(query).any(|parameter| {
        is_one_of(until_equals(parameter), &OVERRIDES)
            || decode_once(parameter)
                .is_some_and(|decoded| layers == 1 || overrides_method(&decoded, layers - 1))
    })
}

/// Returns the query without the parameters of these names; `None` if no parameter is left.
pub(super) fn without(query: &str, names: &[String]) -> Option<String> {
    let mut listed: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        listed.push(canonical(&decoded_name(name)).collect());
    }
    let mut kept = Vec::new();
    for piece in query.split('&') {
        let is_listed = parameters(piece).any(|part| is_one_of(&decoded_name(part), &listed));
        if !is_listed {
            kept.push(piece);
        }
    }
    if kept.is_empty() { None } else { Some(kept.join("&")) }
}

/// A query parameter that different servers would read in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query parameter occurs more than once")]
pub struct AmbiguousParameter;

/// Returns the raw value of the only parameter of this name.
pub(super) fn value<'q>(query: &'q str, name: &str) -> Result<Option<&'q str>, AmbiguousParameter> {
    let name = [canonical(&decoded_name(name)).collect::<String>()];
    let is_named = |part: &str| is_one_of(&decoded_name(part), &name);
    let mut pieces = query.split('&').filter(|piece| parameters(piece).any(is_named));
    match (pieces.next(), pieces.next()) {
        (None, _) => Ok(None),
        (Some(piece), None) if !piece.contains(';') => {
            Ok(Some(piece.split_once('=').map_or("", |(_, value)| value)))
        }
        _ => Err(AmbiguousParameter),
    }
}

/// True if some framework takes a member or a parameter of this name for the method.
pub(crate) fn names_method(name: &str) -> bool {
    is_one_of(name, &OVERRIDES)
}

fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split(['&', ';']).filter(|parameter| !parameter.is_empty())
}

fn check_triplets(raw: &[u8]) -> Result<(), ParseTargetError> {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                if (high, low) == (&b'0', &b'0') {
                    return Err(ParseTargetError::Control);
                }
            }
            _ => return Err(ParseTargetError::Encoding),
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    Ok(())
}

/// Returns the text before the first `=`, decoded until nothing changes. A decoded `=` ends the
/// name for a server that decodes first.
fn decoded_name(parameter: &str) -> Cow<'_, str> {
    let mut name = Cow::Borrowed(until_equals(parameter));
    for _ in 0..MAX_LAYERS {
        match decode_once(&name) {
            Some(decoded) => name = Cow::Owned(until_equals(&decoded).to_owned()),
            None => break,
        }
    }
    name
}

fn until_equals(parameter: &str) -> &str {
    parameter.split('=').next().unwrap_or_default()
}

/// True if a decoded name is any of these canonical names for some lenient framework.
fn is_one_of(decoded: &str, names: &[impl AsRef<str>]) -> bool {
    let is = |decoded: &str| {
        // Most names differ in the first character from all of these.
        let first = canonical(decoded).next();
        let mut alike = names.iter().map(AsRef::as_ref).filter(|name| name.chars().next() == first);
        alike.any(|name| canonical(decoded).eq(name.chars()))
    };
    // PHP takes a bracket that is not closed for a `_`.
    is(decoded) || decoded.contains('[') && !decoded.contains(']') && is(&decoded.replace('[', "_"))
}

/// Returns a decoded name without brackets at its beginning, which Rack and qs leave out, and
/// without an index in brackets behind; in lower case, without blanks at its ends; `-` is `_`, and
/// so are a dot and a blank inside, as in PHP.
fn canonical(decoded: &str) -> impl Iterator<Item = char> {
    let is_bracket = |character: char| matches!(character, '[' | ']');
    let name = decoded.trim_start_matches(|character| is_blank(character) || is_bracket(character));
    let name = name.split(is_bracket).next().unwrap_or_default().trim_end_matches(is_blank);
    let lower = name.chars().flat_map(char::to_lowercase);
    lower.map(
        move |character| {
            if is_blank(character) || matches!(character, '-' | '.') { '_' } else { character }
        },
    )
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == '+'
}

/// How a framework reads a dot in the name of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DotReading {
    /// Like a bracket: `a.b` is `b` inside of `a`.
    Inside,
    /// Like a `_`: PHP reads `a.b` as `a_b`.
    Underscore,
}

impl DotReading {
    pub(crate) const ALL: [Self; 2] = [Self::Inside, Self::Underscore];

    /// True if the root of a name ends before this character.
    pub(crate) fn ends_root(self, character: char) -> bool {
        character == '[' || character == '.' && self == Self::Inside
    }
}

/// True if some framework takes one of two decoded names for the other.
pub(crate) fn is_same_name(decoded: &str, other: &str) -> bool {
    canonical(decoded).eq(canonical(other))
}

/// Returns the root of a decoded name, as the most lenient frameworks compare it: the canonical
/// name up to its first bracket, or dot, without case, `_`, and characters that cannot be seen.
/// `conditions.md` section 4.2.
pub(crate) fn root(decoded: &str, dots: DotReading) -> impl Iterator<Item = char> {
    let name = until_equals(decoded).trim_start_matches(|character: char| {
        is_blank(character)
            || is_ignorable(character)
            || dots.ends_root(character)
            || is_mark(character)
    });
    let end = name.find(|character| dots.ends_root(character)).unwrap_or(name.len());
    lenient_characters(name.get(..end).unwrap_or_default())
}

/// True for what some framework leaves out in front of a name: to OData 4.01 `$x` is `x`.
fn is_mark(character: char) -> bool {
    matches!(character, '!' | '$')
}

/// Returns a part of a name as the most lenient frameworks compare it. To Spring `!x` is what `x` is
/// if it is missing, and to Rails `x(1i)` is a part of `x`.
pub(crate) fn lenient_characters(part: &str) -> impl Iterator<Item = char> {
    let part = part.trim_start_matches(is_mark).split('(').next().unwrap_or_default();
    canonical(part)
        .flat_map(folded)
        .filter(|character| *character != '_' && !is_ignorable(*character))
}

/// Removes a layer of percent-encoding; `None` if the text has none.
fn decode_once(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut encoded = false;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let decoded = if *first == b'%' { tail.get(..2).and_then(byte_of_digits) } else { None };
        match decoded {
            Some(byte) => {
                encoded = true;
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    encoded.then(|| String::from_utf8_lossy(&out).into_owned())
}

/// Returns the byte that two hex digits stand for.
fn byte_of_digits(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(digits, 16).ok()
}
