//! The origins of web pages that may call an upstream through the proxy: `docs/spec/upstreams.md`
//! section 11.

use std::fmt;

use http::HeaderValue;

/// An origin in a browser's spelling, as in `Origin`: `https://app.example.com`,
/// `http://localhost:3000`, `chrome-extension://abc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOrigin(HeaderValue);

/// A reason for which a text is no origin that could be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePageOriginError {
    /// `*`.
    #[error("each origin is named: every page of the web would be one of `*`")]
    Any,
    /// `null`, the origin of sandboxed frames, of files and of redirects, which any page can have.
    #[error("`null` is the origin of files and of sandboxed frames, which any page can make")]
    Null,
    /// Not the form of an origin.
    #[error(
        "expected an origin as browsers send it, such as `https://app.example.com` or `http://localhost:3000`"
    )]
    Form,
    /// An origin in a spelling that no browser sends.
    #[error("no browser sends it so: write `{0}`")]
    Spelling(String),
}

impl PageOrigin {
    /// Reads an origin.
    ///
    /// # Errors
    /// [`ParsePageOriginError`]: any page could have the origin, or the spelling is not a
    /// browser's.
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

/// Returns the ASCII serialization of the origin of a URL without user, path, query and fragment:
/// lower case, without the scheme's default port.
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
    // An empty port (`host:`) is no port.
    let is_whole = authority.as_str().len() == authority.host().len() || authority.port().is_some();
    if !is_whole {
        return None;
    }
    match authority.port_u16() {
        Some(port) if Some(port) != default => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

/// The origins whose pages may call an upstream and read its responses; none by default.
#[derive(Clone, Debug, Default)]
pub struct PageOrigins(Vec<PageOrigin>);

impl PageOrigins {
    /// The most origins of one upstream.
    pub const MAX: usize = 64;

    /// Makes a list of these origins; `None` if the list has more than [`Self::MAX`].
    #[must_use]
    pub fn of(origins: Vec<PageOrigin>) -> Option<Self> {
        (origins.len() <= Self::MAX).then_some(Self(origins))
    }

    /// True if no page is allowed. CORS is then left to the upstream.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if pages of this origin may call the upstream.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|PageOrigin(allowed)| allowed == origin)
    }
}
