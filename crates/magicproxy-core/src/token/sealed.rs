//! Magic tokens of version 2: sealed to a public key, narrowed by any holder. Specification:
//! `token-v2.md`.

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

/// The beginning of every version 2 token in either form, and of no version 1 token.
pub(super) const VERSION: &str = "mt2";
/// The beginning of a version 2 token. Only letters, digits and dots follow.
const PREFIX: &str = "mt2_";
/// The beginning of version 2 tokens before the first release.
const OLD_PREFIX: &str = "mt2.";
/// The longest version 2 token, in bytes.
pub const MAX_SEALED_TOKEN_BYTES: usize = 8 * 1024;

/// A version 2 token whose form alone was checked: nothing in it may be believed.
pub struct SealedToken<'t> {
    /// The text to which the credential is sealed: `mt2_CLAIMS`.
    bound: &'t str,
    /// The text that a minter signs: `mt2_CLAIMS.SEALED`.
    minted: &'t str,
    /// The text at the root of the chain: `minted`, with the signature if there is one.
    root: &'t str,
    claims: SealedClaims,
    sealed: Vec<u8>,
    signature: Option<Vec<u8>>,
    caveats: Vec<&'t str>,
    tag: Tag,
}

impl<'t> SealedToken<'t> {
    /// True if the token has a minter's signature. The signature is not verified here; only the
    /// proxy knows the listed minters.
    #[must_use]
    pub fn names_minter(&self) -> bool {
        self.claims.minter.is_some() && self.signature.is_some()
    }

    /// Checks the form, and reads the claims.
    ///
    /// # Errors
    /// [`VerifyError::TooLong`], [`VerifyError::Malformed`], [`VerifyError::OldForm`],
    /// [`VerifyError::Claims`].
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
        // Any length is accepted here: the length depends on the algorithm of the key that `minter`
        // names.
        let signature = match signature_part.first() {
            Some(part) => Some(part::to_bytes(part).ok_or(VerifyError::Malformed)?),
            None => None,
        };
        // The spelling of every part is checked here, so that no later step meets two spellings of
        // one part.
        if caveats.len() > MAX_CAVEATS || caveats.iter().any(|part| part::to_json(part).is_none()) {
            return Err(VerifyError::Malformed);
        }
        let bound = PREFIX.len() + claims_part.len();
        let minted = bound + 1 + sealed_part.len();
        let mut root = minted;
        for part in signature_part {
            root += 1 + part.len();
        }
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

    /// Returns the token's unverified claims.
    #[must_use]
    pub fn claims(&self) -> &SealedClaims {
        &self.claims
    }

    /// Returns the owner of everything that the token's requests create; caveats do not change the
    /// owner. `state.md` section 1.
    pub(super) fn owner(&self) -> Partition {
        Partition::of(&[b"token", b"v2", self.minted.as_bytes()])
    }

    /// Returns the chain. A caveat that cannot be read names no older chain; the token is refused
    /// because of the caveat. `state-store.md` section 7.
    pub(super) fn chain(&self) -> Chain {
        Chain::of_sealed(self.minted, &self.caveats, &self.caveats().unwrap_or_default())
    }

    /// Reads the caveats.
    ///
    /// # Errors
    /// [`ParseCaveatError`] of the first caveat that cannot be read.
    pub fn caveats(&self) -> Result<Vec<Caveat>, ParseCaveatError> {
        self.caveats
            .iter()
            .map(|part| Caveat::from_json(&part::to_json(part).unwrap_or_default()))
            .collect()
    }
}

/// Shows the claims only: the whole token is a secret of its holder.
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

/// Returns the reason for refusing a text without the prefix.
fn without_prefix(text: &str) -> VerifyError {
    if text.starts_with(OLD_PREFIX) { VerifyError::OldForm } else { VerifyError::Malformed }
}
