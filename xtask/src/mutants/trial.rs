//! The trial of one mutant: runs more and more of the tests that reach the mutant's file, until the
//! code does not compile, or a test fails.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::draw::Mutant;
use super::report::TrialResult;
use super::tree::Tree;
use crate::log::Log;
use crate::process;

/// The arguments of `cargo test`, step by step: the steps that compile and run fastest come first.
const OF_CORE: &[&[&str]] = &[
    &["--package", "magicproxy-core", "--test", "vectors", "--test", "caps"],
    &["--package", "magicproxy-core", "--lib", "--test", "properties"],
    &["--package", "magicproxy-core", "--package", "magicproxy-proxy", "--lib", "--test", "it"],
    &["--package", "magicproxy", "--lib", "--test", "cli"],
];
const OF_THE_ENGINE: &[&[&str]] = &[
    &["--package", "magicproxy-proxy", "--lib"],
    &["--package", "magicproxy-proxy", "--test", "it"],
    &["--package", "magicproxy", "--lib", "--test", "cli"],
];
/// The factor of a step's usual time after which the tests count as caught in a loop.
const PATIENCE: u32 = 10;
/// The shortest time limit of a step.
const LEAST: Duration = Duration::from_secs(60);
/// The text in a failed test's output line.
const FAILED: &str = "... FAILED";

/// The steps of each part, with the usual time of each step without a fault.
#[derive(Debug)]
pub(super) struct Plans(Vec<(&'static [&'static str], Duration)>);

impl Plans {
    /// Runs all steps of the given parts once, and refuses a failing test: a test that always fails
    /// would catch every mutant.
    pub(super) fn without_a_fault(tree: &Tree<'_>, parts: &[&str]) -> Result<Plans> {
        let mut plans = Plans(Vec::new());
        for step in parts.iter().flat_map(|part| steps_of(part)) {
            if plans.0.iter().any(|(known, _)| known == step) {
                continue;
            }
            println!("     without a fault: {}", step.join(" "));
            let mut log = Log::create(tree.log("without-a-fault"))?;
            anyhow::ensure!(
                builds(tree, &mut log, step)?,
                "the tests do not compile:\n{}",
                log.tail(40)?
            );
            let started = Instant::now();
            let passed = pass(&log, test(tree, step).arg("--no-fail-fast"), process::HUNG)?;
            anyhow::ensure!(passed, "the tests fail without a fault:\n{}", log.tail(40)?);
            plans.0.push((step, started.elapsed()));
        }
        Ok(plans)
    }

    /// Tries a mutant and returns the result.
    pub(super) fn fate(&self, tree: &Tree<'_>, mutant: &Mutant) -> Result<TrialResult> {
        tree.with(mutant, || {
            let mut log = Log::create(tree.log("trial"))?;
            log.line(&mutant.name)?;
            for step in steps_of(mutant.part) {
                if !builds(tree, &mut log, step)? {
                    return Ok(TrialResult::Unviable);
                }
                if !pass(&log, &mut test(tree, step), self.limit(step))? {
                    return Ok(TrialResult::Caught);
                }
            }
            Ok(TrialResult::Survived)
        })
    }

    fn limit(&self, step: &[&str]) -> Duration {
        let usual = self
            .0
            .iter()
            .find(|(known, _)| *known == step)
            .map_or(process::HUNG, |(_, took)| *took);
        usual.saturating_mul(PATIENCE).max(LEAST)
    }
}

fn steps_of(part: &str) -> &'static [&'static [&'static str]] {
    if part == "core" { OF_CORE } else { OF_THE_ENGINE }
}

fn test(tree: &Tree<'_>, step: &[&str]) -> Command {
    let mut command = tree.cargo();
    // Lints do not concern behaviour: code refused by a lint is a mutant like any other.
    command.arg("test").args(step).env("RUST_BACKTRACE", "0");
    command
}

fn builds(tree: &Tree<'_>, log: &mut Log, step: &[&str]) -> Result<bool> {
    Ok(log.build(test(tree, step).arg("--no-run"))?.ok)
}

/// Runs tests up to the first failure. True if all pass within the time limit.
fn pass(log: &Log, command: &mut Command, limit: Duration) -> Result<bool> {
    let from = log.text()?.len();
    let said = || Ok(log.text()?.len());
    let failed =
        || log.text().is_ok_and(|text| text.get(from..).is_some_and(|text| text.contains(FAILED)));
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(log.handle()?)
        .stderr(log.handle()?)
        .spawn()
        .context("cannot start cargo")?;
    let status = process::wait_unless(&mut child, said, |_, took| took >= limit || failed())?;
    Ok(status.is_some_and(|status| status.success()))
}
