//! The host: all plugins, the calls of plugins, and the reloading of changed files. Specification:
//! `plugin.md` sections 5 and 6.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use magicproxy_core::plugin::{
    FailedCalls, Interests, PluginFuture, PluginHost, PluginName, PluginRequest, PluginResponse,
    PluginScope, Verdict,
};
use magicproxy_core::state::{Partition, StateStore};
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::cache::FunctionCache;
use crate::call::Call;
use crate::engine::{CALLS, engine};
use crate::failure::{CallFailure, LoadError, LoadFailure};
use crate::guest::PluginStore;
use crate::journal::Journal;
use crate::load::{self, LoadedPlugin, Stamp};
use crate::meter::Meter;
use crate::report::{Description, Level, Line, Report};
use crate::settings::{HostSettings, OnFailure, PluginSettings};
use crate::ticker::Ticker;

/// The time between two looks at the files.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// The host of all plugins, which loads, calls and reloads plugins. A plugin's failure never ends
/// the host, another call or another plugin.
pub struct Host {
    engine: Engine,
    ticker: Ticker,
    turns: Semaphore,
    slots: BTreeMap<PluginName, Slot>,
    state: Option<Arc<dyn StateStore>>,
    cache: Option<Arc<FunctionCache>>,
    /// A lock so that a single component is compiled at a time: the cache holds the functions of a
    /// single component.
    loading: Mutex<()>,
    /// The number of failed calls, by plugin and reason.
    failed: Mutex<BTreeMap<(PluginName, &'static str), u64>>,
}

/// A plugin, and its version that is in use at the moment.
struct Slot {
    settings: PluginSettings,
    loaded: RwLock<Arc<LoadedPlugin>>,
    seen: Mutex<Option<Stamp>>,
}

/// The result of reloading a changed file.
#[derive(Debug)]
pub struct ReloadResult {
    /// The plugin.
    pub plugin: PluginName,
    /// The time that the loading took, or the reason why the old version stays in use.
    pub outcome: Result<Duration, LoadFailure>,
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Host").field("plugins", &self.slots.keys()).finish_non_exhaustive()
    }
}

impl Host {
    /// Loads all plugins. Compiles, and so blocks.
    ///
    /// # Errors
    /// The faults of all plugins together.
    pub fn new(settings: HostSettings) -> Result<Self, Vec<LoadError>> {
        let mut host = Self::empty(&settings).map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        for plugin in settings.plugins {
            match host.slot(plugin) {
                Ok(slot) => {
                    if let Some(earlier) = host.slots.insert(slot.settings.name.clone(), slot) {
                        errors.push(LoadError::TwiceNamed(earlier.settings.name));
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(host) } else { Err(errors) }
    }

    /// Describes a plugin; `None` if the plugin does not exist.
    #[must_use]
    pub fn describe(&self, plugin: &PluginName) -> Option<Description> {
        let loaded = self.slots.get(plugin)?.loaded();
        Some(Description {
            interests: Arc::clone(&loaded.interests),
            longest_body: loaded.longest_body,
            imports: loaded.imports.clone(),
            sha256: loaded.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: loaded.bytes,
        })
    }

    /// Asks a plugin about a request, and reports everything known of the call: verdict or failure,
    /// lines and time.
    pub async fn ask(
        &self,
        plugin: &PluginName,
        request: &PluginRequest,
        scope: PluginScope,
    ) -> Report<Verdict> {
        let Some((loaded, call)) = self.call(plugin, scope) else { return unknown() };
        call.report(self.in_turn(call.decide(request, &loaded.interests))).await
    }

    /// Tells a plugin of a response, and reports everything known of the call.
    pub async fn tell(
        &self,
        plugin: &PluginName,
        request: &PluginRequest,
        response: &PluginResponse,
        scope: PluginScope,
    ) -> Report<()> {
        let Some((loaded, call)) = self.call(plugin, scope) else { return unknown() };
        call.report(self.in_turn(call.observe(request, response, &loaded.interests))).await
    }

    /// Looks at all files, and loads the changed files. Compiles, and so blocks. A refused file
    /// changes nothing.
    pub fn reload_changed(&self) -> Vec<ReloadResult> {
        self.slots.values().filter_map(|slot| self.reload(slot)).collect()
    }

    /// Reloads changed plugins until the future is dropped, without holding up the event loop.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            let host = Arc::clone(&self);
            // A panic there is none of this task's business: the next look may go better.
            let _ = tokio::task::spawn_blocking(move || host.reload_changed()).await;
        }
    }

    fn empty(settings: &HostSettings) -> Result<Self, LoadError> {
        let cache = settings.cache.as_deref().and_then(FunctionCache::prepare).map(Arc::new);
        let memory = settings
            .plugins
            .iter()
            .map(|plugin| plugin.limits.memory)
            .max()
            .unwrap_or(0)
            .next_multiple_of(64 * 1024);
        let engine = engine(memory, cache.clone())
            .map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let ticker =
            Ticker::start(engine.clone()).map_err(|error| LoadError::Engine(error.to_string()))?;
        let turns = Semaphore::new(CALLS as usize);
        Ok(Self {
            engine,
            ticker,
            turns,
            slots: BTreeMap::new(),
            state: settings.state.clone(),
            cache,
            loading: Mutex::new(()),
            failed: Mutex::default(),
        })
    }

    fn slot(&self, settings: PluginSettings) -> Result<Slot, LoadError> {
        match self.load(&settings) {
            Ok((loaded, stamp)) => Ok(Slot {
                settings,
                loaded: RwLock::new(Arc::new(loaded)),
                seen: Mutex::new(Some(stamp)),
            }),
            Err(failure) => {
                Err(LoadError::Plugin { name: settings.name, file: settings.file, failure })
            }
        }
    }

    fn load(&self, settings: &PluginSettings) -> Result<(LoadedPlugin, Stamp), LoadFailure> {
        let source = load::read(&settings.file)?;
        let _one = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let _running = self.ticker.running();
        if let Some(cache) = &self.cache {
            cache.begin(&source.sha256);
        }
        let loaded = load::load(&self.engine, &source, settings);
        if let Some(cache) = &self.cache {
            cache.end(&source.sha256);
        }
        Ok((loaded?, source.stamp))
    }

    fn reload(&self, slot: &Slot) -> Option<ReloadResult> {
        let name = &slot.settings.name;
        let stamp = Stamp::of(&slot.settings.file);
        {
            let mut seen = slot.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamp {
                return None;
            }
            // A refused file is refused once, not every two seconds.
            *seen = stamp;
        }
        let began = Instant::now();
        let outcome = self.load(&slot.settings).map(|(loaded, _)| {
            *slot.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
            began.elapsed()
        });
        match &outcome {
            Ok(_) => {
                tracing::info!(name: "plugin_reloaded", plugin = %name, "reloaded a plugin whose file had changed")
            }
            Err(failure) => {
                tracing::error!(name: "plugin_refused", plugin = %name, error = %failure, "the plugin's file has changed and is refused; the old one stays")
            }
        }
        Some(ReloadResult { plugin: name.clone(), outcome })
    }

    fn call(&self, plugin: &PluginName, scope: PluginScope) -> Option<(Arc<LoadedPlugin>, Call)> {
        let slot = self.slots.get(plugin)?;
        let loaded = slot.loaded();
        let now = scope.now;
        let call = Call {
            pre: loaded.pre.clone(),
            limits: slot.settings.limits,
            config: slot.settings.config.clone(),
            plugin_store: self.plugin_store(plugin, scope),
            now,
            journal: Arc::new(Journal::default()),
            meter: Arc::new(Meter::default()),
        };
        Some((loaded, call))
    }

    fn plugin_store(&self, plugin: &PluginName, scope: PluginScope) -> Option<PluginStore> {
        let partition =
            Partition::of(&[b"plugin", plugin.as_str().as_bytes(), scope.owner.as_bytes()]);
        self.state.clone().map(|store| PluginStore {
            store,
            partition,
            ends_at: scope.ends_at,
            rows: scope.rows,
        })
    }

    /// Runs a call when the pool has room; a call beyond the pool waits instead of failing.
    async fn in_turn<T>(
        &self,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let _turn = self.turns.acquire().await.map_err(wasmtime::Error::new)?;
        let _running = self.ticker.running();
        call.await
    }

    /// Logs what a call reports, and counts a failure.
    fn note<T>(&self, plugin: &PluginName, report: &Report<T>) {
        log(plugin, report);
        let (Err(failure), true) = (&report.outcome, self.slots.contains_key(plugin)) else {
            return;
        };
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed.entry((plugin.clone(), failure.reason())).or_default() += 1;
    }

    fn on_failure(&self, plugin: &PluginName) -> OnFailure {
        self.slots.get(plugin).map_or(OnFailure::Deny, |slot| slot.settings.on_failure)
    }
}

impl PluginHost for Host {
    fn interests(&self, plugin: &PluginName) -> Option<Arc<Interests>> {
        Some(Arc::clone(&self.slots.get(plugin)?.loaded().interests))
    }

    fn longest_body(&self, plugin: &PluginName) -> usize {
        self.slots.get(plugin).map_or(0, |slot| slot.loaded().longest_body)
    }

    fn decide<'p>(
        &'p self,
        plugin: &'p PluginName,
        request: &'p PluginRequest,
        scope: PluginScope,
    ) -> PluginFuture<'p, Verdict> {
        Box::pin(async move {
            let report = self.ask(plugin, request, scope).await;
            self.note(plugin, &report);
            match (report.outcome, self.on_failure(plugin)) {
                (Ok(verdict), _) => verdict,
                (Err(_), OnFailure::Abstain) => Verdict::Abstain,
                (Err(_), OnFailure::Deny) => Verdict::Deny("the plugin failed".to_owned()),
            }
        })
    }

    fn observe<'p>(
        &'p self,
        plugin: &'p PluginName,
        request: &'p PluginRequest,
        response: &'p PluginResponse,
        scope: PluginScope,
    ) -> PluginFuture<'p, bool> {
        Box::pin(async move {
            let report = self.tell(plugin, request, response, scope).await;
            self.note(plugin, &report);
            match report.outcome {
                Ok(()) => true,
                Err(CallFailure::Unrecorded(_)) => false,
                Err(_) => self.on_failure(plugin) == OnFailure::Abstain,
            }
        })
    }

    fn failed_calls(&self) -> Vec<FailedCalls> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |((plugin, reason), count): (&(PluginName, &'static str), &u64)| FailedCalls {
            plugin: plugin.clone(),
            reason,
            count: *count,
        };
        failed.iter().map(of).collect()
    }
}

impl Slot {
    fn loaded(&self) -> Arc<LoadedPlugin> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unknown<T>() -> Report<T> {
    Report { outcome: Err(CallFailure::Unknown), lines: Vec::new(), spent: Duration::ZERO }
}

fn log<T>(plugin: &PluginName, report: &Report<T>) {
    for Line { level, text } in &report.lines {
        match level {
            Level::Debug => tracing::debug!(name: "plugin_line", %plugin, "{text}"),
            Level::Info => tracing::info!(name: "plugin_line", %plugin, "{text}"),
            Level::Warn => tracing::warn!(name: "plugin_line", %plugin, "{text}"),
            Level::Error => tracing::error!(name: "plugin_line", %plugin, "{text}"),
        }
    }
    if let Err(failure) = &report.outcome {
        let duration_us = u64::try_from(report.spent.as_micros()).unwrap_or(u64::MAX);
        tracing::error!(name: "plugin_failed", %plugin, duration_us, error = %failure, "a plugin failed");
    }
}
