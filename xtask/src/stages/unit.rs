//! Rust's own tests, and the release build that the black-box stages use.

use std::time::Duration;

use anyhow::Result;

use crate::log::Log;
use crate::run::Report;
use crate::tally::{Tally, of_libtest};
use crate::workspace::Workspace;

const LIMIT: Duration = Duration::from_secs(1200);

/// What `check` runs: no integration binaries, no documentation tests.
pub(super) fn quick(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    test(workspace, log, &["--lib", "--bins"])
}

pub(super) fn all(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    test(workspace, log, &[])
}

pub(super) fn release(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let mut command = workspace.cargo();
    let finished = log.run(command.args(["build", "--release", "--package", "magicproxy"]), LIMIT)?;
    Ok(Report::of(Tally::one(finished.ok)))
}

fn test(workspace: &Workspace, log: &mut Log, selection: &[&str]) -> Result<Report> {
    let mut command = workspace.cargo();
    // One failing binary must not hide what the others would say.
    command.args(["test", "--workspace", "--no-fail-fast"]).args(selection);
    Ok(Report::of(of_libtest(&log.run(&mut command, LIMIT)?)))
}
