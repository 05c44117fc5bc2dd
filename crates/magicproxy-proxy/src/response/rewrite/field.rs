//! URL references in header fields: `docs/spec/rewriting.md` section 2.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::LinkMap;

/// Fields whose value is one reference that clients follow.
static WHOLE_REFERENCES: [HeaderName; 5] = [
    header::LOCATION,
    header::CONTENT_LOCATION,
    // Azure's clients ask here for the result of an operation; Google's clients send the pieces of
    // an upload here.
    HeaderName::from_static("operation-location"),
    HeaderName::from_static("azure-asyncoperation"),
    HeaderName::from_static("x-goog-upload-url"),
];

/// True if this field holds references that clients follow.
pub(super) fn is_reference(name: &HeaderName) -> bool {
    *name == header::LINK || WHOLE_REFERENCES.contains(name)
}

/// Rewrites the references that clients follow to lead to the proxy.
pub(super) fn rewrite_fields(headers: &mut HeaderMap, links: &LinkMap) {
    // Most responses have no such field, and one pass over all names costs less than a search for
    // each.
    if !headers.keys().any(is_reference) {
        return;
    }
    for (name, line) in headers.iter_mut() {
        let rewritten = if *name == header::LINK {
            rewrite_targets(line.as_bytes(), links)
        } else if WHOLE_REFERENCES.contains(name) {
            links.rewrite_field(line.as_bytes())
        } else {
            None
        };
        if let Some(value) = rewritten.and_then(|value| HeaderValue::from_bytes(&value).ok()) {
            *line = value;
        }
    }
}

/// Rewrites the targets of a `Link` field, RFC 8288 section 3:
/// `<target>; name=token; name="quoted string", <target>`. `None` when nothing changes.
pub(super) fn rewrite_targets(value: &[u8], links: &LinkMap) -> Option<Vec<u8>> {
    let mut rewritten = Vec::new();
    let mut changed = false;
    let mut rest = value;
    while let Some((before, mark, behind)) = split_at_mark(rest) {
        rewritten.extend_from_slice(before);
        if mark == b'"' {
            let (quoted, behind) = behind.split_at_checked(quoted_length(behind))?;
            rewritten.push(b'"');
            rewritten.extend_from_slice(quoted);
            rest = behind;
            continue;
        }
        let Some(end) = behind.iter().position(|byte| *byte == b'>') else {
            rest = rest.get(before.len()..)?;
            break;
        };
        let (target, behind) = behind.split_at_checked(end)?;
        let lead = links.rewrite_field(target);
        changed |= lead.is_some();
        rewritten.push(b'<');
        rewritten.extend_from_slice(lead.as_deref().unwrap_or(target));
        // The rest begins with the `>`.
        rest = behind;
    }
    rewritten.extend_from_slice(rest);
    changed.then_some(rewritten)
}

/// Splits at the next beginning of a target or of a quoted string.
fn split_at_mark(text: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let at = text.iter().position(|byte| matches!(byte, b'<' | b'"'))?;
    Some((text.get(..at)?, *text.get(at)?, text.get(at + 1..)?))
}

/// Returns the length of a quoted string, from behind the opening mark to behind the closing mark.
/// All of the text, if the string is not closed.
fn quoted_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let closes = |(_, byte): &(usize, &u8)| {
        let closes = **byte == b'"' && !escaped;
        escaped = **byte == b'\\' && !escaped;
        closes
    };
    text.iter().enumerate().find(closes).map_or(text.len(), |(at, _)| at + 1)
}
