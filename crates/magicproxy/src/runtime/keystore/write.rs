//! Writing of key files: created with their final mode and owner, never overwritten, on disk before
//! the next step.

#[cfg_attr(not(unix), path = "write/writer.rs")]
mod owner;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::owner::{FileOwner, create_folder};

/// Creates the folder of a file, for its owner only, if missing.
pub(crate) fn create_folder_of(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    create_folder(folder).with_context(|| format!("folder `{}`", folder.display()))
}

/// Creates a file for the proxy only.
pub(crate) fn private(path: &Path, text: &str) -> anyhow::Result<()> {
    create(&NewFile { path, mode: 0o600, owner: FileOwner::of(path)? }, text)
}

/// Refuses to go on as root in a folder of another user, who could put links in the place of the
/// files that are written, opened and given away there by name.
pub(crate) fn refuse_root_beside_others(path: &Path) -> anyhow::Result<()> {
    FileOwner::of(path)?.refuse_others()
}

/// Gives a file that was made beside `path`, by the name `named`, to whoever reads the file there.
pub(crate) fn hand_over(made: &File, named: &Path, path: &Path) -> anyhow::Result<()> {
    FileOwner::of(path)?.give(made, named)
}

/// Creates a file for the user who runs the command only, wherever the file is.
pub(crate) fn own(path: &Path, text: &str) -> anyhow::Result<()> {
    create(&NewFile { path, mode: 0o600, owner: FileOwner::WRITER }, text)
}

/// Creates a file that everyone may read.
pub(super) fn public(path: &Path, text: &str) -> anyhow::Result<()> {
    create(&NewFile { path, mode: 0o644, owner: FileOwner::of(path)? }, text)
}

/// Writes the replacement of a private key, beside the key.
pub(crate) fn staged_private(path: &Path, text: &str) -> anyhow::Result<PathBuf> {
    stage(path, text, 0o600)
}

/// Writes the replacement of a public file, beside the file.
pub(crate) fn staged_public(path: &Path, text: &str) -> anyhow::Result<PathBuf> {
    stage(path, text, 0o644)
}

/// Gives a file a second name, so that the file outlives the loss of its first name.
pub(super) fn second_name(path: &Path, second: &Path) -> anyhow::Result<()> {
    match std::fs::hard_link(path, second) {
        Ok(()) => {}
        // Done before, by an interrupted rotation.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        // A file system without links.
        Err(_) => {
            let text = zeroize::Zeroizing::new(
                std::fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))?,
            );
            private(second, &text)?;
        }
    }
    Ok(())
}

/// Waits for other processes that change a file, and keeps them waiting until the returned lock is
/// dropped. The file itself is replaced, so the lock is on another file beside it.
///
/// # Errors
/// Also for a user whose files the reader of the file could not read.
pub(crate) fn lock(path: &Path) -> anyhow::Result<File> {
    create_folder_of(path)?;
    let owner = FileOwner::of(path)?;
    let beside = lock_of(path);
    let new = NewFile { path: &beside, mode: 0o600, owner };
    // Only a file that was made here is given away: whoever owns the folder could have put a link
    // there.
    let file = match new.open() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open_for_lock(&beside),
        opened => opened.map(|file| (file, true)),
    };
    let named = || format!("`{}`", beside.display());
    let (file, is_new) = file.with_context(named)?;
    if is_new {
        owner.give(&file, &beside)?;
    }
    file.lock().with_context(named)?;
    Ok(file)
}

/// Returns the path of the lock of a file.
pub(crate) fn lock_of(path: &Path) -> PathBuf {
    path.with_added_extension("lock")
}

/// Opens the file of a lock. A link is not followed: the file is made by these commands alone.
fn open_for_lock(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.append(true);
    #[cfg(unix)]
    {
        // Without waiting for the reader of a pipe.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = flags.bits().cast_signed();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    }
    options.open(path).map(|file| (file, false))
}

/// Makes renames in a folder last; not every system can.
pub(crate) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn stage(path: &Path, text: &str, mode: u32) -> anyhow::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let staged = PathBuf::from(name);
    match std::fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("`{}`", staged.display()));
        }
        _ => create(&NewFile { path: &staged, mode, owner: FileOwner::of(path)? }, text)?,
    }
    Ok(staged)
}

/// A file that is about to be made.
struct NewFile<'p> {
    path: &'p Path,
    mode: u32,
    owner: FileOwner,
}

impl NewFile<'_> {
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.mode);
        options.open(self.path)
    }
}

/// Makes the file. The owner comes before the text: a file that cannot be given away holds nothing,
/// and is taken away.
fn create(new: &NewFile<'_>, text: &str) -> anyhow::Result<()> {
    let named = || format!("`{}`", new.path.display());
    let mut file = new.open().with_context(named)?;
    if let Err(error) = new.owner.give(&file, new.path) {
        drop(std::fs::remove_file(new.path));
        return Err(error);
    }
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file, such as a full disk leaves, would be taken for a broken one for ever.
        drop(std::fs::remove_file(new.path));
    }
    written.with_context(named)
}
