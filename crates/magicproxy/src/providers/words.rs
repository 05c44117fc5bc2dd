//! How APIs differ, in the words of the configuration.

use magicproxy_proxy::settings::RefusalShape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an API makes of `%2F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SlashChoice {
    /// Such requests are refused.
    Refuse,
    /// The request must be allowed in both readings.
    Both,
    /// An ordinary character.
    Opaque,
}

/// How an API's server reads paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReadingChoice {
    /// Nobody knows: `%25`, `;` and look-alikes of `.`, `/`, `\` and `%` are refused.
    Strict,
    /// Paths are percent-decoded once, and every character then stands for itself.
    DecodeOnce,
    /// The same, but for path parameters: a request with `;` must be allowed with them and without.
    Servlet,
    /// Paths are percent-decoded once and normalised (NFKC, Windows): look-alikes are refused.
    Normalize,
}

/// The shape of what the proxy refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RefusalChoice {
    /// RFC 9457.
    Problem,
    /// GitHub's.
    Github,
    /// GitLab's.
    Gitlab,
    /// DigitalOcean's.
    Digitalocean,
    /// PowerDNS's.
    Powerdns,
    /// Cloudflare's.
    Cloudflare,
    /// OpenAI's.
    Openai,
    /// Anthropic's.
    Anthropic,
}

impl From<RefusalChoice> for RefusalShape {
    fn from(choice: RefusalChoice) -> Self {
        match choice {
            RefusalChoice::Problem => Self::Problem,
            RefusalChoice::Github => Self::Github,
            RefusalChoice::Gitlab => Self::Gitlab,
            RefusalChoice::Digitalocean => Self::Digitalocean,
            RefusalChoice::Powerdns => Self::Powerdns,
            RefusalChoice::Cloudflare => Self::Cloudflare,
            RefusalChoice::Openai => Self::Openai,
            RefusalChoice::Anthropic => Self::Anthropic,
        }
    }
}
