//! Task that closes idle connections in time, without a request that passes by.
//!
//! One task for each origin sleeps until the next connection is due. The task ends when no
//! connection is idle, and is started again by the next connection that becomes idle.

use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::runtime::Handle;

use super::Pool;

impl Pool {
    /// Starts the task that closes idle connections. To be called only after
    /// `State::begin_watch` returned true.
    pub(super) fn watch_idle(self: &Arc<Self>) {
        // Without a runtime, at the end of the process, everything is about to be closed.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes the connections that are due, and returns the time at which the next connection is
    /// due.
    fn close_due(self: &Arc<Self>) -> Option<Instant> {
        let (due, next) = {
            let mut state = self.state();
            let mut due = Vec::new();
            let next = state.take_due(self.bounds.keep, &mut due);
            state.is_watched = next.is_some();
            (due, next)
        };
        if !due.is_empty() {
            tracing::debug!(name: "idle_connections_closed", target: "magicproxy::upstream", host = self.origin, connections = due.len(), "idle connections are closed");
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
