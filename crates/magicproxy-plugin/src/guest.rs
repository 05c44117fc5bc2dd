//! The host's functions for a guest: state, log, clock and configuration. Specification:
//! `plugin.md` sections 2 and 4.

use std::fmt;
use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Entry, Partition, RowLimits, StateStore, StoreError,
};

use crate::bounds::Bounds;
use crate::failure::CallFailure;
use crate::journal::Journal;
use crate::report::Level;
use crate::wit::magicproxy::plugin::{clock, config, exchange, log, state};

/// The longest name of an entry, in bytes.
const NAME_BYTES: usize = 256;
/// The longest value of an entry, in bytes.
const VALUE_BYTES: usize = 16 * 1024;
/// The most entries of a plugin for a single owner.
const ENTRIES: usize = 256;

/// The host's side of a call.
pub(crate) struct Guest {
    pub(crate) bounds: Bounds,
    pub(crate) journal: Arc<Journal>,
    pub(crate) config: Option<Arc<str>>,
    pub(crate) now: UnixTime,
    /// The plugin's part of the store; absent without a store, or while the plugin is being loaded.
    pub(crate) plugin_store: Option<PluginStore>,
    pub(crate) state_calls: u32,
    pub(crate) state_calls_left: u32,
}

impl fmt::Debug for Guest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guest").finish_non_exhaustive()
    }
}

/// The part of the store for a single plugin and a single owner.
#[derive(Clone, Debug)]
pub(crate) struct PluginStore {
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) partition: Partition,
    pub(crate) ends_at: UnixTime,
    pub(crate) rows: RowLimits,
}

/// The result of a call of `state`: the outer error ends the guest, the inner error is returned to
/// the guest.
type StateResult<T> = wasmtime::Result<Result<T, state::Error>>;

impl state::Host for Guest {
    async fn get(&mut self, name: String) -> StateResult<Option<Vec<u8>>> {
        let now = self.now;
        match self.open(&name)? {
            Ok(plugin_store) => Ok(plugin_store.read(name, now).await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn set(&mut self, name: String, value: Vec<u8>, seconds: Option<u64>) -> StateResult<()> {
        let now = self.now;
        match self.open_for(&name, &value)? {
            Ok(plugin_store) => {
                Ok(plugin_store.set(name, plugin_store.entry(value, seconds, now), now).await)
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn set_if(
        &mut self,
        name: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        seconds: Option<u64>,
    ) -> StateResult<bool> {
        let now = self.now;
        match self.open_for(&name, &value)? {
            Ok(plugin_store) => Ok(plugin_store
                .set_if(name, expected, plugin_store.entry(value, seconds, now), now)
                .await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn remove(&mut self, name: String) -> StateResult<()> {
        let now = self.now;
        match self.open(&name)? {
            Ok(plugin_store) => Ok(plugin_store
                .change(Vec::new(), Change::Remove(name.into_bytes()), now)
                .await
                .map(|_| ())),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl Guest {
    fn open_for(&mut self, name: &str, value: &[u8]) -> StateResult<PluginStore> {
        if value.len() > VALUE_BYTES {
            self.count()?;
            return Ok(Err(state::Error::ValueTooLong));
        }
        self.open(name)
    }

    fn open(&mut self, name: &str) -> StateResult<PluginStore> {
        self.count()?;
        if name.is_empty() || name.len() > NAME_BYTES {
            return Ok(Err(state::Error::BadName));
        }
        Ok(self.plugin_store.clone().ok_or(state::Error::Unavailable))
    }

    fn count(&mut self) -> wasmtime::Result<()> {
        match self.state_calls_left.checked_sub(1) {
            Some(left) => {
                self.state_calls_left = left;
                Ok(())
            }
            None => Err(wasmtime::Error::new(CallFailure::TooManyStateCalls(self.state_calls))),
        }
    }
}

impl PluginStore {
    fn entry(&self, value: Vec<u8>, seconds: Option<u64>, now: UnixTime) -> Entry {
        let wanted = seconds.map_or(u64::MAX, |seconds| now.0.saturating_add(seconds));
        Entry { value, expires_at: UnixTime(wanted.min(self.ends_at.0)) }
    }

    async fn read(&self, name: String, now: UnixTime) -> Result<Option<Vec<u8>>, state::Error> {
        let found =
            self.store.read(self.partition, vec![name.into_bytes()], now).await.map_err(told)?;
        Ok(found.into_iter().next().flatten().map(|entry| entry.value))
    }

    /// Writes an entry. A full part of the store still takes a new value for an old name.
    async fn set(&self, name: String, entry: Entry, now: UnixTime) -> Result<(), state::Error> {
        if self
            .change(vec![room()], Change::Put(name.clone().into_bytes(), entry.clone()), now)
            .await?
        {
            return Ok(());
        }
        let Some(old) = self.read(name.clone(), now).await? else { return Err(state::Error::Full) };
        let same = Condition::Equals(name.clone().into_bytes(), old);
        let set = self.change(vec![same], Change::Put(name.into_bytes(), entry), now).await?;
        if set { Ok(()) } else { Err(state::Error::Unavailable) }
    }

    async fn set_if(
        &self,
        name: String,
        expected: Option<Vec<u8>>,
        entry: Entry,
        now: UnixTime,
    ) -> Result<bool, state::Error> {
        let name = name.into_bytes();
        let Some(value) = expected else { return self.set_new(name, entry, now).await };
        self.change(vec![Condition::Equals(name.clone(), value)], Change::Put(name, entry), now)
            .await
    }

    async fn set_new(
        &self,
        name: Vec<u8>,
        entry: Entry,
        now: UnixTime,
    ) -> Result<bool, state::Error> {
        let conditions = vec![Condition::Absent(name.clone()), room()];
        if self.change(conditions, Change::Put(name.clone(), entry), now).await? {
            return Ok(true);
        }
        let found = self.store.read(self.partition, vec![name], now).await.map_err(told)?;
        if found.into_iter().flatten().next().is_some() {
            Ok(false)
        } else {
            Err(state::Error::Full)
        }
    }

    async fn change(
        &self,
        conditions: Vec<Condition>,
        change: Change,
        now: UnixTime,
    ) -> Result<bool, state::Error> {
        let target = BoundedPartition { partition: self.partition, rows: self.rows.clone() };
        self.store.apply_within(target, conditions, vec![change], now).await.map_err(told)
    }
}

fn room() -> Condition {
    Condition::AtMost(Vec::new(), ENTRIES - 1)
}

/// Turns an error of the store into an error for the plugin. A plugin learns only that the store is
/// not available; the reason goes to the operator's log.
fn told(error: StoreError) -> state::Error {
    tracing::error!(name: "plugin_state_failed", %error, "a plugin could not use its state");
    match error {
        StoreError::TooLong => state::Error::ValueTooLong,
        StoreError::Full(_) => state::Error::Full,
        StoreError::Unavailable(_) | StoreError::Corrupt(_) => state::Error::Unavailable,
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        if self.journal.write(level, &message) {
            Ok(())
        } else {
            Err(wasmtime::Error::new(CallFailure::LogFlood))
        }
    }
}

impl clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.now.0)
    }
}

impl config::Host for Guest {
    fn get(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.config.as_deref().map(str::to_owned))
    }
}

impl exchange::Host for Guest {}
