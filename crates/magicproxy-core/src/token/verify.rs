//! Verifying a version 1 token: signature first, then times, then rules. `token-v1.md`.

use std::collections::HashSet;

use aws_lc_rs::digest;

use super::claims::{Claims, UnverifiedToken};
use super::{LEEWAY_SECONDS, MAX_LIFETIME_SECONDS, MAX_UNIX_TIME, UpstreamName, VerifiedToken};
use crate::UnixTime;
use crate::encoding::base64url;
use crate::key::{KeyRing, PrivateKey};
use crate::pattern::PatternMode;
use crate::policy::{Policy, PolicyError};
use crate::rule::{RawRule, Rule, RuleFault};
use crate::scope::Scopes;
use crate::seal::SealedCredential;

/// What verification needs to know besides the keys.
#[derive(Debug, Clone, Copy)]
pub struct VerifyContext<'a> {
    /// The time.
    pub now: UnixTime,
    /// The scopes that the proxy knows.
    pub scopes: &'a Scopes,
    /// How the upstream wants patterns matched.
    pub patterns: PatternMode,
    /// Tokens that live longer, from `iat` to `exp`, are refused. In seconds.
    pub max_lifetime: Option<u64>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not three parts of base64url.
    #[error("this is not a magic token")]
    Malformed,
    /// Longer than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    #[error("the token is too long")]
    TooLong,
    /// Another algorithm or type, or a header member that is not accepted.
    #[error("the token's header is not accepted")]
    Header,
    /// A `kid` that the ring does not hold.
    #[error("the token was signed with a key that this proxy does not have")]
    UnknownKey,
    /// The signature is not by one of our keys.
    #[error("the token's signature is not valid here")]
    Signature,
    /// Genuine, and its claims are not what the specification says.
    #[error("the token's claims are not accepted: {0}")]
    Claims(String),
    /// From `exp` and the leeway on.
    #[error("the token has expired")]
    Expired,
    /// Before `nbf`, or minted in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Lives longer than the operator accepts.
    #[error("the token lives longer than this proxy accepts")]
    Lifetime,
    /// Names a scope that the proxy does not know.
    #[error("the token names a scope that this proxy does not know: `{0}`")]
    UnknownScope(String),
    /// A rule that the proxy would not mint.
    #[error("{0}")]
    Rule(RuleFault),
    /// Rules that are too complex together.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl KeyRing {
    /// Verifies a token.
    ///
    /// # Errors
    /// [`VerifyError`]. Whatever the error: the token is not accepted.
    pub fn verify(&self, text: &str, context: &VerifyContext<'_>) -> Result<VerifiedToken, VerifyError> {
        let unverified = UnverifiedToken::parse(text)?;
        let key = self.signer_of(&unverified)?;
        let claims = unverified.claims()?;
        check_times(&claims, context)?;
        check_labels(&claims)?;
        let upstream =
            claims.aud.as_deref().map(|name| UpstreamName::parse(name).ok_or_else(|| claim("aud is not a name"))).transpose()?;
        Ok(VerifiedToken {
            policy: policy(&claims, context)?,
            id: claims.jti.unwrap_or_else(|| digest_of(text)),
            key: key.public().id().clone(),
            issued_at: UnixTime(claims.iat),
            expires_at: UnixTime(claims.exp),
            not_before: claims.nbf.map(UnixTime),
            upstream,
            explain: claims.explain,
            sealed: SealedCredential::new(claims.token, key.public().id().clone()),
        })
    }

    fn signer_of(&self, token: &UnverifiedToken<'_>) -> Result<&PrivateKey, VerifyError> {
        let signed_by = |key: &&PrivateKey| key.public().verify_signature(token.signed.as_bytes(), &token.signature);
        match token.kid() {
            Some(kid) => {
                let key = self.by_id(kid).ok_or(VerifyError::UnknownKey)?;
                Some(key).filter(signed_by).ok_or(VerifyError::Signature)
            }
            None => self.keys().find(signed_by).ok_or(VerifyError::Signature),
        }
    }
}

fn check_times(claims: &Claims, context: &VerifyContext<'_>) -> Result<(), VerifyError> {
    let now = context.now.0;
    if claims.exp > MAX_UNIX_TIME || claims.exp <= claims.iat {
        return Err(claim("exp must be later than iat, and before the year 10000"));
    }
    let lifetime = claims.exp - claims.iat;
    if lifetime > MAX_LIFETIME_SECONDS || context.max_lifetime.is_some_and(|max| lifetime > max) {
        return Err(VerifyError::Lifetime);
    }
    if now >= claims.exp.saturating_add(LEEWAY_SECONDS) {
        return Err(VerifyError::Expired);
    }
    if now.saturating_add(LEEWAY_SECONDS) < claims.iat.max(claims.nbf.unwrap_or(0)) {
        return Err(VerifyError::NotYetValid);
    }
    Ok(())
}

fn check_labels(claims: &Claims) -> Result<(), VerifyError> {
    let legal =
        |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if claims.jti.as_deref().is_some_and(|id| !legal(id)) {
        return Err(claim("jti must be 1 to 128 characters of `A-Z a-z 0-9 - _`"));
    }
    Ok(())
}

fn policy(claims: &Claims, context: &VerifyContext<'_>) -> Result<Policy, VerifyError> {
    let scopes = claims.scopes.as_deref().unwrap_or_default();
    match (&claims.allowed, scopes) {
        (Some(allowed), []) => {
            let allowed: Vec<RawRule> = allowed.iter().cloned().map(RawRule::Text).collect();
            let rules = Rule::parse_list(&allowed, context.patterns).map_err(first_fault)?;
            Ok(Policy::compile(&rules)?)
        }
        (None, [_, ..]) => {
            let mut rules = Vec::new();
            // Each name once: a token that names one scope a thousand times must not cost a thousand compilations.
            let mut seen = HashSet::new();
            for name in scopes.iter().filter(|name| seen.insert(*name)) {
                rules.extend(context.scopes.rules(name).ok_or_else(|| VerifyError::UnknownScope(name.clone()))?);
            }
            Ok(Policy::compile(rules)?)
        }
        _ => Err(claim("exactly one of allowed and scopes must say something")),
    }
}

fn first_fault(faults: Vec<RuleFault>) -> VerifyError {
    faults.into_iter().next().map_or_else(|| claim("allowed"), VerifyError::Rule)
}

fn claim(what: &str) -> VerifyError {
    VerifyError::Claims(what.to_owned())
}

/// What to call a token that has no `jti`.
fn digest_of(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    base64url(digest.as_ref().get(..16).unwrap_or_default())
}
