//! Sockets to all upstreams together: in use, idle, and being connected.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Pool;
use crate::metrics::{Metrics, UpstreamMetrics};

/// Counter of the sockets to all upstreams, with the limit `limits.upstream_connections`. Shared by
/// all pools. Idle sockets give way where another origin needs a socket.
#[derive(Debug)]
pub(crate) struct Sockets {
    total: AtomicUsize,
    open: AtomicUsize,
    /// True if a request got no socket, so that the next idle socket is to be closed.
    are_wanted: AtomicBool,
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl Sockets {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            total: AtomicUsize::new(total),
            open: AtomicUsize::new(0),
            are_wanted: AtomicBool::new(false),
            pools: Mutex::default(),
        })
    }

    /// Adds a pool, whose idle sockets may be closed for other pools from now on.
    pub(super) fn register(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        // Pools of earlier settings go away with their last connection.
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Changes the limit. Sockets beyond a lower limit stay open, and no other is opened before
    /// enough are closed; a higher limit serves requests that wait.
    pub(crate) fn change_total(&self, total: usize) {
        let before = self.total.swap(total, Ordering::AcqRel);
        if before < total {
            for pool in self.pools() {
                pool.dispatch();
            }
        }
    }

    /// Counts one more socket. At the limit, returns false, and the next idle socket is closed.
    pub(super) fn take(&self) -> bool {
        let total = self.total.load(Ordering::Acquire);
        let more = |open: usize| (open < total).then_some(open + 1);
        let taken = self.open.try_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
        if !taken {
            self.are_wanted.store(true, Ordering::SeqCst);
        }
        taken
    }

    /// True if an idle socket is to be closed, because a request got none. Asking withdraws the
    /// call, so that only one socket is closed for it.
    pub(super) fn call_one_in(&self) -> bool {
        self.are_wanted.load(Ordering::SeqCst) && self.are_wanted.swap(false, Ordering::SeqCst)
    }

    /// Closes an idle socket, of any origin, if a socket is called for.
    pub(super) fn make_room(&self) {
        if !self.are_wanted.load(Ordering::SeqCst) {
            return;
        }
        for pool in self.pools() {
            if let Some(idle) = pool.evict() {
                self.are_wanted.store(false, Ordering::SeqCst);
                return drop(idle);
            }
        }
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

/// The sockets shared by all upstreams, with the metrics of one upstream.
#[derive(Clone, Debug)]
pub(crate) struct CountedSockets {
    pub(super) sockets: Arc<Sockets>,
    process: Arc<Metrics>,
    pub(crate) metrics: Arc<UpstreamMetrics>,
}

impl CountedSockets {
    /// Takes the sockets for the upstream of this name.
    pub(crate) fn of(sockets: &Arc<Sockets>, process: &Arc<Metrics>, upstream: &str) -> Self {
        let metrics = process.upstream(upstream);
        Self { sockets: Arc::clone(sockets), process: Arc::clone(process), metrics }
    }

    /// Lets the metrics look at the pool's connections.
    pub(super) fn watch(&self, pool: &Arc<Pool>) {
        self.process.watch(pool);
    }

    /// Makes sockets whose metrics nobody reads.
    #[cfg(test)]
    pub(in crate::transport) fn unread(total: usize) -> Self {
        Self::of(&Sockets::new(total), &Arc::default(), "test")
    }
}

/// Socket to an upstream, from before the connection is made until the connection is closed.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Pool that the socket counts for.
    pub(super) pool: Arc<Pool>,
}

impl Socket {
    /// Counts bytes that were read.
    pub(in crate::transport) fn note_read(&self, bytes: usize) {
        self.pool.metrics.traffic().received(bytes);
    }

    /// Counts bytes that were written.
    pub(in crate::transport) fn note_written(&self, bytes: usize) {
        self.pool.metrics.traffic().sent(bytes);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let sockets = &self.pool.sockets;
        self.pool.forget_socket();
        sockets.open.fetch_sub(1, Ordering::AcqRel);
        for pool in sockets.pools() {
            pool.dispatch();
        }
    }
}
