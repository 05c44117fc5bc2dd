//! Bounds on the resources of a guest, counted over all parts of its component. Specification:
//! `plugin.md` section 4.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::journal::Journal;

/// The most core instances of a component.
pub(crate) const INSTANCES: u32 = 32;
/// The most memories of a component.
pub(crate) const MEMORIES: u32 = 2;
/// The most tables of a component.
pub(crate) const TABLES: u32 = 16;
/// The most elements of all tables of a component.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// The most bytes that a guest may hand to the host in a call.
pub(crate) const BYTES_TO_HOST: usize = 128 * 1024;
/// The longest reason, in bytes.
pub(crate) const REASON_BYTES: usize = 512;

/// A count of the resources that a guest has taken.
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

    /// Returns the number of bytes by which the guest's memories may still grow.
    pub(crate) fn memory_left(&self) -> usize {
        self.memory_left
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

/// Takes growth from the rest. A grant that could not be used in the end is not given back: the
/// guest can only have less than allowed.
fn take(left: &mut usize, current: usize, desired: usize) -> bool {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}
