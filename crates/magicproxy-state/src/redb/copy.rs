//! Copies of the file: made of a store at work, checked before they become a store.
//! `docs/spec/state-store.md` section 8.

use std::fs::{File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ::redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata as _, TableDefinition,
};
use magicproxy_core::state::StoreError;

use super::file::{self, CACHE, META, OpenError, SCHEMA, VERSION};
use super::rows::{self, ENDS, ROWS, failed};
use super::shared::SharedDatabase;

/// The table of a copy that no store has: notes of whoever made the copy.
const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("magicproxy-backup");
const NOTE: &str = "note";

/// A copy of a store, found whole. Its file is nobody else's: a damaged one may be changed by being
/// opened.
#[derive(Debug)]
pub struct StoreCopy {
    path: PathBuf,
    database: Database,
    note: Vec<u8>,
    rows: u64,
}

/// Copies the rows of one moment into a new file, mode 0600, with a note beside them. Calls of the
/// store go on meanwhile. Nothing is overwritten; what is not finished is removed.
pub(super) fn copy(shared: &SharedDatabase, to: &Path, note: &[u8]) -> Result<(), StoreError> {
    // Outside of `with`: its lock would hold up whoever opens the file again.
    let from = shared.with(|database| database.begin_read().map_err(failed))?;
    let file = file::create(to)
        .map_err(|error| StoreError::Unavailable(format!("`{}`: {error}", to.display())))?;
    let written = write(&from, to, file, Some(note));
    written.inspect_err(|_| drop(std::fs::remove_file(to)))
}

impl StoreCopy {
    /// Opens a copy, and checks the file, its form, and each row.
    ///
    /// # Errors
    /// [`OpenError`], if the file is no whole copy of a store of this version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let strange = |why: &str| OpenError::NotAStore(path.to_owned(), why.to_owned());
        // A library that finds its file in pieces may panic.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_whole(path)));
        opened.unwrap_or_else(|_| Err(strange("the file is damaged")))
    }

    fn open_whole(path: &Path) -> Result<Self, OpenError> {
        let strange = |why: &str| OpenError::NotAStore(path.to_owned(), why.to_owned());
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|error| file::of_io(path, error))?;
        // redb would make a database of it.
        if file.metadata().map_err(|error| file::of_io(path, error))?.len() == 0 {
            return Err(strange("the file is empty"));
        }
        let mut database = file::database(path, file)?;
        match database.check_integrity() {
            Ok(true) => {}
            Ok(false) => return Err(strange("the file is damaged")),
            Err(error) => return Err(file::of_redb(path, error.into())),
        }
        file::check_schema(path, &database)?;
        let checked = (|| -> Result<(Vec<u8>, u64), StoreError> {
            let transaction = database.begin_read().map_err(failed)?;
            let notes = transaction.open_table(NOTES).map_err(failed)?;
            let note = notes.get(NOTE).map_err(failed)?.map(|note| note.value().to_vec());
            let note = note.ok_or_else(|| StoreError::Corrupt("it has no note".to_owned()))?;
            Ok((note, check_rows(&transaction)?))
        })();
        let (note, rows) = checked.map_err(|error| strange(&error.to_string()))?;
        Ok(Self { path: path.to_owned(), database, note, rows })
    }

    /// Returns the note of whoever made the copy.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes a store of the copy, in a new file of mode 0600. Returns a handle on the file.
    ///
    /// # Errors
    /// [`OpenError`], if the file exists, or cannot be written.
    pub fn make_store(&self, to: &Path) -> Result<File, OpenError> {
        let of_store =
            |error: StoreError| OpenError::NotAStore(self.path.clone(), error.to_string());
        let from = self.database.begin_read().map_err(|error| of_store(failed(error)))?;
        let file = file::create(to).map_err(|error| file::of_io(to, error))?;
        let handle = file.try_clone().map_err(|error| file::of_io(to, error))?;
        let written = write(&from, to, file, None).map_err(of_store);
        written.inspect_err(|_| drop(std::fs::remove_file(to)))?;
        file::sync_folder(to).map_err(|error| file::of_io(to, error))?;
        Ok(handle)
    }
}

fn write(
    from: &ReadTransaction,
    to: &Path,
    file: File,
    note: Option<&[u8]>,
) -> Result<(), StoreError> {
    let backend = ::redb::backends::FileBackend::new(file).map_err(failed)?;
    let database = Builder::new().set_cache_size(CACHE).create_with_backend(backend);
    let database = database.map_err(|error| StoreError::from(file::of_redb(to, error.into())))?;
    let mut transaction = database.begin_write().map_err(failed)?;
    transaction.set_durability(Durability::Immediate).map_err(failed)?;
    {
        let mut meta = transaction.open_table(META).map_err(failed)?;
        meta.insert(SCHEMA, VERSION).map_err(failed)?;
        let mut rows = transaction.open_table(ROWS).map_err(failed)?;
        for row in from.open_table(ROWS).map_err(failed)?.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            rows.insert(key.value(), value.value()).map_err(failed)?;
        }
        let mut ends = transaction.open_table(ENDS).map_err(failed)?;
        for end in from.open_table(ENDS).map_err(failed)?.iter().map_err(failed)? {
            ends.insert(end.map_err(failed)?.0.value(), ()).map_err(failed)?;
        }
        if let Some(note) = note {
            let mut notes = transaction.open_table(NOTES).map_err(failed)?;
            notes.insert(NOTE, note).map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)
}

/// Checks that each row has a partition and an end, and its one name among the ends. Returns the
/// number of rows.
fn check_rows(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    let strange = |why: &str| StoreError::Corrupt(why.to_owned());
    let table = transaction.open_table(ROWS).map_err(failed)?;
    let ends = transaction.open_table(ENDS).map_err(failed)?;
    let mut count = 0;
    for row in table.iter().map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        let end = rows::end_of(key.value(), value.value())?;
        if ends.get(end.as_slice()).map_err(failed)?.is_none() {
            return Err(strange("the end of a row is missing"));
        }
        count += 1;
    }
    if ends.len().map_err(failed)? == count {
        Ok(count)
    } else {
        Err(strange("an end without its row"))
    }
}
