//! Magic tokens: minting, narrowing and verifying. Specification: `token-v1.md`, `token-v2.md`.
//!
//! Verification ends in a [`VerifiedToken`]; nothing else can be asked to authorise a request. A token is not trusted
//! for anything before its signature: the header may choose among our keys and nothing more.

mod acceptance;
mod armour;
mod authentic;
mod caveat;
mod chain;
mod claims;
mod claims_fault;
mod label;
mod mint;
mod mint_request;
mod names;
mod network;
mod origin;
mod reissue;
mod rule_source;
mod sealed;
mod size;
#[cfg(test)]
mod tests;
mod verify;

use crate::key::KeyId;
use crate::limit::Limit;
use crate::plugin::PluginName;
use crate::policy::Policy;
use crate::seal::TokenCredential;
use crate::state::Partition;
use crate::time::UnixTime;
use crate::upstream_name::UpstreamName;

pub use acceptance::{Acceptance, MAX_SEALED_LIFETIME_SECONDS, UnnamedTokens};
pub use armour::{armoured, is_armoured, unarmoured};
pub use authentic::{AuthenticToken, CompileError};
pub use caveat::{Caveat, MAX_CAVEATS, ParseCaveatError, Sender};
pub use chain::{Chain, ChainId, OlderChain};
pub use claims::{SignedToken, UnverifiedToken};
pub use claims_fault::ClaimsFault;
pub use label::Label;
pub use mint::{MintError, MintedToken, RuleSource, TokenSpec};
pub use mint_request::{
    KnownNames, MAX_MINT_REQUEST_BYTES, MintLimits, MintRequest, MintRequestFault,
};
pub use names::{TokenNames, UnverifiedNames};
pub use network::Network;
pub use origin::Origin;
pub use reissue::ReissueError;
pub use sealed::{MAX_SEALED_TOKEN_BYTES, NarrowError, SealedClaims, SealedToken, SealedTokenSpec};
pub use size::LongToken;
pub use verify::{VerifyContext, VerifyError};

pub use crate::time::MAX_UNIX_TIME;
pub use crate::token_version::{MAX_LIFETIME_SECONDS, TokenVersion};

/// The longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far clocks may be apart, in seconds.
pub const LEEWAY_SECONDS: u64 = 30;

/// A token's `jti`: 1 to 128 characters of `A-Z a-z 0-9 - _`.
#[must_use]
pub fn is_token_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A token whose signature, times and rules were checked.
///
/// INVARIANT: made only by [`KeyRing::verify`](crate::KeyRing::verify).
///
/// ```
/// fn id(token: &magicproxy_core::VerifiedToken) -> &str {
///     token.id()
/// }
/// ```
///
/// Nobody else makes one, not even out of another one:
///
/// ```compile_fail,E0451
/// fn prolong(token: magicproxy_core::VerifiedToken) -> magicproxy_core::VerifiedToken {
///     magicproxy_core::VerifiedToken { expires_at: magicproxy_core::UnixTime(u64::MAX), ..token }
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn read(json: &str) -> magicproxy_core::VerifiedToken {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn copy(token: &magicproxy_core::VerifiedToken) -> magicproxy_core::VerifiedToken {
///     <magicproxy_core::VerifiedToken as Clone>::clone(token)
/// }
/// ```
///
/// An unverified token authorises nothing:
///
/// ```compile_fail,E0599
/// fn skip(token: std::sync::Arc<magicproxy_core::UnverifiedToken<'_>>, access: &magicproxy_core::AccessRequest<'_>) {
///     let _ = token.authorize(access);
/// }
/// ```
#[derive(Debug)]
pub struct VerifiedToken {
    version: TokenVersion,
    id: String,
    key: KeyId,
    /// The minter whose signature was verified.
    minter: Option<KeyId>,
    /// Since when nothing new is to be sealed to its key, or to that of a token of which it was made.
    key_retired: Option<UnixTime>,
    /// From when on its key opens nothing, however long the token was meant to live.
    key_ends_at: Option<UnixTime>,
    issued_at: UnixTime,
    expires_at: UnixTime,
    /// When the token ends that it was narrowed from.
    minted_until: UnixTime,
    not_before: Option<UnixTime>,
    upstream: Option<UpstreamName>,
    explain: bool,
    labels: Vec<Label>,
    /// They, as logs show them.
    label: Option<Box<str>>,
    policy: Policy,
    narrowing: Vec<Narrowing>,
    /// Whom what it makes belongs to: the same for all that are narrowed from one token.
    owner: Partition,
    chain: Chain,
    /// The tokens of which the proxy made it, as caveats say.
    origins: Box<[Origin]>,
    provenance: Provenance,
    sealed: TokenCredential,
}

/// Who could have minted a token: what tells a stranger's tokens from those of people whom the operator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The proxy's private key signed it (version 1): whoever may request tokens over HTTP, or holds that key.
    Proxy,
    /// A minter whom the operator lists signed it (version 2).
    ListedMinter,
    /// Nobody signed it (version 2): whoever has the proxy's public key.
    Anyone,
}

/// What one caveat demands besides. Its times are the token's, where they are narrower.
#[derive(Debug)]
pub(crate) struct Narrowing {
    pub(crate) policy: Option<Policy>,
    pub(crate) upstream: Option<UpstreamName>,
    pub(crate) networks: Option<Vec<Network>>,
    /// With the name of its count.
    pub(crate) limit: Option<(Limit, Partition)>,
}

impl VerifiedToken {
    /// From when on it is refused: what was begun with it and has no end of its own is to end then.
    #[must_use]
    pub fn refused_from(&self) -> UnixTime {
        let expired = UnixTime(self.expires_at.0.saturating_add(LEEWAY_SECONDS));
        self.key_ends_at.map_or(expired, |end| end.min(expired))
    }

    /// The version of the token.
    #[must_use]
    pub fn version(&self) -> TokenVersion {
        self.version
    }

    /// The token's `jti`, or a digest of its sealed credential where it has none: what logs call it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key that signed it, or to which it was sealed.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// The minter whose signature was verified.
    #[must_use]
    pub fn minter(&self) -> Option<&KeyId> {
        self.minter.as_ref()
    }

    /// When it was minted.
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// When it begins, where it says so.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.not_before
    }

    /// The upstream that it names.
    #[must_use]
    pub fn upstream(&self) -> Option<&UpstreamName> {
        self.upstream.as_ref()
    }

    /// May a refusal say which rule would be needed?
    #[must_use]
    pub fn explains(&self) -> bool {
        self.explain
    }

    /// What its claims allow; its caveats may allow less.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whom it is for, and what its holders called those to whom they gave it, in that order.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The labels as logs show them, joined by `>`: first that of the claims, `-` where they have none but caveats do. The claims' was
    /// written by whoever minted the token, the others by whoever held it.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// What its caveats demand of each request.
    pub(crate) fn narrowing(&self) -> &[Narrowing] {
        &self.narrowing
    }

    /// Does one of its caveats count requests?
    pub(crate) fn has_limits(&self) -> bool {
        self.narrowing.iter().any(|caveat| caveat.limit.is_some())
    }

    /// From when on its key opens nothing.
    pub(crate) fn key_ends_at(&self) -> Option<UnixTime> {
        self.key_ends_at
    }

    /// How many caveats it bears.
    #[must_use]
    pub fn caveats(&self) -> usize {
        self.narrowing.len()
    }

    /// Memory of what it holds, in bytes, without what every token takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let caveats = || self.narrowing.iter().filter_map(|caveat| caveat.policy.as_ref());
        let policies = || std::iter::once(&self.policy).chain(caveats());
        let networks: usize = self
            .narrowing
            .iter()
            .filter_map(|caveat| caveat.networks.as_deref())
            .map(size_of_val)
            .sum();
        let names = self.chain.memory_bytes()
            + self.label().map_or(0, str::len)
            + self.origins.iter().map(Origin::memory_bytes).sum::<usize>();
        policies().map(Policy::memory_bytes).sum::<usize>()
            + networks
            + names
            + self.sealed.memory_bytes()
    }

    /// How long its credential is at most, in bytes, however that is sealed.
    #[must_use]
    pub fn longest_credential(&self) -> usize {
        self.sealed.longest_credential()
    }

    /// Whom what it makes belongs to. `state.md` section 1.
    #[must_use]
    pub fn owner(&self) -> Partition {
        self.owner
    }

    /// What its chain of caveats is called, and whose revocation ends it. `state-store.md` section 7.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// All names by which it can be revoked. `state-store.md` section 6.
    #[must_use]
    pub fn names(&self) -> TokenNames<'_> {
        TokenNames {
            version: self.version,
            id: &self.id,
            key: Some(self.key.as_str()),
            minter: self.minter.as_ref().map(KeyId::as_str),
            owner: self.owner,
            chain: &self.chain,
            origins: &self.origins,
            issued_at: self.issued_at,
            key_retired: self.key_retired,
        }
    }

    /// What names it in a token that the proxy makes of it.
    pub(crate) fn to_origin(&self) -> Origin {
        Origin { chain: self.chain.root(), owner: self.owner, kid: self.key.clone() }
    }

    /// Who could have minted it.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// From when on nothing of its owner is accepted, however narrow this one is: counts last as long, or a short-lived child
    /// would end those of its parent.
    #[must_use]
    pub fn owner_ends_at(&self) -> UnixTime {
        UnixTime(self.minted_until.0.saturating_add(LEEWAY_SECONDS))
    }

    /// The plugins that decide on its requests, besides its rules.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        self.policy.plugins()
    }

    pub(crate) fn sealed(&self) -> &TokenCredential {
        &self.sealed
    }
}

/// The name of a caveat's count: of all caveats up to it, so that further ones do not change it. `state.md` section 6.
fn counter(caveats: &[Caveat]) -> Partition {
    let texts: Vec<String> = caveats.iter().map(Caveat::to_json).collect();
    let parts: Vec<&[u8]> =
        std::iter::once(&b"caveat"[..]).chain(texts.iter().map(String::as_bytes)).collect();
    Partition::of(&parts)
}
