//! The store in memory: for tests and for trying out. What it holds ends with the process.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::ready;
use std::ops::Bound as End;
use std::sync::{Mutex, PoisonError};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError, StoreFuture, Taken, UnixMillis,
};

use crate::checked::{GRACE_SECONDS, clock, demands, millis, names, step};
use crate::rows::{ReadRows, Row, Rows, Visit};
use crate::steps;

/// After so many changes ended rows are looked for.
const SWEEP_EVERY: u64 = 4096;

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore(Mutex<Held>);

#[derive(Default)]
struct Held {
    partitions: HashMap<Partition, MemoryRows>,
    changes: u64,
}

#[derive(Default)]
struct MemoryRows(BTreeMap<Vec<u8>, Row>);

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn ask<'s, T: Send + 's>(
        &self,
        partition: Partition,
        step: impl FnOnce(&mut MemoryRows) -> Result<T, StoreError>,
    ) -> StoreFuture<'s, T> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = held.partitions.entry(partition).or_default();
        let done = step(rows);
        if rows.0.is_empty() {
            held.partitions.remove(&partition);
        }
        Box::pin(ready(done))
    }

    fn change<'s, T: Send + 's>(
        &self,
        partition: Partition,
        now: u64,
        step: impl FnOnce(&mut MemoryRows) -> Result<T, StoreError>,
    ) -> StoreFuture<'s, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
        self.ask(partition, step)
    }
}

impl Held {
    fn sweep(&mut self, now: u64) {
        self.changes += 1;
        if self.changes.is_multiple_of(SWEEP_EVERY) {
            self.partitions.retain(|_, rows| {
                rows.0.retain(|_, row| row.end + GRACE_SECONDS * 1000 > now);
                !rows.0.is_empty()
            });
        }
    }
}

impl ReadRows for MemoryRows {
    fn get(&self, name: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.0.get(name).cloned())
    }

    fn scan(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let from = self.0.range::<[u8], _>((End::Included(prefix), End::Unbounded));
        for (name, row) in from.take_while(|(name, _)| name.starts_with(prefix)) {
            if visit(name, row.end, &row.bytes).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Rows for MemoryRows {
    fn put(&mut self, name: &[u8], row: Row) -> Result<(), StoreError> {
        self.0.insert(name.to_vec(), row);
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) -> Result<(), StoreError> {
        self.0.remove(name);
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl StateStore for MemoryStore {
    fn read(&self, partition: Partition, wanted: Vec<Vec<u8>>, now: UnixTime) -> StoreFuture<'_, Vec<Option<Entry>>> {
        self.ask(partition, |rows| {
            names(&wanted)?;
            steps::read(rows, &wanted, millis(now))
        })
    }

    fn list(&self, partition: Partition, prefix: Vec<u8>, most: usize, now: UnixTime) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        self.ask(partition, |rows| {
            names([&prefix])?;
            steps::list(rows, &prefix, most, millis(now))
        })
    }

    fn apply(
        &self,
        partition: Partition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        self.change(partition, millis(now), |rows| {
            step(&conditions, &changes)?;
            steps::apply(rows, &conditions, &changes, millis(now))
        })
    }

    fn take(&self, partition: Partition, wanted: Vec<Demand>, now: UnixMillis) -> StoreFuture<'_, Taken> {
        self.change(partition, clock(now), |rows| {
            demands(&wanted)?;
            steps::take(rows, &wanted, clock(now))
        })
    }

    fn renew(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
        lease: u64,
        now: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        self.ask(partition, |rows| {
            names([&counter])?;
            steps::renew(rows, &counter, holder, lease, clock(now))
        })
    }

    fn give_back(&self, partition: Partition, counter: Vec<u8>, holder: Holder) -> StoreFuture<'_, ()> {
        self.ask(partition, |rows| {
            names([&counter])?;
            steps::give_back(rows, &counter, holder)
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}
