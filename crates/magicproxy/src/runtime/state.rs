//! The state store of a running proxy: opened when first needed, and again after a failure; released
//! for the process that takes over.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError,
    StoreFuture, TakeResult, UnixMillis,
};
use magicproxy_state::{FileIdentity, MemoryStore, RedbStore, ValkeyStore};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use magicproxy_config::config::state::StoreSettings;

/// The least time between two attempts to open a store.
const REST: Duration = Duration::from_secs(1);

/// The longest wait for the last calls of a process that ends.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// A store opened at first use.
pub(crate) struct LazyStore {
    settings: StoreSettings,
    /// Each call reads, so whoever may write knows that no call is in progress.
    held: Arc<RwLock<HeldStore>>,
}

/// The store of this process, if it has one.
enum HeldStore {
    /// Not opened yet, or released; with the time of the last failure to open, and its error.
    Closed(Option<(Instant, StoreError)>),
    Open(Arc<dyn StateStore>),
    /// A store in this file.
    OpenFile(Arc<dyn StateStore>, FileIdentity),
    /// The store of another process, and whether it was called for this one.
    Elsewhere(Arc<dyn StateStore>, AtomicBool),
}

/// What has become of the name of a store's file, while the store is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileFate {
    Kept,
    /// Nothing has the name.
    Deleted,
    /// Another file has the name.
    Replaced,
}

impl FileFate {
    /// Describes the loss of the file; `None` if it has its name.
    pub(crate) fn loss(self) -> Option<&'static str> {
        match self {
            Self::Kept => None,
            Self::Deleted => Some("was deleted"),
            Self::Replaced => Some("was replaced by another file"),
        }
    }
}

/// A store whose file this process has closed, so that another process may open it. Calls wait as
/// long as the value lives; when the value is dropped, the file is opened again by the next call.
#[derive(Debug)]
pub(crate) struct ReleasedStore(OwnedRwLockWriteGuard<HeldStore>);

impl LazyStore {
    /// Makes the store of the settings; none, if the settings want no store.
    pub(crate) fn of(settings: &StoreSettings) -> Option<Arc<Self>> {
        if matches!(settings, StoreSettings::None) {
            return None;
        }
        let held = Arc::new(RwLock::new(HeldStore::Closed(None)));
        Some(Arc::new(Self { settings: settings.clone(), held }))
    }

    /// Opens the store now, for the start of the proxy. A store on a server connects later, so the
    /// server need not be there yet.
    pub(crate) async fn open_now(&self) -> Result<(), StoreError> {
        self.store().await.map(drop)
    }

    /// True once the store is open.
    pub(crate) fn is_open(&self) -> bool {
        // Whoever opens or releases the store at this moment has it locked.
        self.held.try_read().is_ok_and(|held| held.open().is_some())
    }

    /// Returns the file of the store that only one process may have open.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.settings {
            StoreSettings::Redb(path) => Some(path),
            StoreSettings::None | StoreSettings::Memory | StoreSettings::Valkey(_) => None,
        }
    }

    /// Returns what has become of the file that this process has open.
    pub(crate) fn fate_of_file(&self) -> FileFate {
        let Some(path) = self.file() else { return FileFate::Kept };
        // Whoever opens or releases the store at this moment has it locked.
        let Ok(held) = self.held.try_read() else { return FileFate::Kept };
        match (&*held, FileIdentity::at(path)) {
            (HeldStore::OpenFile(..), Err(error)) if error.kind() == ErrorKind::NotFound => {
                FileFate::Deleted
            }
            (HeldStore::OpenFile(_, own), Ok(found)) if *own != found => FileFate::Replaced,
            _ => FileFate::Kept,
        }
    }

    /// Closes the file, once the calls in progress are done.
    pub(crate) async fn release(&self) -> ReleasedStore {
        let mut held = Arc::clone(&self.held).write_owned().await;
        let closed = std::mem::replace(&mut *held, HeldStore::Closed(None));
        // Off the event loop: what was begun is written first.
        let _ = tokio::task::spawn_blocking(move || drop(closed)).await;
        ReleasedStore(held)
    }

    /// Waits until the calls that were begun are done, for the end of the process. A store that was
    /// never needed stays closed.
    pub(crate) async fn settle(&self) {
        let held = self.held.read().await;
        // A store elsewhere would be opened by the first call.
        if let Some(store) = held.open().filter(|_| !held.is_unused()) {
            // Behind all calls before it.
            let _ = tokio::time::timeout(LAST_CALLS, store.ping()).await;
        }
    }

    async fn store(&self) -> Result<RwLockReadGuard<'_, Arc<dyn StateStore>>, StoreError> {
        if let Ok(open) = RwLockReadGuard::try_map(self.held.read().await, HeldStore::used) {
            return Ok(open);
        }
        let mut held = self.held.write().await;
        if let HeldStore::Closed(failed) = &*held {
            if let Some((_, error)) = failed.as_ref().filter(|(at, _)| at.elapsed() < REST) {
                return Err(error.clone());
            }
            *held = opened(&self.settings).await;
        }
        RwLockReadGuard::try_map(RwLockWriteGuard::downgrade(held), HeldStore::open)
            .map_err(|held| held.error())
    }
}

impl HeldStore {
    fn open(&self) -> Option<&Arc<dyn StateStore>> {
        match self {
            Self::Open(store) | Self::OpenFile(store, _) | Self::Elsewhere(store, _) => Some(store),
            Self::Closed(_) => None,
        }
    }

    /// Returns the store for a call.
    fn used(&self) -> Option<&Arc<dyn StateStore>> {
        if let Self::Elsewhere(_, is_used) = self {
            is_used.store(true, Ordering::Relaxed);
        }
        self.open()
    }

    /// True for a store of another process that was not called.
    fn is_unused(&self) -> bool {
        matches!(self, Self::Elsewhere(_, is_used) if !is_used.load(Ordering::Relaxed))
    }

    fn error(&self) -> StoreError {
        match self {
            Self::Closed(Some((_, error))) => error.clone(),
            _ => cannot_be_opened(),
        }
    }
}

impl ReleasedStore {
    /// Sends the calls to this store from now on: to the process that has the file open now.
    pub(crate) fn hand_over(mut self, store: Arc<dyn StateStore>) {
        *self.0 = HeldStore::Elsewhere(store, AtomicBool::new(false));
    }
}

/// Opens the store, off the event loop: a file may have to be repaired first, and a repair takes
/// time.
async fn opened(settings: &StoreSettings) -> HeldStore {
    let settings = settings.clone();
    let opening = tokio::task::spawn_blocking(move || open_to_hold(&settings)).await;
    match opening.unwrap_or_else(|_| Err(cannot_be_opened())) {
        Ok(held) => held,
        Err(error) => {
            tracing::error!(name: "store_not_opened", target: "magicproxy::state", "{error}");
            HeldStore::Closed(Some((Instant::now(), error)))
        }
    }
}

fn cannot_be_opened() -> StoreError {
    StoreError::Unavailable("it cannot be opened".to_owned())
}

fn open_to_hold(settings: &StoreSettings) -> Result<HeldStore, StoreError> {
    let StoreSettings::Redb(path) = settings else { return open(settings).map(HeldStore::Open) };
    let store = RedbStore::open(path)?;
    let identity = store.file_identity();
    Ok(HeldStore::OpenFile(Arc::new(store), identity))
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

impl fmt::Debug for HeldStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.open().is_some() { "Open" } else { "Closed" })
    }
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
