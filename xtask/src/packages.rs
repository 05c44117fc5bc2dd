//! The packages of a release, all made from one program: an archive, a Debian package, a Python
//! wheel, an image for containers, a bill of materials; those of the two client libraries; and the
//! checksums of all. Knows nothing of how the program was built.
//!
//! The same program, sources and commit give the same bytes: every time in a package is that of the
//! commit, or `SOURCE_DATE_EPOCH`.

mod archive;
mod cases;
mod clients;
mod deb;
mod files;
mod image;
mod licences;
mod program;
mod sbom;
mod wheel;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::workspace::Workspace;
pub(crate) use cases::{cases, test};
pub(crate) use program::{Glibc, Program};

/// What all packages of a release share.
#[derive(Debug)]
pub(crate) struct Release<'w> {
    workspace: &'w Workspace,
    version: String,
    /// Seconds since 1970: the time of everything in a package.
    epoch: u64,
    /// The same time, as in `2026-01-31T23:59:59Z`.
    timestamp: String,
    /// The folder of the finished packages, which holds nothing else.
    finished: PathBuf,
    /// The folder of everything that packages are made of.
    parts: PathBuf,
}

/// Makes every package of the programs, and returns the folder of the packages. Refuses a program
/// that is not of the version that the sources have.
pub(crate) fn make(workspace: &Workspace, log: &mut Log, programs: &[Program]) -> Result<PathBuf> {
    let release = Release::begin(workspace, log)?;
    let pages = files::pages(&release, log, programs)?;
    let licences = licences::write(&release)?;
    for program in programs {
        let tree = files::lay(&release, log, program, &pages, &licences)?;
        archive::write(&release, log, program, &tree)?;
        deb::write(&release, log, program, &tree)?;
        wheel::write(&release, log, program, &licences)?;
        image::write(&release, log, program, &licences)?;
    }
    clients::write(&release, log)?;
    sbom::write(&release)?;
    release.write_sums(log)?;
    Ok(release.finished)
}

impl<'w> Release<'w> {
    /// Reads version and time, and empties both folders.
    fn begin(workspace: &'w Workspace, log: &mut Log) -> Result<Release<'w>> {
        let manifest = std::fs::read_to_string(workspace.root.join("Cargo.toml"))
            .context("cannot read `Cargo.toml`")?;
        let epoch = epoch(workspace, log)?;
        let release = Release {
            workspace,
            version: version_in(&manifest).context("`Cargo.toml` has no version")?,
            epoch,
            timestamp: date(workspace, log, epoch, "+%Y-%m-%dT%H:%M:%SZ")?,
            finished: workspace.target.join("packages"),
            parts: workspace.target.join("xtask/packages"),
        };
        empty(&release.finished)?;
        empty(&release.parts)?;
        Ok(release)
    }

    /// Writes the SHA-256 of each package in the form that `sha256sum --check` reads.
    fn write_sums(&self, log: &mut Log) -> Result<()> {
        let mut names: Vec<String> = std::fs::read_dir(&self.finished)
            .context("cannot list the packages")?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let mut command = self.workspace.command("sha256sum");
        let sums = log.must(command.current_dir(&self.finished).args(&names))?;
        std::fs::write(self.finished.join("SHA256SUMS"), sums).context("cannot write checksums")
    }

    /// Returns the path of a file or folder that comes with the sources.
    fn source(&self, name: &str) -> PathBuf {
        self.workspace.root.join(name)
    }

    /// Returns a command of `tar` that writes the same bytes whenever and by whomever it is run.
    /// `verb` is `--create` or `--append`, and `owner` the number of the user and the group of
    /// everything that is written.
    fn tar(&self, verb: &str, owner: u32) -> std::process::Command {
        let mut command = self.workspace.command("tar");
        command.args([verb, "--format=ustar", "--sort=name", "--numeric-owner"]);
        command.args([format!("--owner={owner}"), format!("--group={owner}")]);
        command.arg(format!("--mtime=@{}", self.epoch));
        command
    }

    /// Compresses a file in its place, without name and time; `.gz` is added to its name.
    fn gzip(&self, log: &mut Log, file: &Path) -> Result<()> {
        let mut command = self.workspace.command("gzip");
        log.must(command.args(["--best", "--no-name", "--force"]).arg(file)).map(drop)
    }
}

/// Returns the version in the section `workspace.package`.
fn version_in(manifest: &str) -> Option<String> {
    let (_, section) = manifest.split_once("[workspace.package]")?;
    let line = section.lines().find_map(|line| line.strip_prefix("version = \""))?;
    line.strip_suffix('"').map(str::to_owned)
}

/// Returns the time of the packages: `SOURCE_DATE_EPOCH`, else that of the last commit.
fn epoch(workspace: &Workspace, log: &mut Log) -> Result<u64> {
    let said = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(said) => said,
        Err(_) => log.must(workspace.command("git").args(["log", "-1", "--format=%ct"]))?,
    };
    said.trim().parse().with_context(|| format!("`{}` is no time", said.trim()))
}

/// Returns a time in a form of `date`.
fn date(workspace: &Workspace, log: &mut Log, epoch: u64, form: &str) -> Result<String> {
    let mut command = workspace.command("date");
    command.env("LC_ALL", "C").args(["--utc", &format!("--date=@{epoch}"), form]);
    Ok(log.must(&mut command)?.trim().to_owned())
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot empty `{}`", folder.display()))?;
    }
    make_folder(folder)
}

fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))
}

/// Copies a file, and gives the copy a mode. Makes the folders above the copy.
fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    make_folder(to.parent().context("a file lies in a folder")?)?;
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy `{}` to `{}`", from.display(), to.display()))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of `{}`", to.display()))
}

/// Writes a file with a mode. Makes the folders above the file.
fn write(to: &Path, text: &str, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    make_folder(to.parent().context("a file lies in a folder")?)?;
    std::fs::write(to, text)
        .and_then(|()| std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)))
        .with_context(|| format!("cannot write `{}`", to.display()))
}

/// Puts values in the places `@NAME@` of a text. Refuses a text with a place that has no value.
fn filled(text: &str, values: &[(&str, &str)]) -> Result<String> {
    let filled = values
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value));
    let left = filled.split('@').skip(1).step_by(2).find(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    });
    anyhow::ensure!(left.is_none(), "`@{}@` has no value", left.unwrap_or_default());
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::{filled, version_in};

    #[test]
    fn the_version_is_that_of_the_workspace() {
        let manifest =
            "[package]\nversion = \"9\"\n[workspace.package]\nx = 1\nversion = \"0.1.0\"\n";
        assert_eq!(version_in(manifest).as_deref(), Some("0.1.0"));
        assert_eq!(version_in("[workspace]\nversion = \"1\"\n"), None);
    }

    #[test]
    fn every_place_of_a_text_has_a_value() {
        assert_eq!(filled("a @B@ c@d.e @B@", &[("B", "x")]).unwrap(), "a x c@d.e x");
        let refused = filled("a @B@ @C_D@", &[("B", "x")]).unwrap_err().to_string();
        assert_eq!(refused, "`@C_D@` has no value");
    }
}
