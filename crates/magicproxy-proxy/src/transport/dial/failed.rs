//! Addresses that failed lately.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{FAILED_FOR, MOST_ADDRESSES};

/// The addresses of one name that failed lately, in the order in which they did; of more than [`MOST_ADDRESSES`], the latest.
#[derive(Debug, Default)]
pub(super) struct FailedAddresses(Mutex<Vec<(IpAddr, Instant)>>);

impl FailedAddresses {
    /// It failed now.
    pub(super) fn note(&self, address: SocketAddr) {
        let mut failed = self.lock();
        failed.retain(|(known, at)| *known != address.ip() && at.elapsed() < FAILED_FOR);
        if failed.len() >= MOST_ADDRESSES {
            failed.remove(0);
        }
        failed.push((address.ip(), Instant::now()));
    }

    /// It works.
    pub(super) fn forget(&self, address: SocketAddr) {
        self.lock().retain(|(known, _)| *known != address.ip());
    }

    /// The addresses, those that failed lately behind the others, the longest ago first.
    pub(super) fn last(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let failed = self.lock();
        let when = |address: &SocketAddr| {
            let lately = failed
                .iter()
                .find(|(known, at)| *known == address.ip() && at.elapsed() < FAILED_FOR);
            lately.map(|(_, at)| *at)
        };
        // A stable order: `None` comes before every time.
        addresses.sort_by_key(when);
        addresses
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(IpAddr, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
