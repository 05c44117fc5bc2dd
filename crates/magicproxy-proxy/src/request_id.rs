//! Ids of requests.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The id of a request, in the request's log line and rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestId {
    /// Returns a new id. The first id of a process is random; each further id is a step on, so that
    /// every number is reached once.
    pub(crate) fn next() -> Self {
        static START: LazyLock<u64> = LazyLock::new(|| {
            let mut bytes = [0; 8];
            // Without randomness ids begin at zero: an id is no secret anyway.
            let _ = aws_lc_rs::rand::fill(&mut bytes);
            u64::from_ne_bytes(bytes)
        });
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // An odd step visits every number once.
        Self(START.wrapping_add(
            COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        ))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}
