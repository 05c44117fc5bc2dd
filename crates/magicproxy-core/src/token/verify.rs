//! Verifying a token. For version 1 the order is: signature, times, rules. `token-v1.md`.

use super::acceptance::Acceptance;
use super::authentic::{AuthenticToken, CompileError};
use super::caveat::ParseCaveatError;
use super::claims::{Claims, SignedToken, UnverifiedToken};
use super::claims_fault::ClaimsFault;
use super::origin::Origin;
use super::rule_source::ClaimedRules;
use super::{LEEWAY_SECONDS, Provenance, VerifiedToken};
use crate::credential::ParseCredentialError;
use crate::key::{KeyRing, PrivateKey};
use crate::pattern::PatternMode;
use crate::policy::{Policy, PolicyError, RuleCompiler};
use crate::rule::RuleFault;
use crate::scope::Scopes;
use crate::seal::{SealedCredential, TokenCredential};
use crate::time::UnixTime;
use crate::token_version::{MAX_LIFETIME_SECONDS, TokenVersion};
use crate::upstream_name::UpstreamName;

/// The inputs of a verification besides the keys.
#[derive(Debug, Clone, Copy)]
pub struct VerifyContext<'a> {
    /// The time of the verification.
    pub now: UnixTime,
    /// The scopes in the proxy's configuration.
    pub scopes: &'a Scopes,
    /// The matching of patterns that the upstream is configured for.
    pub patterns: PatternMode,
    /// The tokens that the operator accepts.
    pub acceptance: &'a Acceptance,
}

/// The reason for which a token is refused.
///
/// Exhaustive on purpose: other crates map each variant to a response, and a new variant must not
/// compile before it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not the base64url parts of either version.
    #[error("this is not a magic token")]
    Malformed,
    /// A version 2 token in the form before the first release.
    #[error(
        "a token that begins with `mt2.` has a form that is not accepted any more: mint it anew, it will begin with `mt2_`"
    )]
    OldForm,
    /// Longer than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    #[error("the token is too long")]
    TooLong,
    /// Another algorithm or type, or a header member that is not accepted.
    #[error("the token's header is not accepted")]
    Header,
    /// A `kid` that the ring does not hold, or that the operator denies.
    #[error("the token was {} a key that this proxy does not accept", .0.how())]
    UnknownKey(TokenVersion),
    /// The `kid` of a key in the ring whose `not_after` has passed, or whose retirement was long
    /// before the token's `iat`.
    #[error(
        "the token was sealed to a key of this proxy that was retired and opens nothing any more: it must be minted anew, to the key of now"
    )]
    RetiredKey,
    /// Made by the proxy from a token of a key that the operator denies.
    #[error("the token was made of one of a key that this proxy does not accept")]
    DeniedOrigin,
    /// Not signed by a key of the ring.
    #[error("the token's signature is not valid here")]
    Signature,
    /// Genuine, but with claims that the specification does not allow.
    #[error("the token's claims are not accepted: {0}")]
    Claims(#[from] ClaimsFault),
    /// A version 2 token whose seal does not open with the proxy's key.
    #[error("the token was not sealed for this proxy, or was changed")]
    Seal,
    /// A version 2 token whose chain does not end in its tag.
    #[error("the token's caveats were changed")]
    Tag,
    /// A genuine token with a caveat that the specification does not allow.
    #[error("a caveat of the token is not accepted: {0}")]
    Caveat(#[from] ParseCaveatError),
    /// A genuine token with a credential of a form that the specification does not allow.
    #[error("the token does not hold a usable credential: {0}")]
    Credential(ParseCredentialError),
    /// Not signed by a minter whom the operator lists.
    #[error("this proxy accepts tokens of listed minters only, and the token is not one")]
    Minter,
    /// A version that the operator does not accept.
    #[error("this proxy does not accept tokens of version {0} here")]
    Version(&'static str),
    /// A KEM that the operator does not accept.
    #[error("this proxy does not accept tokens of the kind `{0}`")]
    Kem(&'static str),
    /// Verified at or after `exp` plus the leeway.
    #[error("the token has expired")]
    Expired,
    /// Verified before `nbf`, or minted in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A life that is longer than the operator accepts.
    #[error("the token lives longer than this proxy accepts")]
    Lifetime,
    /// A scope that the proxy does not know.
    #[error("the token names a scope that this proxy does not know: `{0}`")]
    UnknownScope(String),
    /// A rule that the proxy would not mint.
    #[error("{0}")]
    Rule(RuleFault),
    /// Rules that are too complex together.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl VerifyError {
    /// Returns the stable code that a rejection carries.
    #[must_use]
    pub fn code(&self) -> &'static str {
        if *self == Self::Expired { "expired_token" } else { "invalid_token" }
    }
}

impl KeyRing {
    /// Verifies a token without a limit on the work of compiling its rules.
    ///
    /// # Errors
    /// [`VerifyError`]. On any error the token is refused.
    pub fn verify(
        &self,
        text: &str,
        context: &VerifyContext<'_>,
    ) -> Result<VerifiedToken, VerifyError> {
        self.verify_with(text, context, &RuleCompiler::default())
    }

    /// Verifies a token with rules compiled by `compiler`. Rules are refused as too complex if they
    /// need more work than is left.
    pub(super) fn verify_with(
        &self,
        text: &str,
        context: &VerifyContext<'_>,
        compiler: &RuleCompiler<'_>,
    ) -> Result<VerifiedToken, VerifyError> {
        self.authenticate(text, context)?.compile(context, compiler).map_err(|error| match error {
            CompileError::Refused(error) => error,
            CompileError::WorkSpent(_) => PolicyError::TooComplex.into(),
        })
    }

    /// Verifies everything but the rules, at the same cost for every token: the first half of a
    /// verification.
    ///
    /// # Errors
    /// [`VerifyError`]. On any error the token is refused.
    pub fn authenticate(
        &self,
        text: &str,
        context: &VerifyContext<'_>,
    ) -> Result<AuthenticToken, VerifyError> {
        match UnverifiedToken::parse(text)? {
            UnverifiedToken::V1(token) => {
                context.acceptance.ensure_version(TokenVersion::V1)?;
                self.authenticate_signed(&token, context)
            }
            UnverifiedToken::V2(token) => {
                context.acceptance.ensure_version(TokenVersion::V2)?;
                self.authenticate_sealed(&token, context)
            }
        }
    }

    fn authenticate_signed(
        &self,
        token: &SignedToken<'_>,
        context: &VerifyContext<'_>,
    ) -> Result<AuthenticToken, VerifyError> {
        let key = self.signer_of(token)?;
        if context.acceptance.denies_key(key.public().id()) {
            return Err(VerifyError::UnknownKey(TokenVersion::V1));
        }
        let mut claims = token.claims()?;
        let origins = Origin::all_of(claims.caveats.as_deref().unwrap_or_default());
        context.acceptance.ensure_origins(&origins)?;
        let (iat, exp, nbf) =
            (UnixTime(claims.iat), UnixTime(claims.exp), claims.nbf.map(UnixTime));
        check_lifetime(iat, exp, context.acceptance.longest_life(TokenVersion::V1))?;
        check_now(iat, exp, nbf, context.now)?;
        if context.acceptance.require_sub && claims.sub.is_none() {
            return Err(ClaimsFault::NoSubject.into());
        }
        let upstream = claims
            .aud
            .as_deref()
            .map(|name| UpstreamName::parse(name).ok_or(ClaimsFault::Upstream))
            .transpose()?;
        let granted = granted(&mut claims, context)?;
        let (id, chain, owner) = (claims.id(), claims.chain(), claims.owner());
        let ciphertext = claims.ciphertext().to_owned();
        let authentic = VerifiedToken {
            policy: Policy::nothing(),
            version: TokenVersion::V1,
            id,
            chain,
            origins,
            key: key.public().id().clone(),
            minter: None,
            key_retired: None,
            key_ends_at: None,
            issued_at: iat,
            expires_at: exp,
            minted_until: exp,
            not_before: nbf,
            upstream,
            explain: claims.explain,
            labels: claims.sub.into_iter().collect(),
            label: None,
            narrowing: Vec::new(),
            owner,
            provenance: Provenance::Proxy,
            sealed: TokenCredential::Rsa(SealedCredential::new(
                ciphertext,
                key.public().id().clone(),
            )),
        };
        Ok(AuthenticToken::new(authentic, granted, Ok(claims.caveats.unwrap_or_default())))
    }

    pub(super) fn signer_of(&self, token: &SignedToken<'_>) -> Result<&PrivateKey, VerifyError> {
        let signed_by = |key: &&PrivateKey| {
            key.public().verify_signature(token.signed.as_bytes(), &token.signature)
        };
        match token.kid() {
            Some(kid) => {
                let key = self.by_id(kid).ok_or(VerifyError::UnknownKey(TokenVersion::V1))?;
                Some(key).filter(signed_by).ok_or(VerifyError::Signature)
            }
            None => self.keys().find(signed_by).ok_or(VerifyError::Signature),
        }
    }
}

/// Checks that the life of the token is not longer than the maximum.
pub(super) fn check_lifetime(
    iat: UnixTime,
    exp: UnixTime,
    longest: Option<u64>,
) -> Result<(), VerifyError> {
    let lifetime = exp.0.saturating_sub(iat.0);
    if lifetime > MAX_LIFETIME_SECONDS || longest.is_some_and(|max| lifetime > max) {
        return Err(VerifyError::Lifetime);
    }
    Ok(())
}

/// Checks that the token is live at `now`.
pub(super) fn check_now(
    iat: UnixTime,
    exp: UnixTime,
    nbf: Option<UnixTime>,
    now: UnixTime,
) -> Result<(), VerifyError> {
    if now.0 >= exp.0.saturating_add(LEEWAY_SECONDS) {
        return Err(VerifyError::Expired);
    }
    if now.0.saturating_add(LEEWAY_SECONDS) < iat.max(nbf.unwrap_or(UnixTime(0))).0 {
        return Err(VerifyError::NotYetValid);
    }
    Ok(())
}

fn granted(claims: &mut Claims, context: &VerifyContext<'_>) -> Result<ClaimedRules, VerifyError> {
    match (claims.allowed.take(), claims.scopes.take().unwrap_or_default()) {
        (Some(allowed), scopes) if scopes.is_empty() => {
            Ok(ClaimedRules::Rules(allowed, context.patterns))
        }
        (None, scopes) if !scopes.is_empty() => Ok(ClaimedRules::Scopes(scopes)),
        _ => Err(ClaimsFault::RuleSource.into()),
    }
}
