//! The URL of a proxy, as written into the settings of any client.

use http::Uri;

/// The URL of a proxy, or of an API at a proxy: `http` or `https`, an authority, a path of plain
/// segments. No user, no query, no fragment, no final `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUrl(String);

impl PublicUrl {
    /// Reads a URL. The message of a fault never shows the text: the unexpected part could be a
    /// secret.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = || "expected a URL such as `https://proxy.example/github`".to_owned();
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(expected)?;
        if rest.contains('@') {
            return Err(format!("{} without user and password", expected()));
        }
        if rest.contains(['?', '#']) {
            return Err(format!("{} without query and fragment", expected()));
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:[]".contains(&byte);
        let text = text.strip_suffix('/').unwrap_or(text);
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(expected)?;
        let port = authority.strip_prefix(host).unwrap_or(":");
        let port = port.is_empty()
            || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let segments =
            path.is_empty() || path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if !port || !rest.bytes().all(legal) || path.contains([':', '[', ']']) || !segments {
            return Err(expected());
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns host and port.
    pub(crate) fn authority(&self) -> &str {
        self.parts().0
    }

    /// Returns the host, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        let authority = self.authority();
        let host = self
            .port()
            .and_then(|port| authority.strip_suffix(port)?.strip_suffix(':'))
            .unwrap_or(authority);
        host.trim_matches(['[', ']'])
    }

    /// Returns the port, if the URL has a port.
    pub(crate) fn port(&self) -> Option<&str> {
        let (_, port) = self.authority().rsplit_once(':')?;
        Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Returns the URL, without a final `/`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the scheme, `http` or `https`.
    pub(crate) fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Returns the path behind the authority; empty for the root.
    pub(crate) fn path(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or((rest, ""), |at| rest.split_at(at))
    }
}
