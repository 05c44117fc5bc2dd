//! The cache of verified tokens. A lookup waits for nobody; the payer of an added token pays for
//! its memory out of a share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use magicproxy_core::{CredentialBinding, VerifiedToken};
use quick_cache::sync::Cache;

use super::fingerprint::Fingerprint;
use super::flight::Flights;
use super::shares::{Holder, Shares};
use crate::admission::{Account, MinterTrust, Payer};
use crate::credential::source::CurrentCredential;
use crate::rejection::Rejection;
use crate::settings::Quota;

/// The number of items at which the table itself would remove items. Never reached, because
/// `Shares` keeps the number lower.
const UNBOUNDED_ITEMS: usize = 1 << 40;
/// Number of entries for which there is room from the beginning.
const EXPECTED_ENTRIES: usize = 1024;

/// A verified token and, once a request was permitted, its credential for now.
#[derive(Debug)]
pub(crate) struct CachedToken {
    token: Arc<VerifiedToken>,
    /// The generation of the keys that verified the token.
    pub(super) generation: u64,
    pub(super) credential: CurrentCredential,
    /// The owner secret's binding of the credential, once a named owner was asked for.
    pub(super) binding: OnceLock<CredentialBinding>,
    /// Requests that wait for the binding.
    pub(super) binding_flights: Flights<(), CredentialBinding>,
    /// The payer of the verification.
    payer: Payer,
    /// The account of the token's owner in the proxy's resources.
    account: Arc<Account>,
    /// True if the token was looked up since `Shares` last asked.
    is_used: AtomicBool,
}

impl CachedToken {
    pub(super) fn new(
        token: VerifiedToken,
        generation: u64,
        payer: Payer,
        account: Arc<Account>,
    ) -> Self {
        Self {
            token: Arc::new(token),
            generation,
            credential: CurrentCredential::default(),
            binding: OnceLock::new(),
            binding_flights: Flights::default(),
            payer,
            account,
            is_used: AtomicBool::new(false),
        }
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn token(&self) -> &Arc<VerifiedToken> {
        &self.token
    }

    pub(super) fn payer(&self) -> &Payer {
        &self.payer
    }

    /// Tells whether a stranger could have minted the token.
    pub(crate) fn trust(&self) -> MinterTrust {
        self.payer.trust
    }

    /// Returns the memory taken by the entry, in bytes.
    pub(super) fn weight(&self) -> usize {
        const REST: usize = 4 * 1024;
        /// Number of copies of an opened credential: the credential, its outgoing form, and the
        /// masked spellings, twice; three times as long if percent-encoded. (A credential of
        /// slashes only has four copies more.)
        const COPIES: usize = 12;
        REST + self.token.memory_bytes() + COPIES * self.token.longest_credential()
    }
}

/// The cache of an upstream.
pub(super) struct TokenCache {
    entries: Cache<Fingerprint, Arc<CachedToken>>,
    shares: Mutex<Shares<Fingerprint>>,
    /// The verifications under way, by token and generation of keys: a request after a change of
    /// the keys shares nothing with requests before.
    flights: Flights<(Fingerprint, u64), Arc<CachedToken>>,
}

impl TokenCache {
    pub(super) fn new(bytes: Quota) -> Self {
        let entries = Cache::with_weighter(
            EXPECTED_ENTRIES,
            UNBOUNDED_ITEMS as u64,
            quick_cache::UnitWeighter,
        );
        Self { entries, shares: Mutex::new(Shares::new(bytes)), flights: Flights::default() }
    }

    /// Returns the token of this fingerprint, if verified with the keys of this generation or a
    /// later generation.
    pub(super) fn get(
        &self,
        fingerprint: &Fingerprint,
        generation: u64,
    ) -> Option<Arc<CachedToken>> {
        let entry = self.entries.get(fingerprint)?;
        if entry.generation < generation {
            // The keys have changed since.
            self.remove(fingerprint);
            return None;
        }
        if !entry.is_used.load(Ordering::Relaxed) {
            entry.is_used.store(true, Ordering::Relaxed);
        }
        Some(entry)
    }

    /// Returns the token, once verified with the keys of this generation. Concurrent requests with
    /// the same token wait for a single verification, and share its outcome.
    pub(super) async fn get_or_verify(
        &self,
        fingerprint: Fingerprint,
        generation: u64,
        verifying: impl Future<Output = Result<CachedToken, Rejection>>,
    ) -> Result<Arc<CachedToken>, Rejection> {
        let adding = async {
            // A flight may have ended since this request looked.
            if let Some(entry) = self.get(&fingerprint, generation) {
                return Ok(entry);
            }
            let entry = Arc::new(verifying.await?);
            self.add(fingerprint, &entry);
            Ok(entry)
        };
        self.flights.outcome((fingerprint, generation), adding).await
    }

    pub(super) fn change_quota(&self, bytes: Quota) {
        self.shares().change_quota(bytes);
    }

    /// Forgets all tokens, and keeps next to none from now on: only requests still in progress ask,
    /// and other parts of the proxy may hold the cache for long.
    pub(super) fn retire(&self) {
        let mut shares = self.shares();
        *shares = Shares::new(Quota { total: 0, per_owner: 0, per_peer: 0, reserved: 0 });
        self.entries.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the weight of all entries.
    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.shares().weight()
    }

    /// Keeps a token at its payer's expense, in place of an entry verified with older keys.
    pub(super) fn add(&self, fingerprint: Fingerprint, entry: &Arc<CachedToken>) {
        let is_used = |other: &Fingerprint| {
            self.entries
                .peek(other)
                .is_some_and(|entry| entry.is_used.swap(false, Ordering::Relaxed))
        };
        // Under a single lock: there may be a flight for each generation of keys, and a token is
        // charged once.
        let mut shares = self.shares();
        if self.entries.peek(&fingerprint).is_some_and(|other| other.generation > entry.generation)
        {
            return;
        }
        if let Some((_, older)) = self.entries.remove(&fingerprint) {
            shares.forget(&fingerprint, &Holder::of(older.payer()));
        }
        self.entries.insert(fingerprint, Arc::clone(entry));
        let gone = shares.add(fingerprint, entry.weight(), &Holder::of(entry.payer()), is_used);
        drop(shares);
        gone.iter().for_each(|fingerprint| drop(self.entries.remove(fingerprint)));
    }

    fn remove(&self, fingerprint: &Fingerprint) {
        // Several requests may find the entry stale; a single request removes the entry.
        if let Some((_, entry)) = self.entries.remove(fingerprint) {
            self.shares().forget(fingerprint, &Holder::of(entry.payer()));
        }
    }

    fn shares(&self) -> MutexGuard<'_, Shares<Fingerprint>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
