//! The files that settings name, and whether their content has changed: a change of a file is a
//! change of the setting that names it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The key of the digests, random for each process: nobody can make two contents with one digest.
static DIGEST_KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The files that the check of a configuration has read, each with the key of the setting that
/// names it, and a digest of the content that was checked. Not the files that are watched.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FileContents(BTreeMap<(String, PathBuf), u64>);

impl FileContents {
    /// Notes the content that was read.
    pub(super) fn note(&mut self, key: &str, path: &Path, content: &[u8]) {
        self.0.insert((key.to_owned(), path.to_owned()), DIGEST_KEY.hash_one(content));
    }

    /// Returns the keys of the settings that name the same file as before, with another content.
    /// Another file is a change of the setting itself.
    pub fn differing(&self, before: &Self) -> Vec<String> {
        let is_other = |named: &(String, PathBuf), digest: &u64| {
            before.0.get(named).is_some_and(|before| before != digest)
        };
        let mut keys: Vec<String> = self
            .0
            .iter()
            .filter(|(named, digest)| is_other(named, digest))
            .map(|((key, _), _)| key.clone())
            .collect();
        keys.dedup();
        keys
    }

    /// Returns these contents, and those of `running` for the settings that wait for a restart.
    #[must_use]
    pub fn over(mut self, running: &Self, waits: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|(key, _), _| !waits(key));
        let kept = running.0.iter().filter(|((key, _), _)| waits(key));
        self.0.extend(kept.map(|(named, digest)| (named.clone(), *digest)));
        self
    }
}

impl fmt::Debug for FileContents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
