//! The addresses on which the proxy listens, and the URL by which clients reach the proxy.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use http::Uri;
use magicproxy_proxy::settings::ApiRoot;

use crate::ground::scheme::{Scheme, is_loopback_address, is_loopback_host};

/// An address on TCP, or the path of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A host and a port.
    Tcp(Address),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// A host and a port; the host may be a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host; `::` if none was written.
    pub host: String,
    /// The port; 0 lets the system choose a port.
    pub port: u16,
    /// The families of addresses to listen on.
    pub families: Families,
}

/// The families of addresses on which a listener accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// `:PORT`: IPv6 and IPv4, or the family that the system supports.
    Every,
    /// The family of the written address or name. The system decides whether IPv4 reaches `[::]`.
    OfHost,
}

impl ListenAddress {
    /// Reads `unix:/run/magicproxy.sock`, or an [`Address`].
    ///
    /// # Errors
    /// The message says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            None => Address::parse(text).map(Self::Tcp),
            Some(path) if path.is_empty() || path.contains('\0') => {
                Err("expected a path, for instance `unix:/run/magicproxy.sock`".to_owned())
            }
            Some(path) if cfg!(unix) => Ok(Self::Unix(PathBuf::from(path))),
            Some(_) => Err("there are no Unix sockets on this system".to_owned()),
        }
    }

    /// True if only one of the two addresses can be listened on.
    pub fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one.port != 0 && one.is_at(other),
            (one, other) => one == other,
        }
    }

    /// True if a client of one of the two addresses could come to the other's listener: the same
    /// socket, or the same port at addresses of which one includes the other. A host name other
    /// than `localhost` is compared as text, because only binding tells its address.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one.overlaps(other),
            (one, other) => one == other,
        }
    }

    /// True for the path of a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Returns the name or address by which programs on this machine reach a proxy with this
    /// listener.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp(address) => &address.host,
            Self::Unix(_) => "localhost",
        }
    }

    /// Returns the URL by which programs on this machine reach a proxy with this listener. `port`
    /// is the system's choice for port 0.
    pub fn url(&self, scheme: Scheme, port: Option<u16>) -> String {
        let scheme = if scheme == Scheme::Https { "https" } else { "http" };
        match self {
            Self::Tcp(address) => {
                format!("{scheme}://{}", address.reached_at(port.unwrap_or(address.port)))
            }
            Self::Unix(_) => format!("{scheme}://localhost"),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Reads `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000` or `:5000` (every address).
    fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || "expected `HOST:PORT`, for instance `127.0.0.1:5000`, or `unix:PATH`".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        let families = if host.is_empty() { Families::Every } else { Families::OfHost };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().map_err(|_| expected())?.to_string(),
            None if host.is_empty() => Ipv6Addr::UNSPECIFIED.to_string(),
            None => host.to_owned(),
        };
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.parse::<IpAddr>().is_err() && !host.bytes().all(name) {
            return Err(expected());
        }
        Ok(Self { host, port, families })
    }

    /// True if both addresses have the same host and port.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let ip = |host: &str| host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        let is_local =
            |host: &str| is_loopback_host(host) || ip(host).is_some_and(is_loopback_address);
        let same_host = match (ip(&self.host), ip(&other.host)) {
            (Some(one), Some(other)) => {
                one == other || one.is_unspecified() || other.is_unspecified()
            }
            // A name may lead to any of this machine's addresses.
            (Some(ip), None) | (None, Some(ip)) if ip.is_unspecified() => true,
            (None, None) => self.host.eq_ignore_ascii_case(&other.host),
            (Some(_), None) | (None, Some(_)) => is_local(&self.host) && is_local(&other.host),
        };
        self.port != 0 && self.port == other.port && same_host
    }

    fn reached_at(&self, port: u16) -> String {
        let host = match self.host.parse() {
            Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) | Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => {
                "127.0.0.1".to_owned()
            }
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        format!("{host}:{port}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.families == Families::Every {
            write!(formatter, ":{}", self.port)
        } else if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// The URL by which clients reach the proxy, without a final `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicAccess {
    /// The absolute URL, without a final `/`.
    pub url: String,
    /// The URL's host, without brackets.
    pub host: String,
}

impl PublicAccess {
    /// Reads an absolute `http` or `https` URL.
    ///
    /// # Errors
    /// The message says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || "expected a URL such as `https://proxy.example.com`".to_owned();
        let uri: Uri = text.parse().map_err(|_| expected())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || text.contains('@') {
            return Err(expected());
        }
        let host = uri
            .host()
            .map(|host| host.trim_matches(['[', ']']))
            .filter(|host| !host.is_empty())
            .ok_or_else(expected)?;
        let url = text.trim_end_matches('/');
        // Links in responses lead to this URL. Without a valid URL, links would lead to any host
        // that a client names.
        ApiRoot::parse(url).map_err(|error| format!("{}: {error}", expected()))?;
        Ok(Self { url: url.to_owned(), host: host.to_owned() })
    }

    /// Returns the URL of a proxy of which only the address is known.
    pub fn of(listen: &ListenAddress, scheme: Scheme) -> Self {
        Self { url: listen.url(scheme, None), host: listen.host().to_owned() }
    }
}
