//! The query of a target: passed on unchanged, and refused when it overrides the method. `request-target.md` section 3.

use super::ParseTargetError;

/// Names, as [`canonical_name`] writes them, of parameters that frameworks and APIs let override the method: Salesforce has
/// `_HttpMethod`, Google `$httpMethod`, and `$httpHeaders` that can hold an overriding field.
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

/// Layers of percent-encoding that are looked through.
const MAX_LAYERS: usize = 8;

/// Checks a raw query and gives it back as text.
pub(super) fn check(raw: &[u8]) -> Result<&str, ParseTargetError> {
    let text = std::str::from_utf8(raw).map_err(|_| ParseTargetError::Character)?;
    if !raw.iter().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`".contains(byte)) {
        return Err(ParseTargetError::Character);
    }
    check_triplets(raw)?;
    if overrides_method(text) {
        return Err(ParseTargetError::MethodOverride);
    }
    Ok(text)
}

/// Read as it stands, and as a server reads it that decodes, once or more, before it splits. What is still encoded after
/// so many layers was wrapped to hide something, and unwrapping it all would cost more than reading it.
fn overrides_method(query: &str) -> bool {
    let mut reading = query.to_owned();
    for _ in 0..MAX_LAYERS {
        if parameters(&reading).any(|parameter| OVERRIDES.contains(&canonical_name(parameter).as_str())) {
            return true;
        }
        let decoded = decode_once(&reading);
        if decoded == reading {
            return false;
        }
        reading = decoded;
    }
    true
}

/// The query without the parameters of these names; nothing when none is left.
pub(super) fn without(query: &str, names: &[String]) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| canonical_name(name)).collect();
    let kept: Vec<&str> =
        query.split('&').filter(|parameter| !parameters(parameter).any(|part| names.contains(&canonical_name(part)))).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// A query parameter that different servers would read in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query parameter occurs more than once")]
pub struct AmbiguousParameter;

/// The raw value of the one parameter of this name.
pub(super) fn value<'q>(query: &'q str, name: &str) -> Result<Option<&'q str>, AmbiguousParameter> {
    let name = canonical_name(name);
    let is_named = |part: &str| canonical_name(part) == name;
    let mut pieces = query.split('&').filter(|piece| parameters(piece).any(is_named));
    match (pieces.next(), pieces.next()) {
        (None, _) => Ok(None),
        (Some(piece), None) if !piece.contains(';') => Ok(Some(piece.split_once('=').map_or("", |(_, value)| value))),
        _ => Err(AmbiguousParameter),
    }
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

/// The name of `name=value` as the most lenient framework reads it: decoded until nothing changes, without an index in
/// brackets, in lower case, without blanks at its ends; `-` is `_`, and so are a dot and a blank inside, as PHP has it.
fn canonical_name(parameter: &str) -> String {
    let mut name = parameter.split('=').next().unwrap_or_default().to_owned();
    for _ in 0..MAX_LAYERS {
        let decoded = decode_once(&name);
        if decoded == name {
            break;
        }
        name = decoded;
    }
    // A decoded `=` ends the name for a server that decodes first.
    let name = name.split(['[', '=']).next().unwrap_or_default();
    let is_blank = |character: char| character.is_whitespace() || character == '+';
    name.trim_matches(is_blank).to_lowercase().replace(|character| is_blank(character) || "-.".contains(character), "_")
}

fn decode_once(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let triplet = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match triplet.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
