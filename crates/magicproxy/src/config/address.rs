//! Where the proxy listens, and the URL by which callers reach it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// `HOST:PORT`; the host may be a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Listen {
    /// Reads `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`, `:5000` (every address).
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = || "expected `HOST:PORT`, for instance `127.0.0.1:5000`".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().map_err(|_| expected())?.to_string(),
            None if host.is_empty() => Ipv6Addr::UNSPECIFIED.to_string(),
            None => host.to_owned(),
        };
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.parse::<IpAddr>().is_err() && !host.bytes().all(name) {
            return Err(expected());
        }
        Ok(Self { host, port })
    }

    /// How a program on this machine reaches a proxy that listens here, on this port.
    pub(crate) fn url(&self, port: u16) -> String {
        let host = match self.host.parse() {
            Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) | Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => "127.0.0.1".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        format!("http://{host}:{port}")
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// The URL by which callers reach the proxy, without a final `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicAccess {
    pub(crate) url: String,
    pub(crate) host: String,
}

impl PublicAccess {
    /// Reads an absolute `http` or `https` URL.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = || "expected a URL such as `https://proxy.example.com`".to_owned();
        let uri: Uri = text.parse().map_err(|_| expected())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || text.contains('@') {
            return Err(expected());
        }
        let host = uri.host().map(|host| host.trim_matches(['[', ']'])).filter(|host| !host.is_empty()).ok_or_else(expected)?;
        Ok(Self { url: text.trim_end_matches('/').to_owned(), host: host.to_owned() })
    }

    /// That of a proxy of which nothing but its address is known.
    pub(crate) fn of(listen: &Listen) -> Self {
        Self { url: listen.url(listen.port), host: listen.host.clone() }
    }
}
