//! The threads: the first writes all waiting calls in a transaction; the second does the long
//! reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use ::redb::{Database, Durability};
use magicproxy_core::state::{Partition, StoreError};

use super::file::OpenError;
use super::rows::{Counts, WriteTables, failed};
use super::shared::SharedDatabase;
use crate::checked::GRACE_SECONDS;
use crate::rows::Rows;

/// The most calls that share a transaction.
const GROUP: usize = 512;
/// The most ended rows that are removed with each call.
const SWEPT: usize = 16;
/// The least time between a failure and the next opening of the file.
const REST: Duration = Duration::from_secs(1);

/// The message to the caller of the store, sent once the change is known to be on the disk or not.
pub(super) type DiskAnnouncement = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A change of rows. Without rows, the change only prepares the message to its caller.
pub(super) type RowChange = Box<dyn FnOnce(Option<&mut dyn Rows>) -> DiskAnnouncement + Send>;

/// A call that changes rows.
pub(super) struct WriteJob {
    pub(super) partition: Partition,
    /// The time of the call, for the sweep.
    pub(super) now: u64,
    pub(super) run: RowChange,
}

/// A call that only reads.
pub(super) type ReadJob = Box<dyn FnOnce(&SharedDatabase) + Send>;

pub(super) fn start(
    name: &str,
    path: &Path,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| OpenError::Io(path.to_owned(), error))
}

pub(super) fn read(shared: &SharedDatabase, reads: &Receiver<ReadJob>) {
    for read in reads {
        read(shared);
    }
}

pub(super) fn write(shared: &SharedDatabase, writes: &Receiver<WriteJob>) {
    let mut failed_at: Option<Instant> = None;
    let mut counts = Counts::default();
    while let Ok(first) = writes.recv() {
        let group = std::iter::once(first).chain(writes.try_iter()).take(GROUP).collect();
        if !shared.is_open() && failed_at.is_none_or(|at| at.elapsed() >= REST) {
            shared.reopen();
            failed_at = Some(Instant::now());
        }
        let done = write_group(shared, group, &mut counts);
        if done.is_err() {
            counts.forget();
            shared.note_failure();
        }
        if done.is_err() && shared.is_open() {
            // The contents of redb's memory are no longer the contents of the disk.
            shared.reopen();
            failed_at = Some(Instant::now());
        }
    }
}

/// Does all changes, or none; tells every caller.
fn write_group(
    shared: &SharedDatabase,
    group: Vec<WriteJob>,
    counts: &mut Counts,
) -> Result<(), StoreError> {
    let mut waiting = group.into_iter();
    let mut finishes = Vec::with_capacity(waiting.len());
    // A library that finds its file in pieces may panic; the proxy goes on, and this store is
    // opened again.
    let transacted = catch_unwind(AssertUnwindSafe(|| {
        shared.with(|database| transact(database, counts, &mut waiting, &mut finishes))
    }));
    let done = transacted
        .unwrap_or_else(|_| Err(StoreError::Unavailable("its library has panicked".to_owned())));
    if let Err(error) = &done {
        tracing::error!(name: "store_group_failed", calls = finishes.len() + waiting.len(), "the state store failed: {error}");
    }
    for finish in finishes.into_iter().chain(waiting.map(|write| (write.run)(None))) {
        finish(done.clone());
    }
    done
}

fn transact(
    database: &Database,
    counts: &mut Counts,
    group: &mut IntoIter<WriteJob>,
    finishes: &mut Vec<DiskAnnouncement>,
) -> Result<(), StoreError> {
    let mut transaction = database.begin_write().map_err(failed)?;
    transaction.set_durability(Durability::Immediate).map_err(failed)?;
    let mut writing = WriteTables::begin(&transaction, counts).map_err(failed)?;
    let latest = group.as_slice().iter().map(|write| write.now).max().unwrap_or(0);
    // Before the calls, which may need the room.
    writing.sweep(latest.saturating_sub(GRACE_SECONDS * 1000), SWEPT * group.len())?;
    for write in group {
        finishes.push((write.run)(Some(&mut writing.of(write.partition))));
    }
    let failure = writing.failure.take();
    drop(writing);
    match failure {
        Some(failure) => Err(failure),
        None => transaction.commit().map_err(failed),
    }
}
