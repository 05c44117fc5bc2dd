//! Private keys on disk as JWKs, one a file, with `created`, `retired` and `not_after` beside the key's own members.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use magicproxy_core::{KeyError, KeyId, KeyLifetime, UnixTime};
use zeroize::Zeroizing;

use super::{Keystore, exposure, one_fault, write};
use magicproxy_config::ground::fault::Faults;
use magicproxy_config::ground::text::reason;

impl Keystore {
    /// The keys in the files whose names begin with `prefix`, as `read` reads them. Warns of files that others may read.
    pub(super) fn load_jwks<K>(
        &self,
        prefix: &str,
        read: fn(&str) -> Result<K, KeyError>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<(PathBuf, K)>, Faults> {
        let mut found = Vec::new();
        for path in self
            .files_named(prefix, ".jwk")
            .map_err(|error| one_fault(self.folder(), &reason(&error)))?
        {
            let text = std::fs::read_to_string(&path)
                .map(Zeroizing::new)
                .map_err(|error| one_fault(&path, &reason(&error)))?;
            let key = read(&text).map_err(|error| one_fault(&path, &error))?;
            warnings.extend(exposure(&path));
            found.push((path, key));
        }
        Ok(found)
    }

    /// Writes a new key to a file whose name is `prefix` and the beginning of the key's id.
    pub(super) fn add_jwk(&self, prefix: &str, id: &KeyId, json: &str) -> anyhow::Result<PathBuf> {
        let short: String = id.as_str().chars().take(8).collect();
        let path = self.folder().join(format!("{prefix}{short}.jwk"));
        write::create_folder_of(&path)?;
        replace(&path, json)?;
        Ok(path)
    }
}

/// When keys are retired, and until when they serve nevertheless.
#[derive(Clone, Copy)]
pub(super) struct Retirement {
    pub(super) now: UnixTime,
    /// Without one, for as long as they would have.
    pub(super) not_after: Option<UnixTime>,
}

impl Retirement {
    /// Writes down that the keys in these files are retired, but for those that were before. `json` is what a file says of its key at
    /// another point of its life.
    pub(super) fn write<K>(
        self,
        held: Vec<(PathBuf, K)>,
        standing: fn(&K) -> KeyLifetime,
        json: fn(K, KeyLifetime) -> Zeroizing<String>,
    ) -> anyhow::Result<()> {
        for (path, key) in held {
            if let Some(retired) = self.of(standing(&key)) {
                replace(&path, &json(key, retired))?;
            }
        }
        Ok(())
    }

    /// The standing of an active key from now on: retired, and over at `not_after` unless it ends by itself. `None` for a key
    /// that was retired before.
    fn of(self, standing: KeyLifetime) -> Option<KeyLifetime> {
        let not_after = standing.not_after.or(self.not_after);
        standing.retired.is_none().then_some(KeyLifetime {
            retired: Some(self.now),
            not_after,
            ..standing
        })
    }
}

/// In one step: whoever reads meanwhile finds the old file or the new one.
pub(super) fn replace(path: &Path, json: &str) -> anyhow::Result<()> {
    let staged = write::staged_private(path, json)?;
    std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()))
}
