//! How long a guest has run: only while it is polled, so waiting for the store or for the worker costs it nothing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts the time that one call runs.
#[derive(Debug)]
pub(crate) struct Meter {
    origin: Instant,
    spent: AtomicU64,
    entered: AtomicU64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), spent: AtomicU64::new(0), entered: AtomicU64::new(0) }
    }

    /// How long it has run; asked from within, the current stretch included.
    pub(crate) fn spent(&self) -> Duration {
        let entered = self.entered.load(Ordering::Relaxed);
        let stretch = if entered == 0 { 0 } else { self.elapsed().saturating_sub(entered) };
        Duration::from_nanos(self.spent.load(Ordering::Relaxed).saturating_add(stretch))
    }

    /// Runs a call under this meter.
    pub(crate) async fn measure<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.entered.store(self.elapsed().max(1), Ordering::Relaxed);
            let polled = call.as_mut().poll(context);
            let spent = self.spent();
            self.entered.store(0, Ordering::Relaxed);
            self.spent.store(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            polled
        })
        .await
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
