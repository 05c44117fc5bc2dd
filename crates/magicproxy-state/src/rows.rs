//! What memory and the file have in common: a partition is rows under names, each with its end.

use std::ops::ControlFlow;

use magicproxy_core::state::{RowCount, StoreError};

/// What stands under a name, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The millisecond from which on it is as if it had never been.
    pub(crate) end: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Sees a row: its name, its end, its bytes.
pub(crate) type Visit<'v> = dyn FnMut(&[u8], u64, &[u8]) -> ControlFlow<()> + 'v;

/// The rows of one partition, to read. Ended ones may or may not be there.
pub(crate) trait ReadRows {
    fn get(&self, name: &[u8]) -> Result<Option<Row>, StoreError>;

    /// Shows the rows whose name begins so, in the order of their names, until told to stop.
    fn scan(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

/// The rows of one partition, to change.
pub(crate) trait Rows: ReadRows {
    /// How many rows the store keeps. The row of a partition's time counts in the total alone.
    fn count(&mut self) -> Result<RowCount, StoreError>;

    fn put(&mut self, name: &[u8], row: Row) -> Result<(), StoreError>;

    fn remove(&mut self, name: &[u8]) -> Result<(), StoreError>;
}
