//! Workers: the threads that serve connections, by their numbers.

use std::fmt;

/// The number of a worker, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerId(usize);

impl WorkerId {
    pub(crate) fn new(number: usize) -> Self {
        Self(number)
    }

    /// Returns the worker's own shelf out of `shelves`, which may be fewer than the workers.
    pub(crate) fn shelf_of(self, shelves: usize) -> usize {
        self.0 % shelves.max(1)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
