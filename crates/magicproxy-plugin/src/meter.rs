//! The time that a guest has run: the time of its thread while the guest was polled. Waiting for
//! the store, for other requests of the worker or for other programs on the machine is not counted,
//! so a verdict does not depend on them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A meter of the time that a call runs.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// The time in nanoseconds, as of the end of the last poll.
    spent: AtomicU64,
    /// The thread's time at the beginning of the present poll; 0 while the call is not polled.
    entered: AtomicU64,
}

impl Meter {
    /// The time that the call has run, the present poll included.
    pub(crate) fn spent(&self) -> Duration {
        let entered = self.entered.load(Ordering::Relaxed);
        let stretch = if entered == 0 { 0 } else { thread_time().saturating_sub(entered) };
        Duration::from_nanos(self.spent.load(Ordering::Relaxed).saturating_add(stretch))
    }

    /// Runs a call under this meter.
    pub(crate) async fn measure<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.entered.store(thread_time().max(1), Ordering::Relaxed);
            let polled = call.as_mut().poll(context);
            let spent = self.spent();
            self.entered.store(0, Ordering::Relaxed);
            self.spent
                .store(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            polled
        })
        .await
    }
}

/// The time that this thread has run, in nanoseconds.
#[cfg(unix)]
fn thread_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) =
        (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The time since the first call: without a clock of the thread's own, all time counts.
#[cfg(not(unix))]
fn thread_time() -> u64 {
    static ORIGIN: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    u64::try_from(ORIGIN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
