//! Common ground of memory and the file: a partition is rows under names, each with its end.

use std::ops::ControlFlow;

use magicproxy_core::state::{RowCount, StoreError};

/// A row: an entry, a counter, or the partition's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The millisecond from which on the row counts as absent.
    pub(crate) end: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A visitor of rows: receives name, end and bytes.
pub(crate) type RowVisitor<'v> = dyn FnMut(&[u8], u64, &[u8]) -> ControlFlow<()> + 'v;

/// The rows of a single partition, to read. Ended rows may or may not be present.
pub(crate) trait ReadRows {
    fn get(&self, name: &[u8]) -> Result<Option<Row>, StoreError>;

    /// Visits the rows whose name begins with `prefix`, in the order of their names, until told to
    /// stop.
    fn scan(&self, prefix: &[u8], visit: &mut RowVisitor<'_>) -> Result<(), StoreError>;
}

/// The rows of a single partition, to change.
pub(crate) trait Rows: ReadRows {
    /// Counts the rows in the store. The row of a partition's time counts in the total alone.
    fn count(&mut self) -> Result<RowCount, StoreError>;

    fn put(&mut self, name: &[u8], row: Row) -> Result<(), StoreError>;

    fn remove(&mut self, name: &[u8]) -> Result<(), StoreError>;
}
