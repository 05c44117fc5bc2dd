//! What is said when the proxy starts: what it serves and with which keys, warnings, and what a newcomer types next.

use std::sync::Arc;

use magicproxy_core::TokenVersion;
use magicproxy_proxy::clock;
use magicproxy_proxy::settings::UpstreamSettings;

use crate::ground::output::note;
use crate::runtime::keystore::Keys;
use magicproxy_config::config::{Config, accepted};
use magicproxy_config::ground::text::quoted;

/// What the proxy serves, with which keys, and who may mint.
pub(super) fn facts(config: &Config, keys: &Keys) -> Vec<String> {
    let held = &keys.held;
    let apis = config.upstreams.iter().map(|upstream| {
        let UpstreamSettings { name, api_root, routes, .. } = &**upstream;
        let mount = if routes.mount.is_root() { String::new() } else { format!(", at {}", routes.mount.as_str()) };
        let by = upstream.outbound.proxy(api_root).map_or_else(String::new, |proxy| format!(", by the outbound proxy {proxy}"));
        format!("for the API at {api_root} (upstream name `{name}`{mount}){by}")
    });
    let mut facts: Vec<String> = apis.collect();
    let unheeded = |upstream: &Arc<UpstreamSettings>| upstream.outbound.unheeded_variable(&upstream.api_root);
    facts.extend(config.upstreams.iter().find_map(unheeded).map(|variable| {
        format!("`{variable}` is not used: `outbound_proxy = \"environment\"` uses it, and `\"none\"` says that it is not to be")
    }));
    if let Some(active) = held.first() {
        let retired = match held.len() - 1 {
            0 => String::new(),
            1 => ", and 1 retired key".to_owned(),
            count => format!(", and {count} retired keys"),
        };
        facts.push(format!("with the key {} from {}{retired}", active.id, active.path.display()));
    }
    let accepts_v2 = config.upstreams.iter().any(|upstream| upstream.acceptance.versions.contains(&TokenVersion::V2));
    if accepts_v2 && keys.ring.published(clock::now()).next().is_none() {
        facts.push(
            "without sealing keys, so nobody mints with the public key alone (`magicproxy keys generate` makes them)".to_owned(),
        );
    }
    if accepts_v2 && keys.ring.published(clock::now()).next().is_some() && keys.ring.key_set().is_empty() {
        facts.push(
            "without a key that signs the key set, so whoever mints with `--to` cannot follow a rotation (`magicproxy keys generate` makes one; \
             replicas need the same)"
                .to_owned(),
        );
    }
    facts.extend(accepted::in_words(config));
    facts
}

/// The upstream that a newcomer is shown.
pub(super) struct FirstUpstream {
    api_root: String,
    pub(super) mount: String,
    /// The option of `mint` that names it, where there are several.
    aud: String,
    mints_over_http: bool,
}

impl FirstUpstream {
    pub(super) fn of(config: &Config) -> Option<Self> {
        let upstream = config.upstreams.first()?;
        let aud =
            if config.upstreams.len() > 1 { format!(" --aud {}", quoted(&upstream.name.to_string())) } else { String::new() };
        let mount = upstream.routes.mount.as_str().to_owned();
        Some(Self { api_root: upstream.api_root.to_string(), mount, aud, mints_over_http: upstream.mints_over_http() })
    }
}

/// What the newcomer types next; it works as it is printed.
pub(super) fn next_steps(curl: &str, url: &str, first: &FirstUpstream, private: &str) -> Vec<String> {
    let path = if first.api_root == "https://api.github.com" { "/user" } else { "/" };
    let mint = if first.mints_over_http {
        format!(
            "TOKEN=$(printf '{{\"token\": \"%s\", \"allowed\": [\"GET {path}\"]}}' \"$CREDENTIAL\" | \
             {curl} -sSf -H 'Content-Type: application/json' --data-binary @- {url}/__magictoken)"
        )
    } else {
        format!("TOKEN=$(printf '%s' \"$CREDENTIAL\" | magicproxy mint{} --credential-file - --allow 'GET {path}')", first.aud)
    };
    vec![
        format!("made a new signing key: {private} (keep it secret and backed up: without it every token is void)"),
        "next, in another shell: paste a credential of the API, mint a token that may do one thing, and use it".to_owned(),
        "  read -rs CREDENTIAL".to_owned(),
        format!("  {mint}"),
        format!("  {curl} -i -H \"Authorization: Bearer $TOKEN\" {url}{path}"),
    ]
}

/// What is said at the start: in plain words, or as log lines where those are JSON.
pub(super) struct Banner {
    pub(super) lines: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) next: Vec<String>,
    pub(super) as_log: bool,
}

impl Banner {
    pub(super) fn show(&self) {
        if self.as_log {
            self.lines
                .iter()
                .chain(&self.next)
                .for_each(|line| tracing::info!(target: "magicproxy::cli::serve", "{}", line.trim()));
            self.warnings.iter().for_each(|warning| tracing::warn!(target: "magicproxy::cli::serve", "{warning}"));
            return;
        }
        for (at, line) in self.lines.iter().enumerate() {
            note(&format!("{}{line}", if at == 0 { "" } else { "  " }));
        }
        self.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        self.next.iter().for_each(|line| note(line));
    }
}
