//! Accounts: the amounts that each owner and each peer holds at the moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use magicproxy_core::state::Partition;

use super::{LEAST_SWEPT, Resource};

/// The amounts that one owner or one peer holds. An account lives as long as a connection, a cached
/// token or a holding refers to the account.
#[derive(Debug, Default)]
pub(crate) struct Account {
    held: [AtomicUsize; Resource::COUNT],
}

impl Account {
    /// Returns the amount of a resource that the account holds.
    #[expect(clippy::indexing_slicing, reason = "there is one counter for each resource")]
    pub(super) fn counter(&self, resource: Resource) -> &AtomicUsize {
        &self.held[resource as usize]
    }
}

/// A sender of requests, for the purpose of limits: an IPv4 address, or the upper 64 bits of an
/// IPv6 address, which identify a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PeerKey {
    /// A network address.
    Network(IpAddr),
    /// A user of this machine, on a Unix socket.
    User(u32),
    /// A sender that cannot be told from others: behind a trusted proxy that names no client.
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

/// All accounts that are in use.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    owners: Table<Partition>,
    peers: Table<PeerKey>,
}

impl Accounts {
    pub(crate) fn of_owner(&self, owner: Partition) -> Arc<Account> {
        self.owners.account(owner)
    }

    pub(crate) fn of_peer(&self, peer: PeerKey) -> Arc<Account> {
        self.peers.account(peer)
    }

    /// Returns the number of accounts in the tables, in use or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.owners.len() + self.peers.len()
    }
}

#[derive(Debug)]
struct Table<K>(Mutex<AccountEntries<K>>);

#[derive(Debug)]
struct AccountEntries<K> {
    accounts: HashMap<K, Weak<Account>>,
    sweep_at: usize,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(Mutex::new(AccountEntries { accounts: HashMap::new(), sweep_at: LEAST_SWEPT }))
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
