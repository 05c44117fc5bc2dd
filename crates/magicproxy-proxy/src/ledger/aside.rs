//! Work on somebody's bytes beside the event loop: parsing what is long takes milliseconds, in which a loop serves nobody.
//!
//! A few threads do it, whoever asks; who waits holds the bytes, and pays for them (`admission::Resource::BufferedBytes`), so the
//! queue is as long as the shares of memory let it be.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;

use crate::rejection::Rejection;
use crate::verifier;

/// What is no longer is parsed where it is: that takes less than a tenth of a millisecond or so.
const SHORT_BYTES: usize = 16 * 1024;

/// So many at a time.
static SLOTS: LazyLock<Arc<Semaphore>> = LazyLock::new(verifier::slots);

/// Works on so many bytes: here where they are few, else on another thread in its turn.
pub(crate) async fn work<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Rejection> {
    if bytes <= SHORT_BYTES {
        return Ok(work());
    }
    let slot = Arc::clone(&SLOTS).acquire_owned().await.map_err(|_| Rejection::Internal)?;
    verifier::work(slot, work).await
}
