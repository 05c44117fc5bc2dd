//! Shares of a cache: the weight of each account's entries, and the choice of entries to remove
//! from a full cache.
//!
//! An account that fills its share loses entries of its own. If all accounts together have filled
//! the cache, the heaviest account loses entries. So no account can remove entries of another,
//! lighter account.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use crate::admission::{Account, MinterTrust, Payer};
use crate::settings::Quota;

/// The entries of all accounts, with their weights.
#[derive(Debug)]
pub(super) struct Shares<K> {
    quota: Quota,
    accounts: HashMap<AccountId, Entries<K>>,
    /// The accounts of known tokens. The accounts of strangers are ranked apart.
    known: RankedAccounts,
    strangers: RankedAccounts,
}

/// Accounts ranked by weight.
#[derive(Debug, Default)]
struct RankedAccounts {
    order: BTreeSet<(usize, AccountId)>,
    total: usize,
}

/// The address of an account: an account with entries is kept alive.
type AccountId = usize;

/// The entries of an account.
#[derive(Debug)]
struct Entries<K> {
    #[expect(dead_code, reason = "it keeps the address from being another's")]
    account: Arc<Account>,
    trust: MinterTrust,
    weight: usize,
    /// The entries, oldest first.
    queue: VecDeque<(K, usize)>,
}

/// The account to which an entry is charged.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    account: Arc<Account>,
    trust: MinterTrust,
}

impl Holder {
    /// Charges known tokens to their owner, and tokens that strangers can mint to their peer.
    pub(super) fn of(payer: &Payer) -> Self {
        let known = payer.owner.as_ref().filter(|_| payer.trust == MinterTrust::Known);
        match known {
            Some(owner) => Self { account: Arc::clone(owner), trust: MinterTrust::Known },
            None => Self { account: Arc::clone(&payer.peer), trust: MinterTrust::Stranger },
        }
    }

    fn id(&self) -> AccountId {
        Arc::as_ptr(&self.account).addr()
    }
}

impl<K: Copy + Eq + Hash> Shares<K> {
    pub(super) fn new(quota: Quota) -> Self {
        Self {
            quota,
            accounts: HashMap::new(),
            known: RankedAccounts::default(),
            strangers: RankedAccounts::default(),
        }
    }

    /// Changes the quota. Entries beyond a lower quota go when another is added.
    pub(super) fn change_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }

    /// Adds an entry, and returns the entries to remove. `is_used` tells whether an entry was used
    /// since the last question; a used entry is passed over once.
    pub(super) fn add(
        &mut self,
        key: K,
        weight: usize,
        holder: &Holder,
        mut is_used: impl FnMut(&K) -> bool,
    ) -> Vec<K> {
        self.push(key, weight, holder);
        let mut gone = Vec::new();
        let share = match holder.trust {
            MinterTrust::Known => self.quota.per_owner,
            MinterTrust::Stranger => self.quota.per_peer,
        };
        // The newest entry may stay, even if heavier than the share.
        while self
            .accounts
            .get(&holder.id())
            .is_some_and(|own| own.weight > share && own.queue.len() > 1)
        {
            gone.extend(self.take_from(holder.id(), &mut is_used));
        }
        while self.strangers.total > self.quota.total.saturating_sub(self.quota.reserved) {
            let Some(heaviest) = self.strangers.heaviest() else { break };
            gone.extend(self.take_from(heaviest.1, &mut is_used));
        }
        while self.known.total + self.strangers.total > self.quota.total {
            let Some(heaviest) = self.known.heaviest().max(self.strangers.heaviest()) else {
                break;
            };
            gone.extend(self.take_from(heaviest.1, &mut is_used));
        }
        gone
    }

    /// Forgets an entry removed for another reason.
    pub(super) fn forget(&mut self, key: &K, holder: &Holder) {
        let entries = self.accounts.get(&holder.id());
        let Some(at) =
            entries.and_then(|entries| entries.queue.iter().position(|(other, _)| other == key))
        else {
            return;
        };
        self.change(holder.id(), |entries| {
            entries.queue.remove(at).map_or(0, |(_, weight)| weight)
        });
    }

    /// Returns the weight of all entries.
    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.known.total + self.strangers.total
    }

    fn push(&mut self, key: K, weight: usize, holder: &Holder) {
        let id = holder.id();
        let trust = holder.trust;
        let entries = self.accounts.entry(id).or_insert_with(|| Entries {
            account: Arc::clone(&holder.account),
            trust,
            weight: 0,
            queue: VecDeque::new(),
        });
        let before = entries.weight;
        entries.weight += weight;
        entries.queue.push_back((key, weight));
        let (after, trust) = (entries.weight, entries.trust);
        self.ranked(trust).change(id, before, after);
    }

    /// Removes an account's oldest unused entry, or the oldest entry if all were used.
    fn take_from(&mut self, id: AccountId, is_used: &mut impl FnMut(&K) -> bool) -> Option<K> {
        let entries = self.accounts.get_mut(&id)?;
        for _ in 1..entries.queue.len() {
            let Some(oldest) = entries.queue.pop_front_if(|(key, _)| is_used(key)) else { break };
            entries.queue.push_back(oldest);
        }
        let (key, weight) = entries.queue.pop_front()?;
        self.change(id, |_| weight);
        Some(key)
    }

    /// Applies a removal to an account; `take` returns the weight removed.
    fn change(&mut self, id: AccountId, take: impl FnOnce(&mut Entries<K>) -> usize) {
        let Some(entries) = self.accounts.get_mut(&id) else { return };
        let before = entries.weight;
        entries.weight = before.saturating_sub(take(entries));
        let (after, trust, is_empty) = (entries.weight, entries.trust, entries.queue.is_empty());
        self.ranked(trust).change(id, before, after);
        if is_empty {
            self.accounts.remove(&id);
            self.ranked(trust).order.remove(&(after, id));
        }
    }

    fn ranked(&mut self, trust: MinterTrust) -> &mut RankedAccounts {
        match trust {
            MinterTrust::Known => &mut self.known,
            MinterTrust::Stranger => &mut self.strangers,
        }
    }
}

impl RankedAccounts {
    fn change(&mut self, id: AccountId, before: usize, after: usize) {
        self.order.remove(&(before, id));
        self.order.insert((after, id));
        self.total = (self.total + after).saturating_sub(before);
    }

    fn heaviest(&self) -> Option<(usize, AccountId)> {
        self.order.last().copied()
    }
}
