//! Where the keys are. Nothing here reads them.

use std::path::{Path, PathBuf};

/// The Python program's folder of keys, in the working directory.
pub(crate) const KEYS_HERE: &str = "keys";

/// Where the keys are, and how large new ones become.
#[derive(Clone, Debug)]
pub(crate) struct KeySettings {
    pub(crate) files: KeyFiles,
    pub(crate) bits: usize,
    /// `./keys` is there, and nobody named it: another folder is used.
    pub(crate) passed_over: bool,
}

/// Where the three files of the first key are. The others of the ring lie in the folder of the private one.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyFiles {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
    pub(crate) certificate: PathBuf,
}

impl KeyFiles {
    /// The folder of the ring.
    pub(crate) fn folder(&self) -> &Path {
        match self.private.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }
}
