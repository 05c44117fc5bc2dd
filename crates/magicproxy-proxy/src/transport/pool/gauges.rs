//! Numbers of a pool's connections, for the metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Pool;
use crate::metrics::{Gauges, Samples, families};
use crate::transport::connection::SharedConnection;

/// A connection that is being made, counted until dropped.
#[derive(Debug)]
pub(super) struct DialCount(Arc<Pool>);

impl DialCount {
    pub(super) fn begin(pool: &Arc<Pool>) -> Self {
        pool.dialing.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(pool))
    }
}

impl Drop for DialCount {
    fn drop(&mut self) {
        self.0.dialing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    /// Counts a new connection by HTTP/2.
    pub(in crate::transport) fn note_http2_begin(&self) {
        self.http2.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection by HTTP/2 that has ended.
    pub(in crate::transport) fn note_http2_end(&self) {
        self.http2.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gauges for Pool {
    fn sample(&self, samples: &mut Samples) {
        let (open, idle, shared, waiting) = {
            let state = self.state();
            let idle = state.idle.iter().map(Vec::len).sum::<usize>();
            let shared = state.shared.iter().map(SharedConnection::streams);
            let shared = shared.filter(|streams| streams.idle_since().is_some()).count();
            (state.open, idle, shared, state.queue.len())
        };
        let (dialing, http2) =
            (self.dialing.load(Ordering::Relaxed), self.http2.load(Ordering::Relaxed));
        let http1 = open.saturating_sub(dialing + http2);
        let upstream = self.metrics.name();
        let mut add = |protocol, state, number: usize| {
            let labels = [("upstream", upstream), ("protocol", protocol), ("state", state)];
            samples.add(&families::UPSTREAM_CONNECTIONS, &labels, number as f64);
        };
        add("", "connecting", dialing);
        add("1.1", "idle", idle);
        add("1.1", "in_use", http1.saturating_sub(idle));
        add("2", "idle", shared);
        add("2", "in_use", http2.saturating_sub(shared));
        samples.add(&families::UPSTREAM_WAITING, &[("upstream", upstream)], waiting as f64);
    }
}
