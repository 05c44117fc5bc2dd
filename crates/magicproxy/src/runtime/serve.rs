//! `serve`: the proxy itself.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use magicproxy_core::TokenVersion;
use magicproxy_core::plugin::PluginHost;
use magicproxy_core::state::StateStore;
use magicproxy_proxy::clock;

use super::{SettingsArgs, flag};
use magicproxy_proxy::services::{Services, SharedKeys};
use magicproxy_proxy::settings::{Limits, UpstreamSettings};

use crate::ground::failure::Failure;
use crate::ground::output::note;
use crate::runtime::keystore::{KeyWatch, Keys, Keystore, NewKey, Purposes};
use crate::runtime::readiness::Readiness;
use crate::runtime::revocations::{RevocationFile, RevocationWatch, SharedRevocations};
use crate::runtime::state::LazyStore;
use crate::runtime::tls::{OtherKeys, Tls};
use crate::runtime::wire::{self, Door, EndSignals, Engine, survive_others};
use crate::runtime::{logging, settings};
use magicproxy_config::config::log::{LogFormat, LogLevel};
use magicproxy_config::config::setting::FromText as _;
use magicproxy_config::config::{Config, Flags, Layers, accepted, lint};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::quoted;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where to listen: HOST:PORT, or unix:PATH [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Let others than this machine mint without TLS: for containers behind something that speaks TLS
    #[arg(long)]
    danger_plain_http: bool,
    /// Speak TLS, with a certificate of an authority of this machine's own, for trying things out
    #[arg(long)]
    tls_dev: bool,
    /// Form of the log lines: `pretty` or `json` [default: pretty on a terminal, else json]
    #[arg(long, value_name = "FORMAT", value_parser = LogFormat::from_text)]
    log_format: Option<LogFormat>,
    /// How much is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = LogLevel::from_text)]
    log_level: Option<LogLevel>,
}

impl ServeArgs {
    fn into_flags(self) -> Flags {
        let mut flags = self.settings.into_flags();
        flags.raw.listen = flag("--listen", self.listen);
        flags.raw.danger_plain_http = flag("--danger-plain-http", self.danger_plain_http.then_some(true));
        flags.raw.tls.dev = flag("--tls-dev", self.tls_dev.then_some(true));
        flags.raw.log.format = flag("--log-format", self.log_format);
        flags.raw.log.level = flag("--log-level", self.log_level);
        flags
    }
}

/// Serves until it is told to stop.
pub(crate) fn run(args: ServeArgs, environment: &Environment) -> Result<(), Failure> {
    let layers = Layers::gather(args.into_flags().and_working_directory(), environment);
    let log = layers.log();
    logging::install(log);
    let served = serve(layers);
    // Whoever reads JSON reads nothing else.
    if logging::format(log) == LogFormat::Json { served.map_err(Failure::logged) } else { served }
}

fn serve(layers: Layers) -> Result<(), Failure> {
    let runtime = wire::runtime()?;
    // From the first moment on: making keys and opening a store take their time.
    runtime.block_on(async { survive_others() }).context("signals")?;
    let mut warnings = layers.warnings.clone();
    let used = layers.used();
    let raw = layers.raw.clone();
    let mut config = settings::check_to_serve(layers)?;
    let scaled = wire::raise_open_file_limit().and_then(|files| fit_to_files(&mut config, files));
    // Before they are read, so that what is written meanwhile is noticed later.
    let keystore = Keystore::of(&config.keys);
    let mut stamps = keystore.stamps();
    let store = LazyStore::of(&config.state.store);
    let state = store.clone().map(|store| store as Arc<dyn StateStore>);
    let Readiness { keys, plugins, warnings: found, .. } = Readiness::of(&config, state.clone()).ready()?;
    let new = keys.is_none();
    let keys = keys_or_new(keys, &keystore, NewKey::of(&config.keys, config.host()))?;
    if new {
        stamps = keystore.stamps();
    }
    warnings.extend(found);
    warnings.extend(lint::warnings(&raw, &config, Some(&keys.known())));
    let mut banner = Banner {
        lines: facts(&config, &keys).into_iter().chain(used).collect(),
        warnings,
        next: Vec::new(),
        as_log: logging::format(config.log) == LogFormat::Json,
    };
    match scaled {
        Some(Scaled::Defaults(line)) => banner.lines.push(line),
        Some(Scaled::Given(line)) => banner.warnings.push(line),
        None => {}
    }
    let tls = config.tls.as_ref().map(|source| Tls::of(source, config.own_authority())).transpose()?;
    let (listeners, hosts) = (config.listeners.clone(), config.hosts.clone());
    let first = FirstUpstream::of(&config).filter(|_| new);
    let private = config.keys.files.private.display().to_string();
    let ring = Arc::new(SharedKeys::new(keys.ring));
    let purposes = Purposes::of(&config.upstreams, config.tls.as_ref());
    let other = OtherKeys { ring: Arc::clone(&ring), purposes: purposes.clone() };
    let watch = KeyWatch::new(keystore, Arc::clone(&ring), purposes, stamps);
    let chosen = config.state.chosen;
    let mut revocations = revocation_watch(&config, store.as_ref())?;
    let host = plugins.clone().map(|host| host as Arc<dyn PluginHost>);
    let services = Services { keys: ring, state, revocations: revocations.revocations(), plugins: host };
    let engine = Engine { settings: config.into_settings(), services };
    let served = runtime.block_on(async {
        let signals = EndSignals::listen().context("signals")?;
        if let Some(store) = store.filter(|_| chosen) {
            // The store has said in the log what is wrong.
            store.open_now().await.map_err(|_| Failure::Logged(1))?;
        }
        // So that nobody is refused only because nobody has looked yet.
        revocations.look().await;
        let door = Door::open(engine, &listeners, &hosts, tls.as_ref().map(|tls| &tls.server)).await?;
        let addresses = door.addresses().join(" and ");
        banner.lines.insert(0, format!("magicproxy {} listens on {addresses}", env!("CARGO_PKG_VERSION")));
        banner.warnings.extend(door.warnings.iter().cloned());
        let trust = tls.as_ref().map(Tls::curl_option).unwrap_or_default();
        if let Some(tls) = tls {
            banner.lines.extend(tls.notes.iter().cloned());
            tokio::spawn(tls.keep_fresh(other));
        }
        if let Some(first) = first {
            let curl = format!("curl{trust}{}", door.curl_option());
            banner.next = next_steps(&curl, &format!("{}{}", door.url(), first.mount), &first, &private);
        }
        banner.show();
        tokio::spawn(watch.keep_fresh());
        tokio::spawn(revocations.keep_fresh());
        if let Some(plugins) = plugins {
            tokio::spawn(plugins.watch());
        }
        door.serve(signals.shutdown()).await;
        Ok::<_, Failure>(())
    });
    // What still runs, runs for nobody.
    runtime.shutdown_background();
    served
}

/// What was said about limits that the process has too few files for.
enum Scaled {
    /// Nobody gave these limits.
    Defaults(String),
    Given(String),
}

/// Makes the limits fit this many open files, and tells when they did not.
fn fit_to_files(config: &mut Config, files: usize) -> Option<Scaled> {
    let (given, defaults) = (config.limits, Limits::default());
    config.limits = given.fit(files)?;
    let Limits { connections, upstream_connections, exchanges, .. } = config.limits;
    let line = format!(
        "with {files} open files (`ulimit -n`): at most {connections} connections from clients, {} to APIs, {} requests at once",
        upstream_connections.total, exchanges.total
    );
    let numbers = |limits: &Limits| (limits.connections, limits.upstream_connections, limits.exchanges);
    Some(if numbers(&given) == numbers(&defaults) { Scaled::Defaults(line) } else { Scaled::Given(line) })
}

/// Revocations are in the store where proxies share one, and in a file otherwise.
fn revocation_watch(config: &Config, store: Option<&Arc<LazyStore>>) -> anyhow::Result<RevocationWatch> {
    match (&config.revocations.file, store) {
        (None, Some(store)) => {
            let store: Arc<dyn StateStore> = Arc::<LazyStore>::clone(store);
            Ok(RevocationWatch::of_store(SharedRevocations(store), config.revocations.stale))
        }
        (file, _) => RevocationWatch::of_file(RevocationFile(file.clone().unwrap_or_default())),
    }
}

/// The keys that were found, or new ones.
fn keys_or_new(found: Option<Keys>, keystore: &Keystore, new: NewKey<'_>) -> Result<Keys, Failure> {
    if let Some(keys) = found {
        return Ok(keys);
    }
    keystore.generate(new)?;
    Ok(keystore.load_existing()?)
}

fn facts(config: &Config, keys: &Keys) -> Vec<String> {
    let held = &keys.held;
    let apis = config.upstreams.iter().map(|upstream| {
        let UpstreamSettings { name, api_root, placing, .. } = &**upstream;
        let mount = if placing.mount.is_root() { String::new() } else { format!(", at {}", placing.mount.as_str()) };
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
struct FirstUpstream {
    api_root: String,
    mount: String,
    /// The option of `mint` that names it, where there are several.
    aud: String,
    mints_over_http: bool,
}

impl FirstUpstream {
    fn of(config: &Config) -> Option<Self> {
        let upstream = config.upstreams.first()?;
        let aud =
            if config.upstreams.len() > 1 { format!(" --aud {}", quoted(&upstream.name.to_string())) } else { String::new() };
        let mount = upstream.placing.mount.as_str().to_owned();
        Some(Self { api_root: upstream.api_root.to_string(), mount, aud, mints_over_http: upstream.mints_over_http() })
    }
}

/// What the newcomer types next; it works as it is printed.
fn next_steps(curl: &str, url: &str, first: &FirstUpstream, private: &str) -> Vec<String> {
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
struct Banner {
    lines: Vec<String>,
    warnings: Vec<String>,
    next: Vec<String>,
    as_log: bool,
}

impl Banner {
    fn show(&self) {
        if self.as_log {
            self.lines.iter().chain(&self.next).for_each(|line| tracing::info!("{}", line.trim()));
            self.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            return;
        }
        for (at, line) in self.lines.iter().enumerate() {
            note(&format!("{}{line}", if at == 0 { "" } else { "  " }));
        }
        self.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        self.next.iter().for_each(|line| note(line));
    }
}
