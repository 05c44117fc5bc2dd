//! The stage that holds lists of commands and proofs of fast-forwards against git itself, on many
//! more cases than the stage `unit` does.

use anyhow::{Context, Result};

use crate::log::Log;
use crate::stage::Report;
use crate::tally::of_libtest;
use crate::workspace::Workspace;
use crate::{compile, debian};

/// The number of random lists, and of random histories with some fourteen pushes each.
const LISTS: u32 = 100_000;
const HISTORIES: u32 = 150;

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    debian::ensure(workspace, log, "git", "git")?;
    let tests = || compile::tests(workspace, &["--test", "git"]);
    log.must_build(tests()?.arg("--no-run"))?;
    let mut command = tests()?;
    command
        .env("MAGICPROXY_GIT_LISTS", LISTS.to_string())
        .env("MAGICPROXY_GIT_HISTORIES", HISTORIES.to_string())
        .args(["--", "--nocapture"]);
    let finished = log.run(&mut command)?;
    let counted = |what: &str| {
        let line = finished.text.lines().find(|line| line.contains(what));
        line.map(|line| line.trim().to_owned()).with_context(|| format!("no {what}were tried"))
    };
    let notes = vec![counted(" lists: ")?, counted(" histories: ")?];
    Ok(Report { tally: of_libtest(&finished), notes, ..Report::default() })
}
