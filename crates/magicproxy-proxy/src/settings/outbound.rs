//! Proxies between this proxy and an API, as in company networks: HTTP `CONNECT` (RFC 9110 section
//! 9.3.6).
//!
//! Such a proxy sees the API's host and port, and for `https://` nothing else: TLS is spoken with
//! the API.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::uri::Authority;
use magicproxy_core::Network;
use zeroize::Zeroizing;

use super::ApiRoot;

/// An HTTP proxy that opens tunnels to an upstream by `CONNECT`.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboundProxy {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

/// A reason for which a text names no proxy. The text is not repeated, because a password may be
/// part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseOutboundProxyError {
    /// A proxy that is reached by TLS or by another protocol.
    #[error(
        "expected `http://HOST:PORT`: proxies that speak TLS themselves, and SOCKS, are not supported"
    )]
    Scheme,
    /// No usable host or port, or further parts.
    #[error("expected `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`")]
    Url,
    /// A user or a password that cannot be sent.
    #[error("expected a user and a password in which special characters stand as `%XX`")]
    User,
}

impl OutboundProxy {
    /// Reads `http://USER:PASSWORD@HOST:PORT`. The scheme may be missing; a missing port means 80.
    ///
    /// # Errors
    /// [`ParseOutboundProxyError`].
    pub fn parse(text: &str) -> Result<Self, ParseOutboundProxyError> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ParseOutboundProxyError::Scheme),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) =
            rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
        let authority: Authority = address.parse().map_err(|_| ParseOutboundProxyError::Url)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let has_port = address.rsplit(']').next().is_some_and(|behind| behind.contains(':'));
        if host.is_empty() || has_port && authority.port_u16().is_none() {
            return Err(ParseOutboundProxyError::Url);
        }
        let authorization = user.map(basic).transpose()?;
        Ok(Self { host, port: authority.port_u16().unwrap_or(80), authorization })
    }

    /// Host name or address, without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the proxy's `Proxy-Authorization` field.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Writes the proxy's URL without user and password.
impl fmt::Display for OutboundProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.authorization.is_some() { "***@" } else { "" };
        let bracketed =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(formatter, "http://{user}{bracketed}:{}", self.port)
    }
}

impl fmt::Debug for OutboundProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OutboundProxy({self})")
    }
}

/// Makes a `Basic` field value (RFC 7617) from the user part of a URL.
fn basic(user: &str) -> Result<HeaderValue, ParseOutboundProxyError> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let (name, password) = (decoded(name)?, decoded(password)?);
    if name.contains(&b':') {
        return Err(ParseOutboundProxyError::User);
    }
    let plain = Zeroizing::new([&name[..], b":", &password[..]].concat());
    let text = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(&*plain)));
    let mut value = HeaderValue::from_str(&text).map_err(|_| ParseOutboundProxyError::User)?;
    value.set_sensitive(true);
    Ok(value)
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, ParseOutboundProxyError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or(ParseOutboundProxyError::User)?;
        bytes.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    if bytes.iter().any(u8::is_ascii_control) {
        Err(ParseOutboundProxyError::User)
    } else {
        Ok(bytes)
    }
}

/// The choice of the proxy through which the origins of an upstream are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outbound {
    /// No proxy. The environment's proxies are used for hints only.
    #[default]
    Direct,
    /// No proxy, though the environment names some.
    DirectDespite(Arc<EnvironmentProxies>),
    /// The same proxy for every origin.
    Fixed(Arc<OutboundProxy>),
    /// The proxies that the environment names.
    Environment(Arc<EnvironmentProxies>),
}

impl Outbound {
    /// Returns the proxy through which this origin is reached.
    #[must_use]
    pub fn proxy(&self, root: &ApiRoot) -> Option<&Arc<OutboundProxy>> {
        match self {
            Self::Direct | Self::DirectDespite(_) => None,
            Self::Fixed(proxy) => Some(proxy),
            Self::Environment(proxies) => proxies.proxy(root).map(|named| &named.proxy),
        }
    }

    /// Returns the environment variable with a proxy for this origin, if the variable is not
    /// heeded.
    #[must_use]
    pub fn unheeded_variable(&self, root: &ApiRoot) -> Option<&'static str> {
        match self {
            Self::DirectDespite(proxies) => proxies.proxy(root).map(|named| named.variable),
            Self::Direct | Self::Fixed(_) | Self::Environment(_) => None,
        }
    }
}

/// The proxies that the environment names: `HTTPS_PROXY` and related variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentProxies {
    /// The proxy for `https://`.
    pub https: Option<NamedProxy>,
    /// The proxy for `http://`.
    pub http: Option<NamedProxy>,
    /// The hosts that are reached without a proxy.
    pub except: NoProxy,
}

/// A proxy, and the environment variable with the proxy's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedProxy {
    /// The variable's name.
    pub variable: &'static str,
    /// The proxy in the variable's value.
    pub proxy: Arc<OutboundProxy>,
}

impl EnvironmentProxies {
    fn proxy(&self, root: &ApiRoot) -> Option<&NamedProxy> {
        let named = if root.is_secure() { &self.https } else { &self.http };
        named.as_ref().filter(|_| !self.except.covers(root))
    }
}

/// The list `NO_PROXY`: hosts, each with all hosts below; addresses; networks; `*`. An entry may
/// have a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    host: ExceptedHost,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ExceptedHost {
    Every,
    Network(Network),
    Address(IpAddr),
    /// A host name in lower case, without dots at its ends.
    Name(String),
}

impl NoProxy {
    /// Reads a list with commas or blanks. Entries that mean nothing are passed over, as other
    /// programs do.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(
            text.split([',', ' '])
                .filter(|entry| !entry.is_empty())
                .map(Exception::parse)
                .collect(),
        )
    }

    /// True if the origin is reached without a proxy. This machine always is.
    fn covers(&self, root: &ApiRoot) -> bool {
        let host = root.host().trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let loopback = host == "localhost"
            || address.is_some_and(|address| address.to_canonical().is_loopback());
        let fits = |exception: &Exception| {
            exception.port.is_none_or(|port| port == root.port())
                && exception.host.covers(&host, address)
        };
        loopback || self.0.iter().any(fits)
    }
}

impl Exception {
    fn parse(text: &str) -> Self {
        if text == "*" {
            return Self { host: ExceptedHost::Every, port: None };
        }
        if let Some(network) = Network::parse(text) {
            return Self { host: ExceptedHost::Network(network), port: None };
        }
        let bare = text.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Self { host: ExceptedHost::Address(address.to_canonical()), port: None };
        }
        let with_port =
            text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = with_port.map_or((text, None), |(host, port)| (host, Some(port)));
        let host = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => ExceptedHost::Address(address.to_canonical()),
            Err(_) => ExceptedHost::Name(
                host.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase(),
            ),
        };
        Self { host, port }
    }
}

impl ExceptedHost {
    fn covers(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::Every => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(address)),
            Self::Address(excepted) => {
                address.is_some_and(|address| address.to_canonical() == *excepted)
            }
            Self::Name(name) => {
                let below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'));
                address.is_none() && !name.is_empty() && below
            }
        }
    }
}
