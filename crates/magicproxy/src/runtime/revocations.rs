//! Revocations as kept: in a file beside the keys, or in the store shared by proxies.
//! `docs/spec/state-store.md` sections 6 and 7.

mod file;
mod known;
mod shared;
mod version;
mod watch;

use std::fmt;

pub(crate) use file::RevocationFile;
pub(crate) use shared::SharedRevocations;
pub(crate) use watch::RevocationWatch;

use magicproxy_core::state::Partition;
use magicproxy_core::token::is_token_id;
use magicproxy_core::{ChainId, KeyId, TokenNames, TokenVersion, UnixTime};
use magicproxy_proxy::services::{RevocationList, TokenIssuer};
use serde::{Deserialize, Serialize};

use magicproxy_config::ground::text::masked;

/// The most entries. More are a mistake, or an attempt to fill the proxy's memory.
pub(crate) const MOST: usize = 50_000;

/// The end of an entry without an end of its own: the latest time of a store.
pub(crate) const FOR_GOOD: u64 = 100_000_000_000;

/// The tokens revoked by one entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RevokedThing {
    /// A chain of caveats: a token, and all tokens narrowed from it.
    Chain(ChainId),
    /// All tokens that have the id in logs, whoever minted them.
    Id(String),
    /// A family: all tokens of one issuer that have the id in logs.
    Minted(MintedId),
    /// A family, by its owner.
    Owner(Partition),
    /// All tokens of a key.
    Key(String),
    /// All tokens minted before a time, in seconds since 1970.
    Before(u64),
}

/// An id, and the issuer of the tokens with the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MintedId {
    id: String,
    minting: TokenIssuer,
}

impl MintedId {
    /// Returns the key that signed the token, or to which the token was sealed.
    pub(crate) fn key(&self) -> &str {
        &self.minting.key
    }

    /// Returns the version of the token.
    pub(crate) fn version(&self) -> TokenVersion {
        self.minting.version
    }

    /// Returns the minter who signed the token.
    pub(crate) fn minter(&self) -> Option<&str> {
        self.minting.minter.as_deref()
    }

    /// True if only the holder of a key can have given a token this id.
    pub(crate) fn is_proven(&self) -> bool {
        self.minting.version == TokenVersion::V1 || self.minting.minter.is_some()
    }

    /// Reads the text behind `jti:`.
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (version, key, minter, id) = match parts.as_slice() {
            [version @ "v1", key, id] => (version, key, None, id),
            [version @ "v2", key, "none", id] => (version, key, None, id),
            [version @ "v2", key, minter, id] => (version, key, Some(*minter), id),
            _ => return None,
        };
        let (Some(key), minter) = (KeyId::parse(key), minter.map(KeyId::parse)) else {
            return None;
        };
        if minter == Some(None) || !is_token_id(id) {
            return None;
        }
        let minter = minter.flatten().map(|minter| minter.to_string());
        Some(Self {
            id: (*id).to_owned(),
            minting: TokenIssuer {
                version: TokenVersion::parse(version)?,
                key: key.to_string(),
                minter,
            },
        })
    }
}

impl fmt::Display for MintedId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, minting: TokenIssuer { version, key, minter } } = self;
        match version {
            TokenVersion::V1 => write!(formatter, "v1:{key}:{id}"),
            TokenVersion::V2 => {
                write!(formatter, "v2:{key}:{}:{id}", minter.as_deref().unwrap_or("none"))
            }
        }
    }
}

/// An entry: the revoked tokens, and the circumstances of the revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) revoked: RevokedThing,
    pub(crate) about: EntryNote,
}

/// The circumstances of an entry: when, until when and for what reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryNote {
    pub(crate) revoked_at: u64,
    /// The time, in seconds since 1970, from which no live token can be meant.
    pub(crate) expires_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl RevokedThing {
    /// Returns the entry's name in the file and in the store: `chain:…`, `jti:…`, `owner:…`,
    /// `kid:…`, `before:…`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Minted(minted) => format!("jti:{minted}"),
            Self::Chain(chain) => format!("chain:{chain}"),
            Self::Id(id) => format!("jti:{id}"),
            Self::Owner(owner) => format!("owner:{owner}"),
            Self::Key(key) => format!("kid:{key}"),
            Self::Before(time) => format!("before:{time}"),
        }
    }

    /// Reads an entry's name, also a meaningless name: older versions wrote every text they were
    /// given.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (kind, value) = name.split_once(':')?;
        match kind {
            "chain" => ChainId::parse(&value.to_ascii_lowercase()).map(Self::Chain),
            // Refused if unknown: a newer version may write further forms.
            "jti" if names_version(value) => MintedId::parse(value).map(Self::Minted),
            "jti" if !value.is_empty() => Some(Self::Id(value.to_owned())),
            "owner" => Partition::parse(&value.to_ascii_lowercase()).map(Self::Owner),
            "kid" if !value.is_empty() => Some(Self::Key(value.to_owned())),
            "before" => value.parse().ok().map(Self::Before),
            _ => None,
        }
    }

    /// True if the entry can mean no token. Ids of tokens and of keys have a form.
    pub(crate) fn means_nothing(&self) -> bool {
        match self {
            Self::Id(id) => !is_token_id(id),
            Self::Key(id) => KeyId::parse(id).is_none(),
            Self::Chain(_) | Self::Minted(_) | Self::Owner(_) | Self::Before(_) => false,
        }
    }

    /// Returns the entry's name for display. Of a meaningless name only the beginning: the text may
    /// be a token that somebody wanted to revoke.
    pub(crate) fn shown(&self) -> String {
        let name = self.name();
        match name.split_once(':') {
            Some((kind, value)) if self.means_nothing() => format!("{kind}:{}", masked(value)),
            _ => name,
        }
    }
}

/// True if the text begins with `v`, a number and `:`.
fn names_version(value: &str) -> bool {
    let number = value.strip_prefix('v').and_then(|rest| rest.split_once(':'));
    number.is_some_and(|(number, _)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl Revocation {
    /// Returns the entry, ended no sooner than a known entry of the same name: the known entry may
    /// be made from a token that lives longer.
    pub(crate) fn no_shorter_than(mut self, known: &[Self]) -> Self {
        let same = known
            .iter()
            .filter(|entry| entry.revoked == self.revoked)
            .map(|entry| entry.about.expires_at);
        self.about.expires_at = same.fold(self.about.expires_at, u64::max);
        self
    }

    /// True if the entry, while in force, refuses a token with these names.
    pub(crate) fn refuses(&self, token: &TokenNames<'_>, now: UnixTime) -> bool {
        in_force(std::slice::from_ref(self), now).refuses(token)
    }
}

/// Collects the entries in force into the list for the engine.
pub(crate) fn in_force(entries: &[Revocation], now: UnixTime) -> RevocationList {
    let mut list = RevocationList::default();
    for entry in entries.iter().filter(|entry| entry.about.expires_at > now.0) {
        match &entry.revoked {
            RevokedThing::Chain(chain) => drop(list.chains.insert(*chain)),
            RevokedThing::Id(id) => drop(list.ids.insert(id.clone())),
            RevokedThing::Minted(MintedId { id, minting }) => {
                list.minted.entry(id.clone()).or_default().insert(minting.clone());
            }
            RevokedThing::Owner(owner) => drop(list.owners.insert(*owner)),
            RevokedThing::Key(key) => drop(list.keys.insert(key.clone())),
            RevokedThing::Before(time) => list.before = list.before.max(Some(UnixTime(*time))),
        }
    }
    list
}

#[cfg(test)]
mod tests;
