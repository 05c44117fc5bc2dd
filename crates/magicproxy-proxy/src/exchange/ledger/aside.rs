//! Work on bytes beside the event loop: parsing a long text takes milliseconds, during which an
//! event loop serves nobody.
//!
//! A few threads work for all clients. A waiting client's exchange holds the bytes and pays for
//! them (`admission::Resource::BufferedBytes`), so the queue is bounded by the shares of memory.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;

use crate::rejection::Rejection;

/// The most bytes parsed in place, which takes less than a tenth of a millisecond or so.
const SHORT_BYTES: usize = 16 * 1024;

/// Number of jobs at a time: half the cores.
static SLOTS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    Arc::new(Semaphore::new(
        std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
    ))
});

/// Runs a job on so many bytes: in place if few, else on another thread in turn.
pub(crate) async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Rejection> {
    if bytes <= SHORT_BYTES {
        return Ok(work());
    }
    let slot = Arc::clone(&SLOTS).acquire_owned().await.map_err(|_| Rejection::Internal)?;
    // The slot is given back when the work is done, not when a client leaves without waiting.
    let working = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    working.await.map_err(|_| Rejection::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event loop of one thread: what is long is not worked on there.
    #[tokio::test]
    async fn what_is_long_is_worked_on_beside_the_event_loop() {
        let here = || std::thread::current().id();
        assert_eq!(work(SHORT_BYTES, here).await.unwrap(), here());
        assert_ne!(work(SHORT_BYTES + 1, here).await.unwrap(), here());
    }

    /// However many ask, a few threads work, each in its turn.
    #[tokio::test]
    async fn a_few_work_at_a_time() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = Vec::new();
        for _ in 0..32 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            tasks.push(tokio::spawn(work(SHORT_BYTES + 1, move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            })));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let slots = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        assert!((1..=slots).contains(&most.load(Ordering::SeqCst)));
    }
}
