//! The stages of what is installed: the files of `deploy/`, which take seconds, and the packages,
//! each of which is made, installed into an empty root, and used.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::packages::{self, Program};
use crate::stage::Report;
use crate::tally::{Tally, of_script};
use crate::workspace::Workspace;
use crate::{debian, python, site};

/// Debian packages for the files of `deploy/`, each with the program in the package.
const READERS: [(&str, Option<&str>); 3] = [
    ("systemd", Some("systemd-analyze")),
    ("haproxy", Some("haproxy")),
    ("openssl", Some("openssl")),
];

/// Debian packages for installing packages.
const INSTALLERS: [(&str, Option<&str>); 6] = [
    ("debootstrap", Some("debootstrap")),
    ("docker.io", Some("dockerd")),
    ("lintian", Some("lintian")),
    ("qemu-user-static", Some("qemu-aarch64-static")),
    ("skopeo", Some("skopeo")),
    ("umoci", Some("umoci")),
];

/// The version of Debian in the empty root.
const SUITE: &str = "bookworm";

pub(super) fn deploy(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    has_binary(workspace)?;
    debian::ensure_all(workspace, log, &READERS)?;
    let mut command = script(workspace, log)?;
    let read = of_script(&log.run(command.arg("--binary").arg(workspace.binary()))?);
    let (_, faults) = site::checked(workspace, log)?;
    faults.iter().try_for_each(|fault| log.line(&format!("FAIL {fault}")))?;
    Ok(Report::of(read.plus(Tally::one(faults.is_empty()))))
}

pub(super) fn packages(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    has_binary(workspace)?;
    debian::ensure(workspace, log, "strip", "binutils")?;
    let program = stripped(workspace, log)?;
    let read = Program::read(workspace, log, &program)?;
    let made = packages::make(workspace, log, &[read])?;
    installed(workspace, log, &program, &made).map(Report::of)
}

/// Installs each package of a folder, and uses it. `program` is what the packages for this machine
/// were made of.
pub(crate) fn installed(
    workspace: &Workspace,
    log: &mut Log,
    program: &Path,
    made: &Path,
) -> Result<Tally> {
    debian::ensure_all(workspace, log, &INSTALLERS)?;
    let root = debian_root(workspace, log)?;
    let mut command = script(workspace, log)?;
    command.env("MAGICPROXY_TEST_VALKEY", python::valkey(workspace, log)?);
    command.arg("--binary").arg(program).arg("--packages").arg(made).arg("--debian").arg(root);
    Ok(of_script(&log.run(&mut command)?))
}

fn has_binary(workspace: &Workspace) -> Result<()> {
    let is_there = workspace.binary().is_file();
    anyhow::ensure!(is_there, "no release binary: run the stage `release` first");
    Ok(())
}

/// Returns the command that runs the cases, in the environment of their Python packages.
fn script(workspace: &Workspace, log: &mut Log) -> Result<Command> {
    let home = python::ensure(workspace, log, python::PACKAGES)?;
    let mut command = workspace.command(home.join("bin/python"));
    command.env("PYTHONUNBUFFERED", "1").arg(workspace.root.join("tests/packages/run.py"));
    Ok(command)
}

/// Returns a copy of the release binary without symbols, as a release has it.
fn stripped(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let folder = workspace.target.join("xtask/stripped");
    std::fs::create_dir_all(&folder).context("cannot make a folder in target")?;
    let program = folder.join("magicproxy");
    log.must(workspace.command("strip").arg("-o").arg(&program).arg(workspace.binary()))?;
    Ok(program)
}

/// Makes a root with a minimal Debian, unless an earlier run has made it.
fn debian_root(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let root = workspace.target.join("debian").join(SUITE);
    let marker = root.with_extension("made");
    if marker.is_file() {
        return Ok(root);
    }
    let mut make = debian::as_root(workspace, "debootstrap")?;
    make.args(["--variant=minbase", "--include=adduser", SUITE]).arg(&root);
    remove(workspace, log, &root)?;
    log.must(&mut make).context("no empty Debian can be made")?;
    std::fs::write(marker, "").context("cannot mark the root as made")?;
    Ok(root)
}

/// Removes a root, whose files are root's.
fn remove(workspace: &Workspace, log: &mut Log, root: &Path) -> Result<()> {
    let mut command = debian::as_root(workspace, "rm")?;
    log.must(command.args(["--recursive", "--force"]).arg(root))?;
    std::fs::create_dir_all(root).context("cannot make a folder in target")
}
