//! What an API is told about the client, as it is written.

use magicproxy_proxy::settings::Forwarding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::setting::choices;

/// What an API is told about the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardingChoice {
    /// Nothing.
    #[default]
    None,
    /// `Forwarded` and `Via`.
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `Via`.
    XForwarded,
}

impl From<ForwardingChoice> for Forwarding {
    fn from(choice: ForwardingChoice) -> Self {
        match choice {
            ForwardingChoice::None => Self::None,
            ForwardingChoice::Forwarded => Self::Forwarded,
            ForwardingChoice::XForwarded => Self::XForwarded,
        }
    }
}

choices!(ForwardingChoice);
