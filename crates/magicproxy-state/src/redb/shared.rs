//! The open file. All threads use the file, and the writing thread reopens the file after a failure
//! of the medium.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use ::redb::{Database, ReadableDatabase};
use magicproxy_core::state::{Partition, StoreError};

use super::file::{self, FileIdentity, OpenError, OpenedFile};
use super::lock::StoreLock;
use super::rows::{ROWS, RowReader, failed};
use crate::rows::ReadRows;

/// The database in the file, reopened after a failure, as redb demands.
pub(super) struct SharedDatabase {
    path: PathBuf,
    database: RwLock<Result<Database, StoreError>>,
    /// The file that was opened first, which alone is opened again.
    identity: FileIdentity,
    /// True since a write has failed, until a probe that needs room has succeeded.
    has_failed: AtomicBool,
    /// The lock beside the file; `None` where none could be made. Released after the file is closed.
    _lock: Option<StoreLock>,
}

impl SharedDatabase {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let OpenedFile { database, identity } = file::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            database: RwLock::new(Ok(database)),
            identity,
            has_failed: AtomicBool::new(false),
            _lock: lock,
        })
    }

    pub(super) fn identity(&self) -> FileIdentity {
        self.identity
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a step that reads the committed rows.
    pub(super) fn read<T>(
        &self,
        partition: Partition,
        step: impl FnOnce(&dyn ReadRows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|database| {
            let transaction = database.begin_read().map_err(failed)?;
            let table = transaction.open_table(ROWS).map_err(failed)?;
            step(&RowReader { table: &table, partition })
        })
    }

    /// Runs a step on the database. Waits only for [`reopen`](Self::reopen).
    pub(super) fn with<T>(
        &self,
        step: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &*self.database.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(database) => step(database),
            Err(error) => Err(error.clone()),
        }
    }

    /// True since a write has failed, until [`note_room`](Self::note_room).
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(super) fn note_failure(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    /// Notes that there is room again.
    pub(super) fn note_room(&self) {
        self.has_failed.store(false, Ordering::Release);
    }

    pub(super) fn is_open(&self) -> bool {
        self.with(|_| Ok(())).is_ok()
    }

    /// Closes the file, and opens the file again.
    pub(super) fn reopen(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        *database = Err(StoreError::Unavailable("it is being opened again".to_owned()));
        let opened = file::open_again(&self.path, self.identity);
        *database = opened.map(|opened| opened.database).map_err(StoreError::from);
        match &*database {
            Ok(_) => {
                tracing::warn!(name: "store_reopened", "the state store was opened again after a failure")
            }
            Err(error) => {
                tracing::error!(name: "store_not_reopened", "the state store cannot be opened again: {error}")
            }
        }
    }
}

/// Takes the lock beside the file. A folder in which no lock can be made is no reason not to open
/// the file, which has a lock of its own.
fn lock(path: &Path) -> Result<Option<StoreLock>, OpenError> {
    match StoreLock::take(path) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ OpenError::InUse(_)) => Err(error),
        Err(error) => {
            tracing::debug!(name: "store_not_locked", target: "magicproxy_state::redb::shared", "no lock was made beside the state store: {error}");
            Ok(None)
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
