//! Rows in redb's tables. A table holds the rows of all partitions; another holds their names by
//! their ends, for the sweep.
//!
//! INVARIANT: for each row there is exactly one name in `ENDS`, at the row's end.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ::redb::{
    ReadableTable, ReadableTableMetadata as _, StorageError, Table, TableDefinition, TableError,
    WriteTransaction,
};
use magicproxy_core::state::{Partition, RowCount, StoreError};

use crate::rows::{ReadRows, Row, RowVisitor, Rows};
use crate::steps::TIME;

/// Partition and name, to end (8 bytes, big-endian) and bytes.
pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// End (8 bytes, big-endian), partition and name.
pub(super) const ENDS: TableDefinition<'_, &[u8], ()> = TableDefinition::new("ends");

const END: usize = 8;

/// The most partitions whose number of rows is remembered; beyond this number all are forgotten.
const MAX_COUNTED: usize = 65_536;

/// The numbers of rows of partitions, as far as counted: the writing thread alone changes the file,
/// so its counts stay up to date. Forgotten when a transaction fails.
#[derive(Default)]
pub(super) struct Counts(HashMap<Partition, u64>);

impl Counts {
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn note(&mut self, partition: Partition, count: u64) {
        if self.0.len() >= MAX_COUNTED {
            self.forget();
        }
        self.0.insert(partition, count);
    }

    /// Notes a row more or less; the row of a partition's time is not counted.
    fn change(&mut self, key: &[u8], change: i64) {
        let Some((partition, name)) = key.split_first_chunk::<32>() else { return };
        if name == TIME {
            return;
        }
        if let Some(count) = self.0.get_mut(&Partition::from_bytes(*partition)) {
            *count = count.saturating_add_signed(change);
        }
    }
}

pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), TableError> {
    transaction.open_table(ROWS)?;
    transaction.open_table(ENDS)?;
    Ok(())
}

/// The rows of a partition, in any table that can be read.
pub(super) struct RowReader<'t, T> {
    pub(super) table: &'t T,
    pub(super) partition: Partition,
}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> ReadRows for RowReader<'_, T> {
    fn get(&self, name: &[u8]) -> Result<Option<Row>, StoreError> {
        get(self.table, &key(self.partition, name))
    }

    fn scan(&self, prefix: &[u8], visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        let prefix = key(self.partition, prefix);
        for found in self.table.range(prefix.as_slice()..).map_err(failed)? {
            let (key, value) = found.map_err(failed)?;
            if !key.value().starts_with(&prefix) {
                break;
            }
            let name = key.value().get(self.partition.as_bytes().len()..).unwrap_or_default();
            let (end, bytes) = split(value.value())?;
            if visit(name, end, bytes).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The tables of a transaction that writes.
pub(super) struct WriteTables<'t> {
    rows: Table<'t, &'static [u8], &'static [u8]>,
    ends: Table<'t, &'static [u8], ()>,
    counts: &'t mut Counts,
    /// A failure of the medium: nothing of this transaction may be committed.
    pub(super) failure: Option<StoreError>,
}

impl<'t> WriteTables<'t> {
    pub(super) fn begin(
        transaction: &'t WriteTransaction,
        counts: &'t mut Counts,
    ) -> Result<Self, TableError> {
        let (rows, ends) = (transaction.open_table(ROWS)?, transaction.open_table(ENDS)?);
        Ok(Self { rows, ends, counts, failure: None })
    }

    pub(super) fn of(&mut self, partition: Partition) -> RowWriter<'_, 't> {
        RowWriter { writing: self, partition }
    }

    /// Removes at most `most` rows that ended before this time.
    pub(super) fn sweep(&mut self, before: u64, most: usize) -> Result<(), StoreError> {
        let swept = self.sweep_tables(before, most);
        self.noting(swept)
    }

    fn sweep_tables(&mut self, before: u64, most: usize) -> Result<(), StorageError> {
        let ended = self.ends.range(..before.to_be_bytes().as_slice())?.take(most);
        let keys: Vec<Vec<u8>> = ended
            .map(|found| Ok(found?.0.value().to_vec()))
            .collect::<Result<_, StorageError>>()?;
        for key in keys {
            self.ends.remove(key.as_slice())?;
            let key = key.get(END..).unwrap_or_default();
            self.rows.remove(key)?;
            self.counts.change(key, -1);
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], old: Option<u64>, row: &Row) -> Result<(), StorageError> {
        if old.is_none() {
            self.counts.change(key, 1);
        }
        self.rows
            .insert(key, [row.end.to_be_bytes().as_slice(), &row.bytes].concat().as_slice())?;
        if old != Some(row.end) {
            if let Some(old) = old {
                self.ends.remove(end_key(old, key).as_slice())?;
            }
            self.ends.insert(end_key(row.end, key).as_slice(), ())?;
        }
        Ok(())
    }

    fn remove(&mut self, key: &[u8], old: u64) -> Result<(), StorageError> {
        self.counts.change(key, -1);
        self.rows.remove(key)?;
        self.ends.remove(end_key(old, key).as_slice())?;
        Ok(())
    }

    /// Remembers a failure of the medium.
    fn noting<T>(&mut self, done: Result<T, StorageError>) -> Result<T, StoreError> {
        done.map_err(|error| {
            let error = failed(error);
            self.failure = Some(error.clone());
            error
        })
    }
}

/// The rows of a partition, to change.
pub(super) struct RowWriter<'w, 't> {
    writing: &'w mut WriteTables<'t>,
    partition: Partition,
}

impl ReadRows for RowWriter<'_, '_> {
    fn get(&self, name: &[u8]) -> Result<Option<Row>, StoreError> {
        RowReader { table: &self.writing.rows, partition: self.partition }.get(name)
    }

    fn scan(&self, prefix: &[u8], visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        RowReader { table: &self.writing.rows, partition: self.partition }.scan(prefix, visit)
    }
}

impl RowWriter<'_, '_> {
    fn counted(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        self.scan(&[], &mut |name, _, _| {
            count += u64::from(name != TIME);
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }
}

impl Rows for RowWriter<'_, '_> {
    fn count(&mut self) -> Result<RowCount, StoreError> {
        let partition = match self.writing.counts.0.get(&self.partition) {
            Some(count) => *count,
            None => {
                let count = self.counted()?;
                self.writing.counts.note(self.partition, count);
                count
            }
        };
        let total = self.writing.rows.len();
        Ok(RowCount { partition, total: self.writing.noting(total)? })
    }

    fn put(&mut self, name: &[u8], row: Row) -> Result<(), StoreError> {
        let old = self.get(name)?.map(|old| old.end);
        let done = self.writing.put(&key(self.partition, name), old, &row);
        self.writing.noting(done)
    }

    fn remove(&mut self, name: &[u8]) -> Result<(), StoreError> {
        let Some(old) = self.get(name)? else { return Ok(()) };
        let done = self.writing.remove(&key(self.partition, name), old.end);
        self.writing.noting(done)
    }
}

fn get<T: ReadableTable<&'static [u8], &'static [u8]>>(
    table: &T,
    key: &[u8],
) -> Result<Option<Row>, StoreError> {
    let Some(value) = table.get(key).map_err(failed)? else { return Ok(None) };
    let (end, bytes) = split(value.value())?;
    Ok(Some(Row { end, bytes: bytes.to_vec() }))
}

/// Returns the name of a row among the ends.
///
/// # Errors
/// [`StoreError::Corrupt`], if the key has no partition, or the value no end.
pub(super) fn end_of(key: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
    let has_partition = key.split_first_chunk::<32>().is_some();
    let partition = || StoreError::Corrupt("a row has no partition".to_owned());
    let (end, _) = split(value)?;
    if has_partition { Ok(end_key(end, key)) } else { Err(partition()) }
}

fn split(value: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (end, bytes) = value
        .split_first_chunk::<END>()
        .ok_or_else(|| StoreError::Corrupt("a row has no end".to_owned()))?;
    Ok((u64::from_be_bytes(*end), bytes))
}

fn key(partition: Partition, name: &[u8]) -> Vec<u8> {
    [partition.as_bytes().as_slice(), name].concat()
}

fn end_key(end: u64, key: &[u8]) -> Vec<u8> {
    [end.to_be_bytes().as_slice(), key].concat()
}

/// Returns the error of a failed medium, or of a broken file.
pub(super) fn failed(error: impl Into<::redb::Error>) -> StoreError {
    match error.into() {
        ::redb::Error::Corrupted(why) => StoreError::Corrupt(why),
        other => StoreError::Unavailable(other.to_string()),
    }
}
