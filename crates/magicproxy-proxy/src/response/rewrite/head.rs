//! Selection of the responses that are rewritten, and the changes to their heads:
//! `docs/spec/rewriting.md` sections 3 and 6.

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::LinkMap;
use super::field::{is_reference, rewrite_fields};
use crate::http::header::remove_all;
use crate::response::header::Coding;

const APPLICATION: &[u8] = b"application/";
/// Subtypes of `application` that are JSON, or lines or a sequence of JSON, without a suffix that
/// says so.
const SUBTYPES: [&str; 6] = ["json", "json-seq", "x-ndjson", "ndjson", "jsonl", "x-jsonlines"];
/// Suffixes of subtypes that are JSON.
const SUFFIXES: [&str; 2] = ["+json", "+json-seq"];
/// Suffixes of subtypes that are not JSON, in spite of `+json`: GitHub labels files so.
const FILE_SUFFIXES: [&str; 2] = [".raw+json", ".html+json"];

/// Fields that are no longer true once the bytes of a body are changed.
static DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Plan for the body of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyPlan {
    /// The body passes unchanged.
    Keep,
    /// The body is rewritten as it comes.
    Rewrite(Rewriting),
    /// The body is inflated, and then rewritten.
    Inflate(Rewriting),
}

/// Links and request by which a response is rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewriting {
    pub(crate) links: Arc<LinkMap>,
    /// Path and query of the client's request, where they matter.
    pub(crate) asked: Option<PathAndQuery>,
}

/// Rewrites the head of a response whose hop-by-hop and framing fields are gone, and returns the
/// plan for the body. Almost all responses that are no JSON are spared the making of `rewriting`.
/// `coding` is the coding of the body as received.
pub(crate) fn apply(
    head: &mut Parts,
    coding: Coding,
    rewriting: impl FnOnce() -> Option<Rewriting>,
) -> BodyPlan {
    let json = is_rewritten_as_json(&head.headers);
    let concerned =
        json || head.status == StatusCode::NOT_MODIFIED || head.headers.keys().any(is_reference);
    let rewriting =
        concerned.then(rewriting).flatten().filter(|rewriting| !rewriting.links.is_empty());
    let Some(rewriting) = rewriting else { return BodyPlan::Keep };
    rewrite_fields(&mut head.headers, &rewriting.links);
    let perhaps =
        head.status == StatusCode::NOT_MODIFIED && !head.headers.contains_key(header::CONTENT_TYPE);
    let bodies = !rewriting.links.members().is_empty();
    if !bodies || coding == Coding::Other || !(perhaps || (json && is_whole(head))) {
        return BodyPlan::Keep;
    }
    remove_all(&mut head.headers, is_of_bytes, |_| {});
    if coding == Coding::Identity {
        return BodyPlan::Rewrite(rewriting);
    }
    head.headers.remove(header::CONTENT_ENCODING);
    add_vary(&mut head.headers);
    BodyPlan::Inflate(rewriting)
}

/// True if a field is no longer true of a body that is rewritten.
fn is_of_bytes(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::ACCEPT_RANGES || DIGESTS.contains(name)
}

/// Removes digests of a body, or of a representation, that was rewritten.
pub(crate) fn drop_digests(headers: &mut HeaderMap) {
    remove_all(headers, |name| DIGESTS.contains(name), |_| {});
}

/// True if the body is neither a part of a representation, nor a file.
fn is_whole(head: &Parts) -> bool {
    let headers = &head.headers;
    let partial =
        head.status == StatusCode::PARTIAL_CONTENT || headers.contains_key(header::CONTENT_RANGE);
    let attached = headers.contains_key(header::CONTENT_DISPOSITION) && is_attachment(headers);
    !partial && !attached
}

/// True if members of the body are rewritten: the body is JSON by a single `Content-Type`, and no
/// file in JSON.
fn is_rewritten_as_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).into_iter();
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    let media_type = before_parameters(value.as_bytes());
    let Some((kind, subtype)) = media_type.split_at_checked(APPLICATION.len()) else {
        return false;
    };
    let ends_in = |suffixes: &[&str]| suffixes.iter().any(|suffix| ends_with(subtype, suffix));
    kind.eq_ignore_ascii_case(APPLICATION)
        && (SUBTYPES.iter().any(|known| subtype.eq_ignore_ascii_case(known.as_bytes()))
            || (ends_in(&SUFFIXES) && !ends_in(&FILE_SUFFIXES)))
}

/// True if the body is a file, whatever the type.
fn is_attachment(headers: &HeaderMap) -> bool {
    let mut dispositions =
        headers.get_all(header::CONTENT_DISPOSITION).into_iter().map(HeaderValue::as_bytes);
    dispositions.any(|value| before_parameters(value).eq_ignore_ascii_case(b"attachment"))
}

fn before_parameters(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

fn ends_with(text: &[u8], suffix: &str) -> bool {
    let start = text.len().checked_sub(suffix.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
}

/// Adds `Vary: Accept-Encoding`: another client, without gzip, might get another response of the
/// upstream.
fn add_vary(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::VARY).into_iter().filter_map(|value| value.to_str().ok());
    let mut names = lines.flat_map(|value| value.split(',')).map(str::trim);
    if !names.any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding")) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}
