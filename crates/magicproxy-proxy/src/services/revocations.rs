//! Revocations: genuine tokens that are no longer accepted. Checked after verification, before
//! anything is decided.
//!
//! The watcher of the revocation source fills the list. The list ages: after too long without a
//! refresh the list cannot be trusted, and doubt is denial. While nothing is revoked and nothing
//! ages, a check costs one atomic load. Specification: `docs/spec/state-store.md` section 6.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use magicproxy_core::state::Partition;
use magicproxy_core::{
    ChainId, KeyId, TokenNames, TokenVersion, UnixTime, UnverifiedNames, UnverifiedToken,
    VerifiedToken,
};

use crate::metrics::{Gauges, Samples, families};

/// The expiry of a list that does not age.
const ALWAYS: u64 = u64::MAX;

/// The revoked tokens, by each kind of revocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationList {
    /// Chains of caveats: tokens with one of these chains, and all tokens narrowed from them.
    pub chains: HashSet<ChainId>,
    /// Token ids as in logs, a `jti` or a digest, of every minter.
    pub ids: HashSet<String>,
    /// Token ids as in logs, with the issuers of the ids. The whole family of each token is
    /// revoked.
    pub minted: HashMap<String, HashSet<TokenIssuer>>,
    /// Owners of state: all tokens of these owners are revoked.
    pub owners: HashSet<Partition>,
    /// Key ids: all tokens of these keys are revoked.
    pub keys: HashSet<String>,
    /// A time: all tokens minted before are revoked.
    pub before: Option<UnixTime>,
}

/// The issuer that gave a token its id. Another key, another minter or the other version may give
/// the same id to another token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenIssuer {
    /// The version of the token.
    pub version: TokenVersion,
    /// The id of the key that signed the token, or to which the token was sealed.
    pub key: String,
    /// The thumbprint of the minter's key; `None` for an id that anyone with the public key could
    /// give.
    pub minter: Option<String>,
}

impl RevocationList {
    fn is_empty(&self) -> bool {
        let Self { chains, ids, minted, owners, keys, before } = self;
        let is_empty = [
            chains.is_empty(),
            ids.is_empty(),
            minted.is_empty(),
            owners.is_empty(),
            keys.is_empty(),
        ];
        is_empty == [true; 5] && before.is_none()
    }

    /// True if a token with these names is revoked, or a token from which the proxy made it. Kinds
    /// of revocation without an entry cost nothing, and nothing is allocated.
    #[must_use]
    pub fn refuses(&self, token: &TokenNames<'_>) -> bool {
        let chained = || token.chain.ids().iter().any(|id| self.chains.contains(id));
        let minted = |minting: &TokenIssuer| {
            minting.version == token.version
                && token.was_minted(&minting.key, minting.minter.as_deref())
        };
        (!self.chains.is_empty() && chained())
            || self.before.is_some_and(|before| token.was_minted_before(before))
            || self.ids.contains(token.id)
            || self.minted.get(token.id).is_some_and(|mintings| mintings.iter().any(minted))
            || (!self.owners.is_empty() && token.has_owner(|owner| self.owners.contains(owner)))
            || (!self.keys.is_empty() && token.has_key(|key| self.keys.contains(key)))
    }

    /// Refuses to mint if a token signed now by this key would be revoked.
    ///
    /// # Errors
    /// [`MintSuspension`].
    pub fn ensure_mintable(&self, key: &KeyId, now: UnixTime) -> Result<(), MintSuspension> {
        if self.keys.contains(key.as_str()) {
            return Err(MintSuspension { after: None });
        }
        match self.before {
            Some(before) if now < before => Err(MintSuspension {
                after: Some(Duration::from_secs(before.0.saturating_sub(now.0))),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses to hand out a token made now that would be revoked, such as a token that was sealed
    /// anew to a revoked key.
    ///
    /// # Errors
    /// [`MintSuspension`], also for a text whose names cannot be read.
    pub fn ensure_made_live(&self, made: &str) -> Result<(), MintSuspension> {
        let parsed = UnverifiedToken::parse(made).ok();
        let names = parsed.and_then(|token| UnverifiedNames::of(&token, None));
        match names {
            Some(names) if !self.refuses(&names.names()) => Ok(()),
            Some(_) | None => Err(MintSuspension { after: None }),
        }
    }
}

/// A reason for which a genuine token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RevocationError {
    #[error("the token was revoked")]
    Revoked,
    /// The list of revocations has not been read for too long.
    #[error("the list of revocations has not been read for too long")]
    Unknown,
}

/// Whether the list is trusted, as tokens are judged now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationTrust {
    /// The list does not age.
    Lasting,
    /// The list is trusted for so long, unless it is read again.
    Until(Duration),
    /// The list has not been read for too long, or never: no token is accepted.
    Lost,
}

/// A refusal to mint, because the new token would be revoked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintSuspension {
    /// The time until tokens can be minted again, if known; `None` if another key is needed.
    pub after: Option<Duration>,
}

/// The revocation list in use, shared by all gates.
#[derive(Debug)]
pub struct Revocations {
    /// True while the list is empty and does not age, so that a check need not read the list.
    quiet: AtomicBool,
    list: RwLock<Arc<RevocationList>>,
    /// The end of trust in the list, in milliseconds of `clock_of`.
    trusted_until: AtomicU64,
    /// The time at which the list was last read or confirmed, in milliseconds of `clock_of`.
    read_at: AtomicU64,
    /// The number of times that the list was replaced.
    changes: AtomicU64,
}

impl Default for Revocations {
    /// Makes an empty list that does not age.
    fn default() -> Self {
        Self {
            quiet: AtomicBool::new(true),
            list: RwLock::default(),
            trusted_until: AtomicU64::new(ALWAYS),
            read_at: AtomicU64::new(clock_of(Instant::now())),
            changes: AtomicU64::new(0),
        }
    }
}

impl Revocations {
    /// Makes a list whose content is not known yet: until the first [`refresh`](Self::refresh), no
    /// token is accepted.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            quiet: AtomicBool::new(false),
            list: RwLock::default(),
            trusted_until: AtomicU64::new(0),
            read_at: AtomicU64::new(clock_of(Instant::now())),
            changes: AtomicU64::new(0),
        }
    }

    /// Replaces the list by a list that does not age.
    pub fn replace(&self, list: RevocationList) {
        self.set(list, ALWAYS);
    }

    /// Replaces the list by the list read at `then`, trusted until `then + trust`.
    pub fn refresh(&self, list: RevocationList, then: Instant, trust: Duration) {
        self.set(list, clock_of(then + trust));
        self.read_at.store(clock_of(then), Ordering::Relaxed);
    }

    /// Notes that the list was unchanged at `then`, and extends the trust until `then + trust`.
    pub fn confirm(&self, then: Instant, trust: Duration) {
        self.trusted_until.store(clock_of(then + trust), Ordering::Release);
        self.read_at.store(clock_of(then), Ordering::Relaxed);
    }

    fn set(&self, list: RevocationList, until: u64) {
        let quiet = list.is_empty() && until == ALWAYS;
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        self.trusted_until.store(until, Ordering::Release);
        self.quiet.store(quiet, Ordering::Release);
        // Last: whoever sees the number finds this list, or a later one.
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Returns the number of times that the list was replaced.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Refuses to mint if a token signed now by this key would be revoked.
    pub(crate) fn ensure_mintable(&self, key: &KeyId, now: UnixTime) -> Result<(), MintSuspension> {
        if self.quiet.load(Ordering::Acquire) {
            return Ok(());
        }
        self.current().ensure_mintable(key, now)
    }

    /// Refuses to hand out a token made now that would be revoked.
    pub(crate) fn ensure_made_live(&self, made: &str) -> Result<(), MintSuspension> {
        if self.quiet.load(Ordering::Acquire) {
            return Ok(());
        }
        self.current().ensure_made_live(made)
    }

    /// Returns the list in force.
    #[must_use]
    pub fn current(&self) -> Arc<RevocationList> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells whether the list is trusted at this moment.
    #[must_use]
    pub fn trust(&self) -> RevocationTrust {
        let until = self.trusted_until.load(Ordering::Acquire);
        let now = clock_of(Instant::now());
        match until.checked_sub(now) {
            _ if until == ALWAYS => RevocationTrust::Lasting,
            Some(left) if left > 0 => RevocationTrust::Until(Duration::from_millis(left)),
            Some(_) | None => RevocationTrust::Lost,
        }
    }

    /// Refuses a revoked token, and every token while the list cannot be trusted.
    pub(crate) fn ensure_live(&self, token: &VerifiedToken) -> Result<(), RevocationError> {
        if self.quiet.load(Ordering::Acquire) {
            return Ok(());
        }
        let until = self.trusted_until.load(Ordering::Acquire);
        // A known revocation holds, however old the list.
        if Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
            .refuses(&token.names())
        {
            return Err(RevocationError::Revoked);
        }
        if until != ALWAYS && until <= clock_of(Instant::now()) {
            return Err(RevocationError::Unknown);
        }
        Ok(())
    }
}

impl Gauges for Revocations {
    fn sample(&self, samples: &mut Samples) {
        let list = Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner));
        let RevocationList { chains, ids, minted, owners, keys, before } = &*list;
        let counts = [
            ("chain", chains.len()),
            ("id", ids.len()),
            ("minted_id", minted.values().map(HashSet::len).sum()),
            ("owner", owners.len()),
            ("key", keys.len()),
            ("before", usize::from(before.is_some())),
        ];
        for (kind, count) in counts {
            samples.add(&families::REVOCATIONS, &[("kind", kind)], count as f64);
        }
        // A list that does not age has no age.
        if self.trusted_until.load(Ordering::Acquire) != ALWAYS {
            let read_at = self.read_at.load(Ordering::Relaxed);
            let age = clock_of(Instant::now()).saturating_sub(read_at) as f64 / 1e3;
            samples.add(&families::REVOCATIONS_AGE, &[], age);
        }
    }
}

/// Returns milliseconds since the first call, because a wall clock may go back. Never 0, which is
/// before everything.
fn clock_of(instant: Instant) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let passed = instant.saturating_duration_since(*START).as_millis();
    u64::try_from(passed).unwrap_or(ALWAYS - 1).saturating_add(1).min(ALWAYS - 1)
}
