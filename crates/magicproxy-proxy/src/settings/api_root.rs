//! The API root: origin and base path of an upstream, checked once.

use std::fmt;

use http::uri::Authority;
use http::{HeaderValue, Uri};
use magicproxy_core::{EncodedSlash, RequestTarget};
use rustls_pki_types::ServerName;

/// An upstream's origin and base path, such as `https://api.github.com` or
/// `http://127.0.0.1:8080/api/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRoot {
    secure: bool,
    host: String,
    port: u16,
    /// The authority as it was written.
    authority: Authority,
    /// The authority as clients of the API write it: without the scheme's default port.
    named: Authority,
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
        let default = if secure { 443 } else { 80 };
        let port = written_port(&authority)?.unwrap_or(default);
        let base_path = uri.path().trim_end_matches('/').to_owned();
        if !base_path.is_empty() {
            RequestTarget::parse(base_path.as_bytes(), EncodedSlash::Refuse)
                .map_err(|_| ParseApiRootError::Path)?;
        }
        let named = if port == default { authority.host() } else { authority.as_str() };
        let host_field = HeaderValue::from_str(named).map_err(|_| ParseApiRootError::Host)?;
        let named = named.parse().map_err(|_| ParseApiRootError::Host)?;
        Ok(Self { secure, host, port, authority, named, host_field, base_path })
    }

    /// True if the origin is reached by TLS.
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

    /// Returns the `:authority` that is sent to the upstream. The scheme's default port is left
    /// out, because APIs that sign or compare the name do not expect a port.
    #[must_use]
    pub fn named(&self) -> &Authority {
        &self.named
    }

    /// Returns the `Host` field that is sent to the upstream; equal to [`Self::named`].
    #[must_use]
    pub fn host_field(&self) -> &HeaderValue {
        &self.host_field
    }

    /// The base path, without a final `/`; empty for the origin's root.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Returns every spelling of the authority that a client may use for the origin: with and
    /// without the scheme's default port.
    pub(crate) fn own_authorities(&self) -> Vec<String> {
        let default = if self.is_secure() { 443 } else { 80 };
        let mut authorities = vec![self.authority().as_str().to_owned()];
        if self.port() == default {
            let host = self.authority().host();
            authorities.extend([host.to_owned(), format!("{host}:{default}")]);
        }
        authorities
    }
}

/// Returns the port behind the host; `None` if the authority has no port.
fn written_port(authority: &Authority) -> Result<Option<u16>, ParseApiRootError> {
    let behind =
        authority.as_str().strip_prefix(authority.host()).ok_or(ParseApiRootError::Host)?;
    if behind.is_empty() {
        return Ok(None);
    }
    let digits =
        behind.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    port.map(Some).ok_or(ParseApiRootError::Host)
}

impl fmt::Display for ApiRoot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority, self.base_path)
    }
}

/// A reason for which a text is no API root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseApiRootError {
    /// The text is no URL.
    #[error("expected a URL such as `https://api.github.com`")]
    Url,
    /// The scheme is neither `https` nor `http`.
    #[error("expected a URL that begins with `https://` or `http://`")]
    Scheme,
    /// The host or port is missing or unusable.
    #[error("the URL's host or port is not valid")]
    Host,
    /// The path would be refused in a request.
    #[error("the URL's path must be in canonical form, without dot segments and empty segments")]
    Path,
    /// The URL has a user, query or fragment.
    #[error("an API root has no user, query or fragment")]
    Extra,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_the_scheme_has_anyway_is_not_named_to_the_upstream() {
        for (root, named, port) in [
            ("https://api.test", "api.test", 443),
            ("https://api.test:443", "api.test", 443),
            ("https://api.test:443/v3", "api.test", 443),
            ("http://api.test:80", "api.test", 80),
            ("https://[::1]:443", "[::1]", 443),
            ("https://api.test:80", "api.test:80", 80),
            ("http://api.test:443", "api.test:443", 443),
            ("http://[::1]:8080", "[::1]:8080", 8080),
        ] {
            let parsed = ApiRoot::parse(root).unwrap();
            assert_eq!(
                (parsed.named().as_str(), parsed.host_field().to_str().unwrap(), parsed.port()),
                (named, named, port)
            );
            assert_eq!(parsed.to_string(), root);
        }
    }

    #[test]
    fn a_port_that_is_none_is_refused() {
        for port in
            ["", "0", "00", "65536", "99999999999999999999", "+80", "-1", "8 0", "http", "80:80"]
        {
            for host in ["api.test", "127.0.0.1", "[::1]"] {
                assert!(
                    ApiRoot::parse(&format!("https://{host}:{port}")).is_err(),
                    "{host} {port}"
                );
            }
        }
        assert_eq!(ApiRoot::parse("https://api.test:0443").unwrap().port(), 443);
    }
}
