//! A genuine token made anew by the proxy: with one more caveat, or for another key. Nothing here gives more than was there.
//!
//! `token-v2.md` section 9.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::caveat::{Caveat, MAX_CAVEATS};
use super::claims::{Claims, SignedToken, UnverifiedToken};
use super::sealed::NarrowError;
use super::verify::VerifyContext;
use super::{MintError, VerifiedToken, VerifyError};
use crate::key::{KeyError, KeyRing};
use crate::policy::RuleCompiler;
use crate::rule::{NewGrant, RawRule, RuleEffects};
use crate::seal::{OpenError, SealedCredential, seal};
use crate::token_version::TokenVersion;

/// Why a token was not made anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReissueError {
    /// It is not accepted here.
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// The caveat, or the room for it.
    #[error(transparent)]
    Narrow(#[from] NarrowError),
    /// What would come out is no token that is accepted here.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The credential does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A minter's signature is over the old seal.
    #[error("a token that a minter signed cannot be sealed anew: have it minted again")]
    Signed,
    /// A new seal would begin its counts anew.
    #[error("a version 2 token with a `limit` among its caveats has no receipts")]
    Counted,
    /// A new seal is a new owner: counts, and what plugins keep, would begin anew.
    #[error(
        "a token with a `limit` or a plugin cannot be sealed anew, or it could be used as often again: have it minted again"
    )]
    Limited,
    /// A receipt names no scope, so nobody would ask the plugin.
    #[error("a token that a plugin decides on has no receipts")]
    Guarded,
    /// There is no active key of its kind.
    #[error("there is no active sealing key of the kind `{0}`")]
    NoKey(&'static str),
}

impl VerifiedToken {
    /// Does its owner have a count, or perhaps a state that a plugin keeps?
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
    /// The token with one more caveat: of version 1 signed by the key that signed it before.
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
        // Rules may be acceptable list by list and too much together.
        self.verify_with(&narrowed, context, compiler)?;
        Ok(narrowed)
    }

    /// The token for the active key of its kind, with the same claims, caveats and credential, and a caveat that names the old one;
    /// itself, where it is for that key already.
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
            UnverifiedToken::V1(token) => self.reseal_signed(text, &token, &verified),
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
                let held = self
                    .sealing_by_id(&token.claims().kid)
                    .ok_or(VerifyError::UnknownKey(TokenVersion::V2))?;
                Ok(token.reseal(held, key, verified.to_origin())?)
            }
        }
    }

    /// A token for exactly what these grants say, with everything else as in the presented one. `state.md` section 4.
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
                // Its rules once more as a caveat: so its chain is its own, and ends with that of the presented token. It has that
                // token's key, owner and name, so there is no origin to say.
                let caveat = Caveat { allowed: Some(rules.clone()), ..Caveat::default() };
                let mut claims = with_caveat(token.claims_to_keep()?, caveat)?;
                (claims.allowed, claims.scopes) = (Some(rules), None);
                self.sign_token(claims, self.signer_of(&token)?)?
            }
            UnverifiedToken::V2(token) if token.claims().minter.is_some() => {
                return Err(ReissueError::Signed);
            }
            // A new seal is a new owner, whose counts begin anew.
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
        text: &str,
        token: &SignedToken<'_>,
        verified: &VerifiedToken,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let signer = self.signer_of(token)?;
        let active = self.active();
        if signer.public().id() == active.public().id() {
            return Ok(Zeroizing::new(text.to_owned()));
        }
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

/// The claims with one caveat more, behind those that are there.
fn with_caveat(mut claims: Claims, caveat: Caveat) -> Result<Claims, NarrowError> {
    let caveats = claims.caveats.get_or_insert_default();
    if caveats.len() >= MAX_CAVEATS {
        return Err(NarrowError::TooMany);
    }
    caveats.push(caveat);
    Ok(claims)
}
