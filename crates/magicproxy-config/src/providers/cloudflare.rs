//! Cloudflare.

use magicproxy_proxy::settings::RefusalPart::{False, List, Message, Null, Object, StatusNumber};

use super::client::{
    ANY_PROGRAM, NOTHING, PYTHON_AND_NODE, REPLACES_ROOTS, SetupMethod, TERRAFORM,
};
use super::refusals::{Refusals, json};
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "cloudflare",
    about: "Cloudflare.",
    api_root: Some("https://api.cloudflare.com"),
    accept_token_in: &["header:X-Auth-Key"],
    refusals: &REFUSALS,
    request_headers: &[
        ("Api-Version", "the version of the API that the SDKs were made for"),
        ("CF-Worker-Body-Part", "which part of the content is the body of a Worker"),
        ("CF-Worker-Main-Module-Part", "which part of the content is the main module of a Worker"),
        ("Tus-Resumable", "the version of tus, in which videos are uploaded in parts"),
        ("Upload-Length", "tus: how long a video is that the target makes"),
        ("Upload-Metadata", "tus: what is said of that video"),
        ("Upload-Offset", "tus: where in that video the content belongs"),
        ("X-Magic-New-Hc-Target", "which form of health checks the SDKs read"),
        ("X-Stainless-*", "the SDKs say what they are, and on which try"),
    ],
    any_program: SetupMethod { variables: SDK.variables, removed: CLIENT.removed, ..ANY_PROGRAM },
    ..PLAIN
};

pub(crate) static REFUSALS: Refusals = Refusals {
    name: "cloudflare",
    about: "Cloudflare's.",
    shape: json(&[
        ("success", False),
        ("errors", List(&[Object(&[("code", StatusNumber(NUMBERS)), ("message", Message)])])),
        ("messages", List(&[])),
        ("result", Null),
    ]),
};

/// The numbers for an unknown token, and for a token that does not suffice.
const NUMBERS: &[(u16, u16)] = &[(401, 10_000), (403, 9_109)];

const CLIENT: SetupMethod = SetupMethod {
    preset: "cloudflare",
    removed: &["CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_USER_SERVICE_KEY"],
    ..NOTHING
};

/// certbot with the plugin dns-cloudflare.
pub const CERTBOT: SetupMethod = SetupMethod {
    variables: &[("CLOUDFLARE_BASE_URL", "{api}/client/v4")],
    files: &[("certbot-cloudflare.ini", "dns_cloudflare_api_token = {token}\n")],
    ca_variables: &["SSL_CERT_FILE"],
    usage: &[
        "certbot certonly --dns-cloudflare --dns-cloudflare-credentials certbot-cloudflare.ini …",
    ],
    notes: &["the ini file must not hold dns_cloudflare_email or dns_cloudflare_api_key besides"],
    ..CLIENT
};

/// The SDKs for Python and JavaScript.
pub const SDK: SetupMethod = SetupMethod {
    variables: &[("CLOUDFLARE_BASE_URL", "{api}/client/v4"), ("CLOUDFLARE_API_TOKEN", "{token}")],
    ca_variables: PYTHON_AND_NODE,
    ca_notes: &[REPLACES_ROOTS],
    ..CLIENT
};

/// Terraform.
pub const TERRAFORM_PROVIDER: SetupMethod = SetupMethod {
    preset: "cloudflare",
    variables: SDK.variables,
    removed: CLIENT.removed,
    ..TERRAFORM
};
