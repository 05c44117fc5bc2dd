//! The store in memory: for tests and trials. Its rows end with the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::ops::Bound as End;
use std::sync::{Mutex, PoisonError};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, RowCount, StateStore,
    StoreError, StoreFuture, TakeResult, UnixMillis,
};

use crate::checked::{GRACE_SECONDS, clock, demands, millis, names, step};
use crate::rows::{ReadRows, Row, RowVisitor, Rows};
use crate::steps::{self, StepTerms};

/// The most ended rows that are removed with each change.
const SWEPT: usize = 16;

/// A store in memory, not shared and not durable: for tests and trials.
#[derive(Default)]
pub struct MemoryStore(Mutex<StoredRows>);

#[derive(Default)]
struct StoredRows {
    partitions: HashMap<Partition, BTreeMap<Vec<u8>, Row>>,
    /// INVARIANT: for each row exactly one name, at the row's end.
    ends: BTreeSet<(u64, Partition, Vec<u8>)>,
}

/// The rows of a single partition.
struct MemoryRows<'h> {
    held: &'h mut StoredRows,
    partition: Partition,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn ask<'s, T: Send + 's>(
        &self,
        partition: Partition,
        step: impl FnOnce(&mut MemoryRows<'_>) -> Result<T, StoreError>,
    ) -> StoreFuture<'s, T> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let done = step(&mut MemoryRows { held: &mut held, partition });
        Box::pin(ready(done))
    }

    fn change<'s, T: Send + 's>(
        &self,
        partition: Partition,
        now: u64,
        step: impl FnOnce(&mut MemoryRows<'_>) -> Result<T, StoreError>,
    ) -> StoreFuture<'s, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
        self.ask(partition, step)
    }
}

impl StoredRows {
    fn sweep(&mut self, now: u64) {
        for _ in 0..SWEPT {
            let ended = self.ends.first().filter(|(end, ..)| end + GRACE_SECONDS * 1000 <= now);
            let Some((_, partition, name)) = ended.cloned() else { return };
            self.remove(partition, &name);
        }
    }

    fn put(&mut self, partition: Partition, name: &[u8], row: Row) {
        let end = row.end;
        let old = self.partitions.entry(partition).or_default().insert(name.to_vec(), row);
        if old.as_ref().is_none_or(|old| old.end != end) {
            if let Some(old) = old {
                self.ends.remove(&(old.end, partition, name.to_vec()));
            }
            self.ends.insert((end, partition, name.to_vec()));
        }
    }

    fn remove(&mut self, partition: Partition, name: &[u8]) {
        let Some(rows) = self.partitions.get_mut(&partition) else { return };
        let Some(old) = rows.remove(name) else { return };
        if rows.is_empty() {
            self.partitions.remove(&partition);
        }
        self.ends.remove(&(old.end, partition, name.to_vec()));
    }
}

impl MemoryRows<'_> {
    fn rows(&self) -> Option<&BTreeMap<Vec<u8>, Row>> {
        self.held.partitions.get(&self.partition)
    }
}

impl ReadRows for MemoryRows<'_> {
    fn get(&self, name: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows().and_then(|rows| rows.get(name)).cloned())
    }

    fn scan(&self, prefix: &[u8], visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        let from = self
            .rows()
            .into_iter()
            .flat_map(|rows| rows.range::<[u8], _>((End::Included(prefix), End::Unbounded)));
        for (name, row) in from.take_while(|(name, _)| name.starts_with(prefix)) {
            if visit(name, row.end, &row.bytes).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Rows for MemoryRows<'_> {
    fn count(&mut self) -> Result<RowCount, StoreError> {
        // Each partition with rows has an additional row with its time.
        let partition = self.rows().map_or(0, |rows| rows.len().saturating_sub(1));
        Ok(RowCount { partition: partition as u64, total: self.held.ends.len() as u64 })
    }

    fn put(&mut self, name: &[u8], row: Row) -> Result<(), StoreError> {
        self.held.put(self.partition, name, row);
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) -> Result<(), StoreError> {
        self.held.remove(self.partition, name);
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl StateStore for MemoryStore {
    fn read(
        &self,
        partition: Partition,
        wanted: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        self.ask(partition, |rows| {
            names(&wanted)?;
            steps::read(rows, &wanted, millis(now))
        })
    }

    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        self.ask(partition, |rows| {
            names([&prefix])?;
            steps::list(rows, &prefix, most, millis(now))
        })
    }

    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        let terms = StepTerms { now: millis(now), limits: &target.rows };
        self.change(target.partition, terms.now, |rows| {
            step(&conditions, &changes)?;
            steps::apply(rows, &conditions, &changes, &terms)
        })
    }

    fn take_within(
        &self,
        target: BoundedPartition,
        wanted: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        let terms = StepTerms { now: clock(now), limits: &target.rows };
        self.change(target.partition, terms.now, |rows| {
            demands(&wanted)?;
            steps::take(rows, &wanted, &terms)
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

    fn give_back(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
    ) -> StoreFuture<'_, ()> {
        self.ask(partition, |rows| {
            names([&counter])?;
            steps::give_back(rows, &counter, holder)
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}
