//! The key ring of a running proxy, which can be replaced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use magicproxy_core::KeyRing;

/// The key ring of a server, shared by all users of keys. The watcher of the key files replaces the
/// ring; tokens that were verified with an older ring are verified again.
#[derive(Debug)]
pub struct SharedKeys {
    ring: RwLock<Arc<KeyRing>>,
    generation: AtomicU64,
}

impl SharedKeys {
    /// Makes a shared ring with `ring` as the first.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), generation: AtomicU64::new(0) }
    }

    /// Returns the current ring.
    #[must_use]
    pub fn current(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the ring.
    pub fn replace(&self, ring: KeyRing) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Returns a number that changes with the ring. To be read before the ring, so that a result of
    /// an old ring never looks new.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}
