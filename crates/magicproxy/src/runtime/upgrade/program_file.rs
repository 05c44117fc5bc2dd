//! The file of the program, as it was started.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The mark of Linux on the path of a running program whose file is gone.
const DELETED: &str = " (deleted)";

/// The path by which the program of this process was started. A later start by the path runs what
/// lies there then: a replaced file, or the new target of a link.
#[derive(Clone, Debug)]
pub(crate) struct ProgramFile(PathBuf);

impl ProgramFile {
    /// Finds the file of this process, to be called at the start: later the file may be replaced.
    ///
    /// # Errors
    /// The system's errors.
    pub(crate) fn of_process() -> io::Result<Self> {
        let running = std::fs::metadata("/proc/self/exe");
        let linked = std::env::current_exe()?;
        let running = running.or_else(|_| std::fs::metadata(&linked))?;
        let name = std::env::args_os().next().unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let started = started_as(Path::new(&name), &path, &running);
        Ok(Self(started.unwrap_or_else(|| without_mark(linked))))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Returns the absolute path by which a program with this first argument was found. A first argument
/// that leads elsewhere is only a name that the parent gave.
fn started_as(name: &Path, path: &OsStr, running: &Metadata) -> Option<PathBuf> {
    let is_running = |path: &PathBuf| {
        let found = std::fs::metadata(path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == (running.dev(), running.ino()))
    };
    if name.components().nth(1).is_some() || name.is_absolute() {
        return std::path::absolute(name).ok().filter(is_running);
    }
    std::env::split_paths(path)
        .filter_map(|folder| std::path::absolute(folder.join(name)).ok())
        .find(is_running)
}

fn without_mark(path: PathBuf) -> PathBuf {
    let unmarked = path.to_str().and_then(|text| text.strip_suffix(DELETED)).map(PathBuf::from);
    unmarked.filter(|_| !path.exists()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_one_that_was_started_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, other) =
            (folder.path().join("1.0"), folder.path().join("program"), folder.path().join("other"));
        std::fs::write(&file, "1").unwrap();
        std::fs::write(&other, "2").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let running = std::fs::metadata(&file).unwrap();
        let empty = tempfile::tempdir().unwrap();
        let path = std::env::join_paths([empty.path(), folder.path()]).unwrap();
        for (name, expected) in [
            (file.as_path(), Some(&file)),
            // The link stays a link: its next target is the next program.
            (&link, Some(&link)),
            (Path::new("program"), Some(&link)),
            (Path::new("1.0"), Some(&file)),
            // Names that parents made up.
            (&other, None),
            (Path::new("other"), None),
            (Path::new("nowhere"), None),
            (Path::new("./program"), None),
            (Path::new(""), None),
        ] {
            assert_eq!(started_as(name, &path, &running).as_ref(), expected, "{name:?}");
        }
    }

    #[test]
    fn the_mark_of_a_removed_file_is_no_part_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let marked = folder.path().join("magicproxy (deleted)");
        assert_eq!(without_mark(marked.clone()), folder.path().join("magicproxy"));
        assert_eq!(without_mark(folder.path().join("x")), folder.path().join("x"));
        std::fs::write(&marked, "").unwrap();
        assert_eq!(without_mark(marked.clone()), marked, "a file may be called so");
    }
}
