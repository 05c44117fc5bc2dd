//! The stage that documents every crate from the libraries of the test build.

use anyhow::{Context, Result};

use crate::compile;
use crate::document::{self, DOCUMENTED};
use crate::log::Log;
use crate::stage::Report;
use crate::tally::Tally;
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let mut command = compile::tests(workspace, &["--no-fail-fast"])?;
    let (copy, folder) = (workspace.target.join("xtask/rustdoc"), workspace.target.join("doc"));
    document::instead_of_tests(&mut command, &copy, &folder).context("cannot copy this program")?;
    let finished = log.build(&mut command)?;
    let crates = finished.text.lines().filter(|line| line.contains(DOCUMENTED)).count() as u64;
    let tally = Tally { passed: crates, failed: u64::from(!finished.ok) };
    anyhow::ensure!(tally.passed + tally.failed > 0, "cargo documented nothing");
    Ok(Report::of(tally))
}
