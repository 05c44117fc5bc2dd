//! Cargo's own extensions: taken from `PATH` or the cache, else built into the cache once.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::workspace::{Workspace, cache, which};

/// A program that `cargo install` can build. The version is pinned so that a result does not change
/// overnight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
pub(crate) const MUTANTS: Tool = Tool { name: "cargo-mutants", version: "27.1.0" };

pub(crate) fn ensure(workspace: &Workspace, log: &mut Log, tool: Tool) -> Result<PathBuf> {
    if let Some(found) = which(tool.name) {
        return Ok(found);
    }
    println!("   building {} {} (once; it goes to {})", tool.name, tool.version, cache().display());
    let mut command = workspace.cargo();
    // A debug build takes a third of the time of a release build, and less without debug
    // information; the tools run for seconds only.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    command
        .args(["install", "--locked", "--debug", "--version", tool.version, "--root"])
        .arg(cache())
        .arg(tool.name);
    log.must_build(&mut command).with_context(|| format!("cannot install {}", tool.name))?;
    which(tool.name).with_context(|| format!("{} was installed and is not there", tool.name))
}
