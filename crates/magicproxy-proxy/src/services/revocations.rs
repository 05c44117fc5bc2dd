//! Revocations: which genuine tokens are no longer accepted. Asked after verification, before anything is decided.
//!
//! The list is filled by whoever watches where it is kept, and ages: when it has not been refreshed for too long it cannot
//! be trusted, and doubt is denial. While nothing is revoked and nothing ages, asking costs one atomic load.
//! Specification: `docs/spec/state-store.md` section 6.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use magicproxy_core::state::Partition;
use magicproxy_core::{ChainId, KeyId, TokenNames, TokenVersion, UnixTime, VerifiedToken};

/// A list that does not age.
const ALWAYS: u64 = u64::MAX;

/// What is revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationList {
    /// Chains of caveats: tokens with exactly these, and all that were narrowed from them.
    pub chains: HashSet<ChainId>,
    /// Tokens by what logs call them, their `jti` or a digest, whoever minted them.
    pub ids: HashSet<String>,
    /// Families of tokens, by what logs call them and who gave them that name.
    pub minted: HashMap<String, HashSet<TokenIssuer>>,
    /// Families of tokens, by whom what they make belongs to.
    pub owners: HashSet<Partition>,
    /// Tokens of these keys.
    pub keys: HashSet<String>,
    /// Tokens that were minted before.
    pub before: Option<UnixTime>,
}

/// Who gave a token its id. Another key, another minter and the other version may give the same one to another token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenIssuer {
    /// The version of the token.
    pub version: TokenVersion,
    /// The id of the key that signed it, or to which it was sealed.
    pub key: String,
    /// The thumbprint of the minter's key. Without one, whoever has the public key could give the id.
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

    /// Is a token with these names revoked, or one of which the proxy made it? Asks nothing of kinds of which there is no entry,
    /// and allocates nothing.
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
}

/// Why a genuine token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevocationError {
    Revoked,
    /// The list of revocations has not been read for too long.
    Unknown,
}

/// Nothing is minted now, for it would be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MintSuspension {
    /// For how long, where that is known.
    pub(crate) after: Option<Duration>,
}

/// The list in use, shared by all gates.
#[derive(Debug)]
pub struct Revocations {
    /// There is nothing to ask: the list is empty and does not age.
    quiet: AtomicBool,
    list: RwLock<Arc<RevocationList>>,
    /// Until when the list is trusted, in milliseconds of the process's own clock.
    trusted_until: AtomicU64,
}

impl Default for Revocations {
    /// Nothing is revoked.
    fn default() -> Self {
        Self {
            quiet: AtomicBool::new(true),
            list: RwLock::default(),
            trusted_until: AtomicU64::new(ALWAYS),
        }
    }
}

impl Revocations {
    /// Not known yet: until the first [`refresh`](Self::refresh), no token is accepted.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            quiet: AtomicBool::new(false),
            list: RwLock::default(),
            trusted_until: AtomicU64::new(0),
        }
    }

    /// This is the list, and it does not age.
    pub fn replace(&self, list: RevocationList) {
        self.set(list, ALWAYS);
    }

    /// This was the list then, and is trusted for so long from there.
    pub fn refresh(&self, list: RevocationList, then: Instant, trust: Duration) {
        self.set(list, clock_of(then + trust));
    }

    /// The list was still the same then, and is trusted for so long from there.
    pub fn confirm(&self, then: Instant, trust: Duration) {
        self.trusted_until.store(clock_of(then + trust), Ordering::Release);
    }

    fn set(&self, list: RevocationList, until: u64) {
        let quiet = list.is_empty() && until == ALWAYS;
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        self.trusted_until.store(until, Ordering::Release);
        self.quiet.store(quiet, Ordering::Release);
    }

    /// Would a token that this key signs now be none of them?
    pub(crate) fn ensure_mintable(&self, key: &KeyId, now: UnixTime) -> Result<(), MintSuspension> {
        if self.quiet.load(Ordering::Acquire) {
            return Ok(());
        }
        let list = Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner));
        if list.keys.contains(key.as_str()) {
            return Err(MintSuspension { after: None });
        }
        match list.before {
            Some(before) if now < before => Err(MintSuspension {
                after: Some(Duration::from_secs(before.0.saturating_sub(now.0))),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Is this token none of them?
    pub(crate) fn ensure_live(&self, token: &VerifiedToken) -> Result<(), RevocationError> {
        if self.quiet.load(Ordering::Acquire) {
            return Ok(());
        }
        let until = self.trusted_until.load(Ordering::Acquire);
        // What is known to be revoked is so, however old the knowledge.
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

/// Milliseconds since this module was first asked; a wall clock may go back. Never 0, which is before everything.
fn clock_of(instant: Instant) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let passed = instant.saturating_duration_since(*START).as_millis();
    u64::try_from(passed).unwrap_or(ALWAYS - 1).saturating_add(1).min(ALWAYS - 1)
}
