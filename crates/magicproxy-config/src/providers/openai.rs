//! OpenAI, and other servers of the same API.

use magicproxy_proxy::settings::RefusalPart::{Code, Message, Null, Object, StatusWord};

use super::client::{
    ANY_PROGRAM, DOT_ENV, NOT_TESTED, NOTHING, PYTHON_AND_NODE, REPLACES_ROOTS, SetupMethod,
};
use super::refusals::{ERROR_TYPES, Refusals, json};
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "openai",
    about: "OpenAI, and those who speak its API.",
    api_root: Some("https://api.openai.com"),
    // Browsers put keys of the realtime API into the second carrier, for want of another field.
    accept_token_in: &["header:API-Key", "subprotocol:openai-insecure-api-key."],
    refusals: &REFUSALS,
    request_headers: &[
        ("HTTP-Referer", "OpenRouter: the site of the program that asks"),
        ("OpenAI-Beta", "which features that are being tried out the client knows"),
        ("Originator", "Codex: by which of its programs it was started"),
        ("Session-Id", "Codex: its own number for the session"),
        ("Thread-Id", "Codex: its own number for the thread"),
        ("X-Client-Request-Id", "the client's own number for the request"),
        ("X-Codex-Beta-Features", "Codex: which of its features are switched on"),
        ("X-Codex-Installation-Id", "Codex: its own number for where it is installed"),
        ("X-Codex-Parent-Thread-Id", "Codex: its own number for the thread that began this one"),
        ("X-Codex-Turn-Metadata", "Codex: what it says of its turn"),
        ("X-Codex-Turn-State", "Codex: what the last response of its turn gave it to bring again"),
        ("X-Codex-Window-Id", "Codex: its own number for the window of a thread"),
        ("X-OpenAI-Internal-Codex-Responses-Lite", "Codex: which form of responses it reads"),
        ("X-OpenAI-Subagent", "Codex: which of its helpers asks"),
        (
            "X-ResponsesAPI-Include-Timing-Metrics",
            "Codex: whether it is told how long parts of the response took",
        ),
        ("X-Stainless-*", "the SDKs say what they are, and on which try"),
        ("X-Title", "OpenRouter: the name of the program that asks"),
    ],
    response_timeout: Some("10m"),
    max_inspected_body: Some("32MiB"),
    any_program: SetupMethod {
        variables: &[
            ("OPENAI_BASE_URL", "{api}/v1"),
            ("OPENAI_API_BASE", "{api}/v1"),
            ("OPENAI_API_KEY", "{token}"),
        ],
        removed: &["OPENAI_ADMIN_KEY"],
        ..ANY_PROGRAM
    },
    ..PLAIN
};

pub(crate) static REFUSALS: Refusals = Refusals {
    name: "openai",
    about: "OpenAI's.",
    shape: json(&[(
        "error",
        Object(&[
            ("message", Message),
            ("type", StatusWord(&ERROR_TYPES)),
            ("param", Null),
            ("code", Code),
        ]),
    )]),
};

const CLIENT: SetupMethod = SetupMethod { preset: "openai", ..NOTHING };

/// aider.
pub const AIDER: SetupMethod = SetupMethod {
    variables: &[("OPENAI_API_BASE", "{api}/v1"), ("OPENAI_API_KEY", "{token}")],
    removed: &[
        "AIDER_OPENAI_API_BASE",
        "AIDER_OPENAI_API_KEY",
        "AIDER_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_ORGANIZATION",
    ],
    ca_variables: &["SSL_CERT_FILE"],
    notes: &[NOT_TESTED, DOT_ENV],
    ca_notes: &[REPLACES_ROOTS],
    ..CLIENT
};

/// Codex.
pub const CODEX: SetupMethod = SetupMethod {
    variables: &[("OPENAI_API_KEY", "{token}")],
    removed: &["OPENAI_BASE_URL", "CODEX_API_KEY"],
    // Codex chooses its provider by settings only; the settings name the variable of the token.
    arguments: &[
        "-c",
        "model_provider=\"magicproxy\"",
        "-c",
        "model_providers.magicproxy.name=\"magicproxy\"",
        "-c",
        "model_providers.magicproxy.base_url=\"{api}/v1\"",
        "-c",
        "model_providers.magicproxy.env_key=\"OPENAI_API_KEY\"",
        "-c",
        "model_providers.magicproxy.wire_api=\"responses\"",
        // Without these settings Codex asks thirty times after a 504, and each response is made and
        // paid for.
        "-c",
        "model_providers.magicproxy.request_max_retries=0",
        "-c",
        "model_providers.magicproxy.stream_max_retries=1",
    ],
    ca_variables: &["SSL_CERT_FILE"],
    notes: &["the token must allow POST /v1/responses"],
    ca_notes: &[REPLACES_ROOTS],
    ..CLIENT
};

/// opencode.
pub const OPENCODE: SetupMethod = SetupMethod {
    variables: &[
        ("OPENAI_API_KEY", "{token}"),
        (
            "OPENCODE_CONFIG_CONTENT",
            r#"{"provider":{"openai":{"options":{"apiKey":"{env:OPENAI_API_KEY}","baseURL":"{api}/v1"}}}}"#,
        ),
    ],
    removed: &["OPENAI_BASE_URL"],
    ca_variables: &["NODE_EXTRA_CA_CERTS"],
    notes: &[NOT_TESTED],
    ..CLIENT
};

/// The SDKs for Python and JavaScript.
pub const SDK: SetupMethod = SetupMethod {
    variables: &[("OPENAI_BASE_URL", "{api}/v1"), ("OPENAI_API_KEY", "{token}")],
    removed: &["OPENAI_ADMIN_KEY"],
    ca_variables: PYTHON_AND_NODE,
    ca_notes: &[REPLACES_ROOTS],
    ..CLIENT
};
