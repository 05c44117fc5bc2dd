//! The configuration of a running proxy, read again: by SIGHUP, and by `POST /reload` on the admin
//! listener.
//!
//! One task carries out one reload at a time. The files are read and checked on a thread of their
//! own, so that a file system that hangs, or a bug, stops no request. The old configuration stays
//! in force until the new one was checked whole.

mod outcome;
mod reading;
mod reading_thread;

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::PluginHost;
use magicproxy_core::state::StateStore;
use magicproxy_plugin::Host;
use magicproxy_proxy::listener::tls::TlsServer;
use magicproxy_proxy::metrics::Metrics;
use tokio::task::AbortHandle;

use self::outcome::{applied, broken, refused, unchanged};
use self::reading::{CheckedChange, Reading};
use self::reading_thread::ReadingThread;
use super::admin::operations::{ReloadReport, ReloadRequest, ReloadRequests, ReloadTrigger};
use super::admin::{AdminConfig, CurrentAdminConfig};
use super::keystore::{CurrentPurposes, Purposes};
use super::logging::events::{ConfigOccasion, config_loaded};
use super::service_manager::ServiceManager;
use super::tls::{OtherKeys, Tls};
use super::wire::{Hangups, RunningEngine};

pub(crate) use outcome::NEEDS_RESTART;
pub(crate) use reading::{ConfigSource, RunningConfig};

/// The longest time for reading and checking a configuration, plugins included.
const PATIENCE: Duration = Duration::from_secs(45);

/// The proxy that runs, as far as a change of the configuration reaches it.
pub(crate) struct RunningProxy {
    pub(crate) engine: RunningEngine,
    /// The store, in which plugins keep their state.
    pub(crate) state: Option<Arc<dyn StateStore>>,
    pub(crate) purposes: CurrentPurposes,
    pub(crate) admin: CurrentAdminConfig,
    /// The certificate; `None` without TLS.
    pub(crate) tls: Option<RunningTls>,
    pub(crate) plugins: RunningPlugins,
    pub(crate) metrics: Arc<Metrics>,
    /// The service manager, which is told of each reading.
    pub(crate) manager: Arc<ServiceManager>,
}

/// The certificate of a running proxy, with the task that keeps it fresh.
pub(crate) struct RunningTls {
    server: Arc<TlsServer>,
    other: OtherKeys,
    keeper: AbortHandle,
}

impl RunningTls {
    /// Begins to keep the certificate fresh.
    pub(crate) fn start(tls: Tls, other: OtherKeys) -> Self {
        let (server, keys) = (Arc::clone(&tls.server), other.clone());
        Self { server, other, keeper: tokio::spawn(tls.keep_fresh(keys)).abort_handle() }
    }
}

/// The plugins of a running proxy, with the task that looks at their files.
#[derive(Default)]
pub(crate) struct RunningPlugins {
    watch: Option<AbortHandle>,
}

impl RunningPlugins {
    /// Begins to look at the files of the plugins.
    pub(crate) fn start(host: Option<Arc<Host>>) -> Self {
        Self { watch: host.map(|host| tokio::spawn(host.watch()).abort_handle()) }
    }
}

/// The task that carries out reloads.
pub(crate) struct Reloader {
    /// The configuration in force, and its places.
    running: RunningConfig,
    proxy: RunningProxy,
    thread: ReadingThread<Reading>,
}

impl Reloader {
    pub(crate) fn new(running: RunningConfig, proxy: RunningProxy) -> Self {
        Self { running, proxy, thread: ReadingThread::new(PATIENCE) }
    }

    /// Carries out reloads, for ever: those asked for meanwhile are one.
    pub(crate) async fn run(mut self, mut hangups: Hangups, mut requests: ReloadRequests) {
        loop {
            let request = tokio::select! {
                () = hangups.next() => None,
                request = requests.next() => match request {
                    Some(request) => Some(request),
                    // Nobody else can ask.
                    None => {
                        hangups.next().await;
                        None
                    }
                },
            };
            self.carry_out(request, &mut requests).await;
        }
    }

    async fn carry_out(&mut self, first: Option<ReloadRequest>, requests: &mut ReloadRequests) {
        let trigger = first.as_ref().map_or(ReloadTrigger::Signal, |request| request.trigger);
        let mut asking: Vec<ReloadRequest> = first.into_iter().collect();
        // Whoever waits already is told of this one: the files are read after they asked.
        while let Some(request) = requests.next_waiting() {
            asking.push(request);
        }
        self.proxy.manager.reloading();
        tracing::info!(name: "reload_begun", target: "magicproxy::reload", trigger = trigger.name(), "the configuration is read again");
        let report = self.reload().await;
        outcome::log(&report);
        self.proxy.metrics.note_reload(outcome::counted(&report));
        self.proxy.manager.reloaded();
        asking.into_iter().for_each(|request| request.respond(report.clone()));
    }

    async fn reload(&mut self) -> ReloadReport {
        let running = self.running.clone();
        let (engine, state) = (self.proxy.engine.clone(), self.proxy.state.clone());
        let read = match self.thread.run(move || running.read_next(&engine, state)).await {
            Ok(read) => read,
            Err(reason) => return broken(&reason),
        };
        match read {
            Reading::Refused(faults) => refused(&faults),
            Reading::Unchanged { waiting, warnings } => unchanged(&waiting, &warnings),
            Reading::Changed(change) => self.apply(*change).await,
        }
    }

    /// Brings a checked change into force. The engine comes first: only its part may fail.
    async fn apply(&mut self, change: CheckedChange) -> ReloadReport {
        let CheckedChange {
            config,
            running,
            read,
            changed,
            waiting,
            warnings,
            plugins,
            certificate,
        } = change;
        let purposes = Purposes::of(&config.upstreams, config.tls.as_ref());
        let admin = AdminConfig::of(&config);
        let host = plugins.clone().map(|host| host.map(|host| host as Arc<dyn PluginHost>));
        let engine = self.proxy.engine.clone();
        let replacing = tokio::task::spawn_blocking(move || engine.replace(*config, host));
        let replaced = match replacing.await {
            Ok(Ok(replaced)) => replaced,
            Ok(Err(error)) => {
                return broken(&crate::ground::failure::chain(&anyhow::Error::from(error)));
            }
            Err(_) => return broken("the program met a bug while it changed the configuration"),
        };
        self.proxy.purposes.replace(purposes);
        self.proxy.admin.replace(admin);
        // The old one is taken only where another follows: a later reload is to find it.
        if let Some(next) = certificate
            && let Some(old) = self.proxy.tls.take()
        {
            // The task that kept the old certificate would show it again.
            old.keeper.abort();
            let tls = Tls::following(next, old.server);
            self.proxy.tls = Some(RunningTls::start(tls, old.other));
        }
        if let Some(host) = plugins {
            if let Some(watch) = self.proxy.plugins.watch.take() {
                watch.abort();
            }
            self.proxy.plugins = RunningPlugins::start(host);
        }
        self.running = running;
        config_loaded(ConfigOccasion::Reload, &read, warnings.len());
        applied(&replaced, &changed, &waiting, &warnings)
    }
}
