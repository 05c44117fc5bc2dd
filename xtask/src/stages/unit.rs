//! Rust's own tests, and the release build that the black-box stages use.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::log::Log;
use crate::python;
use crate::run::Report;
use crate::tally::{Tally, of_libtest};
use crate::workspace::Workspace;

const LIMIT: Duration = Duration::from_secs(1200);

/// What `check` runs: no integration binaries, no documentation tests.
pub(super) fn quick(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    test(workspace, log, &["--lib", "--bins"], None)
}

/// The stores are tested with a real Valkey, which comes from a registry.
pub(super) fn all(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    match python::valkey(workspace, log) {
        Ok(valkey) => test(workspace, log, &[], Some(&valkey)),
        Err(error) if workspace.ci => Err(error.context("there is no Valkey to test with")),
        Err(error) => {
            let mut report = test(workspace, log, &[], None)?;
            report.notes.push(format!("the store in Valkey was NOT tested: {error:#}"));
            Ok(report)
        }
    }
}

pub(super) fn release(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let mut command = workspace.cargo();
    let finished = log.run(command.args(["build", "--release", "--package", "magicproxy"]), LIMIT)?;
    Ok(Report::of(Tally::one(finished.ok)))
}

fn test(workspace: &Workspace, log: &mut Log, selection: &[&str], valkey: Option<&Path>) -> Result<Report> {
    let mut command = workspace.cargo();
    if let Some(valkey) = valkey {
        command.env("MAGICPROXY_TEST_VALKEY", valkey);
    }
    // One failing binary must not hide what the others would say.
    command.args(["test", "--workspace", "--no-fail-fast"]).args(selection);
    Ok(Report::of(of_libtest(&log.run(&mut command, LIMIT)?)))
}
