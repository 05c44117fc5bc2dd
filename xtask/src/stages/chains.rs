//! The stage that narrows a million tokens with conditions, and asks whether a child ever allows
//! what its parent does not.

use anyhow::{Context, Result};

use crate::compile;
use crate::log::Log;
use crate::stage::Report;
use crate::tally::of_libtest;
use crate::workspace::Workspace;

/// The number of chains; the stage `unit` has a few hundred.
const CHAINS: u32 = 1_000_000;

pub(super) fn many(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let tests = || compile::released_tests(workspace, "properties");
    log.must_build(tests().arg("--no-run"))?;
    let mut command = tests();
    command.env("MAGICPROXY_TEST_CHAINS", CHAINS.to_string()).args([
        "conditional_chains",
        "--",
        "--nocapture",
    ]);
    let finished = log.run(&mut command)?;
    let counted = finished.text.lines().find(|line| line.ends_with(" widened"));
    let notes = vec![counted.context("no chain was checked")?.to_owned()];
    Ok(Report { tally: of_libtest(&finished), notes, ..Report::default() })
}
