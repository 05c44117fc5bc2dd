//! The keys that sign the key set, on disk: `keyset-ID.jwk`, a private JWK with `created`, `retired` and `not_after` beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use magicproxy_core::{KeySetKey, KeyStanding, UnixTime};
use zeroize::Zeroizing;

use super::{KeyFiles, exposure, one_fault, write};
use crate::config::Faults;
use crate::failure::reason;

impl KeyFiles {
    /// The keys and their files; the newest that is active first.
    pub(super) fn load_key_set(&self, warnings: &mut Vec<String>) -> Result<Vec<(PathBuf, KeySetKey)>, Faults> {
        let mut found = Vec::new();
        for path in self.files_named("keyset-", ".jwk").map_err(|error| one_fault(self.folder(), &reason(&error)))? {
            let text = std::fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| one_fault(&path, &reason(&error)))?;
            let key = KeySetKey::from_json(&text).map_err(|error| one_fault(&path, &error))?;
            warnings.extend(exposure(&path));
            found.push((path, key));
        }
        found.sort_by_key(|(_, key)| {
            let KeyStanding { created, retired, .. } = key.standing();
            (retired.is_some(), std::cmp::Reverse(created))
        });
        Ok(found)
    }

    /// Makes a key that signs the key set, where the folder has no active one.
    pub(crate) fn add_key_set(&self, now: UnixTime) -> anyhow::Result<Option<(PathBuf, KeySetKey)>> {
        let held = self.held_key_set()?;
        let active = held.iter().any(|(_, key)| key.standing().retired.is_none());
        if active { Ok(None) } else { self.make_key_set(now).map(Some) }
    }

    /// Makes a successor, which the others announce: they sign beside it until `not_after`, if there is one.
    pub(crate) fn rotate_key_set(&self, now: UnixTime, not_after: Option<UnixTime>) -> anyhow::Result<(PathBuf, KeySetKey)> {
        let held = self.held_key_set()?;
        let made = self.make_key_set(now)?;
        for (path, key) in held {
            let standing = key.standing();
            if standing.retired.is_none() {
                let standing = KeyStanding { retired: Some(now), not_after: standing.not_after.or(not_after), ..standing };
                replace(&path, &key.with_standing(standing))?;
            }
        }
        write::sync_folder(self.folder());
        Ok(made)
    }

    fn held_key_set(&self) -> anyhow::Result<Vec<(PathBuf, KeySetKey)>> {
        self.load_key_set(&mut Vec::new()).map_err(|faults| anyhow::Error::msg(faults.summary()))
    }

    fn make_key_set(&self, now: UnixTime) -> anyhow::Result<(PathBuf, KeySetKey)> {
        let key = KeySetKey::generate(now)?;
        let short: String = key.id().as_str().chars().take(8).collect();
        let path = self.folder().join(format!("keyset-{short}.jwk"));
        write::create_folder_of(&path)?;
        replace(&path, &key)?;
        Ok((path, key))
    }
}

/// In one step: whoever reads meanwhile finds the old file or the new one.
fn replace(path: &Path, key: &KeySetKey) -> anyhow::Result<()> {
    let staged = write::staged_private(path, &key.to_json())?;
    std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()))
}
