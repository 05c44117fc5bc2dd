//! The file of a Unix socket: made with its final mode, never in place of anything alive, taken
//! away at the end.

use std::fs::DirBuilder;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use tokio::net::UnixListener;

/// The socket file of this process; dropping the value takes the file away.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have put another file there since.
    identity: (u64, u64),
    /// True if another process takes the file away at its end.
    is_left: AtomicBool,
}

impl SocketFile {
    /// Listens at a path. A socket without a listener is replaced.
    ///
    /// The socket is made in a folder closed to other users, and moved when it has its mode.
    pub(crate) fn bind(path: &Path, mode: u32) -> anyhow::Result<(UnixListener, Self)> {
        refuse_replacing(path)?;
        let folder = Folder::beside(path)?;
        let made = folder.0.join("s");
        let listener = UnixListener::bind(&made)?;
        let metadata = std::fs::symlink_metadata(&made)?;
        let identity = (metadata.dev(), metadata.ino());
        set_mode(&made, identity, mode)?;
        std::fs::rename(&made, path)?;
        let is_left = AtomicBool::new(false);
        Ok((listener, Self { path: path.to_owned(), identity, is_left }))
    }
}

impl SocketFile {
    /// Takes the file over from the process that made the file, and gives it this mode. A file that
    /// somebody else has put there since is left alone.
    ///
    /// # Errors
    /// The system's errors.
    pub(crate) fn take_over(path: PathBuf, identity: (u64, u64), mode: u32) -> io::Result<Self> {
        let file = Self { path, identity, is_left: AtomicBool::new(false) };
        if file.is_there() {
            set_mode(&file.path, file.identity, mode)?;
        }
        Ok(file)
    }

    /// Returns device and inode of the file.
    pub(crate) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Leaves the file to the process that has taken the socket over.
    pub(crate) fn leave(&self) {
        self.is_left.store(true, Ordering::SeqCst);
    }

    /// True if the file is still this process's own.
    fn is_there(&self) -> bool {
        let found = std::fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }
}

/// Gives the socket's file this mode, and no other file that somebody has put in its place
/// meanwhile: the file is opened by a handle, and named by the handle.
#[cfg(target_os = "linux")]
pub(super) fn set_mode(path: &Path, identity: (u64, u64), mode: u32) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = file.metadata()?;
    if (found.dev(), found.ino()) != identity {
        return Err(io::Error::other("another file was put in the place of the socket"));
    }
    let (by_handle, mode) =
        (format!("/proc/self/fd/{}", file.as_raw_fd()), std::fs::Permissions::from_mode(mode));
    match std::fs::set_permissions(by_handle, mode.clone()) {
        // There is no `/proc`: a handle on a socket's file has no other use.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::set_permissions(path, mode)
        }
        set => set,
    }
}

/// Gives the file this mode. The system has no handle on a socket's file.
#[cfg(not(target_os = "linux"))]
fn set_mode(path: &Path, _: (u64, u64), mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// A folder for its owner only, removed at drop.
struct Folder(PathBuf);

impl Folder {
    fn beside(path: &Path) -> io::Result<Self> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let mut number = 0;
        loop {
            let folder = parent.join(format!(".{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Self(folder)),
                // A process with the same number has left the folder behind, or is making it just
                // now.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => {
                    number += 1
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_left.load(Ordering::SeqCst) && self.is_there() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Refuses to replace anything but a socket that a proxy left behind without cleaning up.
fn refuse_replacing(path: &Path) -> anyhow::Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        bail!("there is a file that is no socket");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("another program listens there"),
    }
}
