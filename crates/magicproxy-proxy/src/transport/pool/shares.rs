//! Shares of one origin's connections, in places: a connection has as many places as it may have
//! streams. An exchange over HTTP/1.1 takes all places of a connection, a stream a part of the
//! places.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::queue::{SkipReason, account_key};
use crate::admission::{Account, MinterTrust, Payer};
use crate::settings::Quota;

/// Shares of owners and peers in the places of one origin's connections. The shares in the
/// connections to all origins together are kept by `admission`.
#[derive(Debug)]
pub(super) struct Shares {
    quota: Quota,
    held: usize,
    /// Places by account, for accounts that hold any. The account lives as long, so that no other
    /// account has the same address. Few accounts hold places at a time, so an ordered map takes a
    /// tenth of the time of hashing.
    by_account: BTreeMap<usize, usize>,
}

impl Shares {
    /// Divides `connections` with `places` each into the shares that `quota` gives of everything.
    /// Every share is at least one connection.
    pub(super) fn of(connections: usize, places: usize, quota: &Quota) -> Self {
        let total = connections.saturating_mul(places);
        let part = |share: usize| {
            let part = total as u128 * share as u128 / quota.total.max(1) as u128;
            usize::try_from(part).unwrap_or(total).clamp(places, total)
        };
        let reserved = total.saturating_sub(part(quota.total.saturating_sub(quota.reserved)));
        let quota = Quota {
            total,
            per_owner: part(quota.per_owner),
            per_peer: part(quota.per_peer),
            reserved,
        };
        Self { quota, held: 0, by_account: BTreeMap::new() }
    }

    /// Checks that the payer may have so many more places.
    pub(super) fn admit(&self, payer: &Payer, places: usize) -> Result<(), SkipReason> {
        let fits = |account: &Arc<Account>, limit| self.held_by(account) + places <= limit;
        if payer.owner.as_ref().is_some_and(|owner| !fits(owner, self.quota.per_owner)) {
            return Err(SkipReason::Line);
        }
        if payer.trust == MinterTrust::Known {
            return Ok(());
        }
        let within = self.held + places <= self.quota.total.saturating_sub(self.quota.reserved);
        if within && fits(&payer.peer, self.quota.per_peer) {
            Ok(())
        } else {
            Err(SkipReason::Group)
        }
    }

    /// Charges a payer, whatever the payer already holds.
    pub(super) fn charge(&mut self, payer: &Payer, places: usize) {
        self.held += places;
        for account in accounts(payer) {
            *self.by_account.entry(account_key(account)).or_default() += places;
        }
    }

    /// Gives back places of a payer.
    pub(super) fn discharge(&mut self, payer: &Payer, places: usize) {
        self.held = self.held.saturating_sub(places);
        for account in accounts(payer) {
            let key = account_key(account);
            let left = self.by_account.get_mut(&key).map(|held| {
                *held = held.saturating_sub(places);
                *held
            });
            if left == Some(0) {
                self.by_account.remove(&key);
            }
        }
    }

    pub(super) fn held_by(&self, account: &Arc<Account>) -> usize {
        self.by_account.get(&account_key(account)).copied().unwrap_or(0)
    }
}

/// Returns the accounts that pay: the owner, and for a stranger's token the peer.
fn accounts(payer: &Payer) -> impl Iterator<Item = &Arc<Account>> {
    let peer = (payer.trust == MinterTrust::Stranger).then_some(&payer.peer);
    payer.owner.iter().chain(peer)
}
