//! A stage of `check` and `test`: the name, the function, and the report.

use anyhow::Result;

use crate::log::Log;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// A part of `check` or `test`.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) run: Run,
    /// True if the stage runs at the same time as the stage before it.
    pub(crate) beside: bool,
    /// True if the stage takes minutes and runs only by `--all`, or by its name.
    pub(crate) long: bool,
}

type Run = fn(&Workspace, &mut Log) -> Result<Report>;

pub(crate) const fn stage(name: &'static str, summary: &'static str, run: Run) -> Stage {
    Stage { name, summary, run, beside: false, long: false }
}

pub(crate) const fn beside(name: &'static str, summary: &'static str, run: Run) -> Stage {
    Stage { name, summary, run, beside: true, long: false }
}

pub(crate) const fn long(name: &'static str, summary: &'static str, run: Run) -> Stage {
    Stage { name, summary, run, beside: false, long: true }
}

/// The result of a stage. A stage that cannot run at all returns an error instead.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    pub(crate) skipped: bool,
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn of(tally: Tally) -> Report {
        Report { tally, ..Report::default() }
    }

    /// Returns the report of a stage that ran nothing, with the reason.
    pub(crate) fn skipped(reason: impl Into<String>) -> Report {
        Report { skipped: true, notes: vec![reason.into()], ..Report::default() }
    }
}
