//! URL references in header fields: `docs/spec/rewriting.md` section 2.

use http::header::{self, Entry, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::LinkMap;

/// Makes `Location`, `Content-Location` and the targets of `Link` lead to the proxy.
pub(super) fn rewrite_fields(headers: &mut HeaderMap, links: &LinkMap) {
    rewrite_lines(headers, header::LOCATION, |value| links.rewrite_reference(value));
    rewrite_lines(headers, header::CONTENT_LOCATION, |value| links.rewrite_reference(value));
    rewrite_lines(headers, header::LINK, |value| rewrite_targets(value, links));
}

fn rewrite_lines(headers: &mut HeaderMap, name: HeaderName, rewrite: impl Fn(&str) -> Option<String>) {
    let Entry::Occupied(mut lines) = headers.entry(name) else { return };
    for line in lines.iter_mut() {
        let rewritten = line.to_str().ok().and_then(&rewrite);
        if let Some(value) = rewritten.and_then(|text| HeaderValue::from_str(&text).ok()) {
            *line = value;
        }
    }
}

/// RFC 8288 section 3: `<target>; name=token; name="quoted string", <target>`. `None` when nothing changes.
pub(super) fn rewrite_targets(value: &str, links: &LinkMap) -> Option<String> {
    let mut rewritten = String::new();
    let mut changed = false;
    let mut rest = value;
    while let Some((before, mark, behind)) = split_at_mark(rest) {
        rewritten.push_str(before);
        if mark == '"' {
            let (quoted, behind) = behind.split_at_checked(quoted_length(behind))?;
            rewritten.extend(['"'].into_iter().chain(quoted.chars()));
            rest = behind;
            continue;
        }
        let Some((target, behind)) = behind.split_once('>') else {
            rest = rest.get(before.len()..)?;
            break;
        };
        let lead = links.rewrite_reference(target);
        changed |= lead.is_some();
        rewritten.extend(["<", lead.as_deref().unwrap_or(target), ">"]);
        rest = behind;
    }
    rewritten.push_str(rest);
    changed.then_some(rewritten)
}

/// Splits at the next beginning of a target or of a quoted string.
fn split_at_mark(text: &str) -> Option<(&str, char, &str)> {
    let (at, mark) = text.char_indices().find(|(_, byte)| matches!(byte, '<' | '"'))?;
    Some((text.get(..at)?, mark, text.get(at + 1..)?))
}

/// How long a quoted string is, from behind its opening mark to behind its closing one. All of the text, if it is not closed.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    let closes = |(_, byte): &(usize, u8)| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    };
    text.bytes().enumerate().find(closes).map_or(text.len(), |(at, _)| at + 1)
}
