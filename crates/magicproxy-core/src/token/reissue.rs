//! Making a genuine token anew: with one more caveat, for another key, or as a receipt. No function
//! here gives more than the old token gave.
//!
//! `token-v2.md` section 9.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::caveat::{Caveat, MAX_CAVEATS};
use super::claims::{Claims, SignedToken, UnverifiedToken};
use super::sealed::NarrowError;
use super::verify::VerifyContext;
use super::{MintError, VerifiedToken, VerifyError};
use crate::key::{KeyError, KeyId, KeyRing};
use crate::policy::RuleCompiler;
use crate::rule::{NewGrant, RawRule, RuleEffects};
use crate::seal::{OpenError, SealedCredential, seal};
use crate::token_version::TokenVersion;

/// The reason for which a token was not made anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReissueError {
    /// The old token is not accepted here.
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// A fault of the caveat, or no room for a further caveat.
    #[error(transparent)]
    Narrow(#[from] NarrowError),
    /// The new token would not be accepted here.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The credential does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The old token has a minter's signature, which covers the old seal only.
    #[error("a token that a minter signed cannot be sealed anew: have it minted again")]
    Signed,
    /// The token has a count, and a new seal would begin the count anew.
    #[error("a version 2 token with a `limit` among its caveats has no receipts")]
    Counted,
    /// The token has a count or a plugin. A new seal makes a new owner, so counts and the plugin's
    /// own state would begin anew.
    #[error(
        "a token with a `limit` or a plugin cannot be sealed anew, or it could be used as often again: have it minted again"
    )]
    Limited,
    /// The token has a plugin. A receipt names no scope, so the plugin would not be asked.
    #[error("a token that a plugin decides on has no receipts")]
    Guarded,
    /// The operator denies the tokens of the active key, so the new token would be refused.
    #[error(
        "nothing is sealed anew: tokens of the active key `{0}` are denied here (`magicproxy keys rotate` makes another)"
    )]
    DeniedKey(KeyId),
    /// The ring has no active key of the token's kind.
    #[error("there is no active sealing key of the kind `{0}`")]
    NoKey(&'static str),
}

impl VerifiedToken {
    /// True if the owner has a count, or may have state that a plugin keeps.
    fn owner_is_counted(&self) -> bool {
        let counts = |state: &Arc<RuleEffects>| state.limit().is_some() && state.owner().is_none();
        self.has_limits() || !self.plugins().is_empty() || self.policy.stateful().any(counts)
    }
}

impl From<KeyError> for ReissueError {
    fn from(error: KeyError) -> Self {
        Self::Mint(MintError::Key(error))
    }
}

impl KeyRing {
    /// Returns the token with one more caveat. A version 1 token is signed again by the same key.
    ///
    /// # Errors
    /// [`ReissueError`].
    pub fn narrow(
        &self,
        text: &str,
        caveat: &Caveat,
        context: &VerifyContext<'_>,
        compiler: &RuleCompiler<'_>,
    ) -> Result<Zeroizing<String>, ReissueError> {
        self.verify_with(text, context, compiler)?;
        let token = match UnverifiedToken::parse(text)? {
            UnverifiedToken::V2(_) => return Ok(caveat.append_within(text, compiler)?),
            UnverifiedToken::V1(token) => token,
        };
        caveat.check().map_err(NarrowError::from)?;
        caveat.check_rules(compiler)?;
        let claims = with_caveat(token.claims_to_keep()?, caveat.clone())?;
        let narrowed = self.sign_token(claims, self.signer_of(&token)?)?;
        // Lists of rules that are acceptable alone may be too complex together.
        self.verify_with(&narrowed, context, compiler)?;
        Ok(narrowed)
    }

    /// Returns the token for the active key of its kind: with the same claims, caveats and
    /// credential, and a caveat that names the old token. A token of the active key is returned
    /// unchanged.
    ///
    /// # Errors
    /// [`ReissueError`].
    pub fn reseal(
        &self,
        text: &str,
        context: &VerifyContext<'_>,
        compiler: &RuleCompiler<'_>,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let verified = self.verify_with(text, context, compiler)?;
        match UnverifiedToken::parse(text)? {
            UnverifiedToken::V1(token) => {
                let active = self.active().public().id();
                if self.signer_of(&token)?.public().id() == active {
                    return Ok(Zeroizing::new(text.to_owned()));
                }
                ensure_not_denied(active, context)?;
                self.reseal_signed(&token, &verified)
            }
            UnverifiedToken::V2(token) => {
                let kem = token.claims().kem;
                let key = self
                    .published(context.now)
                    .find(|key| key.kem() == kem)
                    .ok_or(ReissueError::NoKey(kem.as_str()))?;
                if key.id().as_str() == token.claims().kid {
                    return Ok(Zeroizing::new(text.to_owned()));
                }
                if token.claims().minter.is_some() {
                    return Err(ReissueError::Signed);
                }
                if verified.owner_is_counted() {
                    return Err(ReissueError::Limited);
                }
                ensure_not_denied(key.id(), context)?;
                let held = self
                    .sealing_by_id(&token.claims().kid)
                    .ok_or(VerifyError::UnknownKey(TokenVersion::V2))?;
                Ok(token.reseal(held, key, verified.to_origin())?)
            }
        }
    }

    /// Returns a token that allows exactly these grants, with everything else as in the old token.
    /// `state.md` section 4.
    ///
    /// # Errors
    /// [`ReissueError`].
    pub fn receipt(
        &self,
        text: &str,
        grants: &[NewGrant],
        context: &VerifyContext<'_>,
        compiler: &RuleCompiler<'_>,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let verified = self.verify_with(text, context, compiler)?;
        if !verified.plugins().is_empty() {
            return Err(ReissueError::Guarded);
        }
        let rules: Vec<_> = grants.iter().flat_map(NewGrant::rules).map(RawRule::Text).collect();
        let receipt = match UnverifiedToken::parse(text)? {
            UnverifiedToken::V1(token) => {
                // The rules are repeated as a caveat, so that the receipt has a chain of its own,
                // which ends with the chain of the old token. Key, owner and name are those of the
                // old token, so no origin is recorded.
                let caveat = Caveat { allowed: Some(rules.clone()), ..Caveat::default() };
                let mut claims = with_caveat(token.claims_to_keep()?, caveat)?;
                (claims.allowed, claims.scopes) = (Some(rules), None);
                self.sign_token(claims, self.signer_of(&token)?)?
            }
            UnverifiedToken::V2(token) if token.claims().minter.is_some() => {
                return Err(ReissueError::Signed);
            }
            // A new seal makes a new owner, whose counts would begin anew.
            UnverifiedToken::V2(token)
                if token
                    .caveats()
                    .map_err(VerifyError::from)?
                    .iter()
                    .any(|caveat| caveat.limit.is_some()) =>
            {
                return Err(ReissueError::Counted);
            }
            UnverifiedToken::V2(token) => {
                let key = self
                    .sealing_by_id(&token.claims().kid)
                    .ok_or(VerifyError::UnknownKey(TokenVersion::V2))?;
                token.receipt(key, rules, verified.to_origin())?
            }
        };
        self.verify_with(&receipt, context, compiler)?;
        Ok(receipt)
    }

    fn reseal_signed(
        &self,
        token: &SignedToken<'_>,
        verified: &VerifiedToken,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let (signer, active) = (self.signer_of(token)?, self.active());
        if verified.owner_is_counted() {
            return Err(ReissueError::Limited);
        }
        let claims = with_caveat(token.claims_to_keep()?, verified.to_origin().into_caveat())?;
        let credential = self.open_rsa(&SealedCredential::new(
            claims.ciphertext().to_owned(),
            signer.public().id().clone(),
        ))?;
        Ok(self.sign_token(claims.with_ciphertext(seal(&credential, active.public())?), active)?)
    }
}

fn ensure_not_denied(active: &KeyId, context: &VerifyContext<'_>) -> Result<(), ReissueError> {
    if context.acceptance.denies_key(active) {
        return Err(ReissueError::DeniedKey(active.clone()));
    }
    Ok(())
}

/// Appends a caveat to the claims.
fn with_caveat(mut claims: Claims, caveat: Caveat) -> Result<Claims, NarrowError> {
    let caveats = claims.caveats.get_or_insert_default();
    if caveats.len() >= MAX_CAVEATS {
        return Err(NarrowError::TooMany);
    }
    caveats.push(caveat);
    Ok(claims)
}
