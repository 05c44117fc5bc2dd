//! The owner of a file in a folder of the proxy: the user who can read the folder's other files,
//! although root writes the file. A file that the proxy cannot read would be without effect:
//! `docs/spec/state-store.md` section 6.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::bail;
use rustix::fs::{Mode, OFlags};

/// The name of the key that every proxy reads.
const KEY: &str = "private.pem";
const ROOT: u32 = 0;
const GROUP_READS: u32 = 0o040;

/// The owner of a file that is about to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileOwner {
    /// The user and the group; `None` where the writer keeps the file.
    given: Option<(u32, u32)>,
    /// True if the group reads the file that is replaced, or the key beside.
    group_reads: bool,
}

impl FileOwner {
    /// The writer, for files of his own.
    pub(super) const WRITER: Self = Self { given: None, group_reads: false };

    /// Finds the owner for a file at `path`. For root: the owner of the file that is replaced, of
    /// the key beside it, or of the folder, whichever is the first that is not root.
    ///
    /// # Errors
    /// Somebody else reads the files here, and only root can give files away.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let writer = rustix::process::geteuid().as_raw();
        let folder = folder_of(path);
        let files = [path.to_owned(), folder.join(KEY)];
        let files = files.iter().filter_map(|file| std::fs::symlink_metadata(file).ok());
        let files: Vec<Metadata> = files.filter(Metadata::is_file).collect();
        if writer != ROOT {
            return match files.iter().find(|file| ![ROOT, writer].contains(&file.uid())) {
                Some(file) => bail!("{}", refusal(path, file.uid())),
                None => Ok(Self::WRITER),
            };
        }
        let readers: Vec<Metadata> = files.into_iter().chain(std::fs::metadata(&folder)).collect();
        let reader = readers.iter().find(|found| found.uid() != ROOT).or(readers.first());
        Ok(reader.map_or(Self::WRITER, |reader| Self {
            given: Some((reader.uid(), reader.gid())),
            group_reads: reader.is_file() && reader.mode() & GROUP_READS != 0,
        }))
    }

    /// Refuses a folder whose files are somebody else's, for root.
    ///
    /// # Errors
    /// The files are those of another user than root.
    pub(super) fn refuse_others(self) -> anyhow::Result<()> {
        match self.given {
            Some((user, _)) if user != ROOT => bail!(
                "run the command as the user whose folder this is, who could put links into the way of root: `sudo -u '#{user}' magicproxy …`"
            ),
            _ => Ok(()),
        }
    }

    /// Gives away a file that the caller has made.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(super) fn give(self, file: &File, path: &Path) -> anyhow::Result<()> {
        let Some((user, group)) = self.given else { return Ok(()) };
        let given = std::os::unix::fs::fchown(file, Some(user), Some(group)).and_then(|()| {
            let mode = file.metadata()?.mode() & 0o777;
            let wanted = if self.group_reads { mode | GROUP_READS } else { mode };
            file.set_permissions(Permissions::from_mode(wanted))
        });
        given.map_err(|error| anyhow::anyhow!("{} ({error})", refusal(path, user)))
    }
}

/// Makes a missing folder with its missing parents, for the owner of the first folder that is
/// there.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    create_folder(&parent)?;
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => give_folder(folder, &std::fs::metadata(parent)?),
    }
}

/// Gives a folder that root has made to the owner of its parent. A link that has taken its place
/// meanwhile is not followed.
fn give_folder(folder: &Path, parent: &Metadata) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() || parent.uid() == ROOT {
        return Ok(());
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags, Mode::empty())?;
    std::os::unix::fs::fchown(opened, Some(parent.uid()), Some(parent.gid()))
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

fn refusal(path: &Path, user: u32) -> String {
    format!(
        "`{}` is read by the user {user}, who could not read what is written now: run the command as that user (`sudo -u '#{user}' …`)",
        path.display()
    )
}
