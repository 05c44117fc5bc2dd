//! Revocations as they are kept: in a file beside the keys, or in the store that proxies share. `docs/spec/state-store.md`
//! section 5.

mod file;
mod shared;
mod watch;

pub(crate) use file::RevocationFile;
pub(crate) use shared::SharedRevocations;
pub(crate) use watch::RevocationWatch;

use magicproxy_core::UnixTime;
use magicproxy_core::state::Partition;
use magicproxy_proxy::settings::RevocationList;
use serde::{Deserialize, Serialize};

/// More than this is a mistake, or somebody's attempt to fill our memory.
pub(crate) const MOST: usize = 50_000;

/// What is revoked by one entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revoked {
    /// The token that logs call so.
    Id(String),
    /// A token and all that were narrowed from it.
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
    /// `jti:…`, `owner:…`, `kid:…`, `before:…`: its name in the file and in the store.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Id(id) => format!("jti:{id}"),
            Self::Owner(owner) => format!("owner:{}", owner.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            Self::Key(key) => format!("kid:{key}"),
            Self::Before(time) => format!("before:{time}"),
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (kind, value) = name.split_once(':')?;
        match kind {
            "jti" if !value.is_empty() => Some(Self::Id(value.to_owned())),
            "owner" => owner(value).map(Self::Owner),
            "kid" if !value.is_empty() => Some(Self::Key(value.to_owned())),
            "before" => value.parse().ok().map(Self::Before),
            _ => None,
        }
    }
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
