//! Putting a backup back: checked first, never with fewer revocations than there are, and never in
//! place of newer state unless the operator says so.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use magicproxy_proxy::clock;
use magicproxy_state::{OpenError, RedbStore, StoreCopy, StoreLock};

use super::BackupNote;
use crate::runtime::keystore::write;
use crate::runtime::revocations::{FOR_GOOD, Revocation, RevocationFile};

/// A backup, and the places to which it is put back.
#[derive(Debug)]
pub(crate) struct Restore<'r> {
    pub(crate) backup: &'r Path,
    /// The file of the store.
    pub(crate) store: &'r Path,
    pub(crate) revocations: RevocationFile,
    pub(crate) older: OlderState,
}

/// What to do where the backup is older than what is there, or than what may have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OlderState {
    Refuse,
    Accept,
}

/// What was put back.
#[derive(Debug)]
pub(crate) struct RestoreReport {
    /// The time of the backup, as RFC 3339 writes it.
    pub(crate) made_at: String,
    pub(crate) rows: u64,
    /// The number of revocations of the backup that were added to those that are there.
    pub(crate) revocations: usize,
    /// The file that the store was before.
    pub(crate) before: Option<PathBuf>,
}

impl Restore<'_> {
    /// Puts the backup back.
    ///
    /// # Errors
    /// A backup that is damaged; a proxy that runs; root in a folder of another user; older state that was not accepted; the system's
    /// errors. Until the last step the store's file is as it was.
    pub(crate) fn run(self) -> anyhow::Result<RestoreReport> {
        write::refuse_root_beside_others(self.store)?;
        self.refuse_running()?;
        write::create_folder_of(self.store)?;
        // Also of a store whose file is gone. Nobody opens it until this has ended.
        let _lock = StoreLock::take(self.store).map_err(|error| running(&error))?;
        let scratch = self.store.with_added_extension("restore-copy");
        let restored = self.checked_in(&scratch);
        drop(std::fs::remove_file(&scratch));
        restored
    }

    /// Checks a copy of the backup, because the check may change the file.
    fn checked_in(&self, scratch: &Path) -> anyhow::Result<RestoreReport> {
        let named = || format!("backup `{}`", self.backup.display());
        drop(std::fs::remove_file(scratch));
        write::private(scratch, "")?;
        std::fs::copy(self.backup, scratch).with_context(named)?;
        let copy = StoreCopy::open(scratch)
            .map_err(|error| anyhow::anyhow!("{}", reason(&error)))
            .with_context(named)?;
        let note = BackupNote::parse(copy.note()).with_context(named)?;
        let entries = note.revocations().with_context(named)?;
        self.refuse_older(note.made_at)?;
        // First the revocations: at no time is there a store with fewer.
        let added = unite(&self.revocations, &entries)?;
        let new = self.store.with_added_extension("restore-new");
        drop(std::fs::remove_file(&new));
        let made = copy.make_store(&new).map_err(|error| anyhow::anyhow!("{error}"))?;
        write::hand_over(&made, &new, self.store)?;
        let before = self.put_in_place(&new)?;
        Ok(RestoreReport {
            made_at: written(note.made_at),
            rows: copy.rows(),
            revocations: added,
            before,
        })
    }

    /// Refuses while another process has the store open.
    fn refuse_running(&self) -> anyhow::Result<()> {
        if !self.store.exists() {
            return Ok(());
        }
        match RedbStore::open(self.store) {
            Err(error @ OpenError::InUse(_)) => Err(running(&error)),
            // A damaged file is what a backup is for.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn refuse_older(&self, made_at: u64) -> anyhow::Result<()> {
        if self.older == OlderState::Accept {
            return Ok(());
        }
        let what = format!("since the backup ({})", written(made_at));
        if self.store.exists() {
            bail!(
                "`{}` is there, and newer: uses counted {what} would be forgotten, so that limits could be used again, and so would the owners of what was created; \
                 `--accept-older` puts the backup in its place, and keeps it under another name",
                self.store.display()
            );
        }
        if !self.revocations.0.exists() {
            bail!(
                "`{}` is not there: what was revoked {what} would be accepted again, and uses counted since are forgotten; put the file back, or say `--accept-older` and revoke \
                 those tokens again",
                self.revocations.0.display()
            );
        }
        Ok(())
    }

    /// Gives the new store its name; what has the name keeps another one.
    fn put_in_place(&self, new: &Path) -> anyhow::Result<Option<PathBuf>> {
        let named = || format!("`{}`", self.store.display());
        let before = self.store.exists().then(|| self.free_name());
        if let Some(before) = &before {
            std::fs::rename(self.store, before).with_context(named)?;
        }
        std::fs::rename(new, self.store).with_context(named)?;
        let folder = self.store.parent().filter(|folder| !folder.as_os_str().is_empty());
        write::sync_folder(folder.unwrap_or(Path::new(".")));
        Ok(before)
    }
}

impl Restore<'_> {
    /// Returns a name beside the store that nothing has yet.
    fn free_name(&self) -> PathBuf {
        let (now, mut number) = (clock::now().0, 0);
        loop {
            let name = self.store.with_added_extension(format!("before-restore-{now}-{number}"));
            if !name.exists() {
                return name;
            }
            number += 1;
        }
    }
}

/// Adds the entries to those that are there, each with the later end. Returns the number of those
/// that were not there.
fn unite(file: &RevocationFile, entries: &[Revocation]) -> anyhow::Result<usize> {
    let now = clock::now().0;
    let mut added = 0;
    file.put_back(|all| {
        for entry in entries.iter().filter(|entry| entry.about.expires_at > now) {
            match all.iter_mut().find(|known| known.revoked == entry.revoked) {
                Some(known) => {
                    known.about.expires_at = known.about.expires_at.max(entry.about.expires_at);
                }
                None => {
                    all.push(entry.clone());
                    added += 1;
                }
            }
        }
    })?;
    Ok(added)
}

/// Writes a time in seconds since 1970.
fn written(time: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(time.min(FOR_GOOD)));
    humantime::format_rfc3339_seconds(time.unwrap_or(UNIX_EPOCH)).to_string()
}

/// Says that a process has the store open, or that nobody can tell.
fn running(error: &OpenError) -> anyhow::Error {
    match error {
        OpenError::InUse(_) => anyhow::anyhow!("stop the proxy first: {error}"),
        _ => anyhow::anyhow!("whether a proxy runs cannot be told: {error}"),
    }
}

/// Says what is wrong with the backup, without the name of the scratch file.
fn reason(error: &OpenError) -> String {
    match error {
        OpenError::NotAStore(_, why) => format!("it is no whole backup: {why}"),
        OpenError::Newer { found, .. } => {
            format!("it has the form {found}, of a newer magicproxy")
        }
        other => other.to_string(),
    }
}
