//! Response headers and trailers on their way down.

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use hyper::ext::ReasonPhrase;

use crate::field_names::HOP_BY_HOP;
use crate::http::header::{announced_trailers, is_forbidden_trailer, nominated, remove_all};
use crate::mask::SecretMask;
use crate::version::VERSION;

/// The field that every response of the upstream bears.
const MARK: HeaderName = HeaderName::from_static("x-magic-api-proxy");
/// A token for what a request made: `state.md` section 4.
pub(crate) const RECEIPT: HeaderName = HeaderName::from_static("magic-receipt");
/// How often a token may still be used: `state.md` section 6. An upstream may have these of its own.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the proxy says in the head of a response, and nobody says behind it.
static OURS: [HeaderName; 4] = [MARK, RECEIPT, RATE_LIMIT, RATE_LIMIT_POLICY];

/// Fields that would bind the client to the upstream's host or protocol instead of the proxy's.
static MISDIRECTING: [HeaderName; 3] =
    [header::ALT_SVC, header::STRICT_TRANSPORT_SECURITY, header::PUBLIC_KEY_PINS];

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
        if !headers.contains_key(header::CONTENT_ENCODING) {
            return Self::Identity;
        }
        let values = headers.get_all(header::CONTENT_ENCODING).into_iter();
        let values = values.map(|value| value.to_str().unwrap_or("unreadable"));
        let codings = values.flat_map(|value| value.split(',')).map(str::trim);
        let mut codings =
            codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        let gzip = |coding: &str| {
            coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
        };
        match (codings.next(), codings.next()) {
            (None, _) => Self::Identity,
            (Some(coding), None) if gzip(coding) => Self::Gzip,
            _ => Self::Other,
        }
    }
}

/// Which fields of an upstream's response pass, in its head and in its trailer section: none that concerns a connection, none that
/// is the proxy's to set, none that the operator drops, and the credential in none of their names and values.
#[derive(Debug, Default)]
pub(crate) struct ResponseFilter {
    secret_mask: Option<SecretMask>,
    /// What the operator lets no client see. In the head it was dropped already.
    dropped: Arc<[HeaderName]>,
    /// The names that the head's `Connection` holds.
    named: Vec<HeaderName>,
}

impl ResponseFilter {
    pub(crate) fn new(secret_mask: Option<SecretMask>, dropped: Arc<[HeaderName]>) -> Self {
        Self { secret_mask, dropped, named: Vec::new() }
    }

    /// Filters a head. The length of a body that does not come (HEAD, 304) is kept as a number; every other length is the HTTP
    /// library's.
    pub(crate) fn head(&mut self, head: &mut Parts, method: &Method) {
        let length = bodiless_length(head, method);
        self.named = nominated(&head.headers);
        let trailers = announced_trailers(&head.headers, |name| self.passes_in_trailers(name));
        let drops = |name: &HeaderName| {
            HOP_BY_HOP.contains(name)
                || *name == header::CONTENT_LENGTH
                || *name == MARK
                || MISDIRECTING.contains(name)
                || self.conceals(name)
        };
        remove_all(&mut head.headers, drops, |_| {});
        if let Some(trailers) = trailers {
            head.headers.insert(header::TRAILER, trailers);
        }
        if let Some(length) = length {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(secret_mask) = &self.secret_mask {
            mask(&mut head.headers, secret_mask);
        }
        head.headers.insert(MARK, HeaderValue::from_static(VERSION));
        // Each hop has its own version (RFC 9112 section 2.3): an upstream's would say how long a client's connection lasts, and
        // take the framing from content of unknown length.
        head.version = Version::HTTP_11;
        let phrase = self.reason_phrase(head);
        // The HTTP library's notes of the upstream's connection, the spelling of names among them.
        head.extensions.clear();
        if let Some(phrase) = phrase {
            head.extensions.insert(phrase);
        }
    }

    /// The upstream's reason phrase, without the credential; an empty one for a status that has no name, for which the HTTP
    /// library would make one up. `None` where the phrase is the status's own.
    fn reason_phrase(&self, head: &mut Parts) -> Option<ReasonPhrase> {
        let phrase = head.extensions.remove::<ReasonPhrase>();
        let masked =
            phrase.as_ref().and_then(|phrase| self.secret_mask.as_ref()?.masked(phrase.as_bytes()));
        match masked {
            Some(masked) => ReasonPhrase::try_from(masked).ok(),
            None if phrase.is_none() && head.status.canonical_reason().is_none() => {
                Some(ReasonPhrase::from_static(b""))
            }
            None => phrase,
        }
    }

    /// Keeps of a trailer section what cannot change the message it follows (RFC 9110 section 6.5.1), and would pass in its head.
    pub(crate) fn trailers(&self, trailers: &mut HeaderMap) {
        remove_all(trailers, |name| !self.passes_in_trailers(name), |_| {});
        if let Some(secret_mask) = &self.secret_mask {
            mask(trailers, secret_mask);
        }
    }

    fn passes_in_trailers(&self, name: &HeaderName) -> bool {
        let only_in_heads = is_forbidden_trailer(name)
            || OURS.contains(name)
            || MISDIRECTING.contains(name)
            || self.dropped.contains(name);
        !only_in_heads && !self.conceals(name)
    }

    /// Does the field concern one connection, by the upstream's own word, or would its name tell the credential?
    fn conceals(&self, name: &HeaderName) -> bool {
        self.named.contains(name)
            || self.secret_mask.as_ref().is_some_and(|secret_mask| secret_mask.is_in_name(name))
    }
}

fn bodiless_length(head: &Parts, method: &Method) -> Option<u64> {
    if method != Method::HEAD && head.status != StatusCode::NOT_MODIFIED {
        return None;
    }
    head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Can the credential be found in this body, had the upstream put it there? In gzip it can, though nobody asked for it: files are
/// kept so. A part of a compressed body says nothing without what stands before it.
pub(crate) fn is_searchable(head: &Parts, coding: Coding) -> bool {
    match coding {
        Coding::Identity => true,
        Coding::Gzip if head.status == StatusCode::PARTIAL_CONTENT => begins_at_zero(&head.headers),
        Coding::Gzip => true,
        Coding::Other => false,
    }
}

/// RFC 9110 section 14.4: `bytes 0-499/1234`. Several parts have no such field.
fn begins_at_zero(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(header::CONTENT_RANGE).into_iter();
    let first = ranges
        .next()
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes 0-"));
    first.is_some() && ranges.next().is_none()
}

/// Does no content come with this head, whatever it says of some?
pub(crate) fn has_no_content(head: &Parts, method: &Method) -> bool {
    *method == Method::HEAD
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn mask(headers: &mut HeaderMap, secret_mask: &SecretMask) {
    for value in headers.values_mut() {
        if let Some(masked) = secret_mask
            .masked(value.as_bytes())
            .and_then(|bytes| HeaderValue::from_bytes(&bytes).ok())
        {
            *value = masked;
        }
    }
}
