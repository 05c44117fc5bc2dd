//! Sealing keys on disk: `sealing-ID.jwk`, a private JWK with `created`, `retired` and `not_after`
//! beside it.

use std::cmp::Reverse;
use std::path::PathBuf;

use magicproxy_core::{Kem, KeyLifetime, SealingKey, UnixTime};

use super::jwk::Retirement;
use super::{Keystore, room, write};
use magicproxy_config::ground::fault::Faults;

const PREFIX: &str = "sealing-";

impl Keystore {
    /// Reads the sealing keys with their files; of each kind the newest active key first.
    pub(super) fn load_sealing(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<(PathBuf, SealingKey)>, Faults> {
        let mut found = self.load_jwks(PREFIX, SealingKey::from_json, warnings)?;
        found.sort_by_key(|(_, key)| {
            let KeyLifetime { created, retired, .. } = key.lifetime();
            let kind = Kem::ALL.iter().position(|kem| *kem == key.public().kem());
            (kind, retired.is_some(), Reverse(created))
        });
        Ok(found)
    }

    /// Makes a sealing key of each kind without an active key in the folder. Returns the keys made.
    pub(crate) fn add_sealing(&self, now: UnixTime) -> anyhow::Result<Vec<(PathBuf, SealingKey)>> {
        let held = self.held_sealing()?;
        let missing = |kem: &Kem| {
            !held.iter().any(|(_, key)| key.public().kem() == *kem && key.is_active(now))
        };
        let missing: Vec<Kem> = Kem::ALL.into_iter().filter(missing).collect();
        room::ensure_room("sealing keys", held.len(), missing.len())?;
        missing.into_iter().map(|kem| self.make_sealing(kem, now)).collect()
    }

    /// Makes a new sealing key of each kind, and retires the older keys: they open tokens, until
    /// `not_after` if given.
    pub(crate) fn rotate_sealing(
        &self,
        now: UnixTime,
        not_after: Option<UnixTime>,
    ) -> anyhow::Result<Vec<(PathBuf, SealingKey)>> {
        let held = self.held_sealing()?;
        room::ensure_room("sealing keys", held.len(), Kem::ALL.len())?;
        // New keys first: at every moment there is a key to seal to.
        let made: Vec<_> = Kem::ALL
            .into_iter()
            .map(|kem| self.make_sealing(kem, now))
            .collect::<anyhow::Result<_>>()?;
        let retirement = Retirement { now, not_after };
        retirement.write(held, SealingKey::lifetime, |key, lifetime| {
            key.with_lifetime(lifetime).to_json()
        })?;
        write::sync_folder(self.folder());
        Ok(made)
    }

    fn held_sealing(&self) -> anyhow::Result<Vec<(PathBuf, SealingKey)>> {
        self.load_sealing(&mut Vec::new()).map_err(|faults| anyhow::Error::msg(faults.summary()))
    }

    fn make_sealing(&self, kem: Kem, now: UnixTime) -> anyhow::Result<(PathBuf, SealingKey)> {
        let key = SealingKey::generate(kem, now)?;
        Ok((self.add_jwk(&format!("{PREFIX}{kem}-"), key.public().id(), &key.to_json())?, key))
    }
}
