//! Quotas that change while the proxy runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::settings::Quota;

/// A quota that a change of the configuration replaces. Parts that are held beyond a lower quota
/// stay held; nothing more is given before enough was given back.
///
/// The four numbers change one after the other. A reader in between sees some old and some new
/// numbers, each of which bounds by itself.
#[derive(Debug)]
pub(crate) struct SharedQuota {
    total: AtomicUsize,
    per_owner: AtomicUsize,
    per_peer: AtomicUsize,
    reserved: AtomicUsize,
}

impl SharedQuota {
    pub(crate) fn new(quota: Quota) -> Self {
        let Quota { total, per_owner, per_peer, reserved } = quota;
        Self {
            total: total.into(),
            per_owner: per_owner.into(),
            per_peer: per_peer.into(),
            reserved: reserved.into(),
        }
    }

    pub(crate) fn current(&self) -> Quota {
        Quota {
            total: self.total.load(Ordering::Relaxed),
            per_owner: self.per_owner.load(Ordering::Relaxed),
            per_peer: self.per_peer.load(Ordering::Relaxed),
            reserved: self.reserved.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn change(&self, quota: Quota) {
        let Quota { total, per_owner, per_peer, reserved } = quota;
        self.total.store(total, Ordering::Relaxed);
        self.per_owner.store(per_owner, Ordering::Relaxed);
        self.per_peer.store(per_peer, Ordering::Relaxed);
        self.reserved.store(reserved, Ordering::Relaxed);
    }
}
