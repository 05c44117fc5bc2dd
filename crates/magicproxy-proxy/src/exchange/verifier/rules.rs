//! Compiled lists of rules, kept for the next token with the same list: narrowing, or another token
//! of the same rules, compiles nothing. The holder for whom a list was compiled pays for its
//! memory.

use std::collections::HashMap;
#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use magicproxy_core::RuleCache;
use magicproxy_core::policy::{CompiledRules, RulesKey};

use super::shares::{Holder, Shares};
use crate::settings::Quota;

/// The bytes of an entry besides its list.
const REST_BYTES: usize = 512;

/// The lists of all upstreams. The decision of a list does not depend on the upstream.
#[derive(Debug)]
pub(crate) struct RuleStore {
    kept: Mutex<CachedRules>,
    /// Number of lists compiled.
    #[cfg(test)]
    pub(super) compiled: AtomicUsize,
}

/// The lists kept, and the shares of their holders.
#[derive(Debug)]
struct CachedRules {
    lists: HashMap<RulesKey, Arc<CompiledRules>>,
    shares: Shares<RulesKey>,
}

impl RuleStore {
    pub(crate) fn new(bytes: Quota) -> Self {
        Self {
            kept: Mutex::new(CachedRules { lists: HashMap::new(), shares: Shares::new(bytes) }),
            #[cfg(test)]
            compiled: AtomicUsize::new(0),
        }
    }

    pub(crate) fn change_quota(&self, bytes: Quota) {
        self.kept().shares.change_quota(bytes);
    }

    fn kept(&self) -> MutexGuard<'_, CachedRules> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of lists kept, and their weight.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let kept = self.kept();
        (kept.lists.len(), kept.shares.weight())
    }
}

/// The store as used on behalf of a holder, who pays for every list added.
#[derive(Clone, Copy, Debug)]
pub(super) struct PaidRules<'s> {
    pub(super) store: &'s RuleStore,
    pub(super) holder: &'s Holder,
}

impl RuleCache for PaidRules<'_> {
    fn get(&self, key: &RulesKey) -> Option<Arc<CompiledRules>> {
        self.store.kept().lists.get(key).cloned()
    }

    fn keep(&self, key: RulesKey, rules: &Arc<CompiledRules>) {
        #[cfg(test)]
        self.store.compiled.fetch_add(1, Ordering::Relaxed);
        let mut kept = self.store.kept();
        let CachedRules { lists, shares } = &mut *kept;
        if lists.insert(key, Arc::clone(rules)).is_none() {
            // A list also stays alive while a token of its rules is held.
            let used =
                |key: &RulesKey| lists.get(key).is_some_and(|rules| Arc::strong_count(rules) > 1);
            for gone in shares.add(key, rules.memory_bytes() + REST_BYTES, self.holder, used) {
                lists.remove(&gone);
            }
        }
    }
}
