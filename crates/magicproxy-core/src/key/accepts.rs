//! What a proxy accepts, as its key set tells minters: `token-v2.md` section 7.3.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Kem;
use crate::json::present;
use crate::token_version::{MAX_LIFETIME_SECONDS, TokenVersion};

/// What one upstream accepts, or what at least one of several does. A reader refuses to mint what is excluded; nobody is
/// given anything by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedTokens {
    /// The versions of tokens.
    #[serde(serialize_with = "version_names", deserialize_with = "known_versions")]
    pub versions: Vec<TokenVersion>,
    /// The KEMs of sealed tokens.
    #[serde(deserialize_with = "known_kems")]
    pub kems: Vec<Kem>,
    /// The thumbprints of the keys by one of which a sealed token must be signed; none, where an unsigned one is accepted.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub minters: Option<Vec<String>>,
    /// The longest life of a sealed token, in seconds.
    #[serde(deserialize_with = "lifetime")]
    pub max_lifetime: u64,
}

/// A sealed token that somebody means to mint.
#[derive(Clone, Copy, Debug)]
pub struct SealedTokenPlan<'a> {
    /// How its key is agreed on.
    pub kem: Kem,
    /// The thumbprint of the key that is to sign it.
    pub minter: Option<&'a str>,
    /// From `iat` to `exp`, in seconds.
    pub lifetime: u64,
}

/// Why a sealed token would be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// No token of version 2 is accepted.
    #[error("no sealed tokens are accepted there (version 2)")]
    Version,
    /// None of this KEM.
    #[error("no tokens of the kind `{0}` are accepted there")]
    Kem(Kem),
    /// None that no listed minter signed.
    #[error(
        "only tokens of listed minters are accepted there, and the key that is to sign is not one of theirs"
    )]
    Minter,
    /// The same, and none was named.
    #[error("only tokens of listed minters are accepted there: one of their keys must sign")]
    NoMinter,
    /// None that lives so long.
    #[error("no tokens that live longer than {0} seconds are accepted there")]
    Lifetime(u64),
}

impl AcceptedTokens {
    /// Would a token of this order be accepted, as far as this says?
    ///
    /// # Errors
    /// [`AcceptError`]: the first thing that does not fit.
    pub fn ensure(&self, order: &SealedTokenPlan<'_>) -> Result<(), AcceptError> {
        if !self.versions.contains(&TokenVersion::V2) {
            return Err(AcceptError::Version);
        }
        if !self.kems.contains(&order.kem) {
            return Err(AcceptError::Kem(order.kem));
        }
        match (&self.minters, order.minter) {
            (Some(_), None) => return Err(AcceptError::NoMinter),
            (Some(listed), Some(id)) if !listed.iter().any(|one| one == id) => {
                return Err(AcceptError::Minter);
            }
            _ => {}
        }
        if order.lifetime > self.max_lifetime {
            Err(AcceptError::Lifetime(self.max_lifetime))
        } else {
            Ok(())
        }
    }
}

fn version_names<S: serde::Serializer>(
    versions: &[TokenVersion],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(versions.iter().map(|version| version.as_str()))
}

/// Names of later versions are passed over.
fn known_versions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<TokenVersion>, D::Error> {
    let names: Vec<String> = Vec::deserialize(deserializer)?;
    let known =
        |name: &String| TokenVersion::ALL.into_iter().find(|version| version.as_str() == name);
    Ok(names.iter().filter_map(known).collect())
}

fn known_kems<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Kem>, D::Error> {
    let names: Vec<String> = Vec::deserialize(deserializer)?;
    Ok(names.iter().filter_map(|name| Kem::parse(name)).collect())
}

fn lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(deserializer)?;
    let legal = (1..=MAX_LIFETIME_SECONDS).contains(&seconds);
    if legal {
        Ok(seconds)
    } else {
        Err(D::Error::custom("max_lifetime: expected 1 to 316224000 seconds"))
    }
}
