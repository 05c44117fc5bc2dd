//! Writing of key files: created with their final mode, never overwritten, on disk before the next
//! step.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Creates the folder of a file, for its owner only, if missing.
pub(crate) fn create_folder_of(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("folder `{}`", folder.display()))
}

/// Creates a file for its owner only.
pub(crate) fn private(path: &Path, text: &str) -> anyhow::Result<()> {
    create(path, text, 0o600)
}

/// Creates a file that everyone may read.
pub(super) fn public(path: &Path, text: &str) -> anyhow::Result<()> {
    create(path, text, 0o644)
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
pub(crate) fn lock(path: &Path) -> anyhow::Result<File> {
    create_folder_of(path)?;
    let beside = path.with_added_extension("lock");
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let named = || format!("`{}`", beside.display());
    let file = options.open(&beside).with_context(named)?;
    file.lock().with_context(named)?;
    Ok(file)
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
        _ => create(&staged, text, mode)?,
    }
    Ok(staged)
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "modes are a matter of Unix"))]
fn create(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("`{}`", path.display()))
}
