//! Rust's own tests, and the release build that the black-box stages use.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::log::Log;
use crate::stage::Report;
use crate::tally::{Tally, of_libtest};
use crate::workspace::Workspace;
use crate::{compile, python};

/// What `check` runs: no integration binaries, no documentation tests.
pub(super) fn quick(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    test(log, || compile::tests(workspace, &["--lib", "--bins"]), None)
}

/// The stores are tested with a real Valkey, which comes from a registry.
pub(super) fn all(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let every = || compile::tests(workspace, &[]);
    let mut report = match python::valkey(workspace, log) {
        Ok(valkey) => test(log, every, Some(&valkey)),
        Err(error) if workspace.ci => Err(error.context("there is no Valkey to test with")),
        Err(error) => {
            let mut report = test(log, every, None)?;
            report.notes.push(format!("the store in Valkey was NOT tested: {error:#}"));
            Ok(report)
        }
    }?;
    report.tally = report.tally.plus(without_plugins(workspace, log)?.tally);
    Ok(report)
}

pub(super) fn release(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    Ok(Report::of(Tally::one(log.build(&mut compile::released(workspace))?.ok)))
}

/// What a newcomer builds is linted too, and says what to build where a plugin is asked for. All else of it was tested.
fn without_plugins(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let report = test(log, || compile::tests_without_plugins(workspace, &["what_to_build"]), None)?;
    anyhow::ensure!(report.tally.failed > 0 || report.tally.passed > 0, "no test of a program without plugins was found");
    Ok(report)
}

/// Builds first, which may take as long as it takes.
fn test(log: &mut Log, tests: impl Fn() -> Result<Command>, valkey: Option<&Path>) -> Result<Report> {
    if !log.build(tests()?.arg("--no-run"))?.ok {
        return Ok(Report::of(Tally::one(false)));
    }
    let mut command = tests()?;
    if let Some(valkey) = valkey {
        command.env("MAGICPROXY_TEST_VALKEY", valkey);
    }
    // One failing binary must not hide what the others would say.
    Ok(Report::of(of_libtest(&log.run(command.arg("--no-fail-fast"))?)))
}
