//! Flushes of a connection towards a client: everything handed to the HTTP library before a flush
//! is with the system.
//!
//! The HTTP library drops bytes that are not written yet when the content of a response fails: over
//! HTTP/1.1 with the connection, over HTTP/2 with the stream. A failure therefore waits for the
//! flush of everything before, the response's head above all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// The flushes of one connection.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// The number of flushes. Only the connection's own task writes the number.
    count: AtomicU64,
    is_awaited: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

/// A point in time between two flushes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FlushPoint(u64);

impl Flushes {
    /// Notes that everything handed over is with the system.
    pub(super) fn note(&self) {
        self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Release);
        if self.is_awaited.load(Ordering::Acquire) {
            self.wake();
        }
    }

    pub(super) fn now(&self) -> FlushPoint {
        FlushPoint(self.count.load(Ordering::Acquire))
    }

    /// Ready when a flush has followed this point.
    pub(super) fn poll_since(&self, then: FlushPoint, context: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.now().0 != then.0 {
            return Poll::Ready(());
        }
        self.is_awaited.store(true, Ordering::Release);
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn wake(&self) {
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_awaited.store(false, Ordering::Release);
            std::mem::take(&mut *waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
