//! Magic tokens: minting, narrowing and verifying. Specification: `token-v1.md`, `token-v2.md`.
//!
//! Verification ends in a [`VerifiedToken`], the only type that can authorise a request. Nothing in
//! a token is trusted before the signature was verified: the header may choose among the proxy's
//! keys, and no more.

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

/// The longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The largest difference between two clocks that is tolerated, in seconds.
pub const LEEWAY_SECONDS: u64 = 30;

/// True if the text is a token id (`jti`): 1 to 128 characters of `A-Z a-z 0-9 - _`.
#[must_use]
pub fn is_token_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A token with verified signature, times and rules: the only kind of token that can authorise a
/// request.
///
/// INVARIANT: made only by [`KeyRing::verify`](crate::KeyRing::verify).
///
/// ```
/// fn id(token: &magicproxy_core::VerifiedToken) -> &str {
///     token.id()
/// }
/// ```
///
/// No other code makes a verified token, not even from another verified token:
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
    /// The key id of the minter whose signature was verified.
    minter: Option<KeyId>,
    /// The time since when no new token is to be sealed to the token's key, or to the key of one of
    /// its origins; the earliest of them.
    key_retired: Option<UnixTime>,
    /// The time from which the token's key opens nothing, even where `exp` is later.
    key_ends_at: Option<UnixTime>,
    issued_at: UnixTime,
    expires_at: UnixTime,
    /// The end of the token as minted, before caveats shortened its life.
    minted_until: UnixTime,
    not_before: Option<UnixTime>,
    upstream: Option<UpstreamName>,
    explain: bool,
    labels: Vec<Label>,
    /// All labels in one text, as logs show them.
    label: Option<Box<str>>,
    policy: Policy,
    narrowing: Vec<CaveatConditions>,
    /// The owner of everything that the token's requests create, the same for all tokens narrowed
    /// from one token.
    owner: Partition,
    chain: Chain,
    /// The origins: the tokens from which the proxy made this token, as caveats name them.
    origins: Box<[Origin]>,
    provenance: Provenance,
    sealed: TokenCredential,
}

/// The parties that could have minted a token; the difference between a stranger's token and a
/// token of somebody the operator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Signed with the proxy's private key (version 1): any client that may request tokens over
    /// HTTP, or any holder of that key, could have minted the token.
    Proxy,
    /// Signed by a minter whom the operator lists (version 2).
    ListedMinter,
    /// Signed by no minter (version 2): anyone who has the proxy's public key could have minted the
    /// token.
    Anyone,
}

/// The further conditions of one caveat. The caveat's times are not here: narrower times became the
/// token's.
#[derive(Debug)]
pub(crate) struct CaveatConditions {
    pub(crate) policy: Option<Policy>,
    pub(crate) upstream: Option<UpstreamName>,
    pub(crate) networks: Option<Vec<Network>>,
    /// The limit of requests, and the name of the counter.
    pub(crate) limit: Option<(Limit, Partition)>,
}

impl VerifiedToken {
    /// Returns the time from which the token is refused: the earlier of `exp` plus
    /// [`LEEWAY_SECONDS`] and the end of its key. An exchange without an end of its own, such as a
    /// tunnel, must end then.
    #[must_use]
    pub fn refused_from(&self) -> UnixTime {
        let expired = UnixTime(self.expires_at.0.saturating_add(LEEWAY_SECONDS));
        self.key_ends_at.map_or(expired, |end| end.min(expired))
    }

    /// Returns the version of the token's format.
    #[must_use]
    pub fn version(&self) -> TokenVersion {
        self.version
    }

    /// Returns the name of the token in logs: the `jti`, or a digest of the sealed credential where
    /// the token has no `jti`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the id of the key that signed the token, or of its sealing key.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// Returns the key id of the minter whose signature was verified.
    #[must_use]
    pub fn minter(&self) -> Option<&KeyId> {
        self.minter.as_ref()
    }

    /// Returns the time at which the token was minted (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// Returns the end of the token (`exp`), or the earlier end that a caveat sets.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns the start of the token's life (`nbf`), or the later start that a caveat sets.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.not_before
    }

    /// Returns the upstream that the token names (`aud`).
    #[must_use]
    pub fn upstream(&self) -> Option<&UpstreamName> {
        self.upstream.as_ref()
    }

    /// True if a refusal may tell the client the rule that would be needed.
    #[must_use]
    pub fn explains(&self) -> bool {
        self.explain
    }

    /// Returns the rules of the token's claims; caveats may allow less.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the labels: first the subject that the minter gave, if any, then the labels of
    /// caveats in order, by which holders named the next holder.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Returns the labels as logs show them, joined by `>`. The first is the label of the claims,
    /// or `-` where only caveats have labels. The minter wrote the label of the claims; holders of
    /// the token wrote the others.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Returns the conditions that the caveats put on each request.
    pub(crate) fn narrowing(&self) -> &[CaveatConditions] {
        &self.narrowing
    }

    /// True if a caveat limits the number of requests.
    pub(crate) fn has_limits(&self) -> bool {
        self.narrowing.iter().any(|caveat| caveat.limit.is_some())
    }

    /// Returns the time from which the token's key opens nothing.
    pub(crate) fn key_ends_at(&self) -> Option<UnixTime> {
        self.key_ends_at
    }

    /// Returns the number of caveats.
    #[must_use]
    pub fn caveats(&self) -> usize {
        self.narrowing.len()
    }

    /// Returns the bytes of memory behind the token's fields, without the constant size of the
    /// type.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let mut bytes = self.policy.memory_bytes()
            + self.sealed.memory_bytes()
            + self.chain.memory_bytes()
            + self.label().map_or(0, str::len);
        for origin in &self.origins {
            bytes += origin.memory_bytes();
        }
        for caveat in &self.narrowing {
            bytes += caveat.policy.as_ref().map_or(0, Policy::memory_bytes);
            bytes += caveat.networks.as_deref().map_or(0, size_of_val);
        }
        bytes
    }

    /// Returns an upper bound of the credential's length in bytes, for every form of sealing.
    #[must_use]
    pub fn longest_credential(&self) -> usize {
        self.sealed.longest_credential()
    }

    /// Returns the owner of everything that the token's requests create. `state.md` section 1.
    #[must_use]
    pub fn owner(&self) -> Partition {
        self.owner
    }

    /// Returns the chain of caveats: the names by which revoking a token ends all tokens narrowed
    /// from it. `state-store.md` section 7.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Returns all names by which the token can be revoked. `state-store.md` section 6.
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

    /// Returns the names of this token, for a caveat of a new token that the proxy makes from this
    /// token.
    pub(crate) fn to_origin(&self) -> Origin {
        Origin { chain: self.chain.root(), owner: self.owner, kid: self.key.clone() }
    }

    /// Returns the parties that could have minted the token.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Returns the time from which every token of the same owner is refused. Counts are kept until
    /// then: if a count ended with the narrowed token, a short-lived child would end the counts of
    /// its parent.
    #[must_use]
    pub fn owner_ends_at(&self) -> UnixTime {
        UnixTime(self.minted_until.0.saturating_add(LEEWAY_SECONDS))
    }

    /// Returns the plugins that decide on the token's requests besides the rules.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        self.policy.plugins()
    }

    pub(crate) fn sealed(&self) -> &TokenCredential {
        &self.sealed
    }
}

/// Names the counter of the last of these caveats. The digest covers the caveats up to and
/// including the last, so that a further caveat does not change the name. `state.md` section 6.
fn counter(caveats: &[Caveat]) -> Partition {
    let texts: Vec<String> = caveats.iter().map(Caveat::to_json).collect();
    let parts: Vec<&[u8]> =
        std::iter::once(&b"caveat"[..]).chain(texts.iter().map(String::as_bytes)).collect();
    Partition::of(&parts)
}
