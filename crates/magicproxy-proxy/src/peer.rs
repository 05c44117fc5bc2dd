//! The sender of a request, for tokens that bind their sender: `docs/spec/token-v2.md` section 6.
//!
//! The sender is the peer of the connection or, if the peer is a trusted proxy, the address that
//! the proxy names. In doubt the sender is unknown.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use magicproxy_core::Network;

/// The scheme that clients of a listener use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The peer of a connection, as far as the connection tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The peer's address; `None` on a Unix socket.
    pub(crate) address: Option<IpAddr>,
    pub(crate) scheme: Scheme,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The trusted proxies in front of this proxy. The forwarding headers of a trusted proxy are
/// believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// The addresses of the trusted proxies.
    pub networks: Vec<Network>,
    /// True if every peer on a Unix socket is a trusted proxy.
    pub unix: bool,
}

impl TrustedProxies {
    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// True if this peer is trusted, so that forwarding headers decide who the sender is.
    pub(crate) fn speaks_for_others(&self, peer: &Peer) -> bool {
        peer.address.map_or(self.unix, |address| self.trust(address))
    }

    /// Returns the address that the peer names as the sender's. `None` where the peer is no trusted
    /// proxy: then nothing that a request says about its sender is believed.
    pub(crate) fn named_by(&self, peer: &Peer, headers: &HeaderMap) -> Option<IpAddr> {
        if self.speaks_for_others(peer) { self.named(headers) } else { None }
    }

    /// Returns the address of the sender, if known.
    pub(crate) fn sender(&self, peer: &Peer, headers: &HeaderMap) -> Option<IpAddr> {
        match peer.address {
            Some(address) if !self.trust(address) => Some(address.to_canonical()),
            None if !self.unix => None,
            _ => self.named(headers),
        }
    }

    /// Returns the last named address that is not a trusted proxy's. The addresses before come from
    /// the client and prove nothing.
    fn named(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let by_custom = list(headers, &X_FORWARDED_FOR)?;
        let by_standard = list(headers, &FORWARDED)?;
        let addresses: Vec<Option<IpAddr>> = match (by_custom.is_empty(), by_standard.is_empty()) {
            (false, true) => by_custom.iter().map(|element| node(element)).collect(),
            (true, false) => by_standard.iter().map(|element| forwarded_for(element)).collect(),
            // Both fields, which may differ, or neither.
            _ => return None,
        };
        for address in addresses.into_iter().rev() {
            let address = address?.to_canonical();
            if !self.trust(address) {
                return Some(address);
            }
        }
        None
    }
}

/// Returns the elements of a list-based field (RFC 9110 section 5.6.1), over all lines of the
/// field; `None` if a byte is not ASCII.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Vec<&'h str>> {
    let mut elements = Vec::new();
    for line in headers.get_all(name) {
        elements.extend(split_unquoted(line.to_str().ok()?, ',')?);
    }
    Some(elements)
}

/// Returns the `for` of an element (RFC 7239 section 4); `None` if absent or repeated.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split_unquoted(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Reads an address, with or without a port; an IPv6 address with a port has brackets. `unknown`
/// and `_names` are no address.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

/// Splits at separators outside of quotes, and trims the parts; `None` if a quote does not end or
/// anything is escaped.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    if text.contains('\\') || !text.matches('"').count().is_multiple_of(2) {
        return None;
    }
    let mut quoted = false;
    let parts = text.split(move |character| {
        quoted ^= character == '"';
        character == separator && !quoted
    });
    Some(parts.map(|part| part.trim_matches([' ', '\t'])).collect())
}
