//! Work on somebody's bytes beside the event loop: parsing what is long takes milliseconds, in which a loop serves nobody.
//!
//! A few threads do it, whoever asks; who waits holds the bytes, and pays for them (`admission::Resource::BufferedBytes`), so the
//! queue is as long as the shares of memory let it be.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;

use crate::rejection::Rejection;

/// What is no longer is parsed where it is: that takes less than a tenth of a millisecond or so.
const SHORT_BYTES: usize = 16 * 1024;

/// So many at a time.
static SLOTS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    Arc::new(Semaphore::new(
        std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
    ))
});

/// Works on so many bytes: here where they are few, else on another thread in its turn.
pub(crate) async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Rejection> {
    if bytes <= SHORT_BYTES {
        return Ok(work());
    }
    let slot = Arc::clone(&SLOTS).acquire_owned().await.map_err(|_| Rejection::Internal)?;
    // The slot is given back when the work is done, and not when a client leaves who does not wait for it.
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
