//! `cargo xtask mutants`: measures if the tests notice faults in the code that decides.
//! cargo-mutants lists the faults; each drawn fault is tried against the tests that reach the file,
//! the slowest tests last, until a test fails.
//!
//! A run takes hours, so `mutants` is no stage of `test`. The run works on a copy of the sources:
//! edits made meanwhile are not touched.

mod draw;
mod named;
mod report;
mod tree;
mod trial;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::tools;
use crate::workspace::Workspace;
use draw::{Mutant, PARTS};
use report::{TrialResult, TriedMutant};

/// The size of the sample: of this many mutants, a run tries one.
const EVERY: usize = 10;

/// The parsed arguments of `cargo xtask mutants`.
#[derive(Debug, PartialEq, Eq)]
struct MutantOptions {
    /// Parts of the code, from [`PARTS`]; all parts if the arguments name none.
    parts: Vec<&'static str>,
    /// The index of the sample, below [`EVERY`].
    sample: usize,
}

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<bool> {
    let options = MutantOptions::parse(arguments)?;
    let mut log = Log::create(workspace.target.join("xtask/mutants/preparation.log"))?;
    let tool = tools::ensure(workspace, &mut log, tools::MUTANTS)?;
    let tree = tree::Tree::lay_out(workspace)?;
    let all = draw::all(&tree, &tool)?;
    let named = named::NamedMutant::read(&workspace.root, &all)?;
    let drawn: Vec<&Mutant> = all
        .iter()
        .skip(options.sample)
        .step_by(EVERY)
        .filter(|mutant| options.parts.contains(&mutant.part))
        .collect();
    println!("{} of {} mutants are drawn", drawn.len(), all.len());
    let plans = trial::Plans::without_a_fault(&tree, &options.parts)?;
    let mut tried = Vec::with_capacity(drawn.len());
    for (number, mutant) in drawn.iter().enumerate() {
        let fate =
            if named.has(mutant) { TrialResult::Named } else { plans.fate(&tree, mutant)? };
        println!("{:>4}/{} {fate}: {}", number + 1, drawn.len(), mutant.name);
        tried.push(TriedMutant { mutant, fate });
    }
    let report = report::Report::of(&tried);
    let path = workspace.target.join("xtask/mutants/report.txt");
    std::fs::write(&path, report.to_string())
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    println!("\n{report}");
    Ok(report.is_good())
}

impl MutantOptions {
    fn parse(arguments: &[String]) -> Result<MutantOptions> {
        let (mut parts, mut sample) = (Vec::new(), 0);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--sample" {
                let number = words
                    .next()
                    .and_then(|number| number.parse().ok())
                    .filter(|number| *number < EVERY);
                sample = number.with_context(|| {
                    format!("`--sample` takes a number from 0 to {}", EVERY - 1)
                })?;
                continue;
            }
            let known = PARTS.iter().find(|part| *part == word);
            parts.push(
                *known.with_context(|| {
                    format!("no part `{word}`; there are: {}", PARTS.join(", "))
                })?,
            );
        }
        Ok(MutantOptions { parts: if parts.is_empty() { PARTS.to_vec() } else { parts }, sample })
    }
}

#[cfg(test)]
mod tests {
    use super::{MutantOptions, PARTS};

    fn parse(line: &str) -> Result<MutantOptions, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        MutantOptions::parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn parts_and_samples_are_asked_for() {
        assert_eq!(parse(""), Ok(MutantOptions { parts: PARTS.to_vec(), sample: 0 }));
        assert_eq!(
            parse("gate core --sample 9"),
            Ok(MutantOptions { parts: vec!["gate", "core"], sample: 9 })
        );
        for refused in ["nothing", "--sample", "--sample 10", "--sample x", "core --all"] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
