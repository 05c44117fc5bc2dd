//! Metrics: what is counted of requests, connections, stores and keys, and the document that a
//! Prometheus server scrapes. `docs/reference/metrics.md` lists every family.
//!
//! Counting takes no lock and allocates nothing on the way of a request. Every value of a label is
//! a word of this code or of the configuration: a client chooses among the values, and makes none.
//! What is known elsewhere (connections in pools, amounts held) is looked up when somebody asks.

mod cells;
mod client;
mod codes;
mod document;
mod exposition;
pub(crate) mod families;
mod histogram;
mod labels;
mod plugins;
mod requests;
mod store;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use magicproxy_core::UnixTime;
use magicproxy_core::plugin::{PluginHost, PluginName};
use magicproxy_core::state::StateStore;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::clock;
use exposition::Format;
use plugins::PluginCalls;
use store::{MeasuredStore, StoreMetrics};

pub(crate) use client::ClientExchange;
pub(crate) use codes::DecisionCode;
pub(crate) use exposition::{Gauges, Samples};
pub(crate) use labels::{ErrorLabel, MethodLabel, SchemeLabel, StatusLabel, VersionLabel};
pub(crate) use plugins::PluginOutcome;
pub(crate) use requests::RequestLabels;
pub(crate) use upstream::{EndedRequest, LimitOutcome, TokenOpening, Traffic, UpstreamMetrics};

/// The metrics of a process. Made once, shared by all parts, and kept when the configuration is
/// read again.
#[derive(Debug)]
pub struct Metrics {
    started: UnixTime,
    active: [[AtomicI64; SchemeLabel::ALL.len()]; MethodLabel::COUNT],
    client_traffic: Traffic,
    /// Requests that reached no upstream.
    unrouted: Arc<UpstreamMetrics>,
    /// The metrics of upstreams, as long as anything refers to them: the series of an upstream that
    /// the configuration no longer has end with the upstream's last request.
    upstreams: Mutex<BTreeMap<Box<str>, Weak<UpstreamMetrics>>>,
    store: Arc<StoreMetrics>,
    plugins: PluginCalls,
    plugin_host: Mutex<Option<Weak<dyn PluginHost>>>,
    gauges: Mutex<Vec<Weak<dyn Gauges>>>,
    config: ConfigMetrics,
}

/// The readings of the configuration.
#[derive(Debug)]
struct ConfigMetrics {
    loaded: AtomicU64,
    refused: AtomicU64,
    /// The time at which the configuration in use was read, in seconds since 1970.
    loaded_at: AtomicU64,
    /// 1 if the reading before was refused.
    is_refused: AtomicU64,
}

/// The result of reading the configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The new configuration is in use.
    Loaded,
    /// The new configuration was refused, and the old one stays in use.
    Refused,
}

impl Default for Metrics {
    /// Makes metrics of a process that starts now.
    fn default() -> Self {
        let started = clock::now();
        Self {
            started,
            active: Default::default(),
            client_traffic: Traffic::default(),
            unrouted: Arc::new(UpstreamMetrics::new("")),
            upstreams: Mutex::default(),
            store: Arc::new(StoreMetrics::new()),
            plugins: PluginCalls::default(),
            plugin_host: Mutex::default(),
            gauges: Mutex::default(),
            config: ConfigMetrics {
                loaded: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                loaded_at: AtomicU64::new(started.0),
                is_refused: AtomicU64::new(0),
            },
        }
    }
}

impl Metrics {
    /// Writes all metrics in the format that the `Accept` field of a request asks for: OpenMetrics
    /// 1.0, or else the text format 0.0.4 of Prometheus. Returns the media type and the document.
    ///
    /// Takes up to some milliseconds, and short locks: to be called beside the event loop, and by
    /// one request at a time. The document's size is bounded by the configuration: at most about
    /// 2 MiB for each upstream, and usually some KiB.
    #[must_use]
    pub fn encode(self: &Arc<Self>, accept: Option<&str>) -> (&'static str, String) {
        let format = Format::accepted(accept);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(self)));
        let mut document = String::new();
        let encoded = match format {
            Format::OpenMetrics => text::encode(&mut document, &registry),
            Format::Text => prometheus_text::encode(&mut document, &registry),
        };
        if encoded.is_err() {
            // A string takes whatever is written. Half a document would be read as a whole one.
            document.clear();
        }
        (format.content_type(), document)
    }

    /// Notes that the configuration was read again.
    pub fn note_reload(&self, outcome: ReloadOutcome) {
        let ConfigMetrics { loaded, refused, loaded_at, is_refused } = &self.config;
        match outcome {
            ReloadOutcome::Loaded => {
                loaded.fetch_add(1, Ordering::Relaxed);
                loaded_at.store(clock::now().0, Ordering::Relaxed);
                is_refused.store(0, Ordering::Relaxed);
            }
            ReloadOutcome::Refused => {
                refused.fetch_add(1, Ordering::Relaxed);
                is_refused.store(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns the same store, with its operations timed. The engine times the store of its
    /// services itself: this is for other users of the store.
    #[must_use]
    pub fn measured(&self, store: &Option<Arc<dyn StateStore>>) -> Option<Arc<dyn StateStore>> {
        let (store, metrics) = (Arc::clone(store.as_ref()?), Arc::clone(&self.store));
        Some(Arc::new(MeasuredStore { store, metrics }))
    }

    /// Returns the metrics of an upstream, by its name in the configuration.
    pub(crate) fn upstream(&self, name: &str) -> Arc<UpstreamMetrics> {
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = upstreams.get(name).and_then(Weak::upgrade) {
            return known;
        }
        upstreams.retain(|_, known| known.strong_count() > 0);
        let metrics = Arc::new(UpstreamMetrics::new(name));
        upstreams.insert(name.into(), Arc::downgrade(&metrics));
        metrics
    }

    /// Returns the metrics of requests that reached no upstream.
    pub(crate) fn unrouted(&self) -> &UpstreamMetrics {
        &self.unrouted
    }

    /// Returns the counter of bytes on connections of clients.
    pub(crate) fn client_traffic(&self) -> &Traffic {
        &self.client_traffic
    }

    /// Counts a request that begins.
    pub(crate) fn began(&self, method: MethodLabel, scheme: SchemeLabel) {
        self.add_active(method, scheme, 1);
    }

    /// Counts a request in progress that has ended.
    pub(crate) fn no_longer_active(&self, method: MethodLabel, scheme: SchemeLabel) {
        self.add_active(method, scheme, -1);
    }

    fn add_active(&self, method: MethodLabel, scheme: SchemeLabel, more: i64) {
        let counts = self.active.get(method as usize);
        if let Some(count) = counts.and_then(|counts| counts.get(scheme as usize)) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Counts a call of a plugin that exists.
    pub(crate) fn plugin_called(&self, plugin: &PluginName, outcome: PluginOutcome) {
        self.plugins.count(plugin, outcome);
    }

    /// Looks at the numbers of this part whenever somebody asks, as long as the part exists.
    pub(crate) fn watch(&self, part: &Arc<impl Gauges + 'static>) {
        let part = Arc::clone(part) as Arc<dyn Gauges>;
        let part = Arc::downgrade(&part);
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&part));
        gauges.push(part);
    }

    /// Asks this host for its failed calls whenever somebody asks, as long as the host exists.
    pub(crate) fn watch_plugins(&self, host: &Arc<dyn PluginHost>) {
        *self.plugin_host.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::downgrade(host));
    }

    fn samples(&self) -> Samples {
        let parts: Vec<Arc<dyn Gauges>> = {
            let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
            gauges.iter().filter_map(Weak::upgrade).collect()
        };
        let mut samples = Samples::default();
        let host = self.plugin_host.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(host) = host.and_then(|host| host.upgrade()) {
            plugins::sample(&*host, &mut samples);
        }
        for part in parts {
            part.sample(&mut samples);
        }
        samples
    }

    /// Returns the metrics of all upstreams, first those of requests that reached none.
    fn all_upstreams(&self) -> Vec<Arc<UpstreamMetrics>> {
        let upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(Arc::clone(&self.unrouted))
            .chain(upstreams.values().filter_map(Weak::upgrade))
            .collect()
    }
}
