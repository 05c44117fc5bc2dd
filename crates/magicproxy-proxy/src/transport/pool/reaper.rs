//! Closes idle connections when their time is over, without a request that passes by.
//!
//! One task for each origin, which sleeps until the next connection is due. It ends when none is idle, and is begun again by
//! the next one that is.

use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::runtime::Handle;

use super::Pool;

impl Pool {
    /// Closes in time what is idle. To be called by whoever noted that this is done.
    pub(super) fn watch_idle(self: &Arc<Self>) {
        // Without a runtime, at the end of the process, everything is about to be closed.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes what is due, and tells when that will be so of the next one.
    fn close_due(self: &Arc<Self>) -> Option<Instant> {
        let (due, next) = {
            let mut state = self.state();
            let mut due = Vec::new();
            let next = state.take_due(self.bounds.keep, &mut due);
            state.is_watched = next.is_some();
            (due, next)
        };
        if !due.is_empty() {
            tracing::debug!(target: "magicproxy::upstream", origin = self.origin, connections = due.len(), "idle connections are closed");
        }
        drop(due);
        next
    }
}

async fn watch(pool: Weak<Pool>) {
    loop {
        let Some(next) = pool.upgrade().and_then(|pool| pool.close_due()) else { return };
        tokio::time::sleep_until(next.into()).await;
    }
}
