//! A change of the configuration of a running proxy: the settings that hold at once, and those that
//! wait for a restart.

#[cfg(test)]
mod tests;

use super::admin::RawAdmin;
use super::limits::RawLimits;
use super::raw::RawConfig;
use super::setting::{Entry, Section as _};
use super::state::RawState;
use super::tokens::RawTokens;

/// The time from which a changed setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesEffect {
    /// From the reload on.
    AtOnce,
    /// From the next start of the proxy on.
    AtRestart,
}

/// Every setting, by the time from which a change of it holds: the first line that fits decides. `*`
/// stands for one name. [`RawConfig::over`] does what this table says.
const SETTINGS: [(&str, TakesEffect); 33] = {
    use TakesEffect::{AtOnce, AtRestart};
    [
        ("listen", AtRestart),
        ("listeners.*.upstream", AtOnce),
        ("listeners.*.*", AtRestart),
        ("allowed_hosts", AtOnce),
        ("check_host", AtOnce),
        ("danger_plain_http", AtOnce),
        // Other files or another source. TLS itself comes and goes with a restart: see `over`.
        ("tls.*", AtOnce),
        ("acme.*", AtOnce),
        ("public_access", AtOnce),
        ("keys.*", AtRestart),
        ("mint.*", AtOnce),
        ("tokens.revocations", AtRestart),
        ("tokens.*", AtOnce),
        ("state.unlisted_minters", AtOnce),
        ("state.*", AtRestart),
        ("outbound_proxy", AtOnce),
        ("outbound_proxy_file", AtOnce),
        ("upstream.*", AtOnce),
        ("upstreams.*.*", AtOnce),
        ("timeouts.*", AtOnce),
        ("limits.workers", AtRestart),
        ("limits.*", AtOnce),
        ("log.*", AtRestart),
        ("admin.token", AtOnce),
        ("admin.token_file", AtOnce),
        ("admin.*", AtRestart),
        ("plugins.*.*", AtOnce),
        ("plugin_cache", AtOnce),
        ("scopes.*", AtOnce),
        // Forms of the reference, in which the names of tables are left out.
        ("listeners.upstream", AtOnce),
        ("listeners.*", AtRestart),
        ("plugins.*", AtOnce),
        ("upstreams.*", AtOnce),
    ]
};

impl TakesEffect {
    /// Returns the time from which a change of the setting `key` holds; `None` for a key that nobody
    /// has thought of.
    pub fn of(key: &str) -> Option<Self> {
        SETTINGS.iter().find(|(pattern, _)| fits(pattern, key)).map(|(_, effect)| *effect)
    }
}

/// True if the pattern stands for this key. The last `*` stands for the rest, dots included: the
/// names of upstreams and scopes may have dots.
fn fits(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((before, "")) => key.strip_prefix(before).is_some_and(|rest| !rest.is_empty()),
        Some((before, after)) => {
            let Some(rest) = key.strip_prefix(before) else { return false };
            let after = after.strip_prefix('.').unwrap_or(after);
            let Some((name, last)) = rest.rsplit_once('.') else { return false };
            !name.is_empty() && fits(after, last)
        }
    }
}

impl RawConfig {
    /// Returns these settings as far as a proxy that runs with `running` takes them over, and the
    /// settings of `running` where a change waits for a restart.
    pub fn over(self, running: &Self) -> Self {
        let listeners = if places(&self) == places(running) {
            self.listeners.clone()
        } else {
            running.listeners.clone()
        };
        let same_tls = self.speaks_tls() == running.speaks_tls();
        let (tls, acme) = if same_tls {
            (self.tls, self.acme)
        } else {
            (running.tls.clone(), running.acme.clone())
        };
        Self {
            listen: running.listen.clone(),
            listeners,
            tls,
            acme,
            keys: running.keys.clone(),
            tokens: RawTokens { revocations: running.tokens.revocations.clone(), ..self.tokens },
            state: RawState {
                unlisted_minters: self.state.unlisted_minters,
                ..running.state.clone()
            },
            limits: RawLimits { workers: running.limits.workers.clone(), ..self.limits },
            log: running.log.clone(),
            admin: RawAdmin {
                token: self.admin.token,
                token_file: self.admin.token_file,
                ..running.admin.clone()
            },
            ..self
        }
    }

    /// Returns the keys of the settings whose values differ. Only the values count, and not the
    /// places where they were given.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let (own, others) = (self.entries(), other.entries());
        let missing = |entry: &&Entry<'_>, among: &[Entry<'_>]| {
            !among.iter().any(|known| known.is_same(entry))
        };
        let mut keys: Vec<String> = own
            .iter()
            .filter(|entry| missing(entry, &others))
            .chain(others.iter().filter(|entry| missing(entry, &own)))
            .map(|entry| entry.key.clone())
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    fn speaks_tls(&self) -> bool {
        self.tls.certificate.given().is_some()
            || self.acme.domains.given().is_some()
            || self.tls.dev.given().is_some_and(|given| given.value)
    }
}

/// Returns the settings of the further listeners that need a restart, with the number of listeners.
fn places(raw: &RawConfig) -> Vec<(String, serde_json::Value)> {
    let listeners = raw.listeners.iter().zip(1..);
    let entries = listeners.flat_map(|(listener, number)| listener.entries(&format!("{number}")));
    entries
        .filter(|entry| !entry.key.ends_with(".upstream"))
        .map(|entry| (entry.key, entry.value))
        .collect()
}
