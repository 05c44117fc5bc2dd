//! `man`: the manual pages, made from the same definitions as `--help`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::Cli;
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write every page to this folder instead of printing the first
    dir: Option<PathBuf>,
}

/// Prints `magicproxy.1`, or writes it and those of all commands.
pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).context("the manual page cannot be written")?;
        return Ok(output::print(&String::from_utf8_lossy(&page))?);
    };
    let named = || format!("`{}`", dir.display());
    std::fs::create_dir_all(dir).with_context(named)?;
    Ok(clap_mangen::generate_to(Cli::command(), dir).with_context(named)?)
}
