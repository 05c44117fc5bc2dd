//! Labels: what audit calls the bearer of a token. `token-v2.md` section 2.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A token's or a caveat's `sub`: 1 to 128 characters of visible ASCII without `"`, `\`, `>` and `,`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Label(String);

impl Label {
    /// Reads a label.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"\"\\>,".contains(&byte);
        ((1..=128).contains(&text.len()) && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("sub: expected 1 to 128 characters of visible ASCII without `\"`, `\\`, `>` and `,`")
        })
    }
}
