//! What the tests share: stores of each kind, a real Valkey, and short words for calls.

pub(crate) mod tls;
pub(crate) mod valkey;

use std::future::Future;
use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, Change, Condition, Demand, Entry, Holder, Partition, StateStore, TakeResult, UnixMillis,
};
use magicproxy_state::{MemoryStore, RedbStore, ValkeySettings, ValkeyStore};
use tempfile::TempDir;

use valkey::Valkey;

/// In the year 2030: later than the clock of the Valkey, which therefore drops nothing by itself.
pub(crate) const NOW: u64 = 1_900_000_000;
/// Later than any test goes.
pub(crate) const LATER: u64 = NOW + 1_000_000;

/// A store and what it lives in.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) home: Home,
}

#[derive(Debug)]
pub(crate) enum Home {
    Memory,
    Folder { _folder: TempDir },
    Valkey(Valkey),
}

impl Fixture {
    pub(crate) fn memory() -> Option<Self> {
        Some(Self { store: Arc::new(MemoryStore::new()), home: Home::Memory })
    }

    pub(crate) fn redb() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(&folder.path().join("state.redb")).unwrap();
        Some(Self { store: Arc::new(store), home: Home::Folder { _folder: folder } })
    }

    /// None where there is no Valkey to test with, which is said.
    pub(crate) fn valkey() -> Option<Self> {
        let valkey = Valkey::start(&[])?;
        let store = connect(&valkey.url());
        Some(Self { store, home: Home::Valkey(valkey) })
    }
}

/// Another client.
pub(crate) fn connect(url: &str) -> Arc<dyn StateStore> {
    Arc::new(ValkeyStore::new(ValkeySettings::new(url.parse().unwrap())).unwrap())
}

/// One test for each kind of store.
#[macro_export]
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory { $(#[test] fn $name() { $crate::support::run($crate::support::Fixture::memory(), super::$name); })* }
        mod redb { $(#[test] fn $name() { $crate::support::run($crate::support::Fixture::redb(), super::$name); })* }
        mod valkey { $(#[test] fn $name() { $crate::support::run($crate::support::Fixture::valkey(), super::$name); })* }
    };
}

pub(crate) fn run<F: Future<Output = ()>>(
    fixture: Option<Fixture>,
    test: impl FnOnce(Arc<dyn StateStore>) -> F,
) {
    let Some(fixture) = fixture else { return };
    block_on(test(Arc::clone(&fixture.store)));
    drop(fixture.home);
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Tries until it is so; a guard against hanging only.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let tries = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), tries).await.unwrap();
}

pub(crate) fn partition(name: &str) -> Partition {
    Partition::of(&[b"test", name.as_bytes()])
}

pub(crate) fn put(name: &[u8], value: &[u8], expires_at: u64) -> Change {
    Change::Put(name.to_vec(), Entry { value: value.to_vec(), expires_at: UnixTime(expires_at) })
}

pub(crate) fn remove(name: &[u8]) -> Change {
    Change::Remove(name.to_vec())
}

pub(crate) fn absent(name: &[u8]) -> Condition {
    Condition::Absent(name.to_vec())
}

pub(crate) fn equals(name: &[u8], value: &[u8]) -> Condition {
    Condition::Equals(name.to_vec(), value.to_vec())
}

pub(crate) fn holder(number: u64) -> Holder {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Holder(bytes)
}

pub(crate) fn demand(counter: &[u8], bound: Bound) -> Demand {
    Demand { counter: counter.to_vec(), bound, expires_at: UnixTime(LATER), room: u64::MAX }
}

/// Milliseconds after the tests' beginning.
pub(crate) fn at(millis: u64) -> UnixMillis {
    UnixMillis(NOW * 1000 + millis)
}

/// The value under a name, at so many seconds after the tests' beginning.
pub(crate) async fn value(store: &dyn StateStore, name: &[u8], second: u64) -> Option<Vec<u8>> {
    let found =
        store.read(partition(""), vec![name.to_vec()], UnixTime(NOW + second)).await.unwrap();
    assert_eq!(found.len(), 1);
    found.into_iter().next().unwrap().map(|entry| entry.value)
}

pub(crate) async fn apply(
    store: &dyn StateStore,
    conditions: &[Condition],
    changes: &[Change],
    second: u64,
) -> bool {
    store
        .apply(partition(""), conditions.to_vec(), changes.to_vec(), UnixTime(NOW + second))
        .await
        .unwrap()
}

pub(crate) async fn take(store: &dyn StateStore, demands: &[Demand], millis: u64) -> TakeResult {
    store.take(partition(""), demands.to_vec(), at(millis)).await.unwrap()
}
