//! A store in memory, as small as the contract lets it be: what plugins need of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError,
    StoreFuture, TakeResult, UnixMillis,
};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    entries: Mutex<BTreeMap<(Partition, Vec<u8>), Entry>>,
    /// It does not answer.
    pub(crate) broken: AtomicBool,
    /// It never answers.
    pub(crate) stuck: AtomicBool,
}

impl Memory {
    pub(crate) fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    fn live(&self, partition: Partition, name: &[u8], now: UnixTime) -> Option<Entry> {
        let entries = self.entries.lock().unwrap();
        entries.get(&(partition, name.to_vec())).filter(|entry| entry.expires_at > now).cloned()
    }

    fn holds(&self, partition: Partition, condition: &Condition, now: UnixTime) -> bool {
        match condition {
            Condition::Absent(name) => self.live(partition, name, now).is_none(),
            Condition::Equals(name, value) => {
                self.live(partition, name, now).is_some_and(|entry| entry.value == *value)
            }
            Condition::AtMostValued(..) => unimplemented!("plugins do not ask for this"),
            Condition::AtMost(prefix, most) => {
                let entries = self.entries.lock().unwrap();
                let live = entries.iter().filter(|((of, name), entry)| {
                    *of == partition && name.starts_with(prefix) && entry.expires_at > now
                });
                live.count() <= *most
            }
        }
    }

    async fn reply<T>(&self, reply: T) -> Result<T, StoreError> {
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable("broken".to_owned()))
        } else {
            Ok(reply)
        }
    }
}

impl StateStore for Memory {
    fn read(
        &self,
        partition: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        Box::pin(self.reply(names.iter().map(|name| self.live(partition, name, now)).collect()))
    }

    fn apply_within(
        &self,
        BoundedPartition { partition, .. }: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        let holds = conditions.iter().all(|condition| self.holds(partition, condition, now));
        if holds && !self.broken.load(Ordering::SeqCst) {
            let mut entries = self.entries.lock().unwrap();
            for change in changes {
                match change {
                    Change::Put(name, entry) => entries.insert((partition, name), entry),
                    Change::Remove(name) => entries.remove(&(partition, name)),
                };
            }
        }
        Box::pin(self.reply(holds))
    }

    fn list(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: usize,
        _: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        unimplemented!("plugins do not list")
    }

    fn take_within(
        &self,
        _: BoundedPartition,
        _: Vec<Demand>,
        _: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        unimplemented!("plugins take nothing")
    }

    fn renew(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: Holder,
        _: u64,
        _: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        unimplemented!("plugins hold no leases")
    }

    fn give_back(&self, _: Partition, _: Vec<u8>, _: Holder) -> StoreFuture<'_, ()> {
        unimplemented!("plugins hold no leases")
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.reply(()))
    }
}
