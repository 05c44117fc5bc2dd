//! A serving process: from the gathered configuration to a proxy that runs until told to stop.

mod admin;
mod banner;
mod start;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use magicproxy_core::plugin::PluginHost;
use magicproxy_core::state::StateStore;
use magicproxy_plugin::Host;
use magicproxy_proxy::metrics::Metrics;
use magicproxy_proxy::server::Stop;
use magicproxy_proxy::services::{Services, SharedKeys};
use magicproxy_proxy::settings::Limits;

use self::admin::{Admin, WatchedParts};
use self::banner::{Banner, FirstUpstream};
use super::admin::operations::{ReloadRequests, reloads};
use super::keystore::{CurrentPurposes, KeyWatch, Keys, Keystore, NewKey, Purposes};
use super::logging::events::ConfigSources;
use super::readiness::Readiness;
use super::reload::{
    ConfigSource, Reloader, RunningConfig, RunningPlugins, RunningProxy, RunningTls,
};
use super::revocations::{RevocationFile, RevocationWatch, SharedRevocations};
use super::service_manager::ServiceManager;
use super::state::LazyStore;
use super::tls::{OtherKeys, Tls};
use super::upgrade::{Predecessor, ProgramFile, UpgradeParts, UpgradeSignal, Upgrades};
use super::wire::passed::PassedSockets;
use super::wire::{
    self, BoundServer, EndSignals, Engine, Hangups, ListenerPlan, RunningEngine, survive_others,
};
use super::{logging, settings};
use crate::ground::failure::Failure;
use magicproxy_config::config::listeners::{HostSettings, ListenerSettings};
use magicproxy_config::config::log::LogFormat;
use magicproxy_config::config::{Config, Layers, lint};

pub(crate) use self::start::Start;

/// Serves the gathered configuration until the process is told to stop. Failures are reported in
/// the form of the log.
pub(crate) fn serve(source: ConfigSource, start: Start) -> Result<(), Failure> {
    let layers = source.gather();
    let log = layers.log();
    logging::install(log);
    let served = serve_logged(source, layers, start);
    if served.is_ok() {
        tracing::info!(name: "stopped", target: "magicproxy::serve", "stopped");
    }
    // A reader of JSON reads nothing else.
    if logging::format(log) == LogFormat::Json { served.map_err(Failure::logged) } else { served }
}

fn serve_logged(source: ConfigSource, layers: Layers, start: Start) -> Result<(), Failure> {
    let runtime = wire::runtime()?;
    // From the first moment on: making keys and opening a store take time.
    let caught = runtime.block_on(async { Ok((survive_others()?, UpgradeSignal::listen()?)) });
    let (hangups, upgrade) = caught.map_err(|error: std::io::Error| error).context("signals")?;
    let manager = Arc::new(start.service_manager());
    let Start { program, sockets, .. } = start;
    let (predecessor, passed) = sockets?;
    let prepared = match Prepared::of(source, layers) {
        Ok(prepared) => prepared,
        Err(failure) => {
            predecessor.inspect(|predecessor| predecessor.failed(&failure.line()));
            return Err(failure);
        }
    };
    let heritage = Heritage { predecessor, passed, manager, hangups, upgrade, program };
    let served = runtime.block_on(prepared.serve(heritage));
    // Tasks still running serve nobody any more.
    runtime.shutdown_background();
    served
}

/// The parts of a proxy, read and checked, before anything is opened or served.
struct Prepared {
    engine: Engine,
    listeners: Vec<ListenerSettings>,
    hosts: HostSettings,
    tls: Option<Tls>,
    other_keys: OtherKeys,
    watch: KeyWatch,
    revocations: RevocationWatch,
    plugins: Option<Arc<Host>>,
    /// The configuration as it was read, and the requests to read it again.
    running: RunningConfig,
    state: Option<Arc<dyn StateStore>>,
    metrics: Arc<Metrics>,
    reloads: ReloadRequests,
    purposes: CurrentPurposes,
    store: Option<Arc<LazyStore>>,
    /// True if the configuration names the store, which is opened at the start then.
    is_store_chosen: bool,
    admin: Admin,
    banner: Banner,
    /// What a newcomer is shown, after new keys.
    first: Option<FirstUpstream>,
    private_key: String,
}

/// What a process has of others: of its predecessor and of the service manager.
struct Heritage {
    predecessor: Option<Predecessor>,
    passed: PassedSockets,
    manager: Arc<ServiceManager>,
    hangups: Hangups,
    upgrade: UpgradeSignal,
    program: std::io::Result<ProgramFile>,
}

impl Prepared {
    fn of(source: ConfigSource, layers: Layers) -> Result<Self, Failure> {
        let mut warnings = layers.warnings.clone();
        let sources = ConfigSources::of(&layers);
        let mut running = RunningConfig::of(source, &layers);
        let mut config = settings::check_to_serve(layers)?;
        running.note_contents(&config);
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
        let lints = lint::warnings(&running.raw, &config, Some(&keys.known()));
        warnings.extend(found.into_iter().chain(lints));
        let mut banner = Banner::of(&config, &keys, sources, warnings);
        banner.note_limits(scaled);
        let tls = config
            .tls
            .as_ref()
            .map(|source| Tls::of(source, config.own_authority()))
            .transpose()?;
        let ring = Arc::new(SharedKeys::new(keys.ring));
        let purposes = CurrentPurposes::new(Purposes::of(&config.upstreams, config.tls.as_ref()));
        let other_keys = OtherKeys { ring: Arc::clone(&ring), purposes: purposes.clone() };
        let watch = KeyWatch::new(keystore, Arc::clone(&ring), purposes.clone(), stamps);
        let revocations = revocation_watch(&config, metrics.measured(&state))?;
        let watched = WatchedParts {
            ring: &ring,
            keys: &watch,
            store: store.as_ref(),
            revocations: &revocations,
            tls: tls.as_ref(),
            metrics: &metrics,
        };
        let (ask, reloads) = reloads();
        let admin = Admin::of(&config, &watched, ask);
        let host = plugins.clone().map(|host| host as Arc<dyn PluginHost>);
        let list = revocations.revocations();
        let services = Services {
            keys: ring,
            state: state.clone(),
            revocations: list,
            plugins: host,
            metrics: Arc::clone(&metrics),
        };
        Ok(Self {
            listeners: config.listeners.clone(),
            hosts: config.hosts.clone(),
            tls,
            other_keys,
            watch,
            revocations,
            plugins,
            running,
            state,
            metrics,
            reloads,
            purposes,
            store,
            is_store_chosen: config.state.chosen,
            admin,
            banner,
            first: FirstUpstream::of(&config).filter(|_| new),
            private_key: config.keys.files.private.display().to_string(),
            engine: Engine { settings: config.into_settings(), services },
        })
    }

    /// Serves until told to stop, in place of the predecessor if there is one.
    async fn serve(self, heritage: Heritage) -> Result<(), Failure> {
        let signals = EndSignals::listen().context("signals")?;
        let Heritage { predecessor, passed, manager, hangups, upgrade, program } = heritage;
        let store = self.store.clone();
        let approval = match predecessor {
            Some(predecessor) => {
                Some(predecessor.prepared(store.as_ref().and_then(|store| store.file())).await?)
            }
            None => None,
        };
        let revocations = self.revocations.freshness();
        let Opened { mut server, admin, taken, engine } =
            match self.open(passed, hangups, Arc::clone(&manager)).await {
                Ok(opened) => opened,
                Err(failure) => {
                    if let Some(approval) = approval {
                        approval.failed(&failure.line()).await;
                    }
                    return Err(failure);
                }
            };
        let (pulse, watched) = (server.pulse(), Arc::clone(&manager));
        tokio::spawn(async move { watched.keep_alive(pulse).await });
        let (told, addresses) = (Arc::clone(&manager), server.addresses().join(" and "));
        let ready = move || told.ready(&addresses);
        let mut held = server.take_held_sockets();
        held.extend(admin.held_sockets());
        let parts = UpgradeParts {
            program,
            held,
            store: store.clone(),
            revocations,
            manager: Arc::clone(&manager),
        };
        let upgrades = Upgrades::new(upgrade, parts);
        let predecessor = match approval {
            Some(approval) => {
                let store = store.clone().map(|store| store as Arc<dyn StateStore>);
                Some(approval.serving(taken, store, ready).await)
            }
            None => {
                ready();
                None
            }
        };
        let (mut stopped, stop) = (Instant::now(), stop(signals, upgrades, manager));
        let shutdown = async {
            let fate = stop.await;
            stopped = Instant::now();
            fate
        };
        admin.beside(server, shutdown).await;
        if let Some(predecessor) = predecessor {
            // Its last requests may still need the store, of this process or of the next one.
            let drain = engine.drain_timeout();
            let _ = tokio::time::timeout_at((stopped + drain).into(), predecessor).await;
        }
        if let Some(store) = store {
            store.settle().await;
        }
        Ok(())
    }

    /// Opens the store and the listeners, shows the start, and keeps everything fresh from now on.
    async fn open(
        mut self,
        mut passed: PassedSockets,
        hangups: Hangups,
        manager: Arc<ServiceManager>,
    ) -> Result<Opened, Failure> {
        if let Some(store) = self.store.filter(|_| self.is_store_chosen) {
            // The store has logged the error.
            store.open_now().await.map_err(|_| Failure::Logged(1))?;
        }
        // So that no client is refused only because the list was never read.
        self.revocations.look().await;
        let plan = ListenerPlan {
            listeners: &self.listeners,
            hosts: &self.hosts,
            tls: self.tls.as_ref().map(|tls| &tls.server),
        };
        let server = BoundServer::open(self.engine, plan, &mut passed).await?;
        self.banner.note_addresses(&server);
        let admin = self.admin.open(&server, &mut self.banner, &mut passed).await?;
        let taken = passed.refuse_the_rest()?;
        let trust = self.tls.as_ref().map(Tls::curl_option).unwrap_or_default();
        let engine = server.running(self.tls.as_ref().map(|tls| &tls.server));
        let tls = self.tls.map(|tls| {
            self.banner.lines.extend(tls.notes.iter().cloned());
            RunningTls::start(tls, self.other_keys)
        });
        if let Some(first) = self.first {
            self.banner.note_next_steps(&first, &server, &trust, &self.private_key);
        }
        self.banner.show();
        tokio::spawn(self.watch.keep_fresh());
        tokio::spawn(self.revocations.keep_fresh());
        let plugins = RunningPlugins::start(self.plugins);
        let (state, metrics, purposes) = (self.state, self.metrics, self.purposes);
        let proxy = RunningProxy {
            engine: engine.clone(),
            state,
            purposes,
            admin: admin.config(),
            tls,
            plugins,
            metrics,
            manager,
        };
        tokio::spawn(Reloader::new(self.running, proxy).run(hangups, self.reloads));
        Ok(Opened { server, admin, taken, engine })
    }
}

/// A server that may serve.
struct Opened {
    server: BoundServer,
    admin: Admin,
    /// The addresses that were the predecessor's, as its configuration has them.
    taken: Vec<String>,
    engine: RunningEngine,
}

/// Waits for a signal to stop, or for a successor that serves.
async fn stop(mut signals: EndSignals, upgrades: Upgrades, manager: Arc<ServiceManager>) -> Stop {
    // Both end with the handles on the listening sockets, and with the files of Unix sockets that
    // are nobody's any more: so no new client comes.
    tokio::select! {
        fate = signals.first() => {
            manager.stopping();
            signals.leave_the_second();
            fate
        }
        () = upgrades.replaced() => {
            signals.leave_both();
            Stop::Replaced
        }
    }
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
