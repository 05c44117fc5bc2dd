//! The keys that sign the key set, on disk: `keyset-ID.jwk`, a private JWK with `created`,
//! `retired` and `not_after` beside it.

use std::cmp::Reverse;
use std::path::PathBuf;

use magicproxy_core::{KeyLifetime, KeySetKey, UnixTime};

use super::jwk::Retirement;
use super::{Keystore, room, write};
use magicproxy_config::ground::fault::Faults;

const PREFIX: &str = "keyset-";

impl Keystore {
    /// Reads the keys with their files; the newest active key first.
    pub(super) fn load_key_set(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<(PathBuf, KeySetKey)>, Faults> {
        let mut found = self.load_jwks(PREFIX, KeySetKey::from_json, warnings)?;
        found.sort_by_key(|(_, key)| {
            let KeyLifetime { created, retired, .. } = key.lifetime();
            (retired.is_some(), Reverse(created))
        });
        Ok(found)
    }

    /// Makes a key that signs the key set, if the folder has no active one.
    pub(crate) fn add_key_set(
        &self,
        now: UnixTime,
    ) -> anyhow::Result<Option<(PathBuf, KeySetKey)>> {
        let held = self.held_key_set()?;
        let active = held.iter().any(|(_, key)| key.lifetime().retired.is_none());
        if active {
            return Ok(None);
        }
        room::ensure_room("keys that sign the key set", held.len(), 1)?;
        self.make_key_set(now).map(Some)
    }

    /// Makes a successor, announced by the older keys: they sign beside the successor, until
    /// `not_after` if given.
    pub(crate) fn rotate_key_set(
        &self,
        now: UnixTime,
        not_after: Option<UnixTime>,
    ) -> anyhow::Result<(PathBuf, KeySetKey)> {
        let held = self.held_key_set()?;
        room::ensure_room("keys that sign the key set", held.len(), 1)?;
        let made = self.make_key_set(now)?;
        let retirement = Retirement { now, not_after };
        retirement.write(held, KeySetKey::lifetime, |key, lifetime| {
            key.with_lifetime(lifetime).to_json()
        })?;
        write::sync_folder(self.folder());
        Ok(made)
    }

    fn held_key_set(&self) -> anyhow::Result<Vec<(PathBuf, KeySetKey)>> {
        self.load_key_set(&mut Vec::new()).map_err(|faults| anyhow::Error::msg(faults.summary()))
    }

    fn make_key_set(&self, now: UnixTime) -> anyhow::Result<(PathBuf, KeySetKey)> {
        let key = KeySetKey::generate(now)?;
        Ok((self.add_jwk(PREFIX, key.id(), &key.to_json())?, key))
    }
}
