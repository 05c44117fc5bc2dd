//! Origins: the token from which the proxy made another token, as a caveat of the newer token names
//! it. `token-v2.md` section 5.
//!
//! Holders can write origins, too, so origins may only take away: nothing but revocation and denied
//! keys reads them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::caveat::Caveat;
use super::chain::ChainId;
use crate::json::form::ValueFault;
use crate::key::KeyId;
use crate::state::Partition;

/// The names of a token from which the proxy made another token, either a receipt or the same token
/// sealed anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The chain id of the older token's root, C(0).
    #[serde(deserialize_with = "chain", serialize_with = "shown")]
    pub chain: ChainId,
    /// The owner of everything that the older token's requests created.
    #[serde(deserialize_with = "owner", serialize_with = "shown")]
    pub owner: Partition,
    /// The id of the key that signed the older token, or of its sealing key.
    #[serde(deserialize_with = "key", serialize_with = "shown")]
    pub kid: KeyId,
}

impl Origin {
    /// Returns the origins that caveats name, in the order of the caveats.
    pub(super) fn all_of(caveats: &[Caveat]) -> Box<[Self]> {
        caveats.iter().filter_map(|caveat| caveat.from.clone()).collect()
    }

    /// Returns a caveat with this origin, for the new token that the proxy makes.
    pub(super) fn into_caveat(self) -> Caveat {
        Caveat { from: Some(self), ..Caveat::default() }
    }

    /// Returns the bytes of memory that the origin takes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.kid.as_str().len()
    }
}

fn shown<T: ToString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn chain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChainId, D::Error> {
    read(deserializer, ChainId::parse, ValueFault::OriginChain)
}

fn owner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Partition, D::Error> {
    read(deserializer, Partition::parse, ValueFault::OriginOwner)
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyId, D::Error> {
    read(deserializer, KeyId::parse, ValueFault::OriginKey)
}

fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: fn(&str) -> Option<T>,
    fault: ValueFault,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(fault))
}
