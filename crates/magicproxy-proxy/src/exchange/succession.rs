//! The configuration in force, as requests of earlier configurations find it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::served::Upstreams;

/// The upstreams in force; shared by all configurations of a proxy.
#[derive(Debug, Default)]
struct Succession {
    /// The number of the configuration in force.
    number: AtomicU64,
    /// The upstreams in force; none before the first change. Weak, because the upstreams have
    /// gates, which know the succession.
    current: Mutex<Weak<Upstreams>>,
}

/// A configuration's place in the succession of configurations.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct Generation {
    number: u64,
    succession: Arc<Succession>,
}

impl Generation {
    /// Makes the place before the first configuration, whose number is 0 and which is in force from
    /// its making on.
    pub(in crate::exchange) fn before_the_first() -> Self {
        Self { number: u64::MAX, succession: Arc::default() }
    }

    /// Returns the place of the configuration that follows.
    pub(in crate::exchange) fn next(&self) -> Self {
        Self { number: self.number.wrapping_add(1), succession: Arc::clone(&self.succession) }
    }

    /// Notes that these upstreams are in force from now on; their place is this one.
    pub(in crate::exchange) fn begin(&self, upstreams: &Arc<Upstreams>) {
        let Succession { number, current } = &*self.succession;
        *current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(upstreams);
        // After the upstreams: whoever sees the number finds these upstreams, or later ones.
        number.store(self.number, Ordering::Release);
    }

    /// True if another configuration is in force.
    pub(in crate::exchange) fn is_replaced(&self) -> bool {
        self.succession.number.load(Ordering::Acquire) != self.number
    }

    /// Returns the upstreams in force, once the configuration was replaced.
    pub(in crate::exchange) fn current(&self) -> Option<Arc<Upstreams>> {
        self.succession.current.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}
