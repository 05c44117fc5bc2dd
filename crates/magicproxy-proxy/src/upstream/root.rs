//! The API root: origin and base path of an upstream, checked once.

use std::fmt;

use http::uri::Authority;
use http::{HeaderValue, Uri};
use magicproxy_core::{EncodedSlash, RequestTarget};
use rustls_pki_types::ServerName;

/// An upstream's origin and base path: `https://api.github.com`, `http://127.0.0.1:8080/api/v3`.
#[derive(Clone, Debug)]
pub struct ApiRoot {
    secure: bool,
    host: String,
    port: u16,
    authority: Authority,
    host_field: HeaderValue,
    base_path: String,
}

impl ApiRoot {
    /// Reads an absolute `http` or `https` URL without user, query and fragment.
    ///
    /// # Errors
    /// [`ParseApiRootError`].
    pub fn parse(text: &str) -> Result<Self, ParseApiRootError> {
        if text.contains(['#', '?', '@']) {
            return Err(ParseApiRootError::Extra);
        }
        let uri: Uri = text.parse().map_err(|_| ParseApiRootError::Url)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(ParseApiRootError::Scheme),
        };
        let authority = uri.authority().cloned().ok_or(ParseApiRootError::Url)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || ServerName::try_from(host.clone()).is_err() {
            return Err(ParseApiRootError::Host);
        }
        if authority.as_str().ends_with(':') || authority.port().is_some() && authority.port_u16().is_none() {
            return Err(ParseApiRootError::Host);
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let base_path = uri.path().trim_end_matches('/').to_owned();
        if !base_path.is_empty() {
            RequestTarget::parse(base_path.as_bytes(), EncodedSlash::Refuse).map_err(|_| ParseApiRootError::Path)?;
        }
        let host_field = HeaderValue::from_str(authority.as_str()).map_err(|_| ParseApiRootError::Host)?;
        Ok(Self { secure, host, port, authority, host_field, base_path })
    }

    /// Is it reached by TLS?
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and, where it was written, port.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The `Host` field that the upstream gets.
    #[must_use]
    pub fn host_field(&self) -> &HeaderValue {
        &self.host_field
    }

    /// The base path, without a final `/`; empty for the origin's root.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }
}

impl fmt::Display for ApiRoot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority, self.base_path)
    }
}

/// Why a text is no API root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseApiRootError {
    /// No URL.
    #[error("expected a URL such as `https://api.github.com`")]
    Url,
    /// Another scheme.
    #[error("expected a URL that begins with `https://` or `http://`")]
    Scheme,
    /// No usable host or port.
    #[error("the URL's host or port is not valid")]
    Host,
    /// A path that the proxy would refuse in a request.
    #[error("the URL's path must be in canonical form, without dot segments and empty segments")]
    Path,
    /// User, query or fragment.
    #[error("an API root has no user, query or fragment")]
    Extra,
}
