//! Workers: the threads that serve connections, by their numbers.

/// The number of a worker, from 0 on.
pub(crate) type WorkerId = usize;
