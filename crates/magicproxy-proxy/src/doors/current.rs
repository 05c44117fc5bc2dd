//! The doors in use: those of the current configuration, which may be replaced while the proxy runs.
//!
//! A request takes the doors once, when its head was read, and keeps them to its end. While the
//! configuration stays, taking them costs an atomic load and a comparison: no lock, no allocation.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use magicproxy_core::UpstreamName;

use super::{Door, Doors, NextConfiguration};
use crate::downstream::listener::ListenerContext;
use crate::exchange::served::{RenewedUpstream, SetupError};

/// The doors of the current configuration.
#[derive(Debug)]
pub(crate) struct CurrentDoors {
    doors: RwLock<Arc<Doors>>,
    /// The number of the current doors.
    number: AtomicU64,
    /// Held while the doors are replaced: one replacement follows the other.
    replacing: Mutex<()>,
}

/// The effect of a change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplacementReport {
    /// The upstreams that are served now, in the order of the settings.
    pub upstreams: Vec<RenewedUpstream>,
    /// The names of the upstreams that are no longer served.
    pub removed: Vec<UpstreamName>,
}

/// The door of one connection's listener, as the connection has seen it last.
#[derive(Debug)]
pub(crate) struct ConnectionDoor {
    current: Arc<CurrentDoors>,
    listener: Arc<ListenerContext>,
    seen: RefCell<Arc<Door>>,
}

impl CurrentDoors {
    pub(crate) fn new(doors: Arc<Doors>) -> Arc<Self> {
        Arc::new(Self {
            number: AtomicU64::new(doors.number),
            doors: RwLock::new(doors),
            replacing: Mutex::default(),
        })
    }

    /// Returns the doors of the current configuration.
    pub(crate) fn get(&self) -> Arc<Doors> {
        Arc::clone(&self.doors.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the doors of the next configuration, and opens them in place of the current doors.
    /// Every request that begins after this function has returned goes through the new doors. Takes
    /// some milliseconds, and waits for another replacement.
    ///
    /// # Errors
    /// The next upstreams cannot be set up: nothing has changed.
    pub(crate) fn replace(&self, next: NextConfiguration) -> Result<ReplacementReport, SetupError> {
        let _one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.get();
        let after = before.followed_by(next)?;
        after.begin();
        {
            let mut doors = self.doors.write().unwrap_or_else(PoisonError::into_inner);
            *doors = Arc::clone(&after);
            // Within the lock: whoever sees the number finds the doors of this number, or later
            // ones.
            self.number.store(after.number, Ordering::SeqCst);
        }
        before.upstreams.retire_for(&after.upstreams);
        Ok(ReplacementReport {
            upstreams: after.upstreams.renewed_since(&before.upstreams),
            removed: after.upstreams.removed_since(&before.upstreams),
        })
    }
}

impl ConnectionDoor {
    pub(crate) fn new(current: Arc<CurrentDoors>, listener: Arc<ListenerContext>) -> Self {
        let seen = RefCell::new(current.door(&listener));
        Self { current, listener, seen }
    }

    /// Returns the door for a request that begins now.
    pub(crate) fn get(&self) -> Arc<Door> {
        let Ok(mut seen) = self.seen.try_borrow_mut() else {
            return self.current.door(&self.listener);
        };
        if seen.doors.number != self.current.number.load(Ordering::Acquire) {
            *seen = self.current.door(&self.listener);
        }
        Arc::clone(&seen)
    }
}

impl CurrentDoors {
    fn door(&self, listener: &ListenerContext) -> Arc<Door> {
        self.get().door(listener.number, &listener.entrance)
    }
}
