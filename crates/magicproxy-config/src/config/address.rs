//! Where the proxy listens, and the URL by which clients reach it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use http::Uri;
use magicproxy_proxy::settings::ApiRoot;

use crate::ground::scheme::Scheme;

/// An address of TCP, or the path of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A host and a port.
    Tcp(Address),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// `HOST:PORT`; the host may be a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `::` where there is none.
    pub host: String,
    /// 0 for one that the system chooses.
    pub port: u16,
    /// Which families of addresses.
    pub families: Families,
}

/// The families of addresses at which a listener is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// `:PORT`: IPv6 and IPv4, or what the system has of them.
    Every,
    /// The one of the address or name that was written. Whether IPv4 reaches `[::]` is up to the system.
    OfHost,
}

impl ListenAddress {
    /// Reads `unix:/run/magicproxy.sock`, or an [`Address`].
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

    /// Can only one of the two be had?
    pub fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one.port != 0 && one.is_at(other),
            (one, other) => one == other,
        }
    }

    /// The name or address by which programs on this machine reach a proxy that listens here.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp(address) => &address.host,
            Self::Unix(_) => "localhost",
        }
    }

    /// How a program on this machine reaches a proxy that listens here. `port` is the one that the system gave for port 0.
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
    /// Reads `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`, `:5000` (every address).
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

    /// Do both want the same host and port?
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
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
    /// Absolute, without a final `/`.
    pub url: String,
    /// Its host, without brackets.
    pub host: String,
}

impl PublicAccess {
    /// Reads an absolute `http` or `https` URL.
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
        // Links in responses lead there; without one, they would lead to wherever a client says.
        ApiRoot::parse(url).map_err(|error| format!("{}: {error}", expected()))?;
        Ok(Self { url: url.to_owned(), host: host.to_owned() })
    }

    /// That of a proxy of which nothing but its address is known.
    pub fn of(listen: &ListenAddress, scheme: Scheme) -> Self {
        Self { url: listen.url(scheme, None), host: listen.host().to_owned() }
    }
}
