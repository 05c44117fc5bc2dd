//! Notes of the watches that keep keys, certificates and revocations fresh, for whoever asks how
//! fresh they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The latest looks at a source: written by its watch, read by the admin listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Freshness(Arc<Mutex<FreshnessNotes>>);

/// The moments of the latest looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct FreshnessNotes {
    /// The latest look that found the source as it should be.
    pub(crate) good: Option<Instant>,
    /// The latest look of any outcome.
    pub(crate) latest: Option<Instant>,
    /// The fault that the latest look found. What was read before is in use.
    pub(crate) fault: Option<String>,
    /// Something to be seen to, though the source could be read.
    pub(crate) warning: Option<String>,
}

impl Freshness {
    /// Notes a look that began at `then` and found the source as it should be.
    pub(crate) fn note_good(&self, then: Instant) {
        self.note_readable(then, None);
    }

    /// Notes a look that began at `then` and could read the source, and what is to be seen to.
    pub(crate) fn note_readable(&self, then: Instant, warning: Option<String>) {
        *self.looks() =
            FreshnessNotes { good: Some(then), latest: Some(then), fault: None, warning };
    }

    /// Notes a look that began at `then`, and the fault that it found.
    pub(crate) fn note_fault(&self, then: Instant, fault: String) {
        let mut looks = self.looks();
        looks.latest = Some(then);
        looks.fault = Some(fault);
    }

    /// Returns the notes.
    pub(crate) fn noted(&self) -> FreshnessNotes {
        self.looks().clone()
    }

    fn looks(&self) -> MutexGuard<'_, FreshnessNotes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
