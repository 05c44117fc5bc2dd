//! The names by which a token can be revoked: the token's own, and the names of its origins, from
//! which the proxy made the token. `state-store.md` section 6.

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
    /// The version of the token, and of all its origins.
    pub version: TokenVersion,
    /// The name of the token in logs.
    pub id: &'t str,
    /// The key that signed the token, or the sealing key. Unknown for an unverified token without
    /// `kid`.
    pub key: Option<&'t str>,
    /// The minter, where a minter signed the token.
    pub minter: Option<&'t str>,
    /// The owner of everything that the token's requests create.
    pub owner: Partition,
    /// The token's chain, with older chains.
    pub chain: &'t Chain,
    /// The tokens from which the proxy made the token.
    pub origins: &'t [Origin],
    /// The time of minting, as the token claims (`iat`).
    pub issued_at: UnixTime,
    /// The time since when no new token is to be sealed to the token's key, or to the key of an
    /// origin; the earliest of them.
    pub key_retired: Option<UnixTime>,
}

impl TokenNames<'_> {
    /// True if `is_meant` holds for the token's key or the key of an origin.
    pub fn has_key(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.key.is_some_and(&is_meant)
            || self.origins.iter().any(|origin| is_meant(origin.kid.as_str()))
    }

    /// True if `is_meant` holds for the token's owner or the owner of an origin.
    pub fn has_owner(&self, is_meant: impl Fn(&Partition) -> bool) -> bool {
        is_meant(&self.owner) || self.origins.iter().any(|origin| is_meant(&origin.owner))
    }

    /// True if the token or an origin was minted under this key by this minter. With a minter,
    /// origins do not count, because the proxy never makes a token from a minter's signed token.
    #[must_use]
    pub fn was_minted(&self, key: &str, minter: Option<&str>) -> bool {
        let itself = self.key == Some(key) && self.minter == minter;
        itself || (minter.is_none() && self.origins.iter().any(|origin| origin.kid.as_str() == key))
    }

    /// True if the token was minted before `moment`: by its `iat`, or because the token's key, or
    /// the key of an origin, was retired by then.
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
    /// Reads the names from a token, `None` if the claims cannot be read. A key id missing in the
    /// token is looked up in the ring, if given.
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

    /// Returns the names.
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
    /// Returns the time since when no new token is to be sealed to this key or to the key of an
    /// origin: the earliest, among the keys that the ring holds.
    pub(super) fn retired_since(&self, kid: &str, origins: &[Origin]) -> Option<UnixTime> {
        let kids = std::iter::once(kid).chain(origins.iter().map(|origin| origin.kid.as_str()));
        kids.filter_map(|kid| self.sealing_by_id(kid)?.lifetime().retired).min()
    }
}

#[cfg(test)]
mod tests;
