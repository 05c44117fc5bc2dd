//! Verifying a version 2 token, in the order of `token-v2.md` section 8.

use zeroize::Zeroizing;

use super::SealedToken;
use super::chain::Tag;
use super::mint::ROOT_KEY_BYTES;
use crate::credential::TypedCredential;
use crate::key::{KEY_SET_LIFETIME_SECONDS, KeyId, KeyRing, SealingKey};
use crate::pattern::PatternMode;
use crate::policy::Policy;
use crate::seal::TokenCredential;
use crate::time::UnixTime;
use crate::token::authentic::AuthenticToken;
use crate::token::claims_fault::ClaimsFault;
use crate::token::origin::Origin;
use crate::token::rule_source::ClaimedRules;
use crate::token::verify::{VerifyContext, check_lifetime, check_now};
use crate::token::{LEEWAY_SECONDS, Provenance, VerifiedToken, VerifyError};
use crate::token_version::TokenVersion;

impl KeyRing {
    /// Authenticates a version 2 token.
    pub(in crate::token) fn authenticate_sealed(
        &self,
        token: &SealedToken<'_>,
        context: &VerifyContext<'_>,
    ) -> Result<AuthenticToken, VerifyError> {
        let claims = &token.claims;
        context.acceptance.ensure_kem(claims.kem)?;
        let key = self.key_of(token, context)?;
        let minter = ensure_minter(token, context)?;
        let credential = open(token, key)?;
        let caveats = token.caveats().map_err(VerifyError::from);
        let origins = Origin::all_of(caveats.as_deref().unwrap_or_default());
        context.acceptance.ensure_origins(&origins)?;
        check_lifetime(claims.iat, claims.exp, context.acceptance.longest_life(TokenVersion::V2))?;
        check_now(claims.iat, claims.exp, claims.nbf, context.now)?;
        if context.acceptance.require_sub && claims.sub.is_none() {
            return Err(ClaimsFault::NoSubject.into());
        }
        let granted = match (&claims.allowed, &claims.scopes) {
            (Some(rules), _) => ClaimedRules::Rules(rules.clone(), PatternMode::Whole),
            (None, names) => ClaimedRules::Scopes(names.clone().unwrap_or_default()),
        };
        let provenance =
            if minter.is_some() { Provenance::ListedMinter } else { Provenance::Anyone };
        let authentic = VerifiedToken {
            version: TokenVersion::V2,
            id: claims.jti.clone(),
            key: key.public().id().clone(),
            minter,
            key_retired: self.retired_since(key.public().id().as_str(), &origins),
            key_ends_at: key.lifetime().not_after,
            issued_at: claims.iat,
            expires_at: claims.exp,
            minted_until: claims.exp,
            not_before: claims.nbf,
            upstream: Some(claims.aud.clone()),
            explain: claims.explain,
            labels: claims.sub.iter().cloned().collect(),
            label: None,
            policy: Policy::nothing(),
            narrowing: Vec::new(),
            owner: token.owner(),
            chain: token.chain(),
            origins,
            provenance,
            sealed: TokenCredential::Nothing,
        };
        Ok(AuthenticToken::new(authentic, granted, caveats).with_credential(credential))
    }

    fn key_of(
        &self,
        token: &SealedToken<'_>,
        context: &VerifyContext<'_>,
    ) -> Result<&SealingKey, VerifyError> {
        let claims = &token.claims;
        let kid = &claims.kid;
        let known =
            self.sealing_by_id(kid).filter(|key| !context.acceptance.denies_key(key.public().id()));
        let key = known.ok_or(VerifyError::UnknownKey(TokenVersion::V2))?;
        if !key.is_usable(context.now) || is_sealed_in_advance(claims.iat, key) {
            return Err(VerifyError::RetiredKey);
        }
        if key.public().kem() != claims.kem {
            return Err(ClaimsFault::KemOfAnotherKey.into());
        }
        Ok(key)
    }
}

/// True if the token's `iat` is too late for its retired key (section 7): more than
/// [`KEY_SET_LIFETIME_SECONDS`] and [`LEEWAY_SECONDS`] after the retirement, when no minter that
/// follows the key set seals to the key. Either the token was dated in advance, or its minter
/// ignores the key set.
fn is_sealed_in_advance(issued_at: UnixTime, key: &SealingKey) -> bool {
    let followed = |retired: UnixTime| {
        retired.0.saturating_add(KEY_SET_LIFETIME_SECONDS).saturating_add(LEEWAY_SECONDS)
    };
    key.lifetime().retired.is_some_and(|retired| issued_at.0 > followed(retired))
}

/// Checks that a listed minter signed the token, if the operator lists minters or the token names a
/// minter (section 4). Returns the minter whose signature was verified.
fn ensure_minter(
    token: &SealedToken<'_>,
    context: &VerifyContext<'_>,
) -> Result<Option<KeyId>, VerifyError> {
    let minters = &context.acceptance.minters;
    let (Some(id), Some(signature)) = (&token.claims.minter, &token.signature) else {
        return if minters.is_empty() { Ok(None) } else { Err(VerifyError::Minter) };
    };
    let Some(key) = minters.iter().find(|key| key.id().as_str() == id) else {
        return Err(VerifyError::Minter);
    };
    if !key.verify(token.minted.as_bytes(), signature) {
        return Err(VerifyError::Minter);
    }
    Ok(Some(key.id().clone()))
}

/// Opens the seal and recomputes the chain. The form of the credential is judged last of all, so
/// its fault is returned inside.
fn open(
    token: &SealedToken<'_>,
    key: &SealingKey,
) -> Result<Result<TypedCredential, VerifyError>, VerifyError> {
    let plaintext: Zeroizing<Vec<u8>> =
        key.open(token.bound.as_bytes(), &token.sealed).ok_or(VerifyError::Seal)?;
    let (root_key, credential) =
        plaintext.split_at_checked(ROOT_KEY_BYTES).ok_or(VerifyError::Seal)?;
    if credential.len() < 2 {
        return Err(VerifyError::Seal);
    }
    let first = Tag::first(root_key, token.root);
    let last = token.caveats.iter().fold(first, |tag, caveat| tag.next(caveat));
    if !last.is(&token.tag) {
        return Err(VerifyError::Tag);
    }
    Ok(TypedCredential::from_json(credential).map_err(VerifyError::Credential))
}
