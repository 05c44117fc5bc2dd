//! Verified tokens, kept: a single verification for each token, off the event loop, bounded in
//! number and memory, in shares.
//!
//! The cache is keyed by a keyed hash of the whole token, so the cache holds no tokens and nobody
//! can aim at its slots. Every token inside was genuine on entry; each decision asks anew whether
//! the token is live.
//!
//! A token not in the cache is verified in two steps. Telling a genuine token costs the same for
//! all; the cost of its rules is chosen by its minter. So rules are compiled with little work first
//! and, if that does not suffice, wait for their turn among other costly rules (`lane`).

mod basis;
mod binder;
mod cache;
mod fingerprint;
mod flight;
mod lane;
mod rules;
mod shares;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use magicproxy_core::policy::Work;
use magicproxy_core::rule::NewGrant;
use magicproxy_core::{
    AuthenticToken, Caveat, CompileError, OpenError, Permit, ReissueError, RuleCompiler,
    TokenVersion, UnverifiedToken, VerifiedToken, VerifyContext,
};
use zeroize::Zeroizing;

use crate::admission::{Account, Budget, Payer};
use crate::clock;
use crate::credential::attached::AttachedCredential;
use crate::credential::bearer_token::BearerToken;
use crate::credential::source::{CredentialSource, IssuedCredential};
use crate::metrics::{TokenOpening, UpstreamMetrics};
use crate::rejection::Rejection;
use crate::services::Services;
use crate::services::keys::SharedKeys;
use crate::settings::{Limits, Quota};
use cache::TokenCache;
use fingerprint::Fingerprints;
use rules::PaidRules;
use shares::Holder;

pub(crate) use basis::TokenBasis;
pub(crate) use binder::Binder;
pub(crate) use cache::CachedToken;
pub(crate) use lane::Lanes;
use lane::QUICK_STEPS;
pub(crate) use rules::RuleStore;

/// The ways to make a token anew.
#[derive(Clone, Debug)]
pub(crate) enum Reissue {
    /// Append another caveat.
    Narrow(Box<Caveat>),
    /// Seal the token for the active key.
    Reseal,
}

/// The verifier of an upstream's tokens, which also opens their credentials. Decides nothing about
/// requests.
pub(crate) struct Verifier {
    inner: Arc<Inner>,
    cache: TokenCache,
    fingerprints: Fingerprints,
    metrics: Arc<UpstreamMetrics>,
}

/// Everything shared by the verifiers of all upstreams, from the start of the proxy to its end.
#[derive(Clone, Debug)]
pub(crate) struct SharedWork {
    pub(crate) lanes: Lanes,
    pub(crate) rules: Arc<RuleStore>,
    pub(crate) budget: Arc<Budget>,
}

impl SharedWork {
    /// Makes the shared parts. From then on, the metrics look at them.
    pub(crate) fn new(limits: &Limits, services: &Services) -> Self {
        let rules = Arc::new(RuleStore::new(limits.rule_cache_bytes));
        let (lanes, budget) = (Lanes::new(limits), Budget::new(limits));
        let metrics = &services.metrics;
        lanes.watched_by(metrics);
        metrics.watch(&budget);
        metrics.watch(&services.keys);
        metrics.watch(&services.revocations);
        Self { lanes, rules, budget }
    }

    /// Changes the limits. Everything that is held stays held, and counted.
    pub(crate) fn change_limits(&self, limits: &Limits) {
        self.lanes.change_limits(limits);
        self.rules.change_quota(limits.rule_cache_bytes);
        self.budget.change_limits(limits);
    }
}

/// The state needed by a verification on another thread.
struct Inner {
    keys: Arc<SharedKeys>,
    basis: TokenBasis,
    shared: SharedWork,
}

impl Verifier {
    /// Makes the verifier of an upstream's tokens, with its share `memory` of the cache.
    pub(crate) fn new(
        basis: TokenBasis,
        memory: Quota,
        services: &Services,
        shared: &SharedWork,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let (keys, shared) = (Arc::clone(&services.keys), shared.clone());
        Ok(Self {
            metrics: services.metrics.upstream(basis.name().as_str()),
            inner: Arc::new(Inner { keys, basis, shared }),
            cache: TokenCache::new(memory),
            fingerprints: Fingerprints::new()?,
        })
    }

    /// Returns the settings on which the verified tokens depend.
    pub(crate) fn basis(&self) -> &TokenBasis {
        &self.inner.basis
    }

    /// Forgets all verified tokens and their credentials: no new request comes.
    pub(crate) fn retire(&self) {
        self.cache.retire();
    }

    /// Changes the share of the cache.
    pub(crate) fn change_memory(&self, memory: Quota) {
        self.cache.change_quota(memory);
    }

    /// Verifies a token, or finds the token in the cache. Concurrent requests with the same token
    /// share a verification. `peer` is called only if the token is not in the cache.
    pub(crate) async fn verify(
        &self,
        presented: &BearerToken,
        peer: impl FnOnce() -> Arc<Account>,
    ) -> Result<Arc<CachedToken>, Rejection> {
        let fingerprint =
            self.fingerprints.of(presented.as_bytes()).map_err(|_| Rejection::Internal)?;
        let generation = self.inner.keys.generation();
        if let Some(entry) = self.cache.get(&fingerprint, generation) {
            self.metrics.opened(entry.token().version(), TokenOpening::Hit);
            return Ok(entry);
        }
        // Most rubbish stops here, without work for a thread.
        let version = match UnverifiedToken::parse(presented.as_str())? {
            UnverifiedToken::V1(_) => TokenVersion::V1,
            UnverifiedToken::V2(_) => TokenVersion::V2,
        };
        let leads = AtomicBool::new(false);
        let verifying = async {
            leads.store(true, Ordering::Relaxed);
            self.metrics.opened(version, TokenOpening::Miss);
            self.verify_cold(presented, generation, peer()).await
        };
        let verified = Box::pin(self.cache.get_or_verify(fingerprint, generation, verifying)).await;
        if !leads.load(Ordering::Relaxed) {
            self.metrics.opened(version, TokenOpening::Shared);
        }
        verified
    }

    /// Returns the credential of a permitted request for now. A static credential is opened once
    /// for each token.
    pub(in crate::exchange) async fn open(
        &self,
        entry: &CachedToken,
        permit: Permit,
    ) -> Result<(Permit, Arc<AttachedCredential>), Rejection> {
        if let Some(opened) = entry.credential.lasting() {
            return Ok((permit, Arc::clone(opened)));
        }
        Box::pin(self.open_cold(entry, permit)).await
    }

    async fn open_cold(
        &self,
        entry: &CachedToken,
        permit: Permit,
    ) -> Result<(Permit, Arc<AttachedCredential>), Rejection> {
        let mut held = Some(permit);
        let opened = entry
            .credential
            .current(clock::now, lane::MAX_WAIT, self.ask_source(entry, &mut held))
            .await?;
        Ok((held.ok_or(Rejection::Internal)?, opened))
    }

    /// Opens the source of a token's credential, in turn, and asks the source. The permit is held
    /// by the work until its end.
    async fn ask_source(
        &self,
        entry: &CachedToken,
        held: &mut Option<Permit>,
    ) -> Result<IssuedCredential, Rejection> {
        let slot = self.inner.shared.lanes.quick.enter(entry.payer()).await?;
        let permit = held.take().ok_or(Rejection::Internal)?;
        let inner = Arc::clone(&self.inner);
        let opening = slot.work(move || {
            let opened = inner.keys.current().open(&permit)?;
            let (carrier, carriers) = (inner.basis.credential(), inner.basis.carriers());
            let source = CredentialSource::new(&opened, carrier, carriers)?;
            Ok::<_, Rejection>((permit, source))
        });
        let (permit, source) = opening.await??;
        *held = Some(permit);
        Ok(source.give())
    }

    /// Makes a token anew, at its own expense.
    pub(crate) async fn reissue(
        &self,
        entry: &CachedToken,
        presented: &BearerToken,
        how: Reissue,
    ) -> Result<Zeroizing<String>, Rejection> {
        let (payer, text) = (entry.payer(), Zeroizing::new(presented.as_str().to_owned()));
        let job =
            ReissueJob { inner: Arc::clone(&self.inner), holder: Holder::of(payer), text, how };
        Ok(self.inner.shared.lanes.in_turn(payer, move |work| job.run(work)).await??)
    }

    /// Returns the maker of tokens for things created by a request with this token.
    pub(crate) fn receipts(&self, entry: &CachedToken, presented: &BearerToken) -> Receipts {
        let text = Zeroizing::new(presented.as_str().to_owned());
        Receipts { inner: Arc::clone(&self.inner), payer: entry.payer().clone(), text }
    }

    async fn verify_cold(
        &self,
        presented: &BearerToken,
        generation: u64,
        peer: Arc<Account>,
    ) -> Result<CachedToken, Rejection> {
        let SharedWork { lanes, budget, .. } = &self.inner.shared;
        let slot = lanes.authentication.enter(&Payer::anonymous(Arc::clone(&peer))).await?;
        let inner = Arc::clone(&self.inner);
        let text = Zeroizing::new(presented.as_str().to_owned());
        let authentic =
            slot.work(move || inner.keys.current().authenticate(&text, &inner.context())).await??;
        let account = budget.accounts().of_owner(authentic.owner());
        let trust = self.inner.basis.trust_in(authentic.upstream(), authentic.provenance());
        let payer = Payer { owner: Some(Arc::clone(&account)), peer, trust };
        let verified = self.compile(authentic, &payer).await?;
        Ok(CachedToken::new(verified, generation, payer, account))
    }

    /// Compiles a token's rules: at once if that is little work, else in turn.
    async fn compile(
        &self,
        authentic: AuthenticToken,
        payer: &Payer,
    ) -> Result<VerifiedToken, Rejection> {
        let lanes = &self.inner.shared.lanes;
        let (inner, holder) = (Arc::clone(&self.inner), Holder::of(payer));
        let slot = lanes.quick.enter(payer).await?;
        let costly = match slot
            .work(move || inner.compile(authentic, &holder, Work::of_steps(QUICK_STEPS)))
            .await?
        {
            Ok(verified) => return Ok(verified),
            Err(CompileError::Refused(error)) => return Err(error.into()),
            Err(CompileError::WorkSpent(authentic)) => authentic,
        };
        let (inner, holder) = (Arc::clone(&self.inner), Holder::of(payer));
        let slot = lanes.costly(payer.trust).enter(payer).await?;
        match slot.work(move || inner.compile(*costly, &holder, Work::unlimited())).await? {
            Ok(verified) => Ok(verified),
            Err(CompileError::Refused(error)) => Err(error.into()),
            Err(CompileError::WorkSpent(_)) => Err(Rejection::Internal),
        }
    }
}

/// Divides a quota equally among the upstreams.
pub(crate) fn part(quota: Quota, upstreams: usize) -> Quota {
    let upstreams = upstreams.max(1);
    Quota {
        total: quota.total / upstreams,
        per_owner: quota.per_owner / upstreams,
        per_peer: quota.per_peer / upstreams,
        reserved: quota.reserved / upstreams,
    }
}

/// The work of making a token anew, run on another thread.
#[derive(Clone)]
struct ReissueJob {
    inner: Arc<Inner>,
    holder: Holder,
    text: Zeroizing<String>,
    how: Reissue,
}

impl ReissueJob {
    fn run(&self, work: &Work) -> Result<Zeroizing<String>, ReissueError> {
        let (keys, context) = (self.inner.keys.current(), self.inner.context());
        let cache = PaidRules { store: &self.inner.shared.rules, holder: &self.holder };
        let compiler = RuleCompiler::new(&cache, work.clone());
        match &self.how {
            Reissue::Narrow(caveat) => keys.narrow(&self.text, caveat, &context, &compiler),
            Reissue::Reseal => keys.reseal(&self.text, &context, &compiler),
        }
    }
}

/// The maker of receipts: tokens for things created by a request. `state.md` section 4.
#[derive(Clone)]
pub(crate) struct Receipts {
    inner: Arc<Inner>,
    payer: Payer,
    text: Zeroizing<String>,
}

impl Receipts {
    /// Makes a token for exactly these grants. The upstream has acted already, so the work waits
    /// for its turn however long that takes.
    pub(crate) async fn make(
        &self,
        grants: Vec<NewGrant>,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let failed = |_| ReissueError::Open(OpenError::Sealed);
        let lanes = &self.inner.shared.lanes;
        let slot = lanes.quick.enter_surely(&self.payer).await.map_err(failed)?;
        let (receipts, given) = (self.clone(), grants.clone());
        let made = slot.work(move || {
            let work = Work::of_steps(QUICK_STEPS);
            let made = receipts.run(&given, &work);
            (!work.is_spent()).then_some(made)
        });
        if let Some(made) = made.await.map_err(failed)? {
            return made;
        }
        let slot =
            lanes.costly(self.payer.trust).enter_surely(&self.payer).await.map_err(failed)?;
        let receipts = self.clone();
        slot.work(move || receipts.run(&grants, &Work::unlimited())).await.map_err(failed)?
    }

    fn run(&self, grants: &[NewGrant], work: &Work) -> Result<Zeroizing<String>, ReissueError> {
        let holder = Holder::of(&self.payer);
        let cache = PaidRules { store: &self.inner.shared.rules, holder: &holder };
        let compiler = RuleCompiler::new(&cache, work.clone());
        self.inner.keys.current().receipt(&self.text, grants, &self.inner.context(), &compiler)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Verifier")
            .field("cached", &self.cache.len())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn compile(
        &self,
        authentic: AuthenticToken,
        holder: &Holder,
        work: Work,
    ) -> Result<VerifiedToken, CompileError> {
        let cache = PaidRules { store: &self.shared.rules, holder };
        authentic.compile(&self.context(), &RuleCompiler::new(&cache, work))
    }

    fn context(&self) -> VerifyContext<'_> {
        self.basis.context(clock::now())
    }
}
