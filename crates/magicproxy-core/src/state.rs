//! State that a stateless proxy cannot know: owners, and the contract that every store keeps.
//! Specification: `state.md` and `state-store.md`.
//!
//! A store holds *partitions*, each of which belongs to an owner, to the items of a list, or to the
//! revocations. A partition maps names to entries with an end. The meaning of entries is no affair
//! of the store; its duty is that each call is an atomic, durable step. This module does no I/O:
//! the stores do.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};

use crate::encoding::{from_hex, hex};
use crate::time::UnixTime;

/// The longest name of an entry, in bytes.
pub const MAX_ENTRY_NAME_BYTES: usize = 4 * 1024;
/// The longest value of an entry, in bytes.
pub const MAX_ENTRY_VALUE_BYTES: usize = 64 * 1024;
/// The number of parts of a window; a part that is partly past still counts whole.
pub const WINDOW_PARTS: u64 = 60;

/// The name of a part of the store, 32 bytes: a SHA-256 of its owner or subject, so nothing can be
/// read from the name. `state.md` section 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition([u8; 32]);

impl Partition {
    /// Makes the partition of these parts: a name of its kind, and further parts that tell the
    /// partition from others of the kind.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            // With its length, so that no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// Makes the partition again that was written down by its [bytes](Self::as_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits, as the partition is shown.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        from_hex(digits).map(Self)
    }

    /// The partition's 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In a single step, because each line of the access log holds an owner.
        let mut digits = [0; 64];
        hex(&self.0, &mut digits);
        formatter.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Partition({self})")
    }
}

/// An entry of a partition: a value with an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value, with a meaning for its writer only; at most [`MAX_ENTRY_VALUE_BYTES`].
    pub value: Vec<u8>,
    /// The entry's end: from this second on the entry counts as absent.
    pub expires_at: UnixTime,
}

/// A condition on which changes are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No live entry has this name.
    Absent(Vec<u8>),
    /// The live entry of this name has this value.
    Equals(Vec<u8>, Vec<u8>),
    /// At most this many live entries have a name that begins with these bytes, before the change.
    AtMost(Vec<u8>, usize),
    /// At most this many live entries have a value that begins with these bytes, before the change.
    AtMostValued(Vec<u8>, usize),
}

/// A change of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes the entry under this name, in place of any earlier entry.
    Put(Vec<u8>, Entry),
    /// Removes the entry of this name.
    Remove(Vec<u8>),
}

/// A demand on a counter: take one, within a bound. `state-store.md` section 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The name of the counter in its partition. Counters and entries do not share names, even if
    /// spelt alike; nor do counters of different kinds, or of windows of different lengths.
    pub counter: Vec<u8>,
    /// The bound on the count.
    pub bound: Bound,
    /// The counter's end: from this second on the counter counts as absent; the latest end of
    /// several demands holds. A window and leases end earlier, when nothing taken counts any more.
    /// A demand whose end has come already is not met, because the store would not remember the
    /// count.
    pub expires_at: UnixTime,
    /// The most live counters in the partition when this counter begins; [`u64::MAX`] for any
    /// number. A counter that exists is never refused for the number of counters.
    pub room: u64,
}

/// A bound on a count, as the store understands a limit. Each number is 1 to 1,000,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At most this many, ever.
    Total(u64),
    /// At most this many in any stretch of time of this length in milliseconds, which is 1,000 to
    /// 2,678,400,000 (31 days).
    ///
    /// Time is divided into parts of a sixtieth ([`WINDOW_PARTS`]) of the length, counted from the
    /// epoch; an amount taken in a part counts until the whole length has passed since the part's
    /// end.
    Window(u64, u64),
    /// At most this many at once: the holder has a lease of this many milliseconds, unless the
    /// lease is renewed or given back.
    Concurrent(u64, Holder, u64),
}

/// The holder of a concurrent lease: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder(pub [u8; 16]);

/// Milliseconds since 1970-01-01T00:00:00Z, by the clock of the calling program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

/// The outcome of demands: all of them met, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeResult {
    /// All demands are met: one of each was taken. Holds the number left of each, in the order of
    /// the demands.
    All(Vec<u64>),
    /// Nothing was taken, because a demand could not be met.
    Not {
        /// The index of the first demand, in their order, with nothing left.
        demand: usize,
        /// Milliseconds after which the demand may be met; `None` for leases, whose end is unknown,
        /// and for totals, which never refill.
        retry_after: Option<u64>,
    },
}

/// A partition that a call changes, with the bounds for the call.
#[derive(Clone, Debug)]
pub struct BoundedPartition {
    /// The partition.
    pub partition: Partition,
    /// The most rows after the call.
    pub rows: RowLimits,
}

/// The most rows after a call that adds rows. A row is an entry or a counter in the store; an ended
/// row counts until the store has removed the row.
///
/// A call that adds no row is never refused for the number of rows.
#[derive(Clone, Debug)]
pub struct RowLimits {
    /// The most rows of the partition.
    pub partition: u64,
    /// The most rows of the whole store.
    pub total: u64,
    /// The rows that must still fit into both after the call.
    pub spare: u64,
    /// The allowance from which further rows are taken, if a payer is charged for the rows.
    pub allowance: Option<Arc<RowAllowance>>,
}

impl RowLimits {
    /// No bound: for rows that the operator writes, such as revocations.
    pub const UNBOUNDED: Self =
        Self { partition: u64::MAX, total: u64::MAX, spare: 0, allowance: None };

    /// Checks that `added` rows fit beside the rows already held, and takes `added` from the
    /// allowance: `state-store.md` section 4.
    ///
    /// # Errors
    /// [`FullScope`]: the part of the store that has no room.
    pub fn admit(&self, added: u64, held: &RowCount) -> Result<(), FullScope> {
        let needed = added.saturating_add(self.spare);
        if needed == 0 {
            return Ok(());
        }
        if held.partition.saturating_add(needed) > self.partition {
            return Err(FullScope::Partition);
        }
        if held.total.saturating_add(needed) > self.total {
            return Err(FullScope::Store);
        }
        let Some(allowance) = &self.allowance else { return Ok(()) };
        if allowance.left() >= needed && allowance.take(added) {
            Ok(())
        } else {
            Err(FullScope::Allowance)
        }
    }
}

/// The number of rows held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCount {
    /// The rows of a single partition.
    pub partition: u64,
    /// The rows of the whole store.
    pub total: u64,
}

/// The number of rows that a payer may still add. Shared by all calls of the payer, so each call
/// takes its rows in an atomic step.
#[derive(Debug)]
pub struct RowAllowance(AtomicU64);

impl RowAllowance {
    /// Makes an allowance of this many rows.
    #[must_use]
    pub fn new(rows: u64) -> Self {
        Self(AtomicU64::new(rows))
    }

    /// The rows left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes this many rows, or none. Returns true if the rows were taken.
    #[must_use]
    pub fn take(&self, rows: u64) -> bool {
        self.0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(rows))
            .is_ok()
    }

    /// Takes this many rows, or as many as are left: for rows that were added already.
    pub fn spend(&self, rows: u64) {
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |left| left.saturating_sub(rows));
    }

    /// Gives this many rows back, up to `most` in all.
    pub fn restore(&self, rows: u64, most: u64) {
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.saturating_add(rows).min(most)
        });
    }
}

/// The full part of the store, where a further row finds no room.
///
/// Exhaustive on purpose: other crates respond to each kind in its own way, and do not compile
/// before a new kind has its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FullScope {
    /// The partition has reached its number of rows.
    #[error("the owner has as many rows in the state store as one owner may have")]
    Partition,
    /// The store has reached its number of rows.
    #[error("the state store holds as many rows as it may")]
    Store,
    /// The partition has reached its number of counters, and another counter would begin.
    #[error("the owner has as many limits that count something as one owner may have")]
    Counters,
    /// The payer has added as many rows as allowed for now.
    #[error("this address has added as many rows to the state store as one address may for now")]
    Allowance,
}

/// The reasons why a store did not do a call.
///
/// Exhaustive on purpose: other crates respond to each kind in its own way, and do not compile
/// before a new kind has its response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room for a further row. Nothing was changed.
    #[error(transparent)]
    Full(#[from] FullScope),
    /// The store cannot be reached, or its medium failed. The change may or may not have been made,
    /// and is never made twice.
    #[error("the state store is not available: {0}")]
    Unavailable(String),
    /// The store holds a row that cannot be understood.
    #[error("the state store holds what this version does not understand: {0}")]
    Corrupt(String),
    /// A name or a value is longer than allowed.
    #[error("a name or a value is too long for the state store")]
    TooLong,
}

/// The result of a store's call, to be awaited.
pub type StoreFuture<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// A store of state: `state-store.md`. Each call is an atomic step; a change by
/// [`apply`](Self::apply), [`take`](Self::take) or [`give_back`](Self::give_back) that has returned
/// survives the end of the process, however the process ends.
///
/// A future that is dropped may or may not have had its effect. The calling program supplies all
/// times; a partition that is called with an earlier time than in the latest call that changed the
/// partition uses the later time.
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Returns the live entries of these names, in their order.
    fn read(
        &self,
        partition: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>>;

    /// Returns all live entries whose name begins with these bytes, in the order of their names, at
    /// most `most`.
    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>>;

    /// Makes all changes, if all conditions hold and the rows fit. Returns true if the changes were
    /// made.
    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool>;

    /// Takes one of each demand, or nothing.
    fn take_within(
        &self,
        target: BoundedPartition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult>;

    /// Calls [`apply_within`](Self::apply_within) with [no bound](RowLimits::UNBOUNDED).
    fn apply(
        &self,
        partition: Partition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        self.apply_within(
            BoundedPartition { partition, rows: RowLimits::UNBOUNDED },
            conditions,
            changes,
            now,
        )
    }

    /// Calls [`take_within`](Self::take_within) with [no bound](RowLimits::UNBOUNDED).
    fn take(
        &self,
        partition: Partition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        self.take_within(BoundedPartition { partition, rows: RowLimits::UNBOUNDED }, demands, now)
    }

    /// Extends a lease to `lease` milliseconds from now. Returns true if the lease was still held.
    fn renew(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
        lease: u64,
        now: UnixMillis,
    ) -> StoreFuture<'_, bool>;

    /// Ends a lease.
    fn give_back(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
    ) -> StoreFuture<'_, ()>;

    /// Copies the rows of one moment, with a note beside them, into a new file at this path. Calls
    /// of the store go on meanwhile. A store that is no file refuses.
    fn copy_to(&self, to: PathBuf, note: Vec<u8>) -> StoreFuture<'_, ()> {
        drop((to, note));
        let why = "it is no file that could be copied".to_owned();
        Box::pin(std::future::ready(Err(StoreError::Unavailable(why))))
    }

    /// Checks that the store can be reached: for a health check, and for the start.
    fn ping(&self) -> StoreFuture<'_, ()>;
}
