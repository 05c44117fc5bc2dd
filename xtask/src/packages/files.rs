//! The files that a package installs, laid in a folder as they lie in the root of a system: the
//! archive and the Debian package hold the same ones.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::program::Program;
use super::{Release, install, make_folder, write};
use crate::log::Log;

/// Files that come with the sources: where each comes from, and where it is installed. All have
/// mode 0644.
const STATIC: [(&str, &str); 7] = [
    ("deploy/config.toml", "etc/magicproxy/config.toml"),
    ("deploy/systemd/magicproxy.service", "usr/lib/systemd/system/magicproxy.service"),
    ("deploy/systemd/magicproxy.socket", "usr/lib/systemd/system/magicproxy.socket"),
    ("docs/reference/magicproxy.toml", "usr/share/doc/magicproxy/examples/magicproxy.toml"),
    ("LICENSE", "usr/share/doc/magicproxy/LICENSE"),
    ("README.md", "usr/share/doc/magicproxy/README.md"),
    ("SECURITY.md", "usr/share/doc/magicproxy/SECURITY.md"),
];

/// Shells, and where each looks for the completions of a program.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/magicproxy"),
    ("fish", "usr/share/fish/vendor_completions.d/magicproxy.fish"),
    ("zsh", "usr/share/zsh/vendor-completions/_magicproxy"),
];

/// Has a program that runs here write its manual pages and completions, and returns the folder.
pub(super) fn pages(release: &Release<'_>, log: &mut Log, programs: &[Program]) -> Result<PathBuf> {
    let program = programs
        .iter()
        .find(|program| program.machine.is_here())
        .context("none of the programs runs here, so there are no manual pages")?;
    is_of_version(release, log, program)?;
    let folder = release.parts.join("pages");
    let manual = folder.join("usr/share/man/man1");
    make_folder(&manual)?;
    log.must(release.workspace.command(&program.file).arg("man").arg(&manual))?;
    for entry in std::fs::read_dir(&manual).context("there are no manual pages")?.flatten() {
        release.gzip(log, &entry.path())?;
    }
    for (shell, place) in COMPLETIONS {
        let said =
            log.must(release.workspace.command(&program.file).args(["completions", shell]))?;
        write(&folder.join(place), &said, 0o644)?;
    }
    Ok(folder)
}

/// Refuses a program of another version than the sources.
fn is_of_version(release: &Release<'_>, log: &mut Log, program: &Program) -> Result<()> {
    let said = log.must(release.workspace.command(&program.file).arg("--version"))?;
    let wanted = format!("magicproxy {}", release.version);
    anyhow::ensure!(said.trim() == wanted, "the program is `{}`, not `{wanted}`", said.trim());
    Ok(())
}

/// Lays the files of a program, and returns the folder.
pub(super) fn lay(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    pages: &Path,
    licences: &Path,
) -> Result<PathBuf> {
    let tree = release.parts.join(program.machine.name()).join("tree");
    make_folder(&tree)?;
    let mut copy = release.workspace.command("cp");
    log.must(copy.arg("--recursive").arg(pages.join("usr")).arg(&tree))?;
    install(&program.file, &tree.join("usr/bin/magicproxy"), 0o755)?;
    for (from, to) in STATIC {
        install(&release.source(from), &tree.join(to), 0o644)?;
    }
    let documents = tree.join("usr/share/doc/magicproxy");
    install(licences, &documents.join("THIRD-PARTY-LICENCES"), 0o644)?;
    install(&release.source("CHANGELOG.md"), &documents.join("changelog"), 0o644)?;
    release.gzip(log, &documents.join("THIRD-PARTY-LICENCES"))?;
    release.gzip(log, &documents.join("changelog"))?;
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::STATIC;

    #[test]
    fn every_file_that_is_installed_exists() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (from, to) in STATIC {
            assert!(root.join(from).is_file(), "{from}");
            assert!(!to.starts_with('/'), "{to}");
        }
    }
}
