//! State: what a stateless proxy cannot know. Owners, and the contract that every store keeps. Specification: `state.md`.
//!
//! A store holds *partitions*, each of which belongs to somebody or something: an owner, the items of one list, the
//! revocations. A partition maps names to entries that end by themselves. What entries mean is no affair of the store;
//! what is asked of it is that one call is one atomic, durable step. This module does no I/O: it says what a store does.

use std::fmt;
use std::future::Future;
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
/// Into how many parts a window is divided; a part that is partly past still counts whole.
pub const WINDOW_PARTS: u64 = 60;

/// 32 bytes that stand for whatever a part of the store belongs to: a digest, so nothing can be read from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition([u8; 32]);

impl Partition {
    /// The partition of these parts: a name of its kind, and what tells it from others of that kind.
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

    /// The partition that was written down by its [bytes](Self::as_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits, as the partition is shown.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        from_hex(digits).map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one step: it stands in each line of the access log.
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

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whatever its writer means by it; at most [`MAX_ENTRY_VALUE_BYTES`].
    pub value: Vec<u8>,
    /// From this second on it is as if it had never been.
    pub expires_at: UnixTime,
}

/// What must be so for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no live entry of this name.
    Absent(Vec<u8>),
    /// The live entry of this name has this value.
    Equals(Vec<u8>, Vec<u8>),
    /// At most so many live entries have a name that begins with these bytes, before the change.
    AtMost(Vec<u8>, usize),
    /// At most so many live entries have a value that begins with these bytes, before the change.
    AtMostValued(Vec<u8>, usize),
}

/// One change of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The entry stands under this name, whatever stood there.
    Put(Vec<u8>, Entry),
    /// Nothing stands under this name.
    Remove(Vec<u8>),
}

/// One thing that is counted, and how much of it there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The name of the counter in its partition. Counters and entries do not share names, whatever they are called; nor do
    /// counters of different kinds, or of windows of different lengths.
    pub counter: Vec<u8>,
    /// What it may come to.
    pub bound: Bound,
    /// From this second on the counter is as if it had never been; the latest of several demands counts. A window and leases end
    /// before, when nothing of them counts any more. A demand for which this has come already is not met: nobody would remember that it was.
    pub expires_at: UnixTime,
    /// How many live counters the partition may hold when this one begins; [`u64::MAX`] for any number. One that is there already
    /// is not refused for their number.
    pub room: u64,
}

/// How much there may be. Each number is 1 to 1,000,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// So many, ever.
    Total(u64),
    /// So many in any stretch of time of this length in milliseconds, which is 1,000 to 2,678,400,000 (31 days).
    ///
    /// Time is divided into parts of a sixtieth ([`WINDOW_PARTS`]) of the length, counted from the epoch; what was taken in
    /// a part counts until the whole length has passed since the part's end.
    Window(u64, u64),
    /// So many at once: this holder has a lease of so many milliseconds, unless it is renewed or given back.
    Concurrent(u64, Holder, u64),
}

/// Who holds one of a number of concurrent leases: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder(pub [u8; 16]);

/// Milliseconds since 1970-01-01T00:00:00Z, as the client's clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

/// What became of demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeResult {
    /// One of each was taken; how many are left of each, in their order.
    All(Vec<u64>),
    /// Nothing was taken, for want of this one.
    Not {
        /// The first demand, in their order, of which there was none left.
        demand: usize,
        /// After how many milliseconds there may be one; unknown for leases, never for totals.
        retry_after: Option<u64>,
    },
}

/// A partition that a call changes, with the bounds that the call keeps to.
#[derive(Clone, Debug)]
pub struct BoundedPartition {
    /// The partition.
    pub partition: Partition,
    /// How many rows there may be when the call is done.
    pub rows: RowLimits,
}

/// How many rows there may be after a call that adds some. A row is an entry or a counter that the store keeps; one that has
/// ended counts until the store has removed it.
///
/// A call that adds no row is never refused for their number.
#[derive(Clone, Debug)]
pub struct RowLimits {
    /// Rows of the partition.
    pub partition: u64,
    /// Rows of the whole store.
    pub total: u64,
    /// Rows that must still fit into both when the call is done.
    pub spare: u64,
    /// The allowance from which further rows are taken, where somebody pays for them.
    pub allowance: Option<Arc<RowAllowance>>,
}

impl RowLimits {
    /// No bound: for what the operator writes, such as revocations.
    pub const UNBOUNDED: Self =
        Self { partition: u64::MAX, total: u64::MAX, spare: 0, allowance: None };

    /// Checks that `added` rows fit beside those that are there, and takes them from the allowance.
    ///
    /// # Errors
    /// [`FullScope`].
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

/// How many rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCount {
    /// In one partition.
    pub partition: u64,
    /// In the whole store.
    pub total: u64,
}

/// How many rows somebody may still add.
#[derive(Debug)]
pub struct RowAllowance(AtomicU64);

impl RowAllowance {
    /// So many rows.
    #[must_use]
    pub fn new(rows: u64) -> Self {
        Self(AtomicU64::new(rows))
    }

    /// How many are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes so many, or none.
    #[must_use]
    pub fn take(&self, rows: u64) -> bool {
        self.0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(rows))
            .is_ok()
    }

    /// Takes so many, or as many as are left: they were added already.
    pub fn spend(&self, rows: u64) {
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |left| left.saturating_sub(rows));
    }

    /// Gives so many back, up to this many in all.
    pub fn restore(&self, rows: u64, most: u64) {
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.saturating_add(rows).min(most)
        });
    }
}

/// What is full, of what a further row would need.
///
/// Exhaustive on purpose: other crates answer each kind in its own way, and do not compile before a new one has its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FullScope {
    /// The partition holds as many rows as it may.
    #[error("the owner has as many rows in the state store as one owner may have")]
    Partition,
    /// The store holds as many rows as it may.
    #[error("the state store holds as many rows as it may")]
    Store,
    /// The partition holds as many counters as it may when another one begins.
    #[error("the owner has as many limits that count something as one owner may have")]
    Counters,
    /// Whoever pays has added as many rows as it may for now.
    #[error("this address has added as many rows to the state store as one address may for now")]
    Allowance,
}

/// Why a store did not do what it was asked.
///
/// Exhaustive on purpose: other crates answer each kind in its own way, and do not compile before a new one has its response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room for a further row. Nothing was changed.
    #[error(transparent)]
    Full(#[from] FullScope),
    /// It cannot be reached, or its medium failed. Whether the change was made is not known.
    #[error("the state store is not available: {0}")]
    Unavailable(String),
    /// What it holds cannot be understood.
    #[error("the state store holds what this version does not understand: {0}")]
    Corrupt(String),
    /// A name or a value is longer than it may be.
    #[error("a name or a value is too long for the state store")]
    TooLong,
}

/// What a store's call gives.
pub type StoreFuture<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// A store. Each call is one atomic step; what [`apply`](Self::apply), [`take`](Self::take) and
/// [`give_back`](Self::give_back) changed survives the end of the process, however it ends, once they have returned.
///
/// A future that is dropped may or may not have had its effect. Times are the caller's; a partition that is asked with an
/// earlier time than that of the latest call that changed it answers as if the later one had been given.
pub trait StateStore: fmt::Debug + Send + Sync {
    /// The live entries of these names, in their order.
    fn read(
        &self,
        partition: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>>;

    /// All live entries whose name begins with these bytes, in the order of their names, at most so many.
    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>>;

    /// Makes all changes, if all conditions hold and there is room; says whether it did.
    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool>;

    /// Takes one of each, or nothing.
    fn take_within(
        &self,
        target: BoundedPartition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult>;

    /// [`apply_within`](Self::apply_within) [no bound](RowLimits::UNBOUNDED).
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

    /// [`take_within`](Self::take_within) [no bound](RowLimits::UNBOUNDED).
    fn take(
        &self,
        partition: Partition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        self.take_within(BoundedPartition { partition, rows: RowLimits::UNBOUNDED }, demands, now)
    }

    /// Makes a lease last so many milliseconds from now; says whether it was still held.
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

    /// Is it there? For a health check, and for the start.
    fn ping(&self) -> StoreFuture<'_, ()>;
}
