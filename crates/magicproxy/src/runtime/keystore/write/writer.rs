//! Systems without owners of files as Unix has them: a file belongs to its writer.

use std::fs::File;
use std::io;
use std::path::Path;

/// The owner of a file that is about to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileOwner;

impl FileOwner {
    pub(super) const WRITER: Self = Self;

    #[expect(clippy::unnecessary_wraps, reason = "as where files have owners")]
    pub(super) fn of(_: &Path) -> anyhow::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as where files have owners")]
    pub(super) fn give(self, _: &File, _: &Path) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Makes a missing folder with its missing parents.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}
