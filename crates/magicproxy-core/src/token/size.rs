//! Lengths of tokens that a proxy accepts, but stores and servers on the way may refuse.

use std::fmt;

/// The length in bytes from which credential stores refuse or cut a token: the longest line that
/// macOS's `security` and curl's `.netrc` read.
const STORES: usize = 4096;
/// The length in bytes from which a token with its field name nears the 8 KiB that servers allow
/// for a line of the head.
const SERVERS: usize = 7500;

/// A length at which a token may not arrive, though the proxy would accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongToken {
    /// Too long for stores of credentials.
    ForStores,
    /// Too long for servers in front of the proxy, and for stores.
    ForServers,
}

impl LongToken {
    /// Returns the warning for a token of so many bytes; most lengths have none.
    #[must_use]
    pub fn of(bytes: usize) -> Option<Self> {
        match bytes {
            ..STORES => None,
            STORES..SERVERS => Some(Self::ForStores),
            SERVERS.. => Some(Self::ForServers),
        }
    }

    /// Returns the stable name of the warning for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ForStores => "stores",
            Self::ForServers => "servers",
        }
    }
}

impl fmt::Display for LongToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ForStores => {
                "credential stores may cut or refuse it (the keychain's `security` and `.netrc` at 4,096 bytes, Windows' store at 1,280 \
                 characters): keep it in a file, or mint fewer rules or a scope"
            }
            Self::ForServers => {
                "servers in front of the proxy may refuse it (nginx and Apache end a header field at 8 KiB, and as a password of git it is \
                 a third longer): mint fewer rules or a scope, or raise their limits"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_said_from_its_first_byte_on() {
        for (bytes, expected) in [
            (0, None),
            (4095, None),
            (4096, Some(LongToken::ForStores)),
            (7499, Some(LongToken::ForStores)),
            (7500, Some(LongToken::ForServers)),
            (16384, Some(LongToken::ForServers)),
        ] {
            assert_eq!(LongToken::of(bytes), expected, "{bytes}");
        }
        assert_ne!(LongToken::ForStores.to_string(), LongToken::ForServers.to_string());
        assert_eq!(
            [LongToken::ForStores, LongToken::ForServers].map(LongToken::name),
            ["stores", "servers"]
        );
    }
}
