//! Limits on rows of the state store: the rows of an owner, and the rows that a peer may add with
//! tokens that anyone can mint.
//!
//! The store tells owners apart, not peers. The rows added by a peer are therefore counted in this
//! process alone, and forgotten at the end of the process. The limit on all rows still holds then,
//! and such tokens never get the reserve.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use magicproxy_core::state::{RowAllowance, RowLimits};

use super::{Account, LEAST_SWEPT, MinterTrust, Payer, SharedQuota};
use crate::settings::Quota;

/// The time in which a used-up allowance of a peer is whole again.
const PERIOD: Duration = Duration::from_secs(24 * 60 * 60);
/// The most peers with an allowance of their own; all further peers share one allowance.
const MAX_PEERS: usize = 65_536;

/// The allowances of peers.
#[derive(Debug)]
pub(super) struct RowAccounts {
    quota: SharedQuota,
    peers: Mutex<Peers>,
}

#[derive(Debug)]
struct Peers {
    /// Allowances by the address of the peer's account in memory. The entry keeps the account, so
    /// that the address stays taken.
    kept: HashMap<usize, PeerRows>,
    sweep_at: usize,
    others: PeerRows,
}

#[derive(Debug)]
struct PeerRows {
    _account: Arc<Account>,
    allowance: Arc<RowAllowance>,
    restored_at: Instant,
}

impl RowAccounts {
    pub(super) fn new(quota: Quota) -> Self {
        let others = PeerRows::new(Arc::default(), quota.per_peer as u64, Instant::now());
        Self {
            quota: SharedQuota::new(quota),
            peers: Mutex::new(Peers { kept: HashMap::new(), sweep_at: LEAST_SWEPT, others }),
        }
    }

    /// Changes the quota. An allowance that has more left than the new share is used up first.
    pub(super) fn change_quota(&self, quota: Quota) {
        self.quota.change(quota);
    }

    /// Returns the limits on rows at this payer's expense.
    pub(super) fn limits(&self, payer: &Payer, now: Instant) -> RowLimits {
        let Quota { total, per_owner, reserved, .. } = self.quota.current();
        let (total, allowance) = match payer.trust {
            MinterTrust::Known => (total, None),
            MinterTrust::Stranger => {
                (total.saturating_sub(reserved), Some(self.allowance(&payer.peer, now)))
            }
        };
        RowLimits { partition: per_owner as u64, total: total as u64, spare: 0, allowance }
    }

    fn allowance(&self, peer: &Arc<Account>, now: Instant) -> Arc<RowAllowance> {
        let share = self.quota.current().per_peer as u64;
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(peer).addr();
        if peers.kept.len() >= peers.sweep_at {
            peers.kept.retain(|_, kept| !kept.is_whole(share, now));
            peers.sweep_at = LEAST_SWEPT.max(2 * peers.kept.len()).min(MAX_PEERS);
        }
        let full = peers.kept.len() >= MAX_PEERS && !peers.kept.contains_key(&key);
        let kept = if full {
            &mut peers.others
        } else {
            peers.kept.entry(key).or_insert_with(|| PeerRows::new(Arc::clone(peer), share, now))
        };
        kept.restore(share, now);
        Arc::clone(&kept.allowance)
    }
}

impl PeerRows {
    fn new(account: Arc<Account>, share: u64, now: Instant) -> Self {
        Self { _account: account, allowance: Arc::new(RowAllowance::new(share)), restored_at: now }
    }

    /// Gives back the rows that the time since the last call is worth.
    fn restore(&mut self, share: u64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.restored_at).min(PERIOD);
        let rows = elapsed.as_millis() * u128::from(share) / PERIOD.as_millis();
        if let Some(rows) = u64::try_from(rows).ok().filter(|rows| *rows > 0) {
            self.allowance.restore(rows, share);
            // The time for a fraction of a row is kept for the next call.
            let worth = PERIOD.as_millis() * u128::from(rows) / u128::from(share.max(1));
            let worth = Duration::from_millis(u64::try_from(worth).unwrap_or(u64::MAX));
            self.restored_at = if elapsed == PERIOD { now } else { self.restored_at + worth };
        }
    }

    /// True if the allowance is whole, and nobody uses the allowance.
    fn is_whole(&mut self, share: u64, now: Instant) -> bool {
        self.restore(share, now);
        self.allowance.left() >= share && Arc::strong_count(&self.allowance) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payer(peer: &Arc<Account>, trust: MinterTrust) -> Payer {
        Payer { owner: None, peer: Arc::clone(peer), trust }
    }

    #[test]
    fn a_strangers_rows_count_against_the_peer_and_never_touch_the_reserve() {
        let rows =
            RowAccounts::new(Quota { total: 1_000, per_owner: 50, per_peer: 24, reserved: 100 });
        let (one, other) = (Arc::default(), Arc::default());
        let now = Instant::now();
        let known = rows.limits(&payer(&one, MinterTrust::Known), now);
        assert_eq!((known.partition, known.total, known.allowance.is_none()), (50, 1_000, true));
        let of = |peer: &Arc<Account>, now| rows.limits(&payer(peer, MinterTrust::Stranger), now);
        let stranger = of(&one, now);
        assert_eq!((stranger.partition, stranger.total), (50, 900));
        assert!(stranger.allowance.unwrap().take(24));
        let left = |peer: &Arc<Account>, hours: u64| {
            of(peer, now + Duration::from_secs(hours * 3_600)).allowance.unwrap().left()
        };
        assert_eq!((left(&one, 0), left(&other, 0)), (0, 24));
        assert_eq!((left(&one, 1), left(&one, 3), left(&one, 100)), (1, 3, 24), "a row in an hour");
    }

    #[test]
    fn peers_that_have_their_whole_allowance_are_forgotten() {
        let rows =
            RowAccounts::new(Quota { total: 1_000, per_owner: 50, per_peer: 24, reserved: 100 });
        let now = Instant::now();
        let spender = Arc::default();
        assert!(
            rows.limits(&payer(&spender, MinterTrust::Stranger), now).allowance.unwrap().take(1)
        );
        for _ in 0..10 * LEAST_SWEPT {
            rows.limits(&payer(&Arc::default(), MinterTrust::Stranger), now);
        }
        assert!(rows.peers.lock().unwrap().kept.len() <= LEAST_SWEPT + 1);
        assert_eq!(
            rows.limits(&payer(&spender, MinterTrust::Stranger), now).allowance.unwrap().left(),
            23
        );
    }

    #[test]
    fn peers_beyond_the_most_that_are_counted_share_one_allowance() {
        let rows =
            RowAccounts::new(Quota { total: 1_000, per_owner: 50, per_peer: 24, reserved: 100 });
        let now = Instant::now();
        let spends = |_| {
            let peer = Arc::default();
            let allowance =
                rows.limits(&payer(&peer, MinterTrust::Stranger), now).allowance.unwrap();
            assert!(allowance.take(1));
            allowance
        };
        let counted: Vec<Arc<RowAllowance>> = (0..MAX_PEERS).map(spends).collect();
        assert!(counted.iter().all(|allowance| allowance.left() == 23));
        let further: Vec<Arc<RowAllowance>> = (0..3).map(spends).collect();
        assert!(
            further
                .iter()
                .all(|allowance| allowance.left() == 21 && Arc::ptr_eq(allowance, &further[0]))
        );
        assert_eq!(rows.peers.lock().unwrap().kept.len(), 65_536);
    }
}
