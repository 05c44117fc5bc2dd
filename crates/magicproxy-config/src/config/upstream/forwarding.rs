//! The choice of forwarding headers, as written.

use magicproxy_proxy::settings::Forwarding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::setting::choices;

/// The headers that tell an API about the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardingChoice {
    /// None.
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
