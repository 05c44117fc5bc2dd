//! Addresses that failed lately.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{FAILED_FOR, MOST_ADDRESSES};

/// Addresses of one name that failed lately, in the order of failing; at most the latest
/// [`MOST_ADDRESSES`].
#[derive(Debug, Default)]
pub(super) struct FailedAddresses(Mutex<Vec<(IpAddr, Instant)>>);

impl FailedAddresses {
    /// Notes that the address failed now.
    pub(super) fn note(&self, address: SocketAddr) {
        let mut failed = self.lock();
        failed.retain(|(known, at)| *known != address.ip() && at.elapsed() < FAILED_FOR);
        if failed.len() >= MOST_ADDRESSES {
            failed.remove(0);
        }
        failed.push((address.ip(), Instant::now()));
    }

    /// Forgets the address, which works.
    pub(super) fn forget(&self, address: SocketAddr) {
        self.lock().retain(|(known, _)| *known != address.ip());
    }

    /// Sorts the addresses: recently failed addresses go behind the others, the longest ago first.
    pub(super) fn last(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let failed = self.lock();
        let when = |address: &SocketAddr| {
            let lately = failed
                .iter()
                .find(|(known, at)| *known == address.ip() && at.elapsed() < FAILED_FOR);
            lately.map(|(_, at)| *at)
        };
        // The sort is stable: `None` comes before every time.
        addresses.sort_by_key(when);
        addresses
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(IpAddr, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
