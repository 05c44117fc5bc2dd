//! Pages of other origins that may call an upstream through the proxy: the CORS protocol of the Fetch standard.
//! Specification: `docs/spec/upstreams.md` section 11.
//!
//! Never let a page read an answer of the control plane, and never allow credentials of the browser: a page that calls the proxy
//! shows the token that it was given, in a field that it sets itself.

#[cfg(test)]
mod tests;

use std::fmt;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use magicproxy_core::Method as KnownMethod;

use crate::response::body::ResponseBody;

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Fields of the protocol in responses, which only the proxy may say where pages are allowed.
const RESPONSE_FIELDS: [HeaderName; 7] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    ALLOW_PRIVATE_NETWORK,
];

/// Seconds for which a browser may remember what a preflight said: after a change of the configuration nobody waits for long.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// What the answer to a preflight depends on.
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
/// The longest list of header names that a preflight may ask for, in bytes.
const MAX_ASKED_BYTES: usize = 4 * 1024;
/// The most header names that a preflight may ask for.
const MAX_ASKED: usize = 64;

/// An origin as a browser writes it in `Origin`: `https://app.example.com`, `http://localhost:3000`, `chrome-extension://abc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOrigin(HeaderValue);

/// Why a text is no origin that could be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePageOriginError {
    /// `*`.
    #[error("each origin is named: every page of the web would be one of `*`")]
    Any,
    /// `null`, the origin of sandboxed frames, of files and of redirects, which any page can have.
    #[error("`null` is the origin of files and of sandboxed frames, which any page can make")]
    Null,
    /// Another form.
    #[error("expected an origin as browsers send it, such as `https://app.example.com` or `http://localhost:3000`")]
    Form,
    /// A form that means an origin and that no browser sends.
    #[error("no browser sends it so: write `{0}`")]
    Spelling(String),
}

impl PageOrigin {
    /// Reads an origin.
    ///
    /// # Errors
    /// [`ParsePageOriginError`]: it could be any page's, or is not spelt as browsers do.
    pub fn parse(text: &str) -> Result<Self, ParsePageOriginError> {
        match text {
            _ if text.contains('*') => return Err(ParsePageOriginError::Any),
            "null" => return Err(ParsePageOriginError::Null),
            _ if text.starts_with("file:") => return Err(ParsePageOriginError::Null),
            _ => {}
        }
        let serialized = serialized(text).ok_or(ParsePageOriginError::Form)?;
        if serialized != text {
            return Err(ParsePageOriginError::Spelling(serialized));
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| ParsePageOriginError::Form)
    }
}

impl fmt::Display for PageOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// The ASCII serialization of the origin of a URL without user, path, query and fragment: lower case, no port that is the
/// scheme's default.
fn serialized(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let authority: http::uri::Authority = rest.strip_suffix('/').unwrap_or(rest).parse().ok()?;
    if !is_scheme || authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let host = authority.host().to_ascii_lowercase();
    let default = match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    // An empty port (`host:`) is none.
    let is_whole = authority.as_str().len() == authority.host().len() || authority.port().is_some();
    let port = authority.port_u16().filter(|port| Some(*port) != default).map(|port| format!(":{port}")).unwrap_or_default();
    is_whole.then(|| format!("{scheme}://{host}{port}"))
}

/// The origins whose pages may call an upstream and read its responses; none by default.
#[derive(Clone, Debug, Default)]
pub struct PageOrigins(Vec<PageOrigin>);

impl PageOrigins {
    /// The most origins of one upstream.
    pub const MAX: usize = 64;

    /// These origins; `None` where there are more than an upstream may have.
    #[must_use]
    pub fn of(origins: Vec<PageOrigin>) -> Option<Self> {
        (origins.len() <= Self::MAX).then_some(Self(origins))
    }

    /// Is no page allowed? Then the protocol is left to the upstream.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The response to a preflight of an allowed page: Fetch, section "CORS-preflight fetch". `None` for everything else.
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
        // What is not allowed is not named: the browser refuses it then.
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

    /// Has a response say which page may read it, if the page that asked may, whatever its upstream said.
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

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|PageOrigin(allowed)| allowed == origin)
    }
}

/// The origin of the page that sent a request; `None` where it has several, which no browser sends.
pub(crate) fn page_of(headers: &HeaderMap) -> Option<HeaderValue> {
    only(headers, &ORIGIN).cloned()
}

/// The value of a field that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut fields = headers.get_all(name).into_iter();
    fields.next().filter(|_| fields.next().is_none())
}

/// The names that a preflight asks for, as one list; `None` where there are none, too many, or what is no name.
fn asked_names(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = only(headers, &ACCESS_CONTROL_REQUEST_HEADERS).filter(|value| value.len() <= MAX_ASKED_BYTES)?;
    let names: Vec<&str> = value.to_str().ok()?.split(',').map(str::trim).collect();
    let legal = names.len() <= MAX_ASKED && names.iter().all(|name| HeaderName::from_bytes(name.as_bytes()).is_ok());
    legal.then(|| HeaderValue::from_str(&names.join(", ")).ok()).flatten()
}
