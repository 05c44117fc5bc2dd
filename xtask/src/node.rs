//! The Node packages of the script stages, installed under `target`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::workspace::Workspace;

/// A set of packages: a folder below `target`, and the `package.json` with the names of the
/// packages, beside a lock file.
#[derive(Clone, Copy)]
pub(crate) struct Packages {
    folder: &'static str,
    manifest: &'static str,
}

/// Real clients of the proxy, and servers for the clients.
pub(crate) const CLIENTS: Packages =
    Packages { folder: "node", manifest: "tests/clients/package.json" };

/// The packages that the tests of the JavaScript library need besides the library.
pub(crate) const TOKEN: Packages =
    Packages { folder: "node-token", manifest: "clients/js/package.json" };

/// Installs packages and returns the folder that holds `node_modules`.
pub(crate) fn ensure(workspace: &Workspace, log: &mut Log, packages: Packages) -> Result<PathBuf> {
    let home = workspace.target.join(packages.folder);
    let manifest = &workspace.root.join(packages.manifest);
    let lock = manifest.with_file_name("package-lock.json");
    let wanted = read(manifest)? + &read_if_there(&lock)?;
    let marker = home.join("installed.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(home);
    }
    println!("   preparing Node packages (target/{})", packages.folder);
    std::fs::create_dir_all(&home).context("cannot make the folder for Node packages")?;
    std::fs::copy(manifest, home.join("package.json")).context("cannot copy package.json")?;
    let verb = if lock.is_file() {
        std::fs::copy(&lock, home.join("package-lock.json"))
            .context("cannot copy package-lock.json")?;
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
