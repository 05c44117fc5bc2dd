//! Response headers and trailers on the way down.

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use hyper::ext::ReasonPhrase;

use crate::field_names::HOP_BY_HOP;
use crate::http::header::{announced_trailers, is_forbidden_trailer, nominated, remove_all};
use crate::mask::SecretMask;
use crate::version::VERSION;

/// Field that every response of the upstream bears.
const MARK: HeaderName = HeaderName::from_static("x-magic-api-proxy");
/// Field with a token for the thing that a request created: `state.md` section 4.
pub(crate) const RECEIPT: HeaderName = HeaderName::from_static("magic-receipt");
/// Field with the remaining uses of a token: `state.md` section 6. An upstream may have such
/// fields, too.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Fields that the proxy sets in the head of a response, and never allows in trailers.
static OURS: [HeaderName; 4] = [MARK, RECEIPT, RATE_LIMIT, RATE_LIMIT_POLICY];

/// Fields that would bind the client to the upstream's host or protocol instead of the proxy's.
static MISDIRECTING: [HeaderName; 3] =
    [header::ALT_SVC, header::STRICT_TRANSPORT_SECURITY, header::PUBLIC_KEY_PINS];

/// Content coding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    /// Gzip alone.
    Gzip,
    Other,
}

impl Coding {
    /// Reads the coding from the headers, in any spelling.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::CONTENT_ENCODING) {
            return Self::Identity;
        }
        let mut found = Self::Identity;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for coding in value.to_str().unwrap_or("unreadable").split(',').map(str::trim) {
                found = match found {
                    before if names_nothing(coding) => before,
                    Self::Identity if names_gzip(coding) => Self::Gzip,
                    _ => Self::Other,
                };
            }
        }
        found
    }
}

/// True for an empty item of a list, and for `identity`, which changes nothing.
fn names_nothing(coding: &str) -> bool {
    coding.is_empty() || coding.eq_ignore_ascii_case("identity")
}

fn names_gzip(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

/// Filter of the fields of an upstream's response, in the head and in the trailer section. Removes
/// fields that concern a connection, fields that only the proxy sets, and fields that the operator
/// drops; masks the credential in values, and removes fields with the credential in the name. Made
/// for each response; the head must be filtered before the trailers, because the head's
/// `Connection` names fields of both.
#[derive(Debug, Default)]
pub(crate) struct ResponseFilter {
    secret_mask: Option<SecretMask>,
    /// Fields that the operator hides from clients. In the head these fields were dropped already.
    dropped: Arc<[HeaderName]>,
    /// Names listed in the head's `Connection`.
    named: Vec<HeaderName>,
}

impl ResponseFilter {
    pub(crate) fn new(secret_mask: Option<SecretMask>, dropped: Arc<[HeaderName]>) -> Self {
        Self { secret_mask, dropped, named: Vec::new() }
    }

    /// Filters a head. The length of a body that does not come (HEAD, 304) is kept as a number;
    /// every other length is set by the HTTP library.
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
        // Each hop has a separate version (RFC 9112 section 2.3): an upstream's version would
        // decide how long a client's connection lasts, and would remove the framing from content of
        // unknown length.
        head.version = Version::HTTP_11;
        let phrase = self.reason_phrase(head);
        // The HTTP library's notes on the upstream's connection, including the spelling of names.
        head.extensions.clear();
        if let Some(phrase) = phrase {
            head.extensions.insert(phrase);
        }
    }

    /// Returns the upstream's reason phrase, without the credential; an empty phrase for a status
    /// without a name, for which the HTTP library would invent a phrase. `None` where the phrase is
    /// the status's own.
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

    /// Removes trailers that could change the message before them (RFC 9110 section 6.5.1), or
    /// would not pass in the head.
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

    /// True if the field concerns one connection, by the upstream's own word, or if the field's
    /// name holds the credential.
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

/// True if the credential can be found in this body, had the upstream put the credential there.
/// Unrequested gzip is searchable, too: files are stored in gzip. A part of a compressed body
/// cannot be read without the bytes before the part.
pub(crate) fn is_searchable(head: &Parts, coding: Coding) -> bool {
    match coding {
        Coding::Identity => true,
        Coding::Gzip if head.status == StatusCode::PARTIAL_CONTENT => begins_at_zero(&head.headers),
        Coding::Gzip => true,
        Coding::Other => false,
    }
}

/// Reads `bytes 0-499/1234` (RFC 9110 section 14.4). A response of several parts has no such field.
fn begins_at_zero(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(header::CONTENT_RANGE).into_iter();
    let first = ranges
        .next()
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes 0-"));
    first.is_some() && ranges.next().is_none()
}

/// True if no content follows this head, whatever content the head announces.
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
