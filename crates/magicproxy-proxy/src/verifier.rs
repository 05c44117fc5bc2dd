//! Verified tokens, kept: one verification per token, off the event loop, bounded in number and memory.
//!
//! The cache is keyed by a keyed hash of the whole token, so it holds no tokens and nobody can aim at its slots. What it
//! holds was genuine when it came in; whether it is live is asked at each decision.

mod fingerprint;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::rule::NewGrant;
use magicproxy_core::{Caveat, OpenError, Permit, ReissueError, UnverifiedToken, VerifiedToken, VerifyContext, VerifyError};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::admission::{Account, Budget};
use crate::carriers::Carriers;
use crate::clock;
use crate::keys::SharedKeys;
use crate::opened::OpenedCredential;
use crate::presented::PresentedToken;
use crate::rejection::Rejection;
use crate::settings::{Settings, UpstreamSettings};
use fingerprint::{Fingerprint, Fingerprints};

type TokenCache = Cache<Fingerprint, Arc<CachedToken>, ByMemory>;

/// How long a token waits for its verification to begin.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Twice what the automata of one token may take.
const SHARD_BYTES: usize = 8 * 1024 * 1024;

/// A verified token and, once a request was permitted, its opened credential.
#[derive(Debug)]
pub(crate) struct CachedToken {
    token: Arc<VerifiedToken>,
    /// That of the keys which it was verified with.
    generation: u64,
    credential: OnceCell<Arc<OpenedCredential>>,
    /// What its owner holds of the proxy's resources.
    account: Arc<Account>,
}

impl CachedToken {
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn token(&self) -> &Arc<VerifiedToken> {
        &self.token
    }
}

/// Weighs entries by the memory they hold.
#[derive(Clone, Debug)]
struct ByMemory;

impl Weighter<Fingerprint, Arc<CachedToken>> for ByMemory {
    fn weight(&self, _: &Fingerprint, entry: &Arc<CachedToken>) -> u64 {
        const REST: u64 = 4 * 1024;
        /// How often an opened credential is there: itself, as it is sent, and what is looked for, twice; three times as long where
        /// it is percent-encoded. (One of slashes only is there four times more.)
        const COPIES: u64 = 12;
        REST + entry.token.memory_bytes() as u64 + COPIES * entry.token.longest_credential() as u64
    }
}

/// A shard must hold the largest policy, or its token would be verified again at each request. Left alone, the number of
/// shards grows with that of the processors, and each of them shrinks.
fn cache(bytes: usize) -> TokenCache {
    let shards = (bytes / SHARD_BYTES).max(1);
    let shards = if shards.is_power_of_two() { shards } else { shards.next_power_of_two() / 2 };
    let options =
        OptionsBuilder::new().shards(shards).estimated_items_capacity(bytes / 8192).weight_capacity(bytes as u64).build();
    match options {
        Ok(options) => Cache::with_options(options, ByMemory, DefaultHashBuilder::default(), DefaultLifecycle::default()),
        // Only for want of a capacity.
        Err(_) => Cache::with_weighter(bytes / 8192, bytes as u64, ByMemory),
    }
}

/// What becomes of a token that is made anew.
#[derive(Debug)]
pub(crate) enum Reissue {
    /// It gets one more caveat.
    Narrow(Box<Caveat>),
    /// It goes over to the active key.
    Reseal,
}

/// Verifies tokens and opens credentials.
pub(crate) struct Verifier {
    inner: Arc<Inner>,
    cache: TokenCache,
    fingerprints: Fingerprints,
    shared: Shared,
}

/// What the verifiers of all upstreams have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) budget: Arc<Budget>,
}

/// Cold tokens are verified a few at a time, so that a flood of them leaves the processor to others. All verifiers share
/// these slots.
pub(crate) fn slots() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))))
}

/// Works on another thread. The slot is given back when the work is done, and not when a caller leaves who does not wait for it.
pub(crate) async fn work<T: Send + 'static>(
    slot: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Rejection> {
    let working = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    working.await.map_err(|_| Rejection::Internal)
}

/// What a verification on another thread needs.
struct Inner {
    keys: Arc<SharedKeys>,
    upstream: Arc<UpstreamSettings>,
    carriers: Carriers,
}

impl Verifier {
    /// The verifier of one upstream's tokens; each upstream has its share of the cache.
    pub(crate) fn new(
        settings: &Settings,
        upstream: &Arc<UpstreamSettings>,
        carriers: &Carriers,
        shared: &Shared,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            inner: Arc::new(Inner {
                keys: Arc::clone(&settings.keys),
                upstream: Arc::clone(upstream),
                carriers: carriers.clone(),
            }),
            cache: cache(settings.limits.token_cache_bytes / settings.upstreams.len().max(1)),
            fingerprints: Fingerprints::new()?,
            shared: shared.clone(),
        })
    }

    /// Verifies a token, or finds it verified. Concurrent requests with one token wait for one verification.
    pub(crate) async fn verify(&self, presented: &PresentedToken) -> Result<Arc<CachedToken>, Rejection> {
        let fingerprint = self.fingerprints.of(presented.as_bytes()).map_err(|_| Rejection::Internal)?;
        let generation = self.inner.keys.generation();
        match self.cache.get(&fingerprint) {
            Some(entry) if entry.generation == generation => return Ok(entry),
            // The keys have changed since.
            Some(_) => drop(self.cache.remove(&fingerprint)),
            None => {}
        }
        // Most rubbish stops here, without a thread being asked.
        UnverifiedToken::parse(presented.as_str())?;
        Box::pin(self.cache.get_or_insert_async(&fingerprint, self.verify_cold(presented, generation))).await
    }

    /// Opens the credential of a permitted request, once per token.
    pub(crate) async fn open(&self, entry: &CachedToken, permit: Permit) -> Result<(Permit, Arc<OpenedCredential>), Rejection> {
        if let Some(opened) = entry.credential.get() {
            return Ok((permit, Arc::clone(opened)));
        }
        Box::pin(self.open_cold(entry, permit)).await
    }

    async fn open_cold(&self, entry: &CachedToken, permit: Permit) -> Result<(Permit, Arc<OpenedCredential>), Rejection> {
        let slot = self.slot().await?;
        let inner = Arc::clone(&self.inner);
        let opening = work(slot, move || {
            let credential = inner.keys.current().open(&permit)?;
            let opened = OpenedCredential::new(&credential, &inner.upstream.credential, &inner.carriers)?;
            Ok::<_, Rejection>((permit, Arc::new(opened)))
        });
        let (permit, opened) = opening.await??;
        let opened = entry.credential.get_or_init(|| async { opened }).await;
        Ok((permit, Arc::clone(opened)))
    }

    /// Makes a token anew.
    pub(crate) async fn reissue(&self, presented: &PresentedToken, how: Reissue) -> Result<Zeroizing<String>, Rejection> {
        let slot = self.slot().await?;
        let inner = Arc::clone(&self.inner);
        let text = Zeroizing::new(presented.as_str().to_owned());
        let reissued = work(slot, move || {
            let keys = inner.keys.current();
            match how {
                Reissue::Narrow(caveat) => keys.narrow(&text, &caveat, &inner.context()),
                Reissue::Reseal => keys.reseal(&text, &inner.context()),
            }
        });
        Ok(reissued.await??)
    }

    /// What makes tokens for what a request with this one creates.
    pub(crate) fn receipts(&self, presented: &PresentedToken) -> Receipts {
        Receipts { inner: Arc::clone(&self.inner), text: Zeroizing::new(presented.as_str().to_owned()) }
    }

    /// Waits for its turn, but not for ever: a queue of costly tokens must not grow without bound.
    async fn slot(&self) -> Result<OwnedSemaphorePermit, Rejection> {
        match tokio::time::timeout(MAX_WAIT, Arc::clone(&self.shared.slots).acquire_owned()).await {
            Ok(slot) => slot.map_err(|_| Rejection::Internal),
            Err(_) => Err(Rejection::Busy),
        }
    }

    async fn verify_cold(&self, presented: &PresentedToken, generation: u64) -> Result<Arc<CachedToken>, Rejection> {
        let slot = self.slot().await?;
        let inner = Arc::clone(&self.inner);
        let text = Zeroizing::new(presented.as_str().to_owned());
        let verified = work(slot, move || inner.verify(&text)).await??;
        let account = self.shared.budget.accounts().of_owner(verified.owner());
        Ok(Arc::new(CachedToken { token: Arc::new(verified), generation, credential: OnceCell::new(), account }))
    }
}

/// Makes tokens for what one request creates. `state.md` section 4.
pub(crate) struct Receipts {
    inner: Arc<Inner>,
    text: Zeroizing<String>,
}

impl Receipts {
    /// A token for just these grants.
    pub(crate) async fn make(&self, grants: Vec<NewGrant>) -> Result<Zeroizing<String>, ReissueError> {
        let (inner, text) = (Arc::clone(&self.inner), self.text.clone());
        let made = tokio::task::spawn_blocking(move || inner.keys.current().receipt(&text, &grants, &inner.context()));
        made.await.unwrap_or(Err(ReissueError::Open(OpenError::Sealed)))
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Verifier").field("cached", &self.cache.len()).finish_non_exhaustive()
    }
}

impl Inner {
    fn verify(&self, text: &str) -> Result<VerifiedToken, VerifyError> {
        self.keys.current().verify(text, &self.context())
    }

    fn context(&self) -> VerifyContext<'_> {
        VerifyContext {
            now: clock::now(),
            scopes: &self.upstream.scopes,
            patterns: self.upstream.patterns,
            acceptance: &self.upstream.acceptance,
        }
    }
}
