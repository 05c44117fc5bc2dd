//! The faults for which the claims of a genuine token are refused.

use super::caveat::ParseCaveatError;
use crate::json::form::FormFaults;
use crate::rule::OPERATORS_MEMBER;
use crate::time::{MAX_UNIX_TIME, UnixTime};

/// A fault in the claims of a token whose form is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsFault {
    /// Not a JSON object of the form of the token's version.
    #[error(transparent)]
    Form(#[from] FormFaults),
    /// No sealed credential, or two.
    #[error("expected exactly one of `token` and `sealed`")]
    Credential,
    /// A `jti` of other characters, or too long.
    #[error("jti: expected 1 to 128 characters of `A-Z a-z 0-9 - _`")]
    TokenId,
    /// An `aud` of other characters, or too long.
    #[error("aud: expected a name of 1 to 255 characters `A-Z a-z 0-9 . _ : - [ ]`")]
    Upstream,
    /// Neither rules nor scopes, or both.
    #[error("expected exactly one of `allowed` and `scopes`")]
    RuleSource,
    /// More scopes than a token of version 1 may name.
    #[error("scopes: expected at most 1,000 names")]
    TooManyScopes,
    /// More or fewer scopes than a token of version 2 may name.
    #[error("scopes: expected 1 to 1,000 names")]
    ScopeCount,
    /// A plain rule that is not written as a text of one method and a pattern.
    #[error("allowed: expected each plain rule as a text, of one method and a pattern")]
    PlainRule,
    /// A rule with a member that only a scope of the configuration may have.
    #[error("{OPERATORS_MEMBER}")]
    OperatorsMember,
    /// A rule that names the owner of its state.
    #[error("a token does not say whose its state is")]
    Owner,
    /// An empty list of caveats, or too many.
    #[error("caveats: expected 1 to 16 objects")]
    CaveatCount,
    /// A fault in a caveat.
    #[error("caveats: {0}")]
    Caveat(ParseCaveatError),
    /// A moment beyond [`MAX_UNIX_TIME`].
    #[error("iat, exp, nbf: expected moments before the year 10000")]
    LateMoment,
    /// An end that is not later than the beginning.
    #[error("exp: expected a moment later than iat")]
    EndBeforeBeginning,
    /// No label (`sub`), where the operator requires a label.
    #[error("this proxy wants tokens that name whom they are for (`sub`)")]
    NoSubject,
    /// A `kem` other than the KEM of the key that `kid` names.
    #[error("kem is not that of the key")]
    KemOfAnotherKey,
}

/// The times of a token's claims.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) iat: UnixTime,
    pub(super) exp: UnixTime,
    pub(super) nbf: Option<UnixTime>,
}

impl Times {
    /// Checks that the times are possible, without regard to the present time.
    pub(super) fn check(self) -> Result<(), ClaimsFault> {
        if [Some(self.iat), Some(self.exp), self.nbf]
            .into_iter()
            .flatten()
            .any(|time| time.0 > MAX_UNIX_TIME)
        {
            return Err(ClaimsFault::LateMoment);
        }
        if self.exp <= self.iat { Err(ClaimsFault::EndBeforeBeginning) } else { Ok(()) }
    }
}
