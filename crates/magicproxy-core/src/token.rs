//! Magic tokens, version 1: minting and verifying. Specification: `token-v1.md`.
//!
//! Verification ends in a [`VerifiedToken`]; nothing else can be asked to authorise a request. A token is not trusted
//! for anything before its signature: the header may choose among our keys and nothing more.

mod claims;
mod mint;
mod order;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;
use std::sync::Arc;

use crate::UnixTime;
use crate::key::KeyId;
use crate::policy::{Denial, Permit, Policy};
use crate::seal::SealedCredential;
use crate::target::RequestTarget;

pub use claims::UnverifiedToken;
pub use mint::{Grant, MintError, MintRequest, Minted};
pub use order::{MAX_ORDER_BYTES, MintLimits, MintOrder, OrderFault};
pub use verify::{VerifyContext, VerifyError};

/// The longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far clocks may be apart, in seconds.
pub const LEEWAY_SECONDS: u64 = 30;
/// The longest life of a token, from `iat` to `exp`, in seconds: ten years. The Python program's tokens live five.
pub const MAX_LIFETIME_SECONDS: u64 = 3_660 * 24 * 60 * 60;
/// The latest `exp`: 9999-12-31T23:59:59Z.
pub const MAX_UNIX_TIME: u64 = 253_402_300_799;

/// The name of an upstream, a token's `aud`: 1 to 255 characters of `A-Z a-z 0-9 . _ : - [ ]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamName(String);

impl UpstreamName {
    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-[]".contains(&byte);
        ((1..=255).contains(&text.len()) && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
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
/// An unverified token authorises nothing:
///
/// ```compile_fail,E0599
/// fn skip(token: std::sync::Arc<magicproxy_core::UnverifiedToken<'_>>, access: &magicproxy_core::Access<'_>) {
///     let _ = token.authorize(access);
/// }
/// ```
#[derive(Debug)]
pub struct VerifiedToken {
    id: String,
    key: KeyId,
    issued_at: UnixTime,
    expires_at: UnixTime,
    not_before: Option<UnixTime>,
    upstream: Option<UpstreamName>,
    explain: bool,
    policy: Policy,
    sealed: SealedCredential,
}

/// What a caller wants to do, in the types that the decision is made on.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The request's method, as it will be sent.
    pub method: &'a str,
    /// The request's target, as it will be sent.
    pub target: &'a RequestTarget,
    /// The upstream that it will be sent to.
    pub upstream: &'a UpstreamName,
    /// Does that upstream take tokens that name none?
    pub unnamed: UnnamedTokens,
    /// Rules that every request to this upstream must satisfy besides.
    pub ceiling: Option<&'a Policy>,
    /// The time.
    pub now: UnixTime,
}

/// What becomes of tokens without `aud` at an upstream. The Python program mints such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnnamedTokens {
    /// They are its own. At most one upstream of a proxy may say so: a credential goes to one place.
    Accept,
    /// They are for another upstream.
    #[default]
    Refuse,
}

impl VerifiedToken {
    /// Decides one request. This is the only way to a [`Permit`].
    ///
    /// # Errors
    /// [`Denial`] says why not. Doubt is a denial.
    pub fn authorize(self: &Arc<Self>, access: &Access<'_>) -> Result<Permit, Denial> {
        self.ensure_live(access.now)?;
        let at_home = match &self.upstream {
            Some(named) => named == access.upstream,
            None => access.unnamed == UnnamedTokens::Accept,
        };
        if !at_home {
            return Err(Denial::WrongUpstream);
        }
        let rule = self.policy.allows(access.method, access.target).ok_or(Denial::NotAllowed)?;
        if access.ceiling.is_some_and(|ceiling| ceiling.allows(access.method, access.target).is_none()) {
            return Err(Denial::BeyondCeiling);
        }
        Ok(Permit::new(Arc::clone(self), Arc::clone(rule)))
    }

    /// Is the token within its times?
    ///
    /// # Errors
    /// [`Denial::Expired`], [`Denial::NotYetValid`].
    pub fn ensure_live(&self, now: UnixTime) -> Result<(), Denial> {
        if now.0 >= self.expires_at.0.saturating_add(LEEWAY_SECONDS) {
            return Err(Denial::Expired);
        }
        if self.not_before.is_some_and(|start| now.0.saturating_add(LEEWAY_SECONDS) < start.0) {
            return Err(Denial::NotYetValid);
        }
        Ok(())
    }

    /// The token's `jti`, or a digest of the token where it has none: what logs call it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key that signed it.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.key
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

    /// What it allows.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn sealed_credential(&self) -> &SealedCredential {
        &self.sealed
    }
}
