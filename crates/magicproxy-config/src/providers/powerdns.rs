//! An authoritative server of PowerDNS. Every operator runs a separate server.

use magicproxy_proxy::settings::RefusalPart::Message;

use super::client::{
    ACME_APART, ACME_TOO, ANY_PROGRAM, NOTHING, REPLACES_ROOTS, SetupMethod, TERRAFORM,
};
use super::refusals::{Refusals, json};
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "powerdns",
    about: "An authoritative server of PowerDNS.",
    credential: "header:X-API-Key",
    refusals: &REFUSALS,
    any_program: SetupMethod {
        variables: &[("PDNS_API_URL", "{api}"), ("PDNS_API_KEY", "{token}")],
        ..ANY_PROGRAM
    },
    ..PLAIN
};

pub(crate) static REFUSALS: Refusals =
    Refusals { name: "powerdns", about: "PowerDNS's.", shape: json(&[("error", Message)]) };

const CLIENT: SetupMethod = SetupMethod { preset: "powerdns", ..NOTHING };

/// certbot with the plugin dns-pdns.
pub const CERTBOT: SetupMethod = SetupMethod {
    files: &[("certbot-pdns.ini", "dns_pdns_endpoint = {api}\ndns_pdns_api_key = {token}\n")],
    ca_variables: &["REQUESTS_CA_BUNDLE"],
    usage: &["certbot certonly --authenticator dns-pdns --dns-pdns-credentials certbot-pdns.ini …"],
    ca_notes: &[ACME_TOO],
    ..CLIENT
};

/// lego with the provider pdns.
pub const LEGO: SetupMethod = SetupMethod {
    variables: &[("PDNS_API_URL", "{api}"), ("PDNS_API_KEY", "{token}")],
    removed: &["PDNS_API_KEY_FILE", "PDNS_API_URL_FILE"],
    ca_variables: &["SSL_CERT_FILE"],
    ca_notes: &[ACME_APART, REPLACES_ROOTS],
    ..CLIENT
};

/// Terraform.
pub const TERRAFORM_PROVIDER: SetupMethod = SetupMethod {
    preset: "powerdns",
    variables: &[("PDNS_SERVER_URL", "{api}"), ("PDNS_API_KEY", "{token}")],
    ..TERRAFORM
};
