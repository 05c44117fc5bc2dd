//! What is spoken to a host, and whether the host is this machine.

use std::net::IpAddr;

/// What callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As a URL begins.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Does this host of a URL name the machine itself, for whoever follows the URL? An IPv4 address within one of IPv6 does not count:
/// not every client takes it for the former.
pub fn is_loopback_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Is a socket at this address reached by this machine alone? The system takes an IPv4 address within one of IPv6 for the former.
pub fn is_loopback_address(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::{is_loopback_address, is_loopback_host};

    /// Host of a URL, whether it names this machine, and whether a socket there is this machine's alone.
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
