//! The stages that check the shape of the house. They read the sources and nothing else.

use anyhow::Result;

use crate::log::Log;
use crate::stage::Report;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{house, layers, source, words};

/// Checks that no module uses a module above it. Each crate is a case.
pub(super) fn layers(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let crates = source::crates(&workspace.root)?;
    report(log, layers::faults(&workspace.root, &crates)?, crates.len() as u64)
}

/// Checks that functions and files are short, that no maker of a proof is more visible than the
/// list allows, and that names are those of the glossary. Each module is a case.
pub(super) fn shape(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let crates = source::crates(&workspace.root)?;
    let modules = crates.iter().map(|found| found.modules.len() as u64).sum();
    let mut faults = house::faults(&workspace.root, &crates)?;
    faults.extend(words::faults(&workspace.root, &crates)?);
    report(log, faults, modules)
}

/// Writes a line for each fault. Without a fault, all cases passed.
fn report(log: &mut Log, faults: Vec<String>, cases: u64) -> Result<Report> {
    for fault in &faults {
        log.line(&format!("FAIL {fault}"))?;
    }
    let failed = faults.len() as u64;
    Ok(Report::of(Tally { passed: if failed == 0 { cases } else { 0 }, failed }))
}
