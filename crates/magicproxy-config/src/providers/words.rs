//! The differences between APIs, in the words of the configuration.

use magicproxy_core::{EncodedSlash, PathReading, PlusReading};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API's reading of `%2F`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlashChoice {
    /// Requests with `%2F` are refused.
    #[default]
    Refuse,
    /// The request must be allowed in both readings.
    Both,
    /// `%2F` is an ordinary character.
    Opaque,
}

impl From<SlashChoice> for EncodedSlash {
    fn from(choice: SlashChoice) -> Self {
        match choice {
            SlashChoice::Refuse => Self::Refuse,
            SlashChoice::Both => Self::Both,
            SlashChoice::Opaque => Self::Opaque,
        }
    }
}

/// The API's reading of `+` in a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlusChoice {
    /// Unknown: a query with `+` must be allowed in both readings.
    #[default]
    Both,
    /// A blank, as in forms: nearly all servers.
    Blank,
    /// A plus.
    Plus,
}

impl From<PlusChoice> for PlusReading {
    fn from(choice: PlusChoice) -> Self {
        match choice {
            PlusChoice::Both => Self::Both,
            PlusChoice::Blank => Self::Blank,
            PlusChoice::Plus => Self::Plus,
        }
    }
}

/// The API server's reading of paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingChoice {
    /// Unknown: `%25`, `;` and look-alikes of `.`, `/`, `\` and `%` are refused.
    #[default]
    Strict,
    /// Paths are percent-decoded once, and every character then stands for itself.
    DecodeOnce,
    /// As `decode-once`, except for path parameters: a request with `;` must be allowed with them
    /// and without.
    Servlet,
    /// Paths are percent-decoded once and normalised (NFKC, Windows): look-alikes are refused.
    Normalize,
}

impl From<ReadingChoice> for PathReading {
    fn from(choice: ReadingChoice) -> Self {
        match choice {
            ReadingChoice::Strict => Self::Strict,
            ReadingChoice::DecodeOnce => Self::DecodeOnce,
            ReadingChoice::Servlet => Self::Servlet,
            ReadingChoice::Normalize => Self::Normalize,
        }
    }
}
