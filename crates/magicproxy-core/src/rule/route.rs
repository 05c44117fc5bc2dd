//! Route templates: `/repos/acme/{repo}/issues/{number}`. `rules.md` section 3.

use super::shorten;
use crate::condition::CapturePlace;
use crate::target::{ParseTargetError, PathSettings, RequestTarget, without_ignorables};

/// The reasons why a text is no route template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseRouteError {
    #[error("path must start with `/`")]
    Start,
    #[error("`{0}` is not a capture: expected `{{name}}` or `{{name*}}` as a whole segment")]
    Capture(String),
    #[error("the capture `{0}` occurs twice")]
    Twice(String),
    #[error("segment `{segment}`: {reason}")]
    Segment { segment: String, reason: ParseTargetError },
}

/// Returns the pattern with the meaning of a template.
pub(super) fn to_pattern(template: &str) -> Result<String, ParseRouteError> {
    let inner = template.strip_prefix('/').ok_or(ParseRouteError::Start)?;
    let mut pattern = String::new();
    let mut names = Vec::new();
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        pattern.push('/');
        if segment.is_empty() && segments.peek().is_none() {
            break;
        }
        pattern.push_str(&segment_pattern(segment, &mut names)?);
    }
    Ok(pattern)
}

fn segment_pattern<'t>(
    segment: &'t str,
    names: &mut Vec<&'t str>,
) -> Result<String, ParseRouteError> {
    if !segment.contains(['{', '}']) {
        return literal(segment);
    }
    let not_a_capture = || ParseRouteError::Capture(shorten(segment));
    let inside = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(not_a_capture)?;
    let (name, pattern) = match inside.strip_suffix('*') {
        Some(name) => (name, "[^/]+(?:/[^/]+)*"),
        None => (inside, "[^/]+"),
    };
    if !is_name(name) {
        return Err(not_a_capture());
    }
    if names.contains(&name) {
        return Err(ParseRouteError::Twice(shorten(name)));
    }
    names.push(name);
    Ok(pattern.to_owned())
}

/// Brings literal text to the form in which paths arrive, by the same code that reads paths.
fn literal(segment: &str) -> Result<String, ParseRouteError> {
    let mut encoded = String::from("/");
    for byte in segment.bytes() {
        match byte {
            0x80.. | b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'|' | b'[' | b']' => {
                encoded.push_str(&format!("%{byte:02X}"))
            }
            _ => encoded.push(char::from(byte)),
        }
    }
    let target = RequestTarget::parse(encoded.as_bytes(), PathSettings::LENIENT)
        .and_then(|target| {
            if target.query().is_some() { Err(ParseTargetError::Character) } else { Ok(target) }
        })
        .map_err(|reason| ParseRouteError::Segment { segment: shorten(segment), reason })?;
    if segment.is_empty() {
        return Err(ParseRouteError::Segment {
            segment: String::new(),
            reason: ParseTargetError::EmptySegment,
        });
    }
    let path = target.path().trim_start_matches('/');
    let written = regex_syntax::escape(path);
    // A path with ignorable characters has two readings, with and without these characters, and
    // both must be allowed.
    Ok(match without_ignorables(path) {
        Some(seen) => format!("(?:{written}|{})", regex_syntax::escape(&seen)),
        None => written,
    })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns the place of a capture of a single segment; `None` if the template has no such capture,
/// or its place depends on the path.
pub(super) fn capture(template: &str, name: &str) -> Option<CapturePlace> {
    let segments = segments(template)?;
    let wanted = format!("{{{name}}}");
    let at = segments.iter().position(|segment| *segment == wanted)?;
    let (before, behind) = segments.split_at(at);
    let behind = behind.get(1..).unwrap_or_default();
    if !has_open(before) {
        Some(CapturePlace::FromStart(before.len()))
    } else {
        (!has_open(behind)).then_some(CapturePlace::FromEnd(behind.len()))
    }
}

/// Returns the place of a capture of one segment or several; `None` as for [`capture`].
pub(super) fn place(template: &str, name: &str) -> Option<CapturePlace> {
    let segments = segments(template)?;
    let wanted = format!("{{{name}*}}");
    let Some(at) = segments.iter().position(|segment| *segment == wanted) else {
        return capture(template, name);
    };
    let (before, behind) = segments.split_at(at);
    let behind = behind.get(1..).unwrap_or_default();
    let is_only = !has_open(before) && !has_open(behind);
    is_only.then_some(CapturePlace::Between { before: before.len(), behind: behind.len() })
}

fn segments(template: &str) -> Option<Vec<&str>> {
    Some(template.strip_prefix('/')?.split('/').collect())
}

/// True if one of these segments stands for any number of segments.
fn has_open(segments: &[&str]) -> bool {
    segments.iter().any(|segment| segment.ends_with("*}"))
}
