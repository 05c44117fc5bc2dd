//! The lock beside a store's file, held by whoever has the store open: it holds also where the file
//! was taken away or replaced. `docs/spec/state-store.md` section 5.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::file::{self, FileIdentity, OpenError};

/// The most attempts at a lock whose file others take away meanwhile.
const TURNS: usize = 16;

/// A lock beside the file of a store: no other process opens the store, or puts another one in its
/// place, as long as the value lives. Dropping the value takes the lock's file away.
#[derive(Debug)]
pub struct StoreLock {
    path: PathBuf,
    file: File,
}

impl StoreLock {
    /// Takes the lock of the store at `path`, without waiting.
    ///
    /// # Errors
    /// [`OpenError::InUse`] where another process has the lock; the system's errors.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        let beside = path.with_added_extension("lock");
        for _ in 0..TURNS {
            let file = open(&beside).map_err(|error| file::of_io(path, error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
                Err(TryLockError::Error(error)) => return Err(file::of_io(path, error)),
            }
            // Whoever had the lock before may have taken its file away since it was opened.
            if FileIdentity::of(&file).ok() == FileIdentity::at(&beside).ok() {
                return Ok(Self { path: beside, file });
            }
        }
        Err(OpenError::InUse(path.to_owned()))
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // While it is locked: whoever opened the file before looks whether it still has its name.
        if FileIdentity::of(&self.file).ok() == FileIdentity::at(&self.path).ok() {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Opens the lock's file, or makes it for its owner only. Never follows a link.
fn open(path: &Path) -> io::Result<File> {
    for _ in 0..TURNS {
        let mut options = OpenOptions::new();
        options.append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
            options.mode(0o600).custom_flags(flags.bits().cast_signed());
        }
        match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        match options.create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(ErrorKind::ResourceBusy.into())
}
