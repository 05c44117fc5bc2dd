//! What a guest may take, counted over all parts of its component. Specification: `plugin.md` section 4.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::journal::Journal;

/// Core instances of a component.
pub(crate) const INSTANCES: u32 = 32;
/// Memories of a component.
pub(crate) const MEMORIES: u32 = 2;
/// Tables of a component.
pub(crate) const TABLES: u32 = 16;
/// Elements of all its tables.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// Bytes that it may hand to the host in one call.
pub(crate) const BYTES_TO_HOST: usize = 128 * 1024;
/// The longest reason, in bytes.
pub(crate) const REASON_BYTES: usize = 512;

/// Counts what a guest takes.
#[derive(Debug)]
pub(crate) struct Bounds {
    memory: usize,
    memory_left: usize,
    elements_left: usize,
    journal: Arc<Journal>,
}

impl Bounds {
    pub(crate) fn new(memory: usize, journal: Arc<Journal>) -> Self {
        Self { memory, memory_left: memory, elements_left: TABLE_ELEMENTS, journal }
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = take(&mut self.memory_left, current, desired);
        if !granted {
            self.journal.memory_refused(self.memory);
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(take(&mut self.elements_left, current, desired))
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

/// What was granted and then could not be had is not given back: the guest can only have less than it may.
fn take(left: &mut usize, current: usize, desired: usize) -> bool {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}
