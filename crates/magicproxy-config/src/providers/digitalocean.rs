//! DigitalOcean.

use magicproxy_proxy::settings::RefusalPart::Code;

use super::client::{
    ACME_APART, ACME_TOO, ANY_PROGRAM, NOT_TESTED, NOTHING, REPLACES_ROOTS, SetupMethod, TERRAFORM,
};
use super::refusals::{Refusals, json};
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "digitalocean",
    about: "DigitalOcean.",
    api_root: Some("https://api.digitalocean.com"),
    refusals: &REFUSALS,
    // Pages, and the actions that a request started.
    rewrite_members: &["links.pages.*", "links.actions.href"],
    request_headers: &[(
        "X-Ms-Client-Request-Id",
        "pydo is built on a library of Azure's, which numbers its requests so",
    )],
    any_program: SetupMethod {
        variables: &[
            ("DIGITALOCEAN_API_URL", "{api}/"),
            ("DIGITALOCEAN_END_POINT", "{api}/v2/"),
            ("DIGITALOCEAN_ACCESS_TOKEN", "{token}"),
            ("DIGITALOCEAN_TOKEN", "{token}"),
        ],
        removed: &["DIGITALOCEAN_CONTEXT"],
        ..ANY_PROGRAM
    },
    ..PLAIN
};

pub(crate) static REFUSALS: Refusals =
    Refusals { name: "digitalocean", about: "DigitalOcean's.", shape: json(&[("id", Code)]) };

const CLIENT: SetupMethod = SetupMethod {
    preset: "digitalocean",
    removed: &["DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN"],
    ..NOTHING
};

/// certbot with the plugin dns-digitalocean.
pub const CERTBOT: SetupMethod = SetupMethod {
    variables: &[("DIGITALOCEAN_END_POINT", "{api}/v2/")],
    files: &[("certbot-digitalocean.ini", "dns_digitalocean_token = {token}\n")],
    ca_variables: &["REQUESTS_CA_BUNDLE"],
    usage: &[
        "certbot certonly --dns-digitalocean --dns-digitalocean-credentials certbot-digitalocean.ini …",
    ],
    ca_notes: &[ACME_TOO],
    ..CLIENT
};

/// doctl.
pub const DOCTL: SetupMethod = SetupMethod {
    variables: &[("DIGITALOCEAN_API_URL", "{api}/"), ("DIGITALOCEAN_ACCESS_TOKEN", "{token}")],
    removed: &["DIGITALOCEAN_CONTEXT"],
    ca_variables: &["SSL_CERT_FILE"],
    notes: &[NOT_TESTED],
    ca_notes: &[REPLACES_ROOTS],
    ..CLIENT
};

/// lego with the provider digitalocean.
pub const LEGO: SetupMethod = SetupMethod {
    variables: &[("DO_API_URL", "{api}"), ("DO_AUTH_TOKEN", "{token}")],
    removed: &["DO_AUTH_TOKEN_FILE"],
    ca_variables: &["SSL_CERT_FILE"],
    ca_notes: &[ACME_APART, REPLACES_ROOTS],
    ..CLIENT
};

/// pydo.
pub const PYDO: SetupMethod = SetupMethod {
    variables: &[("DIGITALOCEAN_TOKEN", "{token}")],
    removed: &["DIGITALOCEAN_ACCESS_TOKEN"],
    ca_variables: &["REQUESTS_CA_BUNDLE"],
    usage: &["Client(token=os.environ[\"DIGITALOCEAN_TOKEN\"], endpoint=\"{api}\")"],
    notes: &["it sends no token over http: the proxy needs TLS"],
    ..CLIENT
};

/// python-digitalocean.
pub const PYTHON_DIGITALOCEAN: SetupMethod = SetupMethod {
    variables: &[("DIGITALOCEAN_END_POINT", "{api}/v2/"), ("DIGITALOCEAN_ACCESS_TOKEN", "{token}")],
    removed: &["DIGITALOCEAN_TOKEN"],
    ca_variables: &["REQUESTS_CA_BUNDLE"],
    ..CLIENT
};

/// Terraform.
pub const TERRAFORM_PROVIDER: SetupMethod = SetupMethod {
    preset: "digitalocean",
    variables: &[("DIGITALOCEAN_API_URL", "{api}/"), ("DIGITALOCEAN_TOKEN", "{token}")],
    removed: &["DIGITALOCEAN_ACCESS_TOKEN"],
    ..TERRAFORM
};
