//! The state store of a running proxy: opened when first needed, and again after a failure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError,
    StoreFuture, TakeResult, UnixMillis,
};
use magicproxy_state::{MemoryStore, RedbStore, ValkeyStore};
use tokio::sync::Mutex;

use magicproxy_config::config::state::StoreSettings;

/// The least time between two attempts to open a store.
const REST: Duration = Duration::from_secs(1);

/// A store opened at first use.
pub(crate) struct LazyStore {
    settings: StoreSettings,
    opened: OnceLock<Arc<dyn StateStore>>,
    /// The time of the last failure to open, and its error. Locked during an attempt.
    failed: Mutex<Option<(Instant, StoreError)>>,
}

impl LazyStore {
    /// Makes the store of the settings; none, if the settings want no store.
    pub(crate) fn of(settings: &StoreSettings) -> Option<Arc<Self>> {
        if matches!(settings, StoreSettings::None) {
            return None;
        }
        Some(Arc::new(Self {
            settings: settings.clone(),
            opened: OnceLock::new(),
            failed: Mutex::default(),
        }))
    }

    /// Opens the store now, for the start of the proxy. A store on a server connects later, so the
    /// server need not be there yet.
    pub(crate) async fn open_now(&self) -> Result<(), StoreError> {
        self.store().await.map(drop)
    }

    /// Returns the file of the store, if the store is a file.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.settings {
            StoreSettings::Redb(path) => Some(path),
            StoreSettings::None | StoreSettings::Memory | StoreSettings::Valkey(_) => None,
        }
    }

    /// True once the store is open.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }

    async fn store(&self) -> Result<&Arc<dyn StateStore>, StoreError> {
        if let Some(store) = self.opened.get() {
            return Ok(store);
        }
        let mut failed = self.failed.lock().await;
        if let Some(store) = self.opened.get() {
            return Ok(store);
        }
        if let Some((_, error)) = failed.as_ref().filter(|(at, _)| at.elapsed() < REST) {
            return Err(error.clone());
        }
        let settings = self.settings.clone();
        // Off the event loop: a file may have to be repaired first, and a repair takes time.
        let opening = tokio::task::spawn_blocking(move || open(&settings)).await;
        match opening
            .unwrap_or_else(|_| Err(StoreError::Unavailable("it cannot be opened".to_owned())))
        {
            Ok(store) => Ok(self.opened.get_or_init(|| store)),
            Err(error) => {
                tracing::error!(name: "store_not_opened", target: "magicproxy::state", "{error}");
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// Opens a store, in the current thread.
pub(crate) fn open(settings: &StoreSettings) -> Result<Arc<dyn StateStore>, StoreError> {
    Ok(match settings {
        StoreSettings::None => {
            return Err(StoreError::Unavailable("there is none (`state.store`)".to_owned()));
        }
        StoreSettings::Memory => Arc::new(MemoryStore::new()),
        StoreSettings::Redb(path) => Arc::new(RedbStore::open(path)?),
        StoreSettings::Valkey(settings) => Arc::new(ValkeyStore::new((**settings).clone())?),
    })
}

impl fmt::Debug for LazyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LazyStore")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl StateStore for LazyStore {
    fn read(
        &self,
        partition: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        Box::pin(async move { self.store().await?.read(partition, names, now).await })
    }

    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        Box::pin(async move { self.store().await?.list(partition, prefix, most, now).await })
    }

    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        Box::pin(
            async move { self.store().await?.apply_within(target, conditions, changes, now).await },
        )
    }

    fn take_within(
        &self,
        target: BoundedPartition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        Box::pin(async move { self.store().await?.take_within(target, demands, now).await })
    }

    fn renew(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
        lease: u64,
        now: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        Box::pin(
            async move { self.store().await?.renew(partition, counter, holder, lease, now).await },
        )
    }

    fn give_back(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
    ) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.store().await?.give_back(partition, counter, holder).await })
    }

    fn copy_to(&self, to: PathBuf, note: Vec<u8>) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.store().await?.copy_to(to, note).await })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.store().await?.ping().await })
    }
}
