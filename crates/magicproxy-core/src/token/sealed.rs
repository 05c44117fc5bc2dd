//! Magic tokens, version 2: sealed to a public key, narrowed by whoever holds one. Specification: `token-v2.md`.

mod chain;
mod claims;
mod mint;
mod narrow;
#[cfg(test)]
mod tests;
mod verify;

use crate::encoding::from_base64url;
use crate::state::Partition;
use crate::token::VerifyError;
use crate::token::caveat::{Caveat, MAX_CAVEATS, ParseCaveatError};
use crate::token::chain::Chain;

pub use claims::SealedClaims;
pub use mint::SealRequest;
pub use narrow::NarrowError;

pub(super) use chain::Tag;

/// What a version 2 token begins with.
pub(super) const PREFIX: &str = "mt2.";
/// The longest version 2 token, in bytes.
pub const MAX_SEALED_TOKEN_BYTES: usize = 8 * 1024;

/// A version 2 token whose form was checked and nothing else: nothing in it may be believed.
pub struct SealedToken<'t> {
    /// `mt2.CLAIMS`, to which the credential is sealed.
    bound: &'t str,
    /// What a minter signs: `mt2.CLAIMS.SEALED`.
    minted: &'t str,
    /// What the chain begins with: the same, with the signature if there is one.
    root: &'t str,
    claims: SealedClaims,
    sealed: Vec<u8>,
    signature: Option<Vec<u8>>,
    caveats: Vec<&'t str>,
    tag: Tag,
}

impl<'t> SealedToken<'t> {
    /// Does it bear a minter's signature? Whose that is, and whether it is valid, is the proxy's to say.
    #[must_use]
    pub fn names_minter(&self) -> bool {
        self.claims.minter.is_some() && self.signature.is_some()
    }

    /// Checks the form, and reads the claims.
    ///
    /// # Errors
    /// [`VerifyError::TooLong`], [`VerifyError::Malformed`], [`VerifyError::Claims`].
    pub fn parse(text: &'t str) -> Result<Self, VerifyError> {
        if text.len() > MAX_SEALED_TOKEN_BYTES {
            return Err(VerifyError::TooLong);
        }
        let parts: Vec<&str> = text.strip_prefix(PREFIX).ok_or(VerifyError::Malformed)?.split('.').collect();
        // Decoded all at once, so that no part's spelling is left to a later step.
        let decoded: Vec<Vec<u8>> = parts.iter().map(|part| decode(part)).collect::<Option<_>>().ok_or(VerifyError::Malformed)?;
        let ([claims_part, sealed_part, between @ .., _], [claims, sealed, further @ .., tag]) =
            (parts.as_slice(), decoded.as_slice())
        else {
            return Err(VerifyError::Malformed);
        };
        let claims = SealedClaims::from_json(claims)?;
        let signed = usize::from(claims.minter.is_some());
        let (Some((signature_part, caveats)), Some((signature, _))) =
            (between.split_at_checked(signed), further.split_at_checked(signed))
        else {
            return Err(VerifyError::Malformed);
        };
        let signature = signature.first().cloned();
        if caveats.len() > MAX_CAVEATS
            || signature.as_ref().is_some_and(|signature| signature.len() != crate::key::SIGNATURE_BYTES)
        {
            return Err(VerifyError::Malformed);
        }
        let bound = PREFIX.len() + claims_part.len();
        let minted = bound + 1 + sealed_part.len();
        let root = minted + signature_part.iter().map(|part| 1 + part.len()).sum::<usize>();
        let until = |end: usize| text.get(..end).ok_or(VerifyError::Malformed);
        Ok(Self {
            bound: until(bound)?,
            minted: until(minted)?,
            root: until(root)?,
            claims,
            sealed: sealed.clone(),
            signature,
            caveats: caveats.to_vec(),
            tag: Tag::from_bytes(tag).ok_or(VerifyError::Malformed)?,
        })
    }

    /// What the token says of itself.
    #[must_use]
    pub fn claims(&self) -> &SealedClaims {
        &self.claims
    }

    /// Whom what it makes belongs to: the same whatever caveats it bears. `state.md` section 1.
    pub(super) fn owner(&self) -> Partition {
        Partition::of(&[b"token", b"v2", self.minted.as_bytes()])
    }

    /// Its chain. An unreadable caveat, for which the token is refused, names no older chain. `state-store.md` section 7.
    pub(super) fn chain(&self) -> Chain {
        Chain::of_sealed(self.minted, &self.caveats, &self.caveats().unwrap_or_default())
    }

    /// What its caveats say, where they are readable.
    ///
    /// # Errors
    /// [`ParseCaveatError`], of the first that is not.
    pub fn caveats(&self) -> Result<Vec<Caveat>, ParseCaveatError> {
        self.caveats.iter().map(|part| Caveat::from_json(&decode(part).unwrap_or_default())).collect()
    }
}

/// The whole token is its holder's secret.
impl std::fmt::Debug for SealedToken<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let caveats = self.caveats.len();
        formatter.debug_struct("SealedToken").field("claims", &self.claims).field("caveats", &caveats).finish_non_exhaustive()
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    from_base64url(part).filter(|bytes| !bytes.is_empty())
}
