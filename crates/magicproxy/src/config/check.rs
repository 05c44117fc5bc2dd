//! From the configuration as written to checked values; every fault is found, none stops the search.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use magicproxy_proxy::settings::{Announcement, Limits, MintSettings, Quota, Timeouts};

use super::keys::{KEYS_HERE, KeyFiles, KeySettings};
use super::limits::RawQuota;
use super::raw::{RawConfig, RawLimits, RawMint, RawTimeouts, RawUpstream};
use super::setting::{Given, Setting};
use super::tls::{NamedCertificate, TlsSource};
use super::value::{AnnounceChoice, DurationText};
use super::{Config, LogSettings, address};
use crate::ground::fault::{Fault, Origin, Sources};

/// Checks a layered configuration, which holds every default. Gives besides what was not read: the files of a certificate.
pub(crate) fn check(raw: &RawConfig, sources: &Sources, faults: &mut Vec<Fault>) -> (Option<Config>, Option<NamedCertificate>) {
    let mut checker = Checker { sources, faults };
    let public_access = checker.text("public_access", &raw.public_access, address::PublicAccess::parse);
    let keys = checker.keys(raw);
    let minting = checker.minting(&raw.mint);
    let upstreams = checker.upstreams(raw);
    let state = checker.state(raw, &keys);
    let revocations = checker.revocations(raw, &keys);
    let trusted_proxies = checker.trusted_proxies(&raw.tokens);
    let tls = checker.tls(raw, &keys);
    let listeners = checker.listeners(raw, upstreams.as_deref());
    let hosts = checker.hosts(raw);
    let timeouts = checker.timeouts(&raw.timeouts);
    let limits = checker.limits(&raw.limits);
    let plugins = checker.plugins(raw);
    let log = LogSettings::of(&raw.log);
    let certificate = match &tls {
        Some(TlsSource::Files(named)) => Some(named.clone()),
        Some(TlsSource::Dev | TlsSource::Acme(_)) | None => None,
    };
    let (Some(checked), Some(upstreams), Some(state)) = (listeners, upstreams, state) else { return (None, certificate) };
    let exposed = checked.iter().filter_map(|(listener, origin)| listener.exposure(origin)).collect();
    let listeners = checked.into_iter().map(|(listener, _)| listener).collect();
    let upstream_assumed = raw.upstreams.is_empty() && is_assumed(&raw.upstream);
    let config = Config {
        listeners,
        hosts,
        tls,
        public_access,
        keys,
        upstreams,
        minting,
        state,
        revocations,
        trusted_proxies,
        timeouts,
        limits,
        log,
        plugins,
        exposed,
        upstream_assumed,
        preset_roots: super::upstreams::preset_roots(raw),
    };
    (Some(config), certificate)
}

/// Has nobody said which API this is?
fn is_assumed(upstream: &RawUpstream) -> bool {
    let written = |origin: &Origin| !matches!(origin, Origin::Default | Origin::Preset(_));
    let preset = upstream.preset.given().is_some_and(|given| written(&given.origin));
    let api_root = upstream.api_root.given().is_some_and(|given| written(&given.origin));
    !preset && !api_root && upstream.name.given().is_none()
}

pub(super) struct Checker<'a> {
    pub(super) sources: &'a Sources,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Checker<'_> {
    /// A text that `parse` makes a value of; its error says what was expected.
    pub(super) fn text<V>(
        &mut self,
        key: &str,
        setting: &Setting<String>,
        parse: impl FnOnce(&str) -> Result<V, String>,
    ) -> Option<V> {
        let given = setting.given()?;
        let parsed = parse(&given.value);
        parsed.map_err(|expected| self.fault(format!("{key} `{}`: {expected}", given.value), &given.origin)).ok()
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn fault(&mut self, message: impl Into<String>, origin: &Origin) {
        self.faults.push(Fault::new(message, origin.clone()));
    }

    pub(super) fn path(&self, given: &Given<String>) -> PathBuf {
        self.sources.base(&given.origin).map_or_else(|| PathBuf::from(&given.value), |base| base.join(&given.value))
    }

    fn keys(&mut self, raw: &RawConfig) -> KeySettings {
        let path = |setting: &Setting<String>| setting.given().map(|given| self.path(given)).unwrap_or_default();
        let files = KeyFiles {
            private: path(&raw.keys.private_key),
            public: path(&raw.keys.public_key),
            certificate: path(&raw.keys.certificate),
        };
        let bits = match raw.keys.bits.given() {
            Some(Given { value: bits @ (2048 | 3072 | 4096), .. }) => usize::try_from(*bits).unwrap_or(2048),
            Some(given) => {
                self.fault(format!("keys.bits `{}`: expected 2048, 3072 or 4096", given.value), &given.origin);
                2048
            }
            None => 2048,
        };
        let unnamed = raw.keys.private_key.given().is_some_and(|given| given.origin == Origin::Default);
        let here = Path::new(KEYS_HERE).join("private.pem");
        let passed_over = unnamed && files.private != here && here.exists();
        KeySettings { files, bits, passed_over }
    }

    fn minting(&mut self, raw: &RawMint) -> MintSettings {
        let defaults = MintSettings::default();
        let minting = MintSettings {
            default_lifetime: self
                .whole_seconds("mint.default_lifetime", &raw.default_lifetime)
                .unwrap_or(defaults.default_lifetime),
            max_lifetime: self.whole_seconds("mint.max_lifetime", &raw.max_lifetime).unwrap_or(defaults.max_lifetime),
            announce: match value(&raw.announce, AnnounceChoice::Root) {
                AnnounceChoice::Root => Announcement::Root,
                AnnounceChoice::All => Announcement::All,
            },
        };
        let said = raw.default_lifetime.given().filter(|given| given.origin != Origin::Default);
        if let Some(given) = said.filter(|_| minting.default_lifetime > minting.max_lifetime) {
            self.fault(format!("mint.default_lifetime `{}`: longer than mint.max_lifetime", given.value.0), &given.origin);
        }
        minting
    }

    fn timeouts(&mut self, raw: &RawTimeouts) -> Timeouts {
        let defaults = Timeouts::default();
        Timeouts {
            connect: self.lifetime("timeouts.connect", &raw.connect).unwrap_or(defaults.connect),
            upstream_queue: self.lifetime("timeouts.upstream_queue", &raw.upstream_queue).unwrap_or(defaults.upstream_queue),
            header: self.lifetime("timeouts.header", &raw.header).unwrap_or(defaults.header),
            response: self.lifetime("timeouts.response", &raw.response).unwrap_or(defaults.response),
            body_idle: self.lifetime("timeouts.body_idle", &raw.body_idle).unwrap_or(defaults.body_idle),
            response_idle: self.lifetime("timeouts.response_idle", &raw.response_idle).unwrap_or(defaults.response_idle),
            keep_alive: self.lifetime("timeouts.keep_alive", &raw.keep_alive).unwrap_or(defaults.keep_alive),
            upstream_connection_age: self
                .lifetime("timeouts.upstream_connection_age", &raw.upstream_connection_age)
                .unwrap_or(defaults.upstream_connection_age),
            refusal: self.lifetime("timeouts.refusal", &raw.refusal).unwrap_or(defaults.refusal),
            websocket_idle: self.lifetime("timeouts.websocket_idle", &raw.websocket_idle).unwrap_or(defaults.websocket_idle),
            total: self.lifetime("timeouts.total", &raw.total).or(defaults.total),
            drain: self.lifetime("timeouts.drain", &raw.drain).unwrap_or(defaults.drain),
        }
    }

    /// The lifetime of a token, which is counted in seconds: less than one would be none.
    pub(super) fn whole_seconds(&mut self, key: &str, setting: &Setting<DurationText>) -> Option<Duration> {
        let lifetime = self.lifetime(key, setting)?;
        if let Some(given) = setting.given().filter(|_| lifetime < Duration::from_secs(1)) {
            self.fault(format!("{key} `{}`: expected at least `1s`", given.value.0), &given.origin);
        }
        Some(lifetime)
    }

    /// A duration of at least a millisecond.
    pub(super) fn lifetime(&mut self, key: &str, setting: &Setting<DurationText>) -> Option<Duration> {
        let given = setting.given()?;
        let parsed = parse_duration(&given.value.0);
        parsed.map_err(|expected| self.fault(format!("{key} `{}`: {expected}", given.value.0), &given.origin)).ok()
    }

    fn limits(&mut self, raw: &RawLimits) -> Limits {
        let defaults = Limits::default();
        let connections = self.count("limits.connections", &raw.connections, 1).unwrap_or(defaults.connections);
        Limits {
            connections,
            connections_per_peer: self.connections_per_peer(raw, connections),
            idle_upstream_connections: self
                .count("limits.idle_upstream_connections", &raw.idle_upstream_connections, 0)
                .unwrap_or(defaults.idle_upstream_connections),
            upstream_connections_per_origin: self
                .count("limits.upstream_connections_per_origin", &raw.upstream_connections_per_origin, 1)
                .unwrap_or(defaults.upstream_connections_per_origin),
            upstream_streams_per_connection: self
                .streams(&raw.upstream_streams_per_connection)
                .unwrap_or(defaults.upstream_streams_per_connection),
            upstream_queue: self.quota("upstream_queue", raw.upstream_queue()).unwrap_or(defaults.upstream_queue),
            token_cache_bytes: self.quota("token_cache_bytes", raw.token_cache_bytes()).unwrap_or(defaults.token_cache_bytes),
            rule_cache_bytes: self.quota("rule_cache_bytes", raw.rule_cache_bytes()).unwrap_or(defaults.rule_cache_bytes),
            verifications: self.quota("verifications", raw.verifications()).unwrap_or(defaults.verifications),
            costly_verifications: self
                .quota("costly_verifications", raw.costly_verifications())
                .unwrap_or(defaults.costly_verifications),
            workers: self.count("limits.workers", &raw.workers, 1).and_then(NonZeroUsize::new).unwrap_or(defaults.workers),
            exchanges: self.quota("exchanges", raw.exchanges()).unwrap_or(defaults.exchanges),
            upstream_connections: self
                .quota("upstream_connections", raw.upstream_connections())
                .unwrap_or(defaults.upstream_connections),
            buffered_bytes: self.quota("buffered_bytes", raw.buffered_bytes()).unwrap_or(defaults.buffered_bytes),
            own_responses: self.quota("own_responses", raw.own_responses()).unwrap_or(defaults.own_responses),
            state_rows: self.quota("state_rows", raw.state_rows()).unwrap_or(defaults.state_rows),
        }
    }

    fn connections_per_peer(&mut self, raw: &RawLimits, connections: usize) -> usize {
        let (key, setting) = ("limits.connections_per_peer", &raw.connections_per_peer);
        let share = self.count(key, setting, 1).unwrap_or_else(|| Limits::connections_share(connections));
        if let Some(given) = setting.given().filter(|_| share > connections) {
            self.fault(format!("{key} `{}`: more than limits.connections, which is {connections}", given.value), &given.origin);
        }
        share
    }

    /// A total with its shares; a share is no larger than the total.
    fn quota(&mut self, name: &str, raw: RawQuota<'_>) -> Option<Quota> {
        // A cache may keep nothing.
        let least = u64::from(!name.ends_with("_cache_bytes"));
        let total = self.count(&format!("limits.{name}"), raw.total, least)?;
        let defaults = Quota::of(total);
        let mut share = |suffix: &str, setting: &Setting<u64>, least: u64, default: usize| {
            let key = format!("limits.{name}_{suffix}");
            let share = self.count(&key, setting, least).unwrap_or(default);
            if let Some(given) = setting.given().filter(|_| share > total.max(1)) {
                self.fault(format!("{key} `{}`: more than limits.{name}, which is {total}", given.value), &given.origin);
            }
            share
        };
        Some(Quota {
            total,
            per_owner: share("per_owner", raw.per_owner, 1, defaults.per_owner),
            per_peer: share("per_peer", raw.per_peer, 1, defaults.per_peer),
            reserved: share("reserved", raw.reserved, 0, defaults.reserved),
        })
    }

    /// Each stream has a window, and the connection room for all of them.
    fn streams(&mut self, setting: &Setting<u64>) -> Option<usize> {
        const MOST: u64 = 1_024;
        let given = setting.given()?;
        if (1..=MOST).contains(&given.value) {
            return usize::try_from(given.value).ok();
        }
        let fault = format!("limits.upstream_streams_per_connection `{}`: expected 1 to {MOST}", given.value);
        self.fault(fault, &given.origin);
        None
    }

    fn count(&mut self, key: &str, setting: &Setting<u64>, least: u64) -> Option<usize> {
        let given = setting.given()?;
        let count = usize::try_from(given.value).ok().filter(|_| given.value >= least);
        if count.is_none() {
            self.fault(format!("{key} `{}`: expected at least {least}", given.value), &given.origin);
        }
        count
    }
}

/// A hundred years: what is added to a moment must give one.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// `24h`, `1h 30m`, or a number of seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    let sensible = parsed.filter(|duration| (Duration::from_millis(1)..=LONGEST).contains(duration));
    sensible.ok_or_else(|| "expected a duration such as `24h` or `90s`, or a number of seconds, of at most 100 years".to_owned())
}

pub(super) fn value<T: Copy>(setting: &Setting<T>, otherwise: T) -> T {
    setting.given().map_or(otherwise, |given| given.value)
}

pub(super) fn list<T>(setting: &Setting<Vec<T>>) -> &[T] {
    setting.given().map_or(&[], |given| &given.value)
}
