//! Programs that nobody knows, told by the variables that most clients of an API read.

use super::clients::{CLOUDFLARE, GIT, GITHUB, GITLAB, REPLACES_ROOTS};
use super::table::{ANY, Client, NOTHING, Way};

/// Any program: Python, Node, an agent, a shell that starts others.
pub(super) static ANY_PROGRAM: Client = Client {
    name: "any",
    about: "any other program, by the variables that most clients of an API read",
    programs: &[],
    ways: &[
        any(
            "anthropic",
            &[("ANTHROPIC_BASE_URL", "{api}"), ("ANTHROPIC_API_KEY", "{token}")],
            &["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_BASE"],
        ),
        any("cloudflare", &[("CLOUDFLARE_BASE_URL", "{api}/client/v4"), ("CLOUDFLARE_API_TOKEN", "{token}")], CLOUDFLARE.removed),
        any(
            "digitalocean",
            &[
                ("DIGITALOCEAN_API_URL", "{api}/"),
                ("DIGITALOCEAN_END_POINT", "{api}/v2/"),
                ("DIGITALOCEAN_ACCESS_TOKEN", "{token}"),
                ("DIGITALOCEAN_TOKEN", "{token}"),
            ],
            &["DIGITALOCEAN_CONTEXT"],
        ),
        any("github", GITHUB.variables, GITHUB.removed),
        GIT,
        any("gitlab", &[("GITLAB_URL", "{api}"), ("GITLAB_PRIVATE_TOKEN", "{token}")], GITLAB.removed),
        any(
            "openai",
            &[("OPENAI_BASE_URL", "{api}/v1"), ("OPENAI_API_BASE", "{api}/v1"), ("OPENAI_API_KEY", "{token}")],
            &["OPENAI_ADMIN_KEY"],
        ),
        any("powerdns", &[("PDNS_API_URL", "{api}"), ("PDNS_API_KEY", "{token}")], &[]),
        any(ANY, &[("MAGIC_API", "{api}"), ("MAGIC_TOKEN", "{token}")], &[]),
    ],
};

const fn any(preset: &'static str, variables: &'static [(&'static str, &'static str)], removed: &'static [&'static str]) -> Way {
    let ca_variables = &["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"];
    Way { preset, variables, removed, ca_variables, ca_notes: &[REPLACES_ROOTS], ..NOTHING }
}
