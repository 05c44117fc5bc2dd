//! Response headers and trailers on their way down.

use http::header::{self, HeaderName};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::request::steers;
use super::{HOP_BY_HOP, announced_trailers, nominated};
use crate::VERSION;
use crate::scrub::Needle;

/// The field that every answer of the upstream bears.
const MARK: HeaderName = HeaderName::from_static("x-magic-api-proxy");

/// Fields that would bind the caller to the upstream's host or protocol instead of the proxy's.
const MISDIRECTING: [HeaderName; 3] = [header::ALT_SVC, header::STRICT_TRANSPORT_SECURITY, header::PUBLIC_KEY_PINS];

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    /// gzip and nothing else.
    Gzip,
    Other,
}

impl Coding {
    /// However its server spells it.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::CONTENT_ENCODING).into_iter();
        let values = values.map(|value| value.to_str().unwrap_or("unreadable"));
        let codings = values.flat_map(|value| value.split(',')).map(str::trim);
        let mut codings = codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        let gzip = |coding: &str| coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip");
        match (codings.next(), codings.next()) {
            (None, _) => Self::Identity,
            (Some(coding), None) if gzip(coding) => Self::Gzip,
            _ => Self::Other,
        }
    }
}

/// Filters the head of an answer: hop-by-hop and framing fields go, an echoed credential is masked.
///
/// The length of a body that does not come (HEAD, 304) is kept as a number; every other length is the HTTP library's.
pub(crate) fn filter_response(head: &mut Parts, method: &Method, needle: Option<&Needle>) {
    let length = bodiless_length(head, method);
    let named = nominated(&head.headers);
    let trailers = announced_trailers(&head.headers, &[]);
    let drops = |name: &&HeaderName| {
        HOP_BY_HOP.contains(name)
            || **name == header::CONTENT_LENGTH
            || **name == MARK
            || MISDIRECTING.contains(name)
            || named.contains(name)
    };
    let dropped: Vec<HeaderName> = head.headers.keys().filter(drops).cloned().collect();
    for name in dropped {
        head.headers.remove(name);
    }
    if let Some(trailers) = trailers {
        head.headers.insert(header::TRAILER, trailers);
    }
    if let Some(length) = length {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(needle) = needle {
        mask(&mut head.headers, needle);
    }
    head.headers.insert(MARK, HeaderValue::from_static(VERSION));
    // A reason phrase is the upstream's free text; extensions may hold its spelling of names.
    head.extensions.clear();
}

/// Keeps of a trailer section what cannot change the message it follows (RFC 9110 section 6.5.1).
pub(crate) fn filter_trailers(trailers: &mut HeaderMap, needle: Option<&Needle>) {
    let dropped: Vec<HeaderName> = trailers.keys().filter(|name| is_forbidden_trailer(name)).cloned().collect();
    for name in dropped {
        trailers.remove(name);
    }
    if let Some(needle) = needle {
        mask(trailers, needle);
    }
}

/// The same for what a caller sends, and without the fields in which tokens and credentials stand.
pub(crate) fn filter_request_trailers(trailers: &mut HeaderMap, stripped: &[HeaderName]) {
    stripped.iter().for_each(|name| drop(trailers.remove(name)));
    filter_trailers(trailers, None);
}

/// Would this field, in a trailer section, change how its message is framed, routed or read?
pub(super) fn is_forbidden_trailer(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
        || steers(name)
        || matches!(
            *name,
            header::CONTENT_LENGTH
                | header::CONTENT_ENCODING
                | header::CONTENT_TYPE
                | header::CONTENT_RANGE
                | header::HOST
                | header::SET_COOKIE
                | header::CACHE_CONTROL
                | header::LOCATION
                | header::WWW_AUTHENTICATE
                | header::EXPECT
                | header::RANGE
        )
}

fn bodiless_length(head: &Parts, method: &Method) -> Option<u64> {
    if method != Method::HEAD && head.status != StatusCode::NOT_MODIFIED {
        return None;
    }
    head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn mask(headers: &mut HeaderMap, needle: &Needle) {
    for value in headers.values_mut() {
        if let Some(masked) = needle.masked(value.as_bytes()).and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) {
            *value = masked;
        }
    }
}
