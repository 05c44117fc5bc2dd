//! The path of a target: `request-target.md` sections 2 and 4.

use super::ignorable::without_ignorables;
use super::{
    EncodedSlash, MAX_PATH_BYTES, ParseTargetError, PathReading, PathSettings, hidden, lookalike,
};

/// Brings a raw path to canonical form, or refuses the path.
pub(super) fn canonicalise(raw: &[u8], settings: PathSettings) -> Result<String, ParseTargetError> {
    let mut canonical = String::with_capacity(raw.len());
    let mut rest = raw;
    // Most paths are plain from beginning to end.
    let mut is_plain_path = true;
    loop {
        let plain = rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
        let (plain, behind) = rest.split_at(plain);
        canonical.push_str(std::str::from_utf8(plain).map_err(|_| ParseTargetError::Character)?);
        is_plain_path &= behind.is_empty();
        match behind {
            [] => break,
            [b'%', triplet @ ..] => {
                let (high, low) = (triplet.first().copied(), triplet.get(1).copied());
                push_triplet(&mut canonical, decode(high, low)?, settings)?;
                rest = triplet.get(2..).unwrap_or_default();
            }
            [byte, behind @ ..] => {
                push_raw(&mut canonical, *byte, settings.reading)?;
                rest = behind;
            }
        }
    }
    if canonical.len() > MAX_PATH_BYTES {
        return Err(ParseTargetError::TooLong);
    }
    if !is_plain_path {
        check_text(&canonical, settings.reading)?;
    }
    check_segments(&canonical)?;
    if !is_plain_path && !settings.reading.is_unknown() {
        hidden::check(&canonical)?;
    }
    Ok(canonical)
}

/// Returns the readings besides the canonical path, section 4.
pub(super) fn further_readings(
    path: &str,
    settings: PathSettings,
) -> Result<Vec<String>, ParseTargetError> {
    let mut readings = Vec::new();
    if path.contains('%') {
        if settings.encoded_slash == EncodedSlash::Both && path.contains("%2F") {
            let split = path.replace("%2F", "/");
            check_segments(&split)?;
            readings.extend(cut(&split, settings.reading)?);
            readings.push(split);
        }
        readings.extend(cut(path, settings.reading)?);
    }
    if settings.reading == PathReading::Servlet {
        add_without_parameters(path, &mut readings)?;
    }
    if path.contains('%') {
        // Each reading as seen by a server that ignores invisible characters.
        let seen: Vec<String> = std::iter::once(path)
            .chain(readings.iter().map(String::as_str))
            .filter_map(without_ignorables)
            .collect();
        readings.extend(seen);
    }
    Ok(readings)
}

/// Adds each reading as seen by a server that cuts off path parameters: before decoding, when only
/// `;` begins a parameter, or after decoding, when `%3B` begins a parameter, too. An end of the
/// path that was hidden by a parameter (`/a;%3F/b%3Fc`) appears only then.
fn add_without_parameters(path: &str, readings: &mut Vec<String>) -> Result<(), ParseTargetError> {
    let mut without = Vec::new();
    for reading in std::iter::once(path).chain(readings.iter().map(String::as_str)) {
        for starts in [[";"].as_slice(), [";", "%3B"].as_slice()] {
            let Some(found) = without_parameters(reading, starts) else { continue };
            if !without.contains(&found) {
                without.push(found);
            }
        }
    }
    for reading in &without {
        check_segments(reading)?;
    }
    let mut ended = Vec::new();
    for reading in &without {
        for end in cut(reading, PathReading::Servlet)? {
            let is_known = end == path
                || readings.contains(&end)
                || without.contains(&end)
                || ended.contains(&end);
            if !is_known {
                ended.push(end);
            }
        }
    }
    readings.extend(without);
    readings.extend(ended);
    Ok(())
}

/// Returns the path with each segment cut at the first of `starts`; `None` if no segment holds any.
fn without_parameters(path: &str, starts: &[&str]) -> Option<String> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let end = starts.iter().filter_map(|start| segment.find(start)).min();
        segments.push(end.and_then(|end| segment.get(..end)).unwrap_or(segment));
    }
    let path_without = segments.join("/");
    (path_without.len() < path.len()).then_some(path_without)
}

/// Ends of the path for a server that decodes before it splits: at `?`, or at `#`. The first
/// occurrence from each list is an end.
const ENDS: [&[&str]; 2] = [&["%3F"], &["%23"]];

/// Ends of the path for a server that also normalises (NFKC): at the look-alikes of `?`, `#` and
/// `;`, too.
const NORMALIZED_ENDS: [&[&str]; 5] = [
    &["%3F"],
    &["%23"],
    &["%3F", "%EF%BC%9F", "%EF%B8%96", "%EF%B9%96", "%E2%81%87", "%E2%81%88", "%E2%81%89"],
    &["%23", "%EF%BC%83", "%EF%B9%9F"],
    &["%EF%BC%9B", "%CD%BE", "%EF%B8%94", "%EF%B9%94"],
];

/// Returns the readings up to each of [`ENDS`]. The readings must obey section 2 as well:
/// `/a/..%3F` would end in a dot segment.
fn cut(path: &str, reading: PathReading) -> Result<Vec<String>, ParseTargetError> {
    let spellings_of_ends: &[&[&str]] = if reading.normalizes() { &NORMALIZED_ENDS } else { &ENDS };
    let mut ends: Vec<usize> = Vec::new();
    for spellings in spellings_of_ends {
        ends.extend(spellings.iter().filter_map(|end| path.find(end)).min());
    }
    ends.sort_unstable();
    ends.dedup();
    let mut readings = Vec::new();
    for end in ends {
        let Some(reading) = path.get(..end) else { continue };
        check_segments(reading)?;
        readings.push(reading.to_owned());
    }
    Ok(readings)
}

/// True if a byte stands for itself, for every upstream. RFC 3986 section 3.3: a `pchar`, or the
/// `/` between segments; without `;`.
fn is_plain(byte: u8) -> bool {
    // From `&` to `:` stand the other sub-delimiters, `-`, `.`, `/` and the digits.
    matches!(byte, b'!' | b'$' | b'&'..=b':' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z' | b'~')
}

fn decode(high: Option<u8>, low: Option<u8>) -> Result<u8, ParseTargetError> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => {
            u8::try_from(high * 16 + low).map_err(|_| ParseTargetError::Encoding)
        }
        _ => Err(ParseTargetError::Encoding),
    }
}

fn push_triplet(
    canonical: &mut String,
    byte: u8,
    settings: PathSettings,
) -> Result<(), ParseTargetError> {
    match byte {
        b'%' if settings.reading.is_unknown() => return Err(ParseTargetError::EncodedPercent),
        b';' if settings.reading.is_unknown() => return Err(ParseTargetError::Parameter),
        b'\\' => return Err(ParseTargetError::Backslash),
        0..=0x1F | 0x7F => return Err(ParseTargetError::Control),
        b'/' if settings.encoded_slash == EncodedSlash::Refuse => {
            return Err(ParseTargetError::EncodedSlash);
        }
        _ if is_unreserved(byte) => canonical.push(char::from(byte)),
        _ => push_encoded(canonical, byte),
    }
    Ok(())
}

/// Appends a raw byte that is not [plain](is_plain): encoded, if URL parsers and clients leave the
/// byte raw and the byte has a single meaning. WHATWG's parser leaves `[`, `]`, `|` and `^`, Go's
/// the brackets, curl all of these.
fn push_raw(
    canonical: &mut String,
    byte: u8,
    reading: PathReading,
) -> Result<(), ParseTargetError> {
    match byte {
        b'\\' => return Err(ParseTargetError::Backslash),
        b';' if reading.is_unknown() => return Err(ParseTargetError::Parameter),
        b';' => canonical.push(';'),
        b'[' | b']' => push_encoded(canonical, byte),
        _ => return Err(ParseTargetError::Character),
    }
    Ok(())
}

fn push_encoded(canonical: &mut String, byte: u8) {
    canonical.push('%');
    canonical.push(hex(byte >> 4));
    canonical.push(hex(byte & 15));
}

/// Refuses empty segments, dot segments and their look-alikes with blanks, against servers that
/// resolve or trim such segments. A final `/` is a path of its own.
fn check_segments(path: &str) -> Result<(), ParseTargetError> {
    if has_simple_segments(path) {
        return Ok(());
    }
    let inner = path.strip_prefix('/').ok_or(ParseTargetError::Form)?;
    if inner.is_empty() {
        return Ok(());
    }
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.split('/').try_for_each(check_segment)
}

/// True for most paths that [`check_segments`] accepts, found in a single pass: nothing is encoded,
/// and no segment begins with a dot or is empty, apart from the empty segment behind a final `/`.
fn has_simple_segments(path: &str) -> bool {
    let bytes = path.as_bytes();
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    path.starts_with('/')
        && pairs.fold(true, |simple, (one, next)| {
            simple & !(*next == b'%' || *one == b'/' && (*next == b'/' || *next == b'.'))
        })
}

fn check_segment(segment: &str) -> Result<(), ParseTargetError> {
    if segment.is_empty() {
        return Err(ParseTargetError::EmptySegment);
    }
    if segment.bytes().all(|byte| byte == b'.') {
        return Err(ParseTargetError::DotSegment);
    }
    if !segment.contains('%') {
        return Ok(());
    }
    check_decoded(segment)?;
    match without_ignorables(segment) {
        Some(seen) if seen.is_empty() => Err(ParseTargetError::EmptySegment),
        Some(seen) => check_decoded(&seen),
        None => Ok(()),
    }
}

fn check_decoded(segment: &str) -> Result<(), ParseTargetError> {
    let decoded = percent_decode(segment);
    let decoded = String::from_utf8_lossy(&decoded);
    // Even if `%2F` is an ordinary character, nobody needs a dot segment behind it, and some server
    // would obey the dot segment.
    if decoded.split('/').any(|part| !part.is_empty() && part.bytes().all(|byte| byte == b'.')) {
        return Err(ParseTargetError::DotSegment);
    }
    check_blanks(&decoded)
}

/// Refuses blanks around a segment. A blank is a character that a trimming upstream takes away:
/// white space of Unicode and the byte order mark.
fn check_blanks(decoded: &str) -> Result<(), ParseTargetError> {
    let is_blank = |character: char| character.is_whitespace() || character == '\u{feff}';
    if decoded.contains('.')
        && decoded.chars().all(|character| character == '.' || is_blank(character))
    {
        return Err(ParseTargetError::DotSegment);
    }
    if decoded.starts_with(is_blank) || decoded.ends_with(is_blank) {
        return Err(ParseTargetError::Blank);
    }
    Ok(())
}

/// Checks the decoded path as text: UTF-8, no C1 controls or line separators. If the server may
/// normalise, refuses characters whose normal form is or holds a dot, a slash (`℅` too), a
/// backslash or a `%`, and other look-alikes of these.
fn check_text(canonical: &str, reading: PathReading) -> Result<(), ParseTargetError> {
    let decoded =
        String::from_utf8(percent_decode(canonical)).map_err(|_| ParseTargetError::Utf8)?;
    for character in decoded.chars() {
        if matches!(character, '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}') {
            return Err(ParseTargetError::Utf8);
        }
        if reading.normalizes() && lookalike::is_separator(character) {
            return Err(ParseTargetError::Lookalike);
        }
    }
    Ok(())
}

/// Decodes every triplet once. The text must hold whole triplets only.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte =
            if byte == b'%' { decode(bytes.next(), bytes.next()).unwrap_or(byte) } else { byte };
        decoded.push(byte);
    }
    decoded
}

pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_are_the_characters_of_a_path_but_for_the_semicolon() {
        for byte in 0..=u8::MAX {
            assert_eq!(
                is_plain(byte),
                is_unreserved(byte) || b"!$&'()*+,=:@/".contains(&byte),
                "{byte:#x}"
            );
        }
    }
}
