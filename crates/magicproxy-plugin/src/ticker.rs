//! The thread that interrupts running guests: once a millisecond while any run, never while none
//! runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// The time between two interruptions.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// The number of ticks without a call after which the thread sleeps.
const IDLE_TICKS: u32 = 50;

/// The handle of the thread, which ticks while calls run.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<TickerState>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct TickerState {
    running: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(TickerState::default());
        let ticked = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("plugin-ticker".to_owned())
            .spawn(move || tick(&engine, &ticked))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// Marks a call as running, until the returned guard is dropped.
    pub(crate) fn running(&self) -> RunningCall<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        RunningCall(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A guard of a running call.
#[derive(Debug)]
pub(crate) struct RunningCall<'t>(&'t TickerState);

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &Engine, shared: &TickerState) {
    let mut idle = 0;
    while !shared.ended.load(Ordering::SeqCst) {
        let busy = shared.running.load(Ordering::SeqCst) > 0;
        idle = if busy { 0 } else { idle + 1 };
        if idle > IDLE_TICKS {
            sleep(shared);
            idle = 0;
        }
        thread::sleep(TICK);
        engine.increment_epoch();
    }
}

/// Sleeps until a call runs.
///
/// INVARIANT: `asleep` is set before `running` is read, and `running` is raised before `asleep` is
/// read; so either this thread sees the call, or the call sees that this thread must be woken.
fn sleep(shared: &TickerState) {
    shared.asleep.store(true, Ordering::SeqCst);
    if shared.running.load(Ordering::SeqCst) == 0 && !shared.ended.load(Ordering::SeqCst) {
        thread::park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}
