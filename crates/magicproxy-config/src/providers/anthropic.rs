//! Anthropic.

use magicproxy_proxy::settings::RefusalPart::{Message, Object, StatusWord, Text};

use super::client::{
    ANY_PROGRAM, DOT_ENV, NOT_TESTED, NOTHING, PYTHON_AND_NODE, REPLACES_ROOTS, SetupMethod,
};
use super::refusals::{ERROR_TYPES, Refusals, json};
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "anthropic",
    about: "Anthropic.",
    api_root: Some("https://api.anthropic.com"),
    credential: "header:X-Api-Key",
    refusals: &REFUSALS,
    // The results of a batch, and of each batch in a list. Text from a model is never in these
    // members.
    rewrite_members: &["results_url", "data.results_url"],
    request_headers: &[
        ("Anthropic-Beta", "which features that are being tried out the client knows"),
        (
            "Anthropic-Dangerous-Direct-Browser-Access",
            "a page may read the response, whose user has the key",
        ),
        ("Anthropic-Version", "the version of the API that the client was made for"),
        ("X-App", "Claude Code: which of its programs asks"),
        ("X-Claude-Code-Session-Id", "Claude Code: its own number for the session"),
        ("X-Client-Request-Id", "the client's own number for the request"),
        ("X-Stainless-*", "the SDKs say what they are, and on which try"),
    ],
    response_timeout: Some("10m"),
    max_inspected_body: Some("32MiB"),
    any_program: SetupMethod {
        variables: SDK.variables,
        removed: &["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_BASE"],
        ..ANY_PROGRAM
    },
    ..PLAIN
};

pub(crate) static REFUSALS: Refusals = Refusals {
    name: "anthropic",
    about: "Anthropic's.",
    shape: json(&[
        ("type", Text("error")),
        ("error", Object(&[("type", StatusWord(&ERROR_TYPES)), ("message", Message)])),
    ]),
};

const CLIENT: SetupMethod = SetupMethod { preset: "anthropic", ..NOTHING };

/// aider.
pub const AIDER: SetupMethod = SetupMethod {
    variables: &[("ANTHROPIC_API_BASE", "{api}"), ("ANTHROPIC_API_KEY", "{token}")],
    removed: &[
        "AIDER_ANTHROPIC_API_KEY",
        "AIDER_API_KEY",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_AUTH_TOKEN",
    ],
    ca_variables: &["SSL_CERT_FILE"],
    notes: &[NOT_TESTED, DOT_ENV],
    ca_notes: &[REPLACES_ROOTS],
    ..CLIENT
};

/// Claude Code.
pub const CLAUDE_CODE: SetupMethod = SetupMethod {
    variables: &[("ANTHROPIC_BASE_URL", "{api}"), ("ANTHROPIC_AUTH_TOKEN", "{token}")],
    // Claude Code's own login, or another provider, would take precedence over these variables.
    removed: &[
        "ANTHROPIC_API_KEY",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
    ],
    ca_variables: &["NODE_EXTRA_CA_CERTS"],
    notes: &[
        "a project can set these variables, too (`env` in .claude/settings.json): look before you trust one",
    ],
    ..CLIENT
};

/// opencode.
pub const OPENCODE: SetupMethod = SetupMethod {
    variables: &[
        ("ANTHROPIC_API_KEY", "{token}"),
        (
            "OPENCODE_CONFIG_CONTENT",
            r#"{"provider":{"anthropic":{"options":{"apiKey":"{env:ANTHROPIC_API_KEY}","baseURL":"{api}/v1"}}}}"#,
        ),
    ],
    removed: &["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"],
    ca_variables: &["NODE_EXTRA_CA_CERTS"],
    notes: &[NOT_TESTED],
    ..CLIENT
};

/// The SDKs for Python and JavaScript.
pub const SDK: SetupMethod = SetupMethod {
    variables: &[("ANTHROPIC_BASE_URL", "{api}"), ("ANTHROPIC_API_KEY", "{token}")],
    removed: &["ANTHROPIC_AUTH_TOKEN"],
    ca_variables: PYTHON_AND_NODE,
    ca_notes: &[REPLACES_ROOTS],
    ..CLIENT
};
