//! The key ring in use: one that a running proxy can change for another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use magicproxy_core::KeyRing;

/// The key ring of a server. Whoever watches the key files replaces it; what was verified with an older ring is verified again.
#[derive(Debug)]
pub struct SharedKeys {
    ring: RwLock<Arc<KeyRing>>,
    generation: AtomicU64,
}

impl SharedKeys {
    /// Begins with this ring.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), generation: AtomicU64::new(0) }
    }

    /// The ring as it is now.
    #[must_use]
    pub fn current(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another ring in its place.
    pub fn replace(&self, ring: KeyRing) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Changes whenever the ring does. To be read before the ring, so that what is made with an old one never looks new.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}
