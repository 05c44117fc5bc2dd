//! The state store of a running proxy: opened when it is first needed, and again after a failure.

use std::fmt;
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

/// A store that cannot be opened is tried so often at most.
const REST: Duration = Duration::from_secs(1);

/// A store that is opened at first use.
pub(crate) struct LazyStore {
    settings: StoreSettings,
    opened: OnceLock<Arc<dyn StateStore>>,
    /// When it last could not be opened, and why. Held while somebody tries.
    failed: Mutex<Option<(Instant, StoreError)>>,
}

impl LazyStore {
    /// None, where there is to be none.
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

    /// Opens it now, for the start. A server that is not there yet may come: that is no reason not to begin.
    pub(crate) async fn open_now(&self) -> Result<(), StoreError> {
        self.store().await.map(drop)
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
        // A file may have to be repaired first, which takes its time.
        let opening = tokio::task::spawn_blocking(move || open(&settings)).await;
        match opening
            .unwrap_or_else(|_| Err(StoreError::Unavailable("it cannot be opened".to_owned())))
        {
            Ok(store) => Ok(self.opened.get_or_init(|| store)),
            Err(error) => {
                tracing::error!(target: "magicproxy::state", "{error}");
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// Opens a store, in this thread.
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

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.store().await?.ping().await })
    }
}
