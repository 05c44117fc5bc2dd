//! The names of a token by which it can be revoked: its own, and those of the tokens of which the proxy made it.
//! `state-store.md` section 6.

use super::chain::Chain;
use super::claims::{Claims, UnverifiedToken};
use super::origin::Origin;
use crate::key::KeyRing;
use crate::state::Partition;
use crate::time::UnixTime;
use crate::token_version::TokenVersion;

/// All names of one token, verified or not.
#[derive(Clone, Copy, Debug)]
pub struct TokenNames<'t> {
    /// Its version, which is that of all tokens of which it was made.
    pub version: TokenVersion,
    /// What logs call it.
    pub id: &'t str,
    /// The key that signed it, or to which it was sealed; unknown of an unverified token that does not say it.
    pub key: Option<&'t str>,
    /// Who minted it, where somebody signed it for that.
    pub minter: Option<&'t str>,
    /// Whom what it makes belongs to.
    pub owner: Partition,
    /// Its chain, and the older ones.
    pub chain: &'t Chain,
    /// The tokens of which it was made.
    pub origins: &'t [Origin],
    /// When it says that it was minted.
    pub issued_at: UnixTime,
    /// Since when nothing new is to be sealed to its key, or to that of a token of which it was made: the earliest.
    pub key_retired: Option<UnixTime>,
}

impl TokenNames<'_> {
    /// Is its key one of these, or that of a token of which it was made?
    pub fn has_key(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.key.is_some_and(&is_meant)
            || self.origins.iter().any(|origin| is_meant(origin.kid.as_str()))
    }

    /// Is its owner one of these, or that of a token of which it was made?
    pub fn has_owner(&self, is_meant: impl Fn(&Partition) -> bool) -> bool {
        is_meant(&self.owner) || self.origins.iter().any(|origin| is_meant(&origin.owner))
    }

    /// Was it minted under this key by this minter, or a token of which it was made? No token that a minter signed is made anew.
    #[must_use]
    pub fn was_minted(&self, key: &str, minter: Option<&str>) -> bool {
        let itself = self.key == Some(key) && self.minter == minter;
        itself || (minter.is_none() && self.origins.iter().any(|origin| origin.kid.as_str() == key))
    }

    /// Was it minted before this moment: by its `iat`, or because nobody seals to its first key any more since then?
    #[must_use]
    pub fn was_minted_before(&self, moment: UnixTime) -> bool {
        self.issued_at < moment || self.key_retired.is_some_and(|retired| retired <= moment)
    }
}

/// The names that a token would have, were it genuine.
#[derive(Clone, Debug)]
pub struct UnverifiedNames {
    version: TokenVersion,
    id: String,
    key: Option<String>,
    minter: Option<String>,
    owner: Partition,
    chain: Chain,
    origins: Box<[Origin]>,
    issued_at: UnixTime,
    key_retired: Option<UnixTime>,
}

impl UnverifiedNames {
    /// The names of a token that can be read. What it does not say of its key is looked up in the ring, where there is one.
    #[must_use]
    pub fn of(token: &UnverifiedToken<'_>, ring: Option<&KeyRing>) -> Option<Self> {
        match token {
            UnverifiedToken::V1(signed) => {
                let claims: Claims = signed.claims().ok()?;
                let signer = || Some(ring?.signer_of(signed).ok()?.public().id().to_string());
                Some(Self {
                    version: TokenVersion::V1,
                    id: claims.id(),
                    key: signed.kid().map(str::to_owned).or_else(signer),
                    minter: None,
                    owner: claims.owner(),
                    chain: claims.chain(),
                    origins: Origin::all_of(claims.caveats.as_deref().unwrap_or_default()),
                    issued_at: UnixTime(claims.iat),
                    key_retired: None,
                })
            }
            UnverifiedToken::V2(sealed) => {
                let claims = sealed.claims();
                let origins = Origin::all_of(&sealed.caveats().unwrap_or_default());
                Some(Self {
                    version: TokenVersion::V2,
                    id: claims.jti.clone(),
                    key: Some(claims.kid.clone()),
                    minter: claims.minter.clone(),
                    owner: sealed.owner(),
                    chain: sealed.chain(),
                    key_retired: ring.and_then(|ring| ring.retired_since(&claims.kid, &origins)),
                    origins,
                    issued_at: claims.iat,
                })
            }
        }
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> TokenNames<'_> {
        TokenNames {
            version: self.version,
            id: &self.id,
            key: self.key.as_deref(),
            minter: self.minter.as_deref(),
            owner: self.owner,
            chain: &self.chain,
            origins: &self.origins,
            issued_at: self.issued_at,
            key_retired: self.key_retired,
        }
    }
}

impl KeyRing {
    /// Since when nothing new is to be sealed to this key, or to one of the origins: the earliest, of those that the ring holds.
    pub(super) fn retired_since(&self, kid: &str, origins: &[Origin]) -> Option<UnixTime> {
        let kids = std::iter::once(kid).chain(origins.iter().map(|origin| origin.kid.as_str()));
        kids.filter_map(|kid| self.sealing_by_id(kid)?.standing().retired).min()
    }
}

#[cfg(test)]
mod tests;
