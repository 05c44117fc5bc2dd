//! Backups: a copy of the store's file and of the revocations, made while the proxy runs, and put
//! back while it does not. `docs/spec/state-store.md` section 8.

mod restore;

pub(crate) use restore::{OlderState, Restore};

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use magicproxy_core::state::StateStore as _;
use magicproxy_proxy::clock;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::revocations::{EntryNote, Revocation, RevocationFile, RevokedThing};
use super::state::LazyStore;

/// The note in a backup: its time, and the revocations.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupNote {
    /// The time of the backup, in seconds since 1970.
    pub(crate) made_at: u64,
    /// The entries by name.
    revocations: BTreeMap<String, EntryNote>,
}

/// The maker of backups of a running proxy, one at a time.
#[derive(Debug)]
pub(crate) struct Backups {
    store: Option<Arc<LazyStore>>,
    /// The file of revocations; `None` if they are in the store that proxies share.
    revocations: Option<RevocationFile>,
    turn: Arc<Mutex<()>>,
}

/// A backup without a name in any folder: it is gone once it was read, or nobody reads it.
#[derive(Debug)]
pub(crate) struct BackupFile {
    pub(crate) file: File,
    pub(crate) length: u64,
}

/// A reason for which there is no backup.
#[derive(Debug)]
pub(crate) enum BackupError {
    /// Another backup is being made.
    Busy,
    /// The store is no file of this proxy.
    NoFile,
    Failed(anyhow::Error),
}

impl fmt::Display for BackupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => formatter.write_str("another backup is being made: ask again later"),
            Self::NoFile => formatter.write_str(
                "the state store is no file: a Valkey has means of its own, and what is in memory cannot be put back",
            ),
            Self::Failed(error) => write!(formatter, "there is no backup: {error:#}"),
        }
    }
}

impl BackupNote {
    fn of(revocations: Vec<Revocation>) -> Self {
        let entries = revocations.into_iter().map(|entry| (entry.revoked.name(), entry.about));
        Self { made_at: clock::now().0, revocations: entries.collect() }
    }

    /// Reads the note of a backup.
    pub(crate) fn parse(note: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(note).ok().context("this is no backup of a magicproxy")
    }

    /// Returns the revocations.
    pub(crate) fn revocations(&self) -> anyhow::Result<Vec<Revocation>> {
        let entry = |(name, about): (&String, &EntryNote)| {
            let revoked =
                RevokedThing::parse(name).context("it holds a revocation of a newer form")?;
            Ok(Revocation { revoked, about: about.clone() })
        };
        self.revocations.iter().map(entry).collect()
    }
}

impl Backups {
    /// Makes backups of this store and these revocations.
    pub(crate) fn of(store: Option<Arc<LazyStore>>, revocations: Option<RevocationFile>) -> Self {
        Self { store, revocations, turn: Arc::default() }
    }

    /// Makes a backup. A caller that leaves meanwhile leaves no file behind.
    ///
    /// # Errors
    /// [`BackupError`].
    pub(crate) async fn make(&self) -> Result<BackupFile, BackupError> {
        let turn = Arc::clone(&self.turn).try_lock_owned().map_err(|_| BackupError::Busy)?;
        let (Some(store), Some(revocations)) = (self.store.clone(), self.revocations.clone())
        else {
            return Err(BackupError::NoFile);
        };
        let path = store.file().ok_or(BackupError::NoFile)?;
        let to = path.with_added_extension("backup-new");
        // In a task of its own, which ends with what it began.
        let made = tokio::spawn(async move {
            let _turn = turn;
            make(&store, &revocations, &to).await
        });
        let made = made.await.unwrap_or_else(|_| Err(anyhow::anyhow!("it broke off")));
        made.map_err(BackupError::Failed)
    }
}

async fn make(
    store: &LazyStore,
    revocations: &RevocationFile,
    to: &Path,
) -> anyhow::Result<BackupFile> {
    let note = serde_json::to_vec(&BackupNote::of(revocations.read()?)).context("a note")?;
    // Left behind by a process that was killed; only one process has the store.
    drop(std::fs::remove_file(to));
    store.copy_to(to.to_owned(), note).await?;
    let opened = File::open(to).and_then(|file| Ok((file.metadata()?.len(), file)));
    drop(std::fs::remove_file(to));
    let (length, file) = opened.with_context(|| format!("`{}`", to.display()))?;
    Ok(BackupFile { file, length })
}
