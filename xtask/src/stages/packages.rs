//! The stages of what is installed: the files of `deploy/`, which take seconds, and the packages,
//! each of which is made, installed into an empty root, and used.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::packages::{self, Program};
use crate::stage::Report;
use crate::tally::{Tally, of_script};
use crate::workspace::Workspace;
use crate::{debian, site};

/// Debian packages for the files of `deploy/`, each with the program in the package.
const READERS: [(&str, Option<&str>); 3] = [
    ("systemd", Some("systemd-analyze")),
    ("haproxy", Some("haproxy")),
    ("openssl", Some("openssl")),
];

pub(super) fn deploy(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    has_binary(workspace)?;
    debian::ensure_all(workspace, log, &READERS)?;
    let mut command = packages::cases(workspace, log)?;
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
    packages::test(workspace, log, &program, &made).map(Report::of)
}

fn has_binary(workspace: &Workspace) -> Result<()> {
    let is_there = workspace.binary().is_file();
    anyhow::ensure!(is_there, "no release binary: run the stage `release` first");
    Ok(())
}

/// Returns a copy of the release binary without symbols, as a release has it.
fn stripped(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let folder = workspace.target.join("xtask/stripped");
    std::fs::create_dir_all(&folder).context("cannot make a folder in target")?;
    let program = folder.join("magicproxy");
    log.must(workspace.command("strip").arg("-o").arg(&program).arg(workspace.binary()))?;
    Ok(program)
}
