//! The Debian package: the files, what dpkg must know of them, and the scripts of `deploy/debian`.
//! Built by `dpkg-deb`, which takes a finished program where debhelper and cargo-deb would bring a
//! build of their own.

use std::path::Path;

use anyhow::{Context, Result};

use super::program::Program;
use super::{Release, date, filled, install};
use crate::log::Log;

/// The revision of the package: another package of the same program has a higher one.
const REVISION: u32 = 1;
/// Who answers for the package, unless the variable `MAGICPROXY_MAINTAINER` names someone else.
const MAINTAINER: &str = "Magic API Proxy maintainers <maintainers@magicproxy.invalid>";
/// Scripts that dpkg runs, with mode 0755.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Configuration files, which dpkg does not overwrite where an operator has changed them.
const CONFIGURATION: &str = "/etc/magicproxy/config.toml\n";

/// Writes `magicproxy_VERSION-REVISION_MACHINE.deb`.
pub(super) fn write(
    release: &Release<'_>,
    log: &mut Log,
    program: &Program,
    tree: &Path,
) -> Result<()> {
    let version = format!("{}-{REVISION}", release.version);
    let folder = release.parts.join(program.machine.name()).join("deb");
    let mut copy = release.workspace.command("cp");
    log.must(copy.arg("--recursive").arg("--preserve=mode").arg(tree).arg(&folder))?;
    lay_documents(release, log, &folder, &version)?;
    lay_control(release, log, &folder, (program, &version))?;
    let name = format!("magicproxy_{version}_{}.deb", program.machine.debian());
    let mut build = release.workspace.command("dpkg-deb");
    build.args(["--build", "--root-owner-group", "-Zxz", "-z6"]).arg(&folder);
    build.arg(release.finished.join(name)).env("SOURCE_DATE_EPOCH", release.epoch.to_string());
    log.must(&mut build).map(drop)
}

/// Lays the documents that Debian's policy wants besides.
fn lay_documents(release: &Release<'_>, log: &mut Log, folder: &Path, version: &str) -> Result<()> {
    let documents = folder.join("usr/share/doc/magicproxy");
    // The copyright file says the same in Debian's form.
    std::fs::remove_file(documents.join("LICENSE")).context("the tree has no licence")?;
    install(&release.source("deploy/debian/copyright"), &documents.join("copyright"), 0o644)?;
    let date = date(release.workspace, log, release.epoch, "--rfc-email")?;
    let entry = format!(
        "magicproxy ({version}) stable; urgency=medium\n\n  * Version {}: changelog.gz says what has changed.\n\n \
         -- {}  {}\n",
        release.version,
        maintainer(),
        date
    );
    let changelog = documents.join("changelog.Debian");
    super::write(&changelog, &entry, 0o644)?;
    release.gzip(log, &changelog)?;
    let overrides = folder.join("usr/share/lintian/overrides/magicproxy");
    install(&release.source("deploy/debian/lintian-overrides"), &overrides, 0o644)
}

/// Writes `DEBIAN/`: the description, checksums, the list of configuration files and the scripts.
fn lay_control(
    release: &Release<'_>,
    log: &mut Log,
    folder: &Path,
    (program, version): (&Program, &str),
) -> Result<()> {
    let control = folder.join("DEBIAN");
    let template = std::fs::read_to_string(release.source("deploy/debian/control"))
        .context("cannot read `deploy/debian/control`")?;
    let size = installed_size(release, log, folder)?;
    let values = [
        ("VERSION", version),
        ("ARCHITECTURE", program.machine.debian()),
        ("MAINTAINER", &maintainer()),
        ("SIZE", &size),
        ("LIBRARIES", &libraries(program)),
    ];
    let sums = checksums(release, log, folder)?;
    super::write(&control.join("control"), &filled(&template, &values)?, 0o644)?;
    super::write(&control.join("md5sums"), &sums, 0o644)?;
    super::write(&control.join("conffiles"), CONFIGURATION, 0o644)?;
    SCRIPTS.iter().try_for_each(|name| {
        install(&release.source(&format!("deploy/debian/{name}")), &control.join(name), 0o755)
    })
}

/// Returns the packages of the libraries that the program loads.
fn libraries(program: &Program) -> String {
    let glibc = format!("libc6 (>= {})", program.glibc);
    let unwinds = program.libraries.iter().any(|library| library == "libgcc_s.so.1");
    if unwinds { format!("{glibc}, libgcc-s1 (>= 3.3)") } else { glibc }
}

/// Returns what the files take, in KiB.
fn installed_size(release: &Release<'_>, log: &mut Log, folder: &Path) -> Result<String> {
    let mut command = release.workspace.command("du");
    let said = log
        .must(command.args(["--summarize", "--apparent-size", "--block-size=1024"]).arg(folder))?;
    said.split_whitespace().next().map(str::to_owned).context("`du` gave no size")
}

/// Returns the sums of all files but the configuration's, which an operator may change.
fn checksums(release: &Release<'_>, log: &mut Log, folder: &Path) -> Result<String> {
    let list = "find usr -type f -print0 | LC_ALL=C sort --zero-terminated | xargs -0 md5sum";
    let mut command = release.workspace.command("sh");
    log.must(command.args(["-euc", list]).current_dir(folder))
}

fn maintainer() -> String {
    std::env::var("MAGICPROXY_MAINTAINER").unwrap_or_else(|_| MAINTAINER.to_owned())
}
