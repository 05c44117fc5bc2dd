//! Paths: the repository, the target folder, and the per-user cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// True in CI, where skipping a stage for want of a file would hide a fault.
    pub(crate) ci: bool,
}

impl Workspace {
    /// Finds the repository by the variable `CARGO_MANIFEST_DIR`, which `cargo run` sets for the
    /// child.
    pub(crate) fn find() -> Result<Workspace> {
        let manifest =
            std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let root =
            Path::new(&manifest).parent().context("xtask has no parent folder")?.to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        let ci = matches!(std::env::var("CI").as_deref(), Ok("true" | "1"));
        Ok(Workspace { root, target, ci })
    }

    /// Returns the path of the release binary for the black-box stages.
    pub(crate) fn binary(&self) -> PathBuf {
        self.target.join("release/magicproxy")
    }

    /// Returns a command that starts in the repository, with the installed tools on `PATH`.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("PATH", path_with(&cache().join("bin")));
        // `cargo run` describes this package in variables of the child; a build script further down
        // must not see them.
        for (name, _) in std::env::vars_os() {
            if is_about_xtask(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Returns a command for the cargo that runs this program.
    pub(crate) fn cargo(&self) -> Command {
        self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }
}

/// Returns the cache folder. Tools are built once per user, so that a second clone does not build
/// the tools again.
pub(crate) fn cache() -> PathBuf {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache")
        }
    };
    base.join("magicproxy-xtask")
}

/// Returns `PATH` with one more folder in front.
pub(crate) fn path_with(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_os_string();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

/// Returns the program's full path, if the program is on `PATH` or in the cache.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = path_with(&cache().join("bin"));
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn is_about_xtask(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}
