//! The store in a single file (redb): the default of a single proxy.
//!
//! A single thread writes, and puts all waiting calls into a transaction, so that many calls cost a
//! single `fsync`. Short reads run on the calling thread: they see the last commit without waiting
//! for a lock or, in all likelihood, for the disk. Long reads have a thread.

mod copy;
mod file;
mod lock;
mod rows;
mod shared;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, MAX_ENTRY_VALUE_BYTES, Partition,
    StateStore, StoreError, StoreFuture, TakeResult, UnixMillis,
};
use tokio::sync::oneshot;

use crate::checked::{clock, demands, millis, names, step};
use crate::rows::{ReadRows, Rows};
use crate::steps::{self, StepTerms};

pub use copy::StoreCopy;
pub use file::{FileIdentity, OpenError};
pub use lock::StoreLock;
use shared::SharedDatabase;
use worker::{DiskAnnouncement, ReadJob, RowChange, WriteJob};

/// The number of rows that a probe for room writes, each of the largest size.
const PROBE_ROWS: u8 = 4;
/// The most names that are looked up on the calling thread.
const SHORT: usize = 64;

/// A store in a single file, for a single process: `state-store.md` section 5. Dropping the store
/// waits for the calls already begun, and releases the file.
pub struct RedbStore {
    shared: Arc<SharedDatabase>,
    writer: Option<mpsc::Sender<WriteJob>>,
    reader: Option<mpsc::Sender<ReadJob>>,
    threads: Vec<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens the file, or makes the file with mode 0600; its folder must exist.
    ///
    /// # Errors
    /// If the file cannot be opened for writing, is open elsewhere, or is no store of this version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let shared = Arc::new(SharedDatabase::open(path)?);
        let (writer, writes) = mpsc::channel();
        let (reader, reads) = mpsc::channel();
        let threads = vec![
            worker::start("state-writer", path, {
                let shared = Arc::clone(&shared);
                move || worker::write(&shared, &writes)
            })?,
            worker::start("state-reader", path, {
                let shared = Arc::clone(&shared);
                move || worker::read(&shared, &reads)
            })?,
        ];
        Ok(Self { shared, writer: Some(writer), reader: Some(reader), threads })
    }

    /// Returns the file that the store works on, whatever its name is now.
    #[must_use]
    pub fn file_identity(&self) -> FileIdentity {
        self.shared.identity()
    }

    /// Runs the step in the writing thread; the future is ready once the change is on the disk.
    fn write<T: Send + 'static>(
        &self,
        partition: Partition,
        now: u64,
        step: impl FnOnce(&mut dyn Rows) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let run: RowChange = Box::new(move |rows| -> DiskAnnouncement {
            let done = rows.map_or_else(|| Err(stopped()), step);
            // The caller of the store may have gone.
            Box::new(move |committed| drop(sender.send(committed.and(done))))
        });
        let write = WriteJob { partition, now, run };
        let sent = self.writer.as_ref().is_some_and(|writer| writer.send(write).is_ok());
        Box::pin(async move {
            if sent { receiver.await.unwrap_or_else(|_| Err(stopped())) } else { Err(stopped()) }
        })
    }

    fn read_elsewhere<T: Send + 'static>(
        &self,
        partition: Partition,
        step: impl FnOnce(&dyn ReadRows) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let run: ReadJob = Box::new(move |shared: &SharedDatabase| {
            drop(sender.send(shared.read(partition, step)))
        });
        let sent = self.reader.as_ref().is_some_and(|reader| reader.send(run).is_ok());
        Box::pin(async move {
            if sent { receiver.await.unwrap_or_else(|_| Err(stopped())) } else { Err(stopped()) }
        })
    }
}

impl RedbStore {
    /// Writes rows that need further room, as a request's may, and removes them: a full disk lets a
    /// write of nothing pass. Rows that are left by the end of the process have ended already.
    async fn probe_room(&self) -> Result<(), StoreError> {
        let (partition, first) = (Partition::of(&[b"readiness"]), UnixTime(0));
        let names = || (0..PROBE_ROWS).map(|number| vec![number]);
        let put = |name| {
            let value = vec![0; MAX_ENTRY_VALUE_BYTES];
            Change::Put(name, Entry { value, expires_at: UnixTime(1) })
        };
        self.apply(partition, Vec::new(), names().map(put).collect(), first).await?;
        let removed = names().map(Change::Remove).collect();
        self.apply(partition, Vec::new(), removed, first).await.map(drop)
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its thread has stopped".to_owned())
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.writer = None;
        self.reader = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to do either.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedbStore")
            .field("path", &self.shared.path())
            .finish_non_exhaustive()
    }
}

impl StateStore for RedbStore {
    fn read(
        &self,
        partition: Partition,
        wanted: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        if let Err(error) = names(&wanted) {
            return Box::pin(async move { Err(error) });
        }
        let now = millis(now);
        if wanted.len() > SHORT {
            return self.read_elsewhere(partition, move |rows| steps::read(rows, &wanted, now));
        }
        Box::pin(async move { self.shared.read(partition, |rows| steps::read(rows, &wanted, now)) })
    }

    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        self.read_elsewhere(partition, move |rows| {
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
        self.write(target.partition, millis(now), move |rows| {
            step(&conditions, &changes)?;
            steps::apply(
                rows,
                &conditions,
                &changes,
                &StepTerms { now: millis(now), limits: &target.rows },
            )
        })
    }

    fn take_within(
        &self,
        target: BoundedPartition,
        wanted: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        self.write(target.partition, clock(now), move |rows| {
            demands(&wanted)?;
            steps::take(rows, &wanted, &StepTerms { now: clock(now), limits: &target.rows })
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
        self.write(partition, clock(now), move |rows| {
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
        self.write(partition, 0, move |rows| {
            names([&counter])?;
            steps::give_back(rows, &counter, holder)
        })
    }

    fn copy_to(&self, to: PathBuf, note: Vec<u8>) -> StoreFuture<'_, ()> {
        let (sender, receiver) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        // A thread of its own: the reader's queue is not to wait for a whole file.
        let started = worker::start("state-copy", self.shared.path(), move || {
            drop(sender.send(copy::copy(&shared, &to, &note)));
        });
        Box::pin(async move {
            started?;
            receiver.await.unwrap_or_else(|_| Err(stopped()))
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        // Through both threads, and the disk.
        Box::pin(async move {
            self.read_elsewhere(Partition::of(&[]), |_| Ok(())).await?;
            self.write(Partition::of(&[]), 0, |_| Ok(())).await?;
            if self.shared.has_failed() {
                self.probe_room().await?;
                self.shared.note_room();
            }
            Ok(())
        })
    }
}
