//! Verified tokens, kept. Whoever looks one up waits for nobody; who adds one pays for its memory out of a share.

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

/// What the table itself would let go beyond: it never does, as `Shares` sees to that there is less.
const UNBOUNDED_ITEMS: usize = 1 << 40;
/// Room for so many entries is there from the beginning.
const EXPECTED_ENTRIES: usize = 1024;

/// A verified token and, once a request was permitted, its credential for now.
#[derive(Debug)]
pub(crate) struct CachedToken {
    token: Arc<VerifiedToken>,
    /// That of the keys which it was verified with.
    pub(super) generation: u64,
    pub(super) credential: CurrentCredential,
    /// What the owner secret makes of the credential, once a named owner was asked for.
    pub(super) binding: OnceLock<CredentialBinding>,
    /// Who asks for that.
    pub(super) binding_flights: Flights<(), CredentialBinding>,
    /// Who had it verified.
    payer: Payer,
    /// What its owner holds of the proxy's resources.
    account: Arc<Account>,
    /// Was it looked up since it was asked last?
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

    /// Could a stranger have minted it?
    pub(crate) fn standing(&self) -> MinterTrust {
        self.payer.standing
    }

    /// The memory that it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        const REST: usize = 4 * 1024;
        /// How often an opened credential is there: itself, as it is sent, and what is looked for, twice; three times as long where
        /// it is percent-encoded. (One of slashes only is there four times more.)
        const COPIES: usize = 12;
        REST + self.token.memory_bytes() + COPIES * self.token.longest_credential()
    }
}

/// The cache of one upstream.
pub(super) struct TokenCache {
    entries: Cache<Fingerprint, Arc<CachedToken>>,
    shares: Mutex<Shares<Fingerprint>>,
    /// By the keys, too: whoever comes after a change of these shares nothing with who came before.
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

    /// The token of this fingerprint, if it was verified with the keys of this generation, or of a later one.
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

    /// The token, once it was verified with the keys of this generation. Concurrent requests with one token wait for one
    /// verification, and share what comes of it.
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

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What all entries weigh together.
    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.shares().weight()
    }

    /// Keeps a token at the expense of who pays for it, in place of one that was verified with older keys.
    pub(super) fn add(&self, fingerprint: Fingerprint, entry: &Arc<CachedToken>) {
        let is_used = |other: &Fingerprint| {
            self.entries
                .peek(other)
                .is_some_and(|entry| entry.is_used.swap(false, Ordering::Relaxed))
        };
        // Under one lock: there may be a flight for each generation of keys, and a token is charged once.
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
        // One of several that find it stale removes it.
        if let Some((_, entry)) = self.entries.remove(fingerprint) {
            self.shares().forget(fingerprint, &Holder::of(entry.payer()));
        }
    }

    fn shares(&self) -> MutexGuard<'_, Shares<Fingerprint>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
