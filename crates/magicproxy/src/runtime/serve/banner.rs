//! Lines at the start of the proxy: upstreams, keys, warnings, and the next commands for a
//! newcomer.

use std::sync::Arc;

use magicproxy_core::TokenVersion;
use magicproxy_proxy::clock;
use magicproxy_proxy::settings::UpstreamSettings;

use super::LimitsNotice;
use crate::ground::output::note;
use crate::runtime::keystore::Keys;
use crate::runtime::logging;
use crate::runtime::logging::events::{ConfigOccasion, ConfigSources, config_loaded};
use crate::runtime::wire::BoundServer;
use magicproxy_config::config::log::LogFormat;
use magicproxy_config::config::{Config, accepted};
use magicproxy_config::ground::text::quoted;

/// Describes the upstreams, the keys, and who may mint.
fn facts(config: &Config, keys: &Keys) -> Vec<String> {
    let held = &keys.held;
    let apis = config.upstreams.iter().map(|upstream| {
        let UpstreamSettings { name, api_root, routes, .. } = &**upstream;
        let mount = if routes.mount.is_root() {
            String::new()
        } else {
            format!(", at {}", routes.mount.as_str())
        };
        let by = upstream
            .outbound
            .proxy(api_root)
            .map_or_else(String::new, |proxy| format!(", by the outbound proxy {proxy}"));
        format!("for the API at {api_root} (upstream name `{name}`{mount}){by}")
    });
    let mut facts: Vec<String> = apis.collect();
    let unheeded =
        |upstream: &Arc<UpstreamSettings>| upstream.outbound.unheeded_variable(&upstream.api_root);
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
    let accepts_v2 = config
        .upstreams
        .iter()
        .any(|upstream| upstream.acceptance.versions.contains(&TokenVersion::V2));
    if accepts_v2 && keys.ring.published(clock::now()).next().is_none() {
        facts.push(
            "without sealing keys, so nobody mints with the public key alone (`magicproxy keys generate` makes them)".to_owned(),
        );
    }
    if accepts_v2
        && keys.ring.published(clock::now()).next().is_some()
        && keys.ring.key_set().is_empty()
    {
        facts.push(
            "without a key that signs the key set, so whoever mints with `--to` cannot follow a rotation (`magicproxy keys generate` makes one; \
             replicas need the same)"
                .to_owned(),
        );
    }
    facts.extend(accepted::in_words(config));
    facts
}

/// The upstream shown to a newcomer.
pub(super) struct FirstUpstream {
    api_root: String,
    mount: String,
    /// The option of `mint` that names the upstream; empty for the only upstream.
    aud: String,
    mints_over_http: bool,
}

impl FirstUpstream {
    pub(super) fn of(config: &Config) -> Option<Self> {
        let upstream = config.upstreams.first()?;
        let aud = if config.upstreams.len() > 1 {
            format!(" --aud {}", quoted(&upstream.name.to_string()))
        } else {
            String::new()
        };
        let mount = upstream.routes.mount.as_str().to_owned();
        Some(Self {
            api_root: upstream.api_root.to_string(),
            mount,
            aud,
            mints_over_http: upstream.mints_over_http(),
        })
    }
}

/// Writes the next commands for a newcomer; they work as printed.
fn next_steps(curl: &str, url: &str, first: &FirstUpstream, private: &str) -> Vec<String> {
    let path = if first.api_root == "https://api.github.com" { "/user" } else { "/" };
    let mint = if first.mints_over_http {
        format!(
            "TOKEN=$(printf '{{\"token\": \"%s\", \"allowed\": [\"GET {path}\"]}}' \"$CREDENTIAL\" | \
             {curl} -sSf -H 'Content-Type: application/json' --data-binary @- {url}/__magictoken)"
        )
    } else {
        format!(
            "TOKEN=$(printf '%s' \"$CREDENTIAL\" | magicproxy mint{} --credential-file - --allow 'GET {path}')",
            first.aud
        )
    };
    vec![
        format!("made a new signing key: {private} (keep it secret and backed up: without it every token is void)"),
        "next, in another shell: paste a credential of the API, mint a token that may do one thing, and use it".to_owned(),
        "  read -rs CREDENTIAL".to_owned(),
        format!("  {mint}"),
        format!("  {curl} -i -H \"Authorization: Bearer $TOKEN\" {url}{path}"),
    ]
}

/// The lines at the start: in plain words, or as log lines where the log is JSON.
pub(super) struct Banner {
    pub(super) lines: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// The next commands for a newcomer, behind the line about a new key.
    pub(super) next: Vec<String>,
    /// The files and variables of the configuration.
    pub(super) sources: ConfigSources,
    pub(super) as_log: bool,
}

impl Banner {
    /// Begins with the facts about a proxy with these keys, the files that it uses, and warnings.
    pub(super) fn of(
        config: &Config,
        keys: &Keys,
        sources: ConfigSources,
        warnings: Vec<String>,
    ) -> Self {
        let as_log = logging::format(config.log) == LogFormat::Json;
        // The log has an event of its own for the configuration.
        let used = sources.described().filter(|_| !as_log);
        let lines = facts(config, keys).into_iter().chain(used).collect();
        Self { lines, warnings, next: Vec::new(), sources, as_log }
    }

    /// Adds the next commands for a newcomer. `trust` is the option by which `curl` trusts the
    /// certificate.
    pub(super) fn note_next_steps(
        &mut self,
        first: &FirstUpstream,
        server: &BoundServer,
        trust: &str,
        private: &str,
    ) {
        let curl = format!("curl{trust}{}", server.curl_option());
        let url = format!("{}{}", server.url(), first.mount);
        self.next = next_steps(&curl, &url, first, private);
    }

    /// Adds the limits made to fit the open files; as a warning, where the configuration gave the
    /// limits.
    pub(super) fn note_limits(&mut self, scaled: Option<LimitsNotice>) {
        match scaled {
            Some(LimitsNotice::Defaults(line)) => self.lines.push(line),
            Some(LimitsNotice::Given(line)) => self.warnings.push(line),
            None => {}
        }
    }

    /// Adds, as the first line, the addresses on which the proxy listens, and the listeners'
    /// warnings.
    pub(super) fn note_addresses(&mut self, server: &BoundServer) {
        let addresses = server.addresses().join(" and ");
        let first = format!("magicproxy {} listens on {addresses}", env!("CARGO_PKG_VERSION"));
        self.lines.insert(0, first);
        self.warnings.extend(server.warnings.iter().cloned());
    }

    pub(super) fn show(&self) {
        if self.as_log {
            return self.log();
        }
        for (at, line) in self.lines.iter().enumerate() {
            note(&format!("{}{line}", if at == 0 { "" } else { "  " }));
        }
        self.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        self.next.iter().for_each(|line| note(line));
    }

    /// Writes the lines as events. Commands to be pasted into a shell are left out: quoted for JSON
    /// they work no more, and a collector of logs has no use for them.
    fn log(&self) {
        config_loaded(ConfigOccasion::Start, &self.sources, self.warnings.len());
        let mut lines = self.lines.iter();
        if let Some(first) = lines.next() {
            tracing::info!(name: "listening", target: "magicproxy::cli::serve", version = env!("CARGO_PKG_VERSION"), "{first}");
        }
        for line in lines {
            tracing::info!(name: "start_fact", target: "magicproxy::cli::serve", "{line}");
        }
        for warning in &self.warnings {
            tracing::warn!(name: "start_warning", target: "magicproxy::cli::serve", "{warning}");
        }
        if let Some(made) = self.next.first() {
            tracing::info!(name: "key_made", target: "magicproxy::cli::serve", "{made}");
            tracing::info!(name: "start_fact", target: "magicproxy::cli::serve",
                "the next commands for a first token are printed with `--log-format pretty`");
        }
    }
}
