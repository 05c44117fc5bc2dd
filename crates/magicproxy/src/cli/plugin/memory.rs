//! State for trying a plugin out: in memory, shown afterwards, and kept in a file if a file is
//! named.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError,
    StoreFuture, TakeResult, UnixMillis,
};

/// The entries of one plugin and one owner, the only plugin and owner here.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<Vec<u8>, Entry>>);

impl Memory {
    pub(super) fn of(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        let entry =
            |value: String| Entry { value: value.into_bytes(), expires_at: UnixTime(u64::MAX) };
        Self(Mutex::new(
            entries.into_iter().map(|(name, value)| (name.into_bytes(), entry(value))).collect(),
        ))
    }

    /// Returns names and values, as text.
    pub(super) fn entries(&self) -> BTreeMap<String, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.lock().iter().map(|(name, entry)| (text(name), text(&entry.value))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn holds(entries: &BTreeMap<Vec<u8>, Entry>, condition: &Condition) -> bool {
    match condition {
        Condition::Absent(name) => !entries.contains_key(name),
        Condition::Equals(name, value) => {
            entries.get(name).is_some_and(|entry| entry.value == *value)
        }
        Condition::AtMostValued(prefix, most) => {
            entries.values().filter(|entry| entry.value.starts_with(prefix)).count() <= *most
        }
        Condition::AtMost(prefix, most) => {
            entries.keys().filter(|name| name.starts_with(prefix)).count() <= *most
        }
    }
}

fn ready<T: Send + 'static>(result: Result<T, StoreError>) -> StoreFuture<'static, T> {
    Box::pin(std::future::ready(result))
}

fn unused<T: Send + 'static>() -> StoreFuture<'static, T> {
    ready(Err(StoreError::Unavailable("plugins do not use this".to_owned())))
}

impl StateStore for Memory {
    fn read(
        &self,
        _: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        let entries = self.lock();
        let live = |name| entries.get(name).filter(|entry| entry.expires_at > now).cloned();
        ready(Ok(names.iter().map(live).collect()))
    }

    fn apply_within(
        &self,
        _: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.expires_at > now);
        let held = conditions.iter().all(|condition| holds(&entries, condition));
        for change in changes.into_iter().filter(|_| held) {
            match change {
                Change::Put(name, entry) => entries.insert(name, entry),
                Change::Remove(name) => entries.remove(&name),
            };
        }
        ready(Ok(held))
    }

    fn list(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: usize,
        _: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        unused()
    }

    fn take_within(
        &self,
        _: BoundedPartition,
        _: Vec<Demand>,
        _: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        unused()
    }

    fn renew(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: Holder,
        _: u64,
        _: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        unused()
    }

    fn give_back(&self, _: Partition, _: Vec<u8>, _: Holder) -> StoreFuture<'_, ()> {
        unused()
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        ready(Ok(()))
    }
}
