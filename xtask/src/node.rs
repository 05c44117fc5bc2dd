//! The Node packages of the client tests, installed under `target/node`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::workspace::Workspace;

/// Installs what `manifest`'s folder asks for and returns the folder that holds `node_modules`.
pub(crate) fn ensure(workspace: &Workspace, log: &mut Log, manifest: &Path) -> Result<PathBuf> {
    let home = workspace.target.join("node");
    let lock = manifest.with_file_name("package-lock.json");
    let wanted = read(manifest)? + &read_if_there(&lock)?;
    let marker = home.join("installed.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(home);
    }
    println!("   preparing Node packages");
    std::fs::create_dir_all(&home).context("cannot make the folder for Node packages")?;
    std::fs::copy(manifest, home.join("package.json")).context("cannot copy package.json")?;
    let verb = if lock.is_file() {
        std::fs::copy(&lock, home.join("package-lock.json")).context("cannot copy package-lock.json")?;
        "ci"
    } else {
        "install"
    };
    let mut npm = workspace.command("npm");
    npm.args([verb, "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&home);
    log.must(&mut npm).context("cannot install the Node packages")?;
    std::fs::write(&marker, wanted).context("cannot mark the Node packages as ready")?;
    Ok(home)
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

fn read_if_there(file: &Path) -> Result<String> {
    if file.is_file() { read(file) } else { Ok(String::new()) }
}
