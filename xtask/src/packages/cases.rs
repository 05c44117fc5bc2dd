//! The cases of `tests/packages`: each package installed into an empty root, and used.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::tally::{Tally, of_script};
use crate::workspace::Workspace;
use crate::{debian, python};

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

/// Installs each package of a folder, and uses it. `program` is what the packages for this machine
/// were made of.
pub(crate) fn test(
    workspace: &Workspace,
    log: &mut Log,
    program: &Path,
    made: &Path,
) -> Result<Tally> {
    debian::ensure_all(workspace, log, &INSTALLERS)?;
    let root = debian_root(workspace, log)?;
    let mut command = cases(workspace, log)?;
    command.env("MAGICPROXY_TEST_VALKEY", python::valkey(workspace, log)?);
    command.arg("--binary").arg(program).arg("--packages").arg(made).arg("--debian").arg(root);
    Ok(of_script(&log.run(&mut command)?))
}

/// Returns the command that runs the cases, in the environment of their Python packages. Without
/// further arguments than the program, the cases of `deploy/` alone run.
pub(crate) fn cases(workspace: &Workspace, log: &mut Log) -> Result<Command> {
    let home = python::ensure(workspace, log, python::PACKAGES)?;
    let mut command = workspace.command(home.join("bin/python"));
    command.env("PYTHONUNBUFFERED", "1").arg(workspace.root.join("tests/packages/run.py"));
    Ok(command)
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
