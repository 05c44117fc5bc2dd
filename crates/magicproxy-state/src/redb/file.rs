//! Opening and making the file, and plain words for the reasons of a failure.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ::redb::{Builder, Database, ReadableDatabase, TableDefinition, TableError};
use magicproxy_core::state::StoreError;

/// The table with the file's own properties.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("magicproxy-state");
pub(super) const SCHEMA: &str = "schema";
/// The version of the tables' form.
pub(super) const VERSION: u64 = 1;
/// The size of redb's cache in bytes: a store is small, and the system keeps files in memory too.
pub(super) const CACHE: usize = 16 * 1024 * 1024;

/// The reasons why a file cannot be a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the file does not exist.
    #[error("cannot open the state store `{0}`: its folder is not there")]
    NoFolder(PathBuf),
    /// The file or its folder may not be written.
    #[error("cannot open the state store `{0}` for writing: {1}")]
    NotWritable(PathBuf, io::Error),
    /// Another process has the file open.
    #[error(
        "the state store `{0}` is in use by another process; only one may have it, and several proxies share a Valkey"
    )]
    InUse(PathBuf),
    /// The file is something else.
    #[error("`{0}` is not a state store: {1}")]
    NotAStore(PathBuf, String),
    /// A newer version made the file.
    #[error(
        "the state store `{path}` has the form {found}, of a newer magicproxy; this one knows form {VERSION}"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of the file's form.
        found: u64,
    },
    /// The file that was open before is gone, or another one has its name.
    #[error(
        "the file of the state store `{0}` was deleted or replaced while it was open, and what it held is lost with it: put it back by `magicproxy restore`, or restart the proxy"
    )]
    Gone(PathBuf),
    /// Any other error of the system: no room, a broken disk.
    #[error("cannot open the state store `{0}`: {1}")]
    Io(PathBuf, io::Error),
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotAStore(..) | OpenError::Newer { .. } => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// A file as the system knows it, whatever its name: another file of the same name is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Returns the identity of the file of this name.
    ///
    /// # Errors
    /// The system's errors.
    pub fn at(path: &Path) -> io::Result<Self> {
        path.metadata().map(|found| Self::found(&found))
    }

    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|found| Self::found(&found))
    }

    #[cfg(unix)]
    fn found(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// All files are one: the system does not tell.
    #[cfg(not(unix))]
    fn found(_: &Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}

/// An open file, and its identity.
pub(super) struct OpenedFile {
    pub(super) database: Database,
    pub(super) identity: FileIdentity,
}

/// Opens the file, which is made if absent.
pub(super) fn open(path: &Path) -> Result<OpenedFile, OpenError> {
    if !path.exists() {
        make(path)?;
        tracing::warn!(name: "store_made", target: "magicproxy_state::redb::shared", path = %path.display(),
            "there was no state store, and an empty one was made: totals begin anew, and tokens own nothing. At a first start that is right");
    }
    open_existing(path, None)
}

/// Opens the file that was open before. A file that is gone is not made anew, and another one of
/// its name is not opened: what was counted would be forgotten, and nobody would know.
pub(super) fn open_again(path: &Path, before: FileIdentity) -> Result<OpenedFile, OpenError> {
    open_existing(path, Some(before))
}

fn open_existing(path: &Path, expected: Option<FileIdentity>) -> Result<OpenedFile, OpenError> {
    let named = |error: io::Error| match error.kind() {
        ErrorKind::NotFound if expected.is_some() => OpenError::Gone(path.to_owned()),
        _ => of_io(path, error),
    };
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(named)?;
    let identity = FileIdentity::of(&file).map_err(named)?;
    if expected.is_some_and(|expected| expected != identity) {
        return Err(OpenError::Gone(path.to_owned()));
    }
    let database = database(path, file)?;
    check_schema(path, &database)?;
    Ok(OpenedFile { database, identity })
}

/// Makes the file under another name first: a file whose making was cut short would be no store,
/// and be refused for ever.
fn make(path: &Path) -> Result<(), OpenError> {
    let new = path.with_added_extension(format!("{}.new", std::process::id()));
    let made = fill(path, &new).and_then(|()| match std::fs::hard_link(&new, path) {
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked.map_err(|error| of_io(path, error)),
    });
    // Either a second name for the same file, or of no use.
    drop(std::fs::remove_file(&new));
    made?;
    sync_folder(path).map_err(|error| of_io(path, error))
}

fn fill(path: &Path, new: &Path) -> Result<(), OpenError> {
    // Left behind by a process of the same number.
    drop(std::fs::remove_file(new));
    let file = create(new).map_err(|error| of_io(path, error))?;
    let database = database(path, file)?;
    let write = || -> Result<(), ::redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(META)?.insert(SCHEMA, VERSION)?;
        super::rows::make_tables(&transaction)?;
        Ok(transaction.commit()?)
    };
    write().map_err(|error| of_redb(path, error))
}

/// Creates a file for its owner only. A file or a link of this name is refused.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes the folder to the disk: without its folder, a new file may be lost.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

pub(super) fn database(path: &Path, file: File) -> Result<Database, OpenError> {
    let backend =
        ::redb::backends::FileBackend::new(file).map_err(|error| of_redb(path, error.into()))?;
    let database = Builder::new().set_cache_size(CACHE).create_with_backend(backend);
    database.map_err(|error| of_redb(path, error.into()))
}

pub(super) fn check_schema(path: &Path, database: &Database) -> Result<(), OpenError> {
    let strange = |why: &str| OpenError::NotAStore(path.to_owned(), why.to_owned());
    let transaction = database.begin_read().map_err(|error| of_redb(path, error.into()))?;
    let meta = transaction.open_table(META).map_err(|error| match error {
        TableError::Storage(error) => of_redb(path, error.into()),
        _ => strange("it is a redb file of another program"),
    })?;
    let found = meta.get(SCHEMA).map_err(|error| of_redb(path, error.into()))?;
    match found.map(|found| found.value()) {
        Some(VERSION) => Ok(()),
        Some(found) => Err(OpenError::Newer { path: path.to_owned(), found }),
        None => Err(strange("it does not say which form it has")),
    }
}

pub(super) fn of_io(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => OpenError::NoFolder(path),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable(path, error)
        }
        ErrorKind::IsADirectory => OpenError::NotAStore(path, "it is a folder".to_owned()),
        _ => OpenError::Io(path, error),
    }
}

pub(super) fn of_redb(path: &Path, error: ::redb::Error) -> OpenError {
    match error {
        ::redb::Error::DatabaseAlreadyOpen | ::redb::Error::LockProtocolMismatch => {
            OpenError::InUse(path.to_owned())
        }
        ::redb::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            OpenError::NotAStore(path.to_owned(), error.to_string())
        }
        ::redb::Error::Io(error) => of_io(path, error),
        ::redb::Error::Corrupted(why) => OpenError::NotAStore(path.to_owned(), why),
        other => OpenError::NotAStore(path.to_owned(), other.to_string()),
    }
}
