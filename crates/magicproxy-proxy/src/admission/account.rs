//! Accounts: what each owner and each peer holds at the moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use magicproxy_core::state::Partition;

use super::{LEAST_SWEPT, Resource};

/// What one owner or one peer holds. It lives as long as somebody refers to it: a connection, a cached token, a holding.
#[derive(Debug, Default)]
pub(crate) struct Account {
    held: [AtomicUsize; Resource::COUNT],
}

impl Account {
    /// How much of a resource it holds.
    #[expect(clippy::indexing_slicing, reason = "there is one counter for each resource")]
    pub(super) fn counter(&self, resource: Resource) -> &AtomicUsize {
        &self.held[resource as usize]
    }
}

/// Who sends requests, as far as their number is bounded: an address of IPv4, or 64 bits of one of IPv6, which is what one
/// network is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PeerKey {
    /// A network address.
    Network(IpAddr),
    /// A user of this machine, on a Unix socket.
    User(u32),
    /// Whoever cannot be told from others: behind a proxy that does not say for whom it asks.
    Unknown,
}

impl PeerKey {
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V6(address)) => {
                let network = u128::from(address) >> 64 << 64;
                Self::Network(Ipv6Addr::from(network).into())
            }
            Some(address) => Self::Network(address),
            None => Self::Unknown,
        }
    }
}

/// All accounts that somebody refers to.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    owners: Table<Partition>,
    peers: Table<PeerKey>,
}

impl Accounts {
    /// The account of a token's owner.
    pub(crate) fn of_owner(&self, owner: Partition) -> Arc<Account> {
        self.owners.account(owner)
    }

    /// The account of a peer.
    pub(crate) fn of_peer(&self, peer: PeerKey) -> Arc<Account> {
        self.peers.account(peer)
    }

    /// How many are in the tables, live or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.owners.len() + self.peers.len()
    }
}

#[derive(Debug)]
struct Table<K>(Mutex<Accounted<K>>);

#[derive(Debug)]
struct Accounted<K> {
    accounts: HashMap<K, Weak<Account>>,
    sweep_at: usize,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(Mutex::new(Accounted { accounts: HashMap::new(), sweep_at: LEAST_SWEPT }))
    }
}

impl<K: Eq + Hash> Table<K> {
    fn account(&self, key: K) -> Arc<Account> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = table.accounts.get(&key).and_then(Weak::upgrade) {
            return account;
        }
        if table.accounts.len() >= table.sweep_at {
            table.accounts.retain(|_, account| account.strong_count() > 0);
            table.sweep_at = LEAST_SWEPT.max(2 * table.accounts.len());
        }
        let account = Arc::default();
        table.accounts.insert(key, Arc::downgrade(&account));
        account
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).accounts.len()
    }
}
