//! Schemes of URLs, and the recognition of this machine's own host names and addresses.

use std::net::IpAddr;

/// The scheme that clients of a listener use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Returns the scheme as written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// True if this host of a URL names the machine of the client that follows the URL. An IPv4 address
/// within an IPv6 address does not count, because some clients do not take the address for IPv4.
pub fn is_loopback_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// True if only this machine reaches a socket at this address. The system takes an IPv4 address
/// within an IPv6 address for IPv4.
pub fn is_loopback_address(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::{is_loopback_address, is_loopback_host};

    /// A host of a URL; true if the host names this machine; true if a socket at the host is this
    /// machine's alone.
    #[test]
    fn loopback_has_two_meanings() {
        for (host, named, socket) in [
            ("127.0.0.1", true, Some(true)),
            ("127.8.9.1", true, Some(true)),
            ("::1", true, Some(true)),
            ("::ffff:127.0.0.1", false, Some(true)),
            ("LocalHost", true, None),
            ("localhost.", false, None),
            ("0.0.0.0", false, Some(false)),
            ("::", false, Some(false)),
            ("192.0.2.1", false, Some(false)),
        ] {
            assert_eq!(is_loopback_host(host), named, "{host}");
            assert_eq!(host.parse().ok().map(is_loopback_address), socket, "{host}");
        }
    }
}
