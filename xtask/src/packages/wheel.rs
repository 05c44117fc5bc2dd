//! The Python wheel, which has the program and nothing of Python: `pipx install` and the like put it
//! on the `PATH`. Written by a script of Python's own library, since no program that builds wheels
//! takes a finished program.

use std::path::Path;

use anyhow::Result;

use super::Release;
use super::program::Program;
use crate::log::Log;

/// Writes `magicproxy-VERSION-py3-none-manylinux_2_N_MACHINE.whl`.
pub(super) fn write(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    licences: &Path,
) -> Result<()> {
    let platform = format!(
        "manylinux_{}_{}_{}",
        program.glibc.major,
        program.glibc.minor,
        program.machine.name()
    );
    let mut command = release.workspace.command("python3");
    command.arg(release.source("xtask/src/packages/wheel.py"));
    command.args(["--version", &release.version, "--platform", &platform]);
    command.arg("--program").arg(&program.file).arg("--folder").arg(&release.finished);
    command.arg("--metadata").arg(release.source("deploy/python/METADATA"));
    command.arg("--description").arg(release.source("deploy/python/README.md"));
    command.arg("--licence").arg(release.source("LICENSE")).arg("--licence").arg(licences);
    log.must(command.env("SOURCE_DATE_EPOCH", release.epoch.to_string())).map(drop)
}
