//! The archive for systems without a package of their own: the files as they lie in a root, in one
//! folder.

use std::path::Path;

use anyhow::Result;

use super::Release;
use super::program::Program;
use crate::log::Log;

/// Writes `magicproxy-VERSION-linux-MACHINE.tar.gz`.
pub(super) fn write(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    tree: &Path,
) -> Result<()> {
    let version = &release.version;
    let name = format!("magicproxy-{version}-linux-{}.tar", program.machine.name());
    let file = release.finished.join(name);
    let mut command = release.tar("--create", 0);
    command.arg(format!("--transform=s,^\\.,magicproxy-{version},")).arg("--file").arg(&file);
    log.must(command.arg("--directory").arg(tree).arg("."))?;
    release.gzip(log, &file)
}
