//! The tokens that a proxy accepts, as its key set tells minters: `token-v2.md` section 7.3.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Kem;
use crate::json::present;
use crate::token_version::{MAX_LIFETIME_SECONDS, TokenVersion};

/// The tokens that one upstream accepts, or at least one of several. A minter refuses to mint other
/// tokens; the list itself grants nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedTokens {
    /// The accepted versions of tokens.
    #[serde(serialize_with = "version_names", deserialize_with = "known_versions")]
    pub versions: Vec<TokenVersion>,
    /// The accepted KEMs of sealed tokens.
    #[serde(deserialize_with = "known_kems")]
    pub kems: Vec<Kem>,
    /// The ids of keys, one of which must sign a sealed token. `None` where unsigned tokens are
    /// accepted.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub minters: Option<Vec<String>>,
    /// The longest life of a sealed token, in seconds.
    #[serde(deserialize_with = "lifetime")]
    pub max_lifetime: u64,
}

/// A sealed token that a minter is about to mint.
#[derive(Clone, Copy, Debug)]
pub struct SealedTokenPlan<'a> {
    /// The KEM of the sealing key.
    pub kem: Kem,
    /// The id of the key that will sign the token.
    pub minter: Option<&'a str>,
    /// The time from `iat` to `exp`, in seconds.
    pub lifetime: u64,
}

/// The reason for which a sealed token would be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// Version 2 is not accepted.
    #[error("no sealed tokens are accepted there (version 2)")]
    Version,
    /// The KEM is not accepted.
    #[error("no tokens of the kind `{0}` are accepted there")]
    Kem(Kem),
    /// The key that would sign is not listed.
    #[error(
        "only tokens of listed minters are accepted there, and the key that is to sign is not one of theirs"
    )]
    Minter,
    /// No key would sign, and a listed minter must.
    #[error("only tokens of listed minters are accepted there: one of their keys must sign")]
    NoMinter,
    /// The token would live longer than this many seconds.
    #[error("no tokens that live longer than {0} seconds are accepted there")]
    Lifetime(u64),
}

impl AcceptedTokens {
    /// Checks that a token of this plan would be accepted, as far as the key set tells.
    ///
    /// # Errors
    /// [`AcceptError`] for the first unmet condition.
    pub fn ensure(&self, plan: &SealedTokenPlan<'_>) -> Result<(), AcceptError> {
        if !self.versions.contains(&TokenVersion::V2) {
            return Err(AcceptError::Version);
        }
        if !self.kems.contains(&plan.kem) {
            return Err(AcceptError::Kem(plan.kem));
        }
        match (&self.minters, plan.minter) {
            (Some(_), None) => return Err(AcceptError::NoMinter),
            (Some(listed), Some(id)) if !listed.iter().any(|one| one == id) => {
                return Err(AcceptError::Minter);
            }
            _ => {}
        }
        if plan.lifetime > self.max_lifetime {
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

/// Reads version names and ignores the names of later versions.
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
