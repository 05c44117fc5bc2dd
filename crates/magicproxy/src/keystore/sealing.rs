//! Sealing keys on disk: `sealing-ID.jwk`, a private JWK with `created`, `retired` and `not_after` beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use magicproxy_core::{Kem, KeyStanding, SealingKey, UnixTime};
use zeroize::Zeroizing;

use super::{KeyFiles, exposure, one_fault, write};
use crate::config::Faults;
use crate::failure::reason;

impl KeyFiles {
    /// The sealing keys and their files; of each kind the newest that is active first.
    pub(super) fn load_sealing(&self, warnings: &mut Vec<String>) -> Result<Vec<(PathBuf, SealingKey)>, Faults> {
        let mut found = Vec::new();
        for path in self.files_named("sealing-", ".jwk").map_err(|error| one_fault(self.folder(), &reason(&error)))? {
            let text = std::fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| one_fault(&path, &reason(&error)))?;
            let key = SealingKey::from_json(&text).map_err(|error| one_fault(&path, &error))?;
            warnings.extend(exposure(&path));
            found.push((path, key));
        }
        found.sort_by_key(|(_, key)| {
            let KeyStanding { created, retired, .. } = key.standing();
            let kind = Kem::ALL.iter().position(|kem| *kem == key.public().kem());
            (kind, retired.is_some(), std::cmp::Reverse(created))
        });
        Ok(found)
    }

    /// Makes a sealing key of each kind that the folder has no active one of. Gives what was made.
    pub(crate) fn add_sealing(&self, now: UnixTime) -> anyhow::Result<Vec<(PathBuf, SealingKey)>> {
        let held = self.load_sealing(&mut Vec::new()).map_err(|faults| anyhow::Error::msg(faults.summary()))?;
        let missing = |kem: &Kem| !held.iter().any(|(_, key)| key.public().kem() == *kem && key.is_active(now));
        let made = Kem::ALL.into_iter().filter(missing).map(|kem| self.make_sealing(kem, now));
        made.collect()
    }

    /// Makes a new sealing key of each kind, and retires the others: they open tokens until `not_after`, if there is one.
    pub(crate) fn rotate_sealing(
        &self,
        now: UnixTime,
        not_after: Option<UnixTime>,
    ) -> anyhow::Result<Vec<(PathBuf, SealingKey)>> {
        let held = self.load_sealing(&mut Vec::new()).map_err(|faults| anyhow::Error::msg(faults.summary()))?;
        // First the new ones: at no moment is there none to seal to.
        let made: Vec<_> = Kem::ALL.into_iter().map(|kem| self.make_sealing(kem, now)).collect::<anyhow::Result<_>>()?;
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

    fn make_sealing(&self, kem: Kem, now: UnixTime) -> anyhow::Result<(PathBuf, SealingKey)> {
        let key = SealingKey::generate(kem, now)?;
        let short: String = key.public().id().as_str().chars().take(8).collect();
        let path = self.folder().join(format!("sealing-{kem}-{short}.jwk"));
        write::create_folder_of(&path)?;
        replace(&path, &key)?;
        Ok((path, key))
    }
}

/// In one step: whoever reads meanwhile finds the old file or the new one.
fn replace(path: &Path, key: &SealingKey) -> anyhow::Result<()> {
    let staged = write::staged_private(path, &key.to_json())?;
    std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()))
}
