//! Which header fields pass, in both directions: the caller's cannot steer, the upstream's cannot confuse.
//!
//! Framing fields are never copied; the HTTP library sets them. RFC 9110 section 7.6.1, RFC 9112 section 9.6.

mod request;
mod response;
#[cfg(test)]
mod tests;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

pub(crate) use request::{RequestHeaders, may_carry_secret, refuse_overrides, steers};
use response::is_forbidden_trailer;
pub(crate) use response::{
    Coding, RATE_LIMIT, RATE_LIMIT_POLICY, RECEIPT, ResponseFilter, filter_request_trailers, has_no_content, is_searchable,
};

/// Fields that concern one connection only.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The names that `Connection` nominates as hop-by-hop.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// The names that `Trailer` announces, without those that no request has in its trailers, and these.
fn announced_trailers(headers: &HeaderMap, stripped: &[HeaderName]) -> Option<HeaderValue> {
    announced_trailers_that(headers, |name| !is_forbidden_trailer(name) && !stripped.contains(name))
}

/// The names that `Trailer` announces, without those that are not passed on: hyper writes no trailer that is not announced.
fn announced_trailers_that(headers: &HeaderMap, passes: impl Fn(&HeaderName) -> bool) -> Option<HeaderValue> {
    let values = headers.get_all(header::TRAILER).into_iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let passed: Vec<String> = names.filter(passes).map(|name| name.to_string()).collect();
    (!passed.is_empty()).then(|| HeaderValue::from_str(&passed.join(", ")).ok()).flatten()
}
