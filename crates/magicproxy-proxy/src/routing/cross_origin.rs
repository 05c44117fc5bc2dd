//! Pages of other origins that may call an upstream through the proxy: the CORS protocol of the
//! Fetch standard. Specification: `docs/spec/upstreams.md` section 11.
//!
//! Never lets a page read a response of the control plane, and never allows credentials of the
//! browser: a page that calls the proxy sends a token given to the page, in a field set by the
//! page.

#[cfg(test)]
mod tests;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use magicproxy_core::Method as KnownMethod;

use crate::response::body::ResponseBody;
use crate::settings::PageOrigins;

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// Fields of the protocol in responses, reserved to the proxy where pages are allowed.
static RESPONSE_FIELDS: [HeaderName; 7] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    ALLOW_PRIVATE_NETWORK,
];

/// Seconds for which a browser may remember the response to a preflight: short, so a change of the
/// configuration is soon in effect.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// The request fields on which the response to a preflight depends.
const VARY_PREFLIGHT: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);
/// The longest list of field names that a preflight may ask for, in bytes.
const MAX_ASKED_BYTES: usize = 4 * 1024;
/// The most field names that a preflight may ask for.
const MAX_ASKED: usize = 64;

impl PageOrigins {
    /// Responds to a preflight of an allowed page (Fetch, section "CORS-preflight fetch"). Returns
    /// `None` for any other request.
    pub(crate) fn preflight(&self, head: &Parts) -> Option<Response<ResponseBody>> {
        if self.is_empty() || head.method != Method::OPTIONS {
            return None;
        }
        let page = only(&head.headers, &ORIGIN).filter(|origin| self.allows(origin))?;
        let method = only(&head.headers, &ACCESS_CONTROL_REQUEST_METHOD)?;
        let mut response = Response::new(ResponseBody::full(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(VARY, VARY_PREFLIGHT);
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page.clone());
        // Methods and fields that are not allowed are left out: the browser then refuses them.
        if method.to_str().is_ok_and(|method| KnownMethod::parse(method).is_ok()) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        }
        if let Some(names) = asked_names(&head.headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        if head.headers.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true") {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Marks a response as readable by the page that sent the request, if the page is allowed.
    /// Whatever the upstream said about pages is removed.
    pub(crate) fn mark(&self, headers: &mut HeaderMap, page: Option<&HeaderValue>) {
        for name in &RESPONSE_FIELDS {
            headers.remove(name);
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(page) = page.filter(|page| self.allows(page)) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        }
    }
}

/// Returns the origin of the page that sent a request; `None` for several origins, sent by no
/// browser.
pub(crate) fn page_of(headers: &HeaderMap) -> Option<HeaderValue> {
    only(headers, &ORIGIN).cloned()
}

/// Returns the value of a field present exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut fields = headers.get_all(name).into_iter();
    fields.next().filter(|_| fields.next().is_none())
}

/// Returns the field names asked for by a preflight as a single list. `None` for no names, too
/// many, or an illegal name.
fn asked_names(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = only(headers, &ACCESS_CONTROL_REQUEST_HEADERS)?;
    if value.len() > MAX_ASKED_BYTES {
        return None;
    }
    let names: Vec<&str> = value.to_str().ok()?.split(',').map(str::trim).collect();
    if names.len() > MAX_ASKED {
        return None;
    }
    for name in &names {
        HeaderName::from_bytes(name.as_bytes()).ok()?;
    }
    HeaderValue::from_str(&names.join(", ")).ok()
}
