//! The state store, with its operations timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError,
    StoreFuture, TakeResult, UnixMillis,
};
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::{labels, number};
use super::families;
use super::histogram::{Histogram, STORE_BOUNDS};

/// An operation of a store.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Read,
    List,
    Apply,
    Take,
    Renew,
    GiveBack,
    Ping,
}

impl Operation {
    const COUNT: usize = 7;
    const ALL: [Self; Self::COUNT] =
        [Self::Read, Self::List, Self::Apply, Self::Take, Self::Renew, Self::GiveBack, Self::Ping];

    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Apply => "apply",
            Self::Take => "take",
            Self::Renew => "renew",
            Self::GiveBack => "give_back",
            Self::Ping => "ping",
        }
    }
}

/// Reasons for which an operation failed, in the order of the counters.
const FAILURES: [&str; 4] = ["full", "unavailable", "corrupt", "too_long"];

fn failure(error: &StoreError) -> usize {
    match error {
        StoreError::Full(_) => 0,
        StoreError::Unavailable(_) => 1,
        StoreError::Corrupt(_) => 2,
        StoreError::TooLong => 3,
    }
}

/// Times and failures of the operations of a store.
#[derive(Debug)]
pub(super) struct StoreMetrics {
    durations: [Histogram<9>; Operation::COUNT],
    failures: [[AtomicU64; FAILURES.len()]; Operation::COUNT],
}

impl StoreMetrics {
    pub(super) fn new() -> Self {
        Self {
            durations: std::array::from_fn(|_| Histogram::new(&STORE_BOUNDS)),
            failures: Default::default(),
        }
    }

    fn note<T>(&self, operation: Operation, began: Instant, result: &Result<T, StoreError>) {
        if let Some(durations) = self.durations.get(operation as usize) {
            durations.observe(began.elapsed());
        }
        if let Err(error) = result
            && let Some(failures) = self.failures.get(operation as usize)
            && let Some(count) = failures.get(failure(error))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes both families. Operations that were never called have no series.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut metric = families::STORE_DURATION.begin(encoder)?;
        for (operation, durations) in Operation::ALL.into_iter().zip(&self.durations) {
            if !durations.is_empty() {
                let labels = labels(&[("operation", operation.as_str())]);
                durations.encode(metric.encode_family(&labels.as_slice())?)?;
            }
        }
        let mut metric = families::STORE_FAILURES.begin(encoder)?;
        for (operation, failures) in Operation::ALL.into_iter().zip(&self.failures) {
            for (reason, count) in FAILURES.into_iter().zip(failures) {
                let labels = [("operation", operation.as_str()), ("reason", reason)];
                let count = count.load(Ordering::Relaxed) as f64;
                number(&mut metric, &families::STORE_FAILURES, &labels, count)?;
            }
        }
        Ok(())
    }
}

/// A store whose operations are timed. An operation whose caller stopped waiting is not counted.
#[derive(Debug)]
pub(super) struct MeasuredStore {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) metrics: Arc<StoreMetrics>,
}

impl MeasuredStore {
    fn timed<'s, T: 's>(
        &'s self,
        operation: Operation,
        call: StoreFuture<'s, T>,
    ) -> StoreFuture<'s, T> {
        Box::pin(async move {
            let began = Instant::now();
            let result = call.await;
            self.metrics.note(operation, began, &result);
            result
        })
    }
}

impl StateStore for MeasuredStore {
    fn read(
        &self,
        partition: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        self.timed(Operation::Read, self.store.read(partition, names, now))
    }

    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        self.timed(Operation::List, self.store.list(partition, prefix, most, now))
    }

    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        self.timed(Operation::Apply, self.store.apply_within(target, conditions, changes, now))
    }

    fn take_within(
        &self,
        target: BoundedPartition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        self.timed(Operation::Take, self.store.take_within(target, demands, now))
    }

    fn renew(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
        lease: u64,
        now: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        self.timed(Operation::Renew, self.store.renew(partition, counter, holder, lease, now))
    }

    fn give_back(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
    ) -> StoreFuture<'_, ()> {
        self.timed(Operation::GiveBack, self.store.give_back(partition, counter, holder))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.timed(Operation::Ping, self.store.ping())
    }
}
