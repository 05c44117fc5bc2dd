//! The errors of wasmtime, turned into failures of a plugin. Specification: `plugin.md` section 5.

use wasmtime::Trap;

use crate::failure::CallFailure;
use crate::journal::{Journal, one_line};

/// The longest cause in a message, in bytes.
const CAUSE_BYTES: usize = 512;

impl CallFailure {
    /// Returns the meaning of wasmtime's error, given the record of the call.
    pub(crate) fn of(error: &wasmtime::Error, fuel: u64, journal: &Journal) -> Self {
        if let Some(own) = error.downcast_ref::<Self>() {
            return own.clone();
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::OutOfFuel(fuel),
            Some(Trap::StackOverflow) => Self::StackOverflow,
            _ => journal
                .refused_memory()
                .map_or_else(|| Self::Trapped(innermost(error)), Self::OutOfMemory),
        }
    }
}

/// Returns the cause that says what happened; the outer causes say where.
pub(crate) fn innermost(error: &wasmtime::Error) -> String {
    one_line(&error.root_cause().to_string(), CAUSE_BYTES)
}
