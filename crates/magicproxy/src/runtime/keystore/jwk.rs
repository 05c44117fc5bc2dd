//! Private keys on disk as JWKs, one a file, with `created`, `retired` and `not_after` beside the
//! key's own members.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use magicproxy_core::{KeyError, KeyId, KeyLifetime, UnixTime};
use zeroize::Zeroizing;

use super::{Keystore, exposure, one_fault, write};
use magicproxy_config::ground::fault::Faults;
use magicproxy_config::ground::text::reason;

impl Keystore {
    /// Reads the keys in the files whose names begin with `prefix`, by the function `read`. Warns
    /// of files that others may read.
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

    /// Writes a new key to a file named by `prefix` and the beginning of the key's id.
    pub(super) fn add_jwk(&self, prefix: &str, id: &KeyId, json: &str) -> anyhow::Result<PathBuf> {
        let short: String = id.as_str().chars().take(8).collect();
        let path = self.folder().join(format!("{prefix}{short}.jwk"));
        write::create_folder_of(&path)?;
        replace(&path, json)?;
        Ok(path)
    }
}

/// The retirement of keys: its time, and the end of the keys' further service.
#[derive(Clone, Copy)]
pub(super) struct Retirement {
    pub(super) now: UnixTime,
    /// The end of the service; without a time, the keys serve to their own end.
    pub(super) not_after: Option<UnixTime>,
}

impl Retirement {
    /// Writes the retirement into the files of keys not yet retired. `json` renders a key with
    /// another lifetime.
    pub(super) fn write<K>(
        self,
        held: Vec<(PathBuf, K)>,
        lifetime: fn(&K) -> KeyLifetime,
        json: fn(K, KeyLifetime) -> Zeroizing<String>,
    ) -> anyhow::Result<()> {
        for (path, key) in held {
            if let Some(retired) = self.of(lifetime(&key)) {
                replace(&path, &json(key, retired))?;
            }
        }
        Ok(())
    }

    /// Returns the lifetime of an active key from now on: retired, and ended at `not_after` unless
    /// the key has an end of its own. `None` for a key retired before.
    fn of(self, lifetime: KeyLifetime) -> Option<KeyLifetime> {
        let not_after = lifetime.not_after.or(self.not_after);
        lifetime.retired.is_none().then_some(KeyLifetime {
            retired: Some(self.now),
            not_after,
            ..lifetime
        })
    }
}

/// Replaces a file in one step: a reader finds the old file or the new file.
pub(super) fn replace(path: &Path, json: &str) -> anyhow::Result<()> {
    let staged = write::staged_private(path, json)?;
    std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()))
}
