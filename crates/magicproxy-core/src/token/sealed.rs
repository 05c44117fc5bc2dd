//! Magic tokens, version 2: sealed to a public key, narrowed by whoever holds one. Specification: `token-v2.md`.

mod chain;
mod claims;
mod mint;
mod narrow;
mod part;
#[cfg(test)]
mod tests;
mod verify;

use crate::state::Partition;
use crate::token::VerifyError;
use crate::token::caveat::{Caveat, MAX_CAVEATS, ParseCaveatError};
use crate::token::chain::Chain;

pub use claims::SealedClaims;
pub use mint::SealedTokenSpec;
pub use narrow::NarrowError;

pub(super) use chain::Tag;

/// What tokens of version 2 begin with in either form, and no token of version 1.
pub(super) const VERSION: &str = "mt2";
/// What a version 2 token begins with. Behind it are letters, digits and dots only.
const PREFIX: &str = "mt2_";
/// What version 2 tokens began with before the first release.
const OLD_PREFIX: &str = "mt2.";
/// The longest version 2 token, in bytes.
pub const MAX_SEALED_TOKEN_BYTES: usize = 8 * 1024;

/// A version 2 token whose form was checked and nothing else: nothing in it may be believed.
pub struct SealedToken<'t> {
    /// `mt2_CLAIMS`, to which the credential is sealed.
    bound: &'t str,
    /// What a minter signs: `mt2_CLAIMS.SEALED`.
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
    /// [`VerifyError::TooLong`], [`VerifyError::Malformed`], [`VerifyError::OldForm`], [`VerifyError::Claims`].
    pub fn parse(text: &'t str) -> Result<Self, VerifyError> {
        if text.len() > MAX_SEALED_TOKEN_BYTES {
            return Err(VerifyError::TooLong);
        }
        let behind = text.strip_prefix(PREFIX).ok_or_else(|| without_prefix(text))?;
        if !behind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            return Err(VerifyError::Malformed);
        }
        let parts: Vec<&str> = behind.split('.').collect();
        let [claims_part, sealed_part, between @ .., tag_part] = parts.as_slice() else {
            return Err(VerifyError::Malformed);
        };
        let sealed = part::to_bytes(sealed_part).ok_or(VerifyError::Malformed)?;
        let tag = part::to_bytes(tag_part)
            .and_then(|tag| Tag::from_bytes(&tag))
            .ok_or(VerifyError::Malformed)?;
        let claims =
            SealedClaims::from_json(&part::to_json(claims_part).ok_or(VerifyError::Malformed)?)?;
        let signed = usize::from(claims.minter.is_some());
        let (signature_part, caveats) =
            between.split_at_checked(signed).ok_or(VerifyError::Malformed)?;
        // Of whatever length: that is the algorithm's, and the algorithm is that of the key which `minter` names.
        let signature = signature_part
            .first()
            .map(|part| part::to_bytes(part).ok_or(VerifyError::Malformed))
            .transpose()?;
        // Spelled as they must be, so that no part's spelling is left to a later step.
        if caveats.len() > MAX_CAVEATS || caveats.iter().any(|part| part::to_json(part).is_none()) {
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
            sealed,
            signature,
            caveats: caveats.to_vec(),
            tag,
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
        self.caveats
            .iter()
            .map(|part| Caveat::from_json(&part::to_json(part).unwrap_or_default()))
            .collect()
    }
}

/// The whole token is its holder's secret.
impl std::fmt::Debug for SealedToken<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let caveats = self.caveats.len();
        formatter
            .debug_struct("SealedToken")
            .field("claims", &self.claims)
            .field("caveats", &caveats)
            .finish_non_exhaustive()
    }
}

/// Why a text without the prefix is refused.
fn without_prefix(text: &str) -> VerifyError {
    if text.starts_with(OLD_PREFIX) { VerifyError::OldForm } else { VerifyError::Malformed }
}
