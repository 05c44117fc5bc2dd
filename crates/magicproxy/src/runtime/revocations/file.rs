//! The file of revocations: written whole beside itself and renamed, by one command at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use magicproxy_core::json::form::{Form, Kind, Member, Presence};
use magicproxy_core::json::unique_map;
use serde::{Deserialize, Serialize};

use super::{EntryNote, MOST, Revocation, RevokedThing};
use crate::runtime::keystore::write;
use magicproxy_config::ground::text::masked;

/// The file of revocations, perhaps missing.
#[derive(Clone, Debug)]
pub(crate) struct RevocationFile(pub(crate) PathBuf);

/// The stamp of the file: a changed stamp shows that the file was written, replaced or taken away.
pub(crate) type Stamp = Option<(Option<SystemTime>, u64, u64)>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// By name, so that no entry is there twice.
    #[serde(deserialize_with = "unique_map")]
    revocations: BTreeMap<String, EntryNote>,
}

static CONTENT: Form = Form {
    expected: "a JSON object with `revocations`",
    kind: Kind::Object(&[Member::new("revocations", &ENTRIES, Presence::Needed)]),
};
static ENTRIES: Form = Form {
    expected: "an object of names such as `jti:…` and what is said about each",
    kind: Kind::Map(&ABOUT),
};
static ABOUT: Form = Form {
    expected: "an object with `revoked_at` and `expires_at`",
    kind: Kind::Object(&[
        Member::new("revoked_at", &MOMENT, Presence::Needed),
        Member::new("expires_at", &MOMENT, Presence::Needed),
        Member::new("reason", &REASON, Presence::Nullable),
    ]),
};
static MOMENT: Form =
    Form { expected: "a moment, as a number of seconds since 1970", kind: Kind::Number };
static REASON: Form = Form { expected: "a reason, as a text", kind: Kind::Text };

impl RevocationFile {
    /// Reads all entries; none, if there never was a file.
    ///
    /// # Errors
    /// Also for a file that is gone.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Revocation>> {
        let named = || format!("revocations `{}`", self.0.display());
        let text = match std::fs::read_to_string(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.ensure_never_there()?;
                return Ok(Vec::new());
            }
            text => text.with_context(named)?,
        };
        let content: Content = CONTENT
            .read(text.as_bytes())
            .map_err(|faults| anyhow::anyhow!("{}: {faults}", named()))?;
        ensure!(
            content.revocations.len() <= MOST,
            "revocations `{}`: more than {MOST} entries",
            self.0.display()
        );
        let entry = |(name, about): (String, EntryNote)| {
            let revoked = RevokedThing::parse(&name);
            let expected = "expected `chain:…`, `jti:…`, `owner:…`, `kid:…` or `before:…`";
            let revoked = revoked.with_context(|| format!("`{}`: {expected}", masked(&name)))?;
            Ok(Revocation { revoked, about })
        };
        content
            .revocations
            .into_iter()
            .map(entry)
            .collect::<anyhow::Result<_>>()
            .with_context(named)
    }

    /// Refuses a missing list beside its lock: there was a list, whose tokens would be accepted
    /// again.
    fn ensure_never_there(&self) -> anyhow::Result<()> {
        let lock = write::lock_of(&self.0);
        ensure!(
            !lock.exists(),
            "revocations `{}`: the list is gone, and what it revoked would be accepted again: put it back from a copy; where nothing was revoked, remove `{}`",
            self.0.display(),
            lock.display()
        );
        Ok(())
    }

    /// Makes the lock beside a list, as far as the folder may be written, so that the list cannot
    /// go unnoticed: older versions, and copies of a list, leave a list without a lock.
    pub(crate) fn note_existence(&self) {
        if !write::lock_of(&self.0).exists() {
            drop(write::lock(&self.0));
        }
    }

    /// Changes the file under a lock: other commands wait.
    ///
    /// # Errors
    /// Also for a file that is gone.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<Revocation>)) -> anyhow::Result<()> {
        if !self.0.exists() && !write::lock_of(&self.0).exists() {
            // Before the lock, which says that there was a list.
            self.begin()?;
        }
        self.change_from(Self::read, change)
    }

    /// Puts entries back: changes the file like [`change`](Self::change), and begins a file that is
    /// gone anew.
    pub(crate) fn put_back(&self, change: impl FnOnce(&mut Vec<Revocation>)) -> anyhow::Result<()> {
        let read = |file: &Self| if file.0.exists() { file.read() } else { Ok(Vec::new()) };
        self.change_from(read, change)
    }

    fn change_from(
        &self,
        read: impl FnOnce(&Self) -> anyhow::Result<Vec<Revocation>>,
        change: impl FnOnce(&mut Vec<Revocation>),
    ) -> anyhow::Result<()> {
        let _lock = write::lock(&self.0)?;
        let mut entries = read(self)?;
        change(&mut entries);
        ensure!(
            entries.len() <= MOST,
            "there are {MOST} revocations already: revoke keys, or all tokens before a time"
        );
        let staged = write::staged_private(&self.0, &text_of(entries)?)?;
        std::fs::rename(&staged, &self.0).with_context(|| format!("`{}`", self.0.display()))?;
        write::sync_folder(
            self.0
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        );
        Ok(())
    }

    /// Makes an empty list, unless another command was faster.
    fn begin(&self) -> anyhow::Result<()> {
        write::create_folder_of(&self.0)?;
        match write::private(&self.0, &text_of(Vec::new())?) {
            Err(_) if self.0.exists() => Ok(()),
            made => made,
        }
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let metadata = std::fs::metadata(&self.0).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some((metadata.modified().ok(), metadata.len(), inode))
    }
}

fn text_of(entries: Vec<Revocation>) -> anyhow::Result<String> {
    let revocations =
        entries.into_iter().map(|entry| (entry.revoked.name(), entry.about)).collect();
    Ok(serde_json::to_string_pretty(&Content { revocations })? + "\n")
}
