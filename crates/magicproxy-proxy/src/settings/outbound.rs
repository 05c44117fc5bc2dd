//! Proxies between this one and an API, as company networks have them: HTTP `CONNECT` (RFC 9110 section 9.3.6).
//!
//! They see the API's host and port, and for `https://` nothing else: TLS is spoken with the API.

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

/// A proxy that is asked to `CONNECT`.
#[derive(Clone)]
pub struct OutboundProxy {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

/// Why a text names no such proxy. The text is not told: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseOutboundProxyError {
    /// A proxy that is reached by TLS, or by another protocol.
    #[error(
        "expected `http://HOST:PORT`: proxies that speak TLS themselves, and SOCKS, are not supported"
    )]
    Scheme,
    /// No usable host or port, or more than them.
    #[error("expected `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`")]
    Url,
    /// A user or a password that cannot be sent.
    #[error("expected a user and a password in which special characters stand as `%XX`")]
    User,
}

impl OutboundProxy {
    /// Reads `http://USER:PASSWORD@HOST:PORT`; without a scheme it is the same, and without a port it is 80.
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

    /// Its `Proxy-Authorization`.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Without user and password.
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

/// RFC 7617, of the user's part of a URL.
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

/// By which proxy the origins of an upstream are reached.
#[derive(Clone, Debug, Default)]
pub enum Outbound {
    /// None. What the environment says is used for hints only.
    #[default]
    Direct,
    /// None, though the environment names some.
    DirectDespite(Arc<EnvironmentProxies>),
    /// This one, for every origin.
    Fixed(Arc<OutboundProxy>),
    /// Those of the environment.
    Environment(Arc<EnvironmentProxies>),
}

impl Outbound {
    /// The proxy by which this origin is reached.
    #[must_use]
    pub fn proxy(&self, root: &ApiRoot) -> Option<&Arc<OutboundProxy>> {
        match self {
            Self::Direct | Self::DirectDespite(_) => None,
            Self::Fixed(proxy) => Some(proxy),
            Self::Environment(proxies) => proxies.proxy(root).map(|named| &named.proxy),
        }
    }

    /// The variable that names a proxy for this origin, and is not heeded.
    #[must_use]
    pub fn unheeded_variable(&self, root: &ApiRoot) -> Option<&'static str> {
        match self {
            Self::DirectDespite(proxies) => proxies.proxy(root).map(|named| named.variable),
            Self::Direct | Self::Fixed(_) | Self::Environment(_) => None,
        }
    }
}

/// What the environment says of proxies: `HTTPS_PROXY` and its kin.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentProxies {
    /// For `https://`.
    pub https: Option<NamedProxy>,
    /// For `http://`.
    pub http: Option<NamedProxy>,
    /// Which hosts are reached without.
    pub except: NoProxy,
}

/// A proxy, and the variable that names it.
#[derive(Clone, Debug)]
pub struct NamedProxy {
    /// The variable.
    pub variable: &'static str,
    /// What it says.
    pub proxy: Arc<OutboundProxy>,
}

impl EnvironmentProxies {
    fn proxy(&self, root: &ApiRoot) -> Option<&NamedProxy> {
        let named = if root.is_secure() { &self.https } else { &self.http };
        named.as_ref().filter(|_| !self.except.covers(root))
    }
}

/// `NO_PROXY`: hosts, which stand for what is below them too; addresses; networks; `*`. Each perhaps with a port.
#[derive(Clone, Debug, Default)]
pub struct NoProxy(Vec<Exception>);

#[derive(Clone, Debug)]
struct Exception {
    host: ExceptedHost,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum ExceptedHost {
    Every,
    Network(Network),
    Address(IpAddr),
    /// In lower case, without dots around it.
    Name(String),
}

impl NoProxy {
    /// Reads a list with commas or blanks. What means nothing in it is passed over, as everywhere else.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(
            text.split([',', ' '])
                .filter(|entry| !entry.is_empty())
                .map(Exception::parse)
                .collect(),
        )
    }

    /// Is this origin reached without a proxy? This machine always is.
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
