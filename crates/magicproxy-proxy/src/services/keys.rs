//! The key ring of a running proxy, which can be replaced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use magicproxy_core::{KeyRing, UnixTime};

use crate::clock;
use crate::metrics::{Gauges, Samples, families};

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

impl Gauges for SharedKeys {
    fn sample(&self, samples: &mut Samples) {
        let (ring, now) = (self.current(), clock::now());
        let mut count = |purpose, state, number: usize| {
            let labels = [("use", purpose), ("state", state)];
            samples.add(&families::KEYS, &labels, number as f64);
        };
        count("signing", "active", 1);
        count("signing", "retired", ring.keys().count().saturating_sub(1));
        let active = ring.sealing().iter().filter(|key| key.is_active(now)).count();
        count("sealing", "active", active);
        count("sealing", "retired", ring.sealing().len() - active);
        let active = ring.key_set().iter().filter(|key| key.lifetime().retired.is_none()).count();
        count("key_set", "active", active);
        count("key_set", "retired", ring.key_set().len() - active);
        let sealing = ring.sealing().iter().filter(|key| key.is_active(now));
        let sealing = sealing.filter_map(|key| key.lifetime().created).max();
        let key_set = ring.key_set().iter().map(|key| key.lifetime());
        let key_set =
            key_set.filter(|lifetime| lifetime.retired.is_none()).filter_map(|it| it.created).max();
        let owner = ring.owner_secret().and_then(|secret| secret.created());
        for (purpose, created) in [("sealing", sealing), ("key_set", key_set), ("owner", owner)] {
            if let Some(UnixTime(created)) = created {
                let age = now.0.saturating_sub(created) as f64;
                samples.add(&families::KEY_AGE, &[("use", purpose)], age);
            }
        }
    }
}
