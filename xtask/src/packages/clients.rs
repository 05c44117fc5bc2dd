//! The packages of the two client libraries, as npm and pip install them from a file. Both are made
//! of a copy of the sources, to which the licence is added, by the tool that their language has.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Release, install};
use crate::log::Log;
use crate::python;

/// Writes `magicproxy-token-VERSION.tgz` and `magicproxy_token-VERSION-py3-none-any.whl`.
pub(super) fn write(release: &Release<'_>, log: &mut Log) -> Result<()> {
    let javascript = copied(release, log, "js")?;
    let mut pack = release.workspace.command("npm");
    pack.args(["pack", "--ignore-scripts", "--pack-destination"]).arg(&release.finished);
    log.must(pack.current_dir(javascript)).context("npm packs no library")?;
    let sources = copied(release, log, "python")?;
    let home = python::ensure(release.workspace, log, python::BUILD)?;
    let mut wheel = release.workspace.command(home.join("bin/python"));
    wheel.args(["-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]);
    wheel.arg("--wheel-dir").arg(&release.finished).arg(sources);
    wheel.env("SOURCE_DATE_EPOCH", release.epoch.to_string());
    log.must(&mut wheel).context("pip makes no wheel of the library")?;
    are_of_version(release)
}

/// Copies what git knows of a library, so that no file that lies beside it goes along, and returns
/// the folder.
fn copied(release: &Release<'_>, log: &mut Log, language: &str) -> Result<PathBuf> {
    let (from, to) = (format!("clients/{language}"), release.parts.join("clients").join(language));
    let listed = log.must(release.workspace.command("git").args(["ls-files", &from]))?;
    for name in listed.lines() {
        let inside = name.strip_prefix(&from).context("git lists files of other folders")?;
        install(&release.source(name), &to.join(inside.trim_start_matches('/')), 0o644)?;
    }
    install(&release.source("LICENSE"), &to.join("LICENSE"), 0o644)?;
    Ok(to)
}

/// Refuses libraries of another version than the program.
fn are_of_version(release: &Release<'_>) -> Result<()> {
    let version = &release.version;
    let names = [
        ("package.json", format!("magicproxy-token-{version}.tgz")),
        ("pyproject.toml", format!("magicproxy_token-{version}-py3-none-any.whl")),
    ];
    for (manifest, name) in names {
        let there = release.finished.join(&name).is_file();
        anyhow::ensure!(there, "`{name}` is missing: does `{manifest}` have another version?");
    }
    Ok(())
}
