//! A serving process: from the gathered configuration to a proxy that runs until told to stop.

mod admin;
mod banner;

use std::sync::Arc;

use anyhow::Context as _;
use magicproxy_core::plugin::PluginHost;
use magicproxy_core::state::StateStore;
use magicproxy_plugin::Host;
use magicproxy_proxy::metrics::Metrics;
use magicproxy_proxy::services::{Revocations, Services, SharedKeys};
use magicproxy_proxy::settings::Limits;

use self::admin::{Admin, Watched};
use self::banner::{Banner, FirstUpstream};
use super::admin::operations::reloads;
use super::keystore::{CurrentPurposes, KeyWatch, Keys, Keystore, NewKey, Purposes};
use super::readiness::Readiness;
use super::reload::{
    ConfigSource, Reloader, RunningConfig, RunningPlugins, RunningProxy, RunningTls,
};
use super::revocations::{RevocationFile, RevocationWatch, SharedRevocations};
use super::state::LazyStore;
use super::tls::{OtherKeys, Tls};
use super::wire::{self, BoundServer, EndSignals, Engine, survive_others};
use super::{logging, settings};
use crate::ground::failure::Failure;
use magicproxy_config::config::log::LogFormat;
use magicproxy_config::config::{Config, Layers, lint};

/// Serves the gathered configuration until the process is told to stop. Failures are reported in
/// the form of the log.
pub(crate) fn serve(source: ConfigSource) -> Result<(), Failure> {
    let layers = source.gather();
    let log = layers.log();
    logging::install(log);
    let served = serve_logged(source, layers);
    // A reader of JSON reads nothing else.
    if logging::format(log) == LogFormat::Json { served.map_err(Failure::logged) } else { served }
}

fn serve_logged(source: ConfigSource, layers: Layers) -> Result<(), Failure> {
    let runtime = wire::runtime()?;
    // From the first moment on: making keys and opening a store take time.
    let hangups = runtime.block_on(async { survive_others() }).context("signals")?;
    let mut warnings = layers.warnings.clone();
    let used = layers.used();
    let running = RunningConfig::of(source, &layers);
    let mut config = settings::check_to_serve(layers)?;
    let scaled = running.open_files.and_then(|files| fit_to_files(&mut config, files));
    // Before the keys are read, so that a change during the reading is noticed later.
    let keystore = Keystore::of(&config.keys);
    let stamps = keystore.stamps();
    let store = LazyStore::of(&config.state.store);
    let state = store.clone().map(|store| store as Arc<dyn StateStore>);
    let metrics = Arc::<Metrics>::default();
    let Readiness { keys, plugins, warnings: found, .. } =
        Readiness::of(&config, metrics.measured(&state)).ready()?;
    let new = keys.is_none();
    let keys = keys_or_new(keys, &keystore, NewKey::of(&config.keys, config.host()))?;
    let stamps = if new { keystore.stamps() } else { stamps };
    warnings.extend(found);
    warnings.extend(lint::warnings(&running.raw, &config, Some(&keys.known())));
    let mut banner = Banner::of(&config, &keys, used, warnings);
    banner.note_limits(scaled);
    let tls =
        config.tls.as_ref().map(|source| Tls::of(source, config.own_authority())).transpose()?;
    let (listeners, hosts) = (config.listeners.clone(), config.hosts.clone());
    let first = FirstUpstream::of(&config).filter(|_| new);
    let private = config.keys.files.private.display().to_string();
    let ring = Arc::new(SharedKeys::new(keys.ring));
    let purposes = CurrentPurposes::new(Purposes::of(&config.upstreams, config.tls.as_ref()));
    let other = OtherKeys { ring: Arc::clone(&ring), purposes: purposes.clone() };
    let watch = KeyWatch::new(keystore, Arc::clone(&ring), purposes.clone(), stamps);
    let chosen = config.state.chosen;
    let mut revocations = revocation_watch(&config, metrics.measured(&state))?;
    let watched = Watched {
        ring: &ring,
        keys: &watch,
        store: store.as_ref(),
        revocations: &revocations,
        tls: tls.as_ref(),
        metrics: &metrics,
    };
    let (ask, requests) = reloads();
    let admin = Admin::of(&config, &watched, ask);
    let services = services(ring, &state, revocations.revocations(), (&plugins, &metrics));
    let engine = Engine { settings: config.into_settings(), services };
    let served = runtime.block_on(async {
        let signals = EndSignals::listen().context("signals")?;
        if let Some(store) = store.filter(|_| chosen) {
            // The store has logged the error.
            store.open_now().await.map_err(|_| Failure::Logged(1))?;
        }
        // So that no client is refused only because the list was never read.
        revocations.look().await;
        let server =
            BoundServer::open(engine, &listeners, &hosts, tls.as_ref().map(|tls| &tls.server))
                .await?;
        banner.note_addresses(&server);
        let admin = admin.open(&server, &mut banner).await?;
        let trust = tls.as_ref().map(Tls::curl_option).unwrap_or_default();
        let engine = server.running(tls.as_ref().map(|tls| &tls.server));
        let tls = tls.map(|tls| {
            banner.lines.extend(tls.notes.iter().cloned());
            RunningTls::start(tls, other)
        });
        if let Some(first) = first {
            banner.note_next_steps(&first, &server, &trust, &private);
        }
        banner.show();
        tokio::spawn(watch.keep_fresh());
        tokio::spawn(revocations.keep_fresh());
        let plugins = RunningPlugins::start(plugins);
        let proxy = RunningProxy { engine, state, purposes, tls, plugins, metrics };
        tokio::spawn(Reloader::new(running, proxy).run(hangups, requests));
        admin.beside(server, signals.shutdown()).await;
        Ok::<_, Failure>(())
    });
    // Tasks still running serve nobody any more.
    runtime.shutdown_background();
    served
}

/// Collects the services of the engine.
fn services(
    keys: Arc<SharedKeys>,
    state: &Option<Arc<dyn StateStore>>,
    revocations: Arc<Revocations>,
    (plugins, metrics): (&Option<Arc<Host>>, &Arc<Metrics>),
) -> Services {
    let plugins = plugins.clone().map(|host| host as Arc<dyn PluginHost>);
    Services { keys, state: state.clone(), revocations, plugins, metrics: Arc::clone(metrics) }
}

/// A note on limits that need more open files than the process may have.
pub(super) enum LimitsNotice {
    /// The limits are defaults, given by nobody.
    Defaults(String),
    Given(String),
}

/// Makes the limits fit a number of open files, and returns a note on reduced limits.
pub(super) fn fit_to_files(config: &mut Config, files: usize) -> Option<LimitsNotice> {
    let (given, defaults) = (config.limits, Limits::default());
    config.limits = given.fit(files)?;
    let Limits { connections, upstream_connections, exchanges, .. } = config.limits;
    let line = format!(
        "with {files} open files (`ulimit -n`): at most {connections} connections from clients, {} to APIs, {} requests at once",
        upstream_connections.total, exchanges.total
    );
    let numbers =
        |limits: &Limits| (limits.connections, limits.upstream_connections, limits.exchanges);
    Some(if numbers(&given) == numbers(&defaults) {
        LimitsNotice::Defaults(line)
    } else {
        LimitsNotice::Given(line)
    })
}

/// Watches the revocations: in the store where proxies share one, and in a file otherwise.
fn revocation_watch(
    config: &Config,
    store: Option<Arc<dyn StateStore>>,
) -> anyhow::Result<RevocationWatch> {
    match (&config.revocations.file, store) {
        (None, Some(store)) => {
            Ok(RevocationWatch::of_store(SharedRevocations(store), config.revocations.stale))
        }
        (file, _) => RevocationWatch::of_file(RevocationFile(file.clone().unwrap_or_default())),
    }
}

/// Returns the keys found, or makes new keys.
fn keys_or_new(found: Option<Keys>, keystore: &Keystore, new: NewKey<'_>) -> Result<Keys, Failure> {
    if let Some(keys) = found {
        return Ok(keys);
    }
    keystore.generate(new)?;
    Ok(keystore.load_existing()?)
}
