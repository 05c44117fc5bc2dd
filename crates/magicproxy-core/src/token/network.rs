//! Networks from which a request may come. `token-v2.md` section 6.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::form::ValueFault;

/// A network in CIDR notation, without host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Reads a network such as `192.0.2.0/24` or `2001:db8::/32`. IPv4-mapped networks are refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let plain = length == "0"
            || !length.starts_with('0') && length.bytes().all(|byte| byte.is_ascii_digit());
        // The standard library reads addresses strictly; `ipnet` would take `010`.
        let network = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok();
        let network = network.filter(|network| plain && network.trunc() == *network)?;
        let mapped =
            matches!(network, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some());
        (!mapped).then_some(Self(network))
    }

    /// True if the address lies in the network. An IPv4-mapped address counts as its IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(ValueFault::Network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        for text in [
            "0.0.0.0/0",
            "192.0.2.0/24",
            "192.0.2.1/32",
            "::/0",
            "2001:db8::/32",
            "2001:DB8::/32",
            "::1/128",
        ] {
            assert!(Network::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "/",
            "192.0.2.0",
            "192.0.2.0/",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "192.0.2.0/024",
            "192.0.2.0/+24",
            "192.0.2.0/24 ",
            " 192.0.2.0/24",
            "192.0.2/24",
            "192.0.2.000/24",
            "2001:db8::1/32",
            "::/129",
            "fe80::%1/64",
            "[::]/0",
            "::ffff:192.0.2.0/120",
            "::ffff:0:0/96",
        ] {
            assert!(Network::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn mapped_addresses_are_what_they_map() {
        let network = Network::parse("192.0.2.0/24").unwrap();
        for (address, inside) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.3.7", false),
            ("::ffff:192.0.3.7", false),
            ("::1", false),
        ] {
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(!Network::parse("::/0").unwrap().contains("::ffff:192.0.2.7".parse().unwrap()));
    }
}
