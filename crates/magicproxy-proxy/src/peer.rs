//! Who sends a request, for tokens that bind their sender: `docs/spec/token-v2.md` section 6.
//!
//! The peer of the connection, unless that is a proxy which the operator trusts; then whom that proxy names. Doubt is nobody.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use magicproxy_core::Network;

/// What callers speak.
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

/// Who is at the other end of a connection, as far as the connection tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// None on a Unix socket.
    pub(crate) address: Option<IpAddr>,
    pub(crate) scheme: Scheme,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Proxies in front of this one, whose word about their clients is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// Their addresses.
    pub networks: Vec<Network>,
    /// Whoever connects by a Unix socket.
    pub unix: bool,
}

impl TrustedProxies {
    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Does what this peer says decide who sends its requests?
    pub(crate) fn speaks_for_others(&self, peer: &Peer) -> bool {
        peer.address.map_or(self.unix, |address| self.trust(address))
    }

    /// The address of the sender, as far as it is known.
    pub(crate) fn sender(&self, peer: &Peer, headers: &HeaderMap) -> Option<IpAddr> {
        match peer.address {
            Some(address) if !self.trust(address) => Some(address.to_canonical()),
            None if !self.unix => None,
            _ => self.named(headers),
        }
    }

    /// The last address that is not itself one of ours. The addresses before it are whatever that client wrote.
    fn named(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let by_custom = list(headers, &X_FORWARDED_FOR)?;
        let by_standard = list(headers, &FORWARDED)?;
        let addresses: Vec<Option<IpAddr>> = match (by_custom.is_empty(), by_standard.is_empty()) {
            (false, true) => by_custom.iter().map(|element| node(element)).collect(),
            (true, false) => by_standard.iter().map(|element| forwarded_for(element)).collect(),
            // Two accounts that may differ, or none.
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

/// The elements of a list-based field (RFC 9110 section 5.6.1), over all its lines; none where a byte is not ASCII.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Vec<&'h str>> {
    let mut elements = Vec::new();
    for line in headers.get_all(name) {
        elements.extend(split_unquoted(line.to_str().ok()?, ',')?);
    }
    Some(elements)
}

/// RFC 7239 section 4: the `for` of one element, which must have one and no more.
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

/// An address, with or without a port; IPv6 with brackets where there is a port. `unknown` and `_names` are nobody.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

/// Parts between separators that stand outside of quotes, trimmed; none where quotes do not end or something is escaped.
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
