//! The versions of magic tokens, and the longest life of a token of either version.

/// The longest life of a token, from `iat` to `exp`, in seconds: ten years. The Python program's
/// tokens live five years.
pub const MAX_LIFETIME_SECONDS: u64 = 3_660 * 24 * 60 * 60;

/// A version of magic tokens, as named in the configuration and in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenVersion {
    /// Version 1: a JWT signed by the proxy (`token-v1.md`).
    V1,
    /// Version 2: a token sealed to the proxy's public key (`token-v2.md`).
    V2,
}

impl TokenVersion {
    /// All versions.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// Returns the verb for a key's work on a token of this version, for messages.
    pub(crate) fn how(self) -> &'static str {
        match self {
            Self::V1 => "signed with",
            Self::V2 => "sealed to",
        }
    }

    /// Returns the version with a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|version| version.as_str() == name)
    }

    /// Returns the version's name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TokenVersion;

    #[test]
    fn a_version_is_read_as_it_is_written() {
        for version in TokenVersion::ALL {
            assert_eq!(TokenVersion::parse(version.as_str()), Some(version));
        }
        for other in ["", "V1", "v3", "v1 ", "1"] {
            assert_eq!(TokenVersion::parse(other), None, "{other}");
        }
    }
}
