//! Revocations as they are kept: in a file beside the keys, or in the store that proxies share. `docs/spec/state-store.md`
//! sections 6 and 7.

mod file;
mod shared;
mod watch;

pub(crate) use file::RevocationFile;
pub(crate) use shared::SharedRevocations;
pub(crate) use watch::RevocationWatch;

use magicproxy_core::state::Partition;
use magicproxy_core::token::is_token_id;
use magicproxy_core::{ChainId, UnixTime};
use magicproxy_proxy::settings::RevocationList;
use serde::{Deserialize, Serialize};

use crate::output::masked;

/// More than this is a mistake, or somebody's attempt to fill our memory.
pub(crate) const MOST: usize = 50_000;

/// What is revoked by one entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revoked {
    /// A chain of caveats: a token, and all that were narrowed from it.
    Chain(ChainId),
    /// A family: all tokens that logs call so, the one that was minted and those narrowed from it.
    Id(String),
    /// A family, by its owner.
    Owner([u8; 32]),
    /// All tokens of a key.
    Key(String),
    /// All tokens that were minted before.
    Before(u64),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) revoked: Revoked,
    pub(crate) about: About,
}

/// What is said about an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    pub(crate) revoked_at: u64,
    /// From then on no token can be meant any more.
    pub(crate) expires_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Revoked {
    /// `chain:…`, `jti:…`, `owner:…`, `kid:…`, `before:…`: its name in the file and in the store.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Chain(chain) => format!("chain:{chain}"),
            Self::Id(id) => format!("jti:{id}"),
            Self::Owner(owner) => format!("owner:{}", owner.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            Self::Key(key) => format!("kid:{key}"),
            Self::Before(time) => format!("before:{time}"),
        }
    }

    /// An entry of this name, also where it means nothing: older versions wrote whatever they were given.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (kind, value) = name.split_once(':')?;
        match kind {
            "chain" => ChainId::parse(&value.to_ascii_lowercase()).map(Self::Chain),
            "jti" if !value.is_empty() => Some(Self::Id(value.to_owned())),
            "owner" => owner(value).map(Self::Owner),
            "kid" if !value.is_empty() => Some(Self::Key(value.to_owned())),
            "before" => value.parse().ok().map(Self::Before),
            _ => None,
        }
    }

    /// Can no token be meant? Ids of tokens and of keys have a form.
    pub(crate) fn means_nothing(&self) -> bool {
        match self {
            Self::Id(id) => !is_token_id(id),
            Self::Key(id) => !is_key_id(id),
            Self::Chain(_) | Self::Owner(_) | Self::Before(_) => false,
        }
    }

    /// Its name; of one that means nothing, and may hold a token that somebody wanted to revoke, the beginning.
    pub(crate) fn shown(&self) -> String {
        let name = self.name();
        match name.split_once(':') {
            Some((kind, value)) if self.means_nothing() => format!("{kind}:{}", masked(value)),
            _ => name,
        }
    }
}

/// An RFC 7638 thumbprint: 32 bytes in base64url.
fn is_key_id(id: &str) -> bool {
    id.len() == 43 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn owner(digits: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

/// What the engine is told.
pub(crate) fn in_force(entries: &[Revocation], now: UnixTime) -> RevocationList {
    let mut list = RevocationList::default();
    for entry in entries.iter().filter(|entry| entry.about.expires_at > now.0) {
        match &entry.revoked {
            Revoked::Chain(chain) => drop(list.chains.insert(*chain)),
            Revoked::Id(id) => drop(list.ids.insert(id.clone())),
            Revoked::Owner(owner) => drop(list.owners.insert(Partition::from_bytes(*owner))),
            Revoked::Key(key) => drop(list.keys.insert(key.clone())),
            Revoked::Before(time) => list.before = list.before.max(Some(UnixTime(*time))),
        }
    }
    list
}

#[cfg(test)]
mod tests;
