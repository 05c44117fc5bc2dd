//! Subprotocols that are not names: keys and accounts in the place of a name.

use crate::field_names::table::tables;

tables! {
    /// Prefixes of WebSocket subprotocols that carry keys, or say for whom the WebSocket acts:
    /// browsers cannot set other fields.
    pub(super) STEERING_PROTOCOLS: &str {
        "openai-insecure-api-key." => "OpenAI: a key of the realtime API",
        "openai-ephemeral-user-key." => "OpenAI: a key for a page's user",
        "openai-organization." => "OpenAI: the organisation for which it acts",
        "openai-project." => "OpenAI: the project for which it acts",
        "base64url.bearer." => "Kubernetes: a token",
        "bearer" => "a token behind the scheme of `Authorization`",
    }
}
