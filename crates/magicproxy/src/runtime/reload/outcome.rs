//! The report on a reload: lines for whoever asked, and lines of the log.

use magicproxy_proxy::metrics;
use magicproxy_proxy::server::{Continuity, RenewedUpstream, ReplacementReport};

use crate::runtime::admin::operations::{ReloadOutcome, ReloadReport};
use magicproxy_config::ground::fault::Faults;
use magicproxy_config::ground::text::Colour;

/// The beginning of a line that names a setting whose change waits for a restart.
pub(crate) const NEEDS_RESTART: &str = "needs a restart: ";

impl ReloadReport {
    /// Returns the keys of the settings whose change waits, in backquotes.
    fn waiting(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.strip_prefix(NEEDS_RESTART))
    }
}

/// Reports faults of the configuration.
pub(super) fn refused(faults: &Faults) -> ReloadReport {
    ReloadReport {
        outcome: ReloadOutcome::Refused,
        lines: Vec::new(),
        faults: faults.in_lines(),
        drawing: faults.render(Colour::Off),
    }
}

/// Reports a reload that failed for a reason besides the configuration's faults.
pub(super) fn broken(reason: &str) -> ReloadReport {
    ReloadReport {
        outcome: ReloadOutcome::Refused,
        lines: Vec::new(),
        faults: vec![reason.to_owned()],
        drawing: format!("error: {reason}"),
    }
}

/// Reports that nothing has changed.
pub(super) fn unchanged(waiting: &[String], warnings: &[String]) -> ReloadReport {
    ReloadReport {
        outcome: ReloadOutcome::Unchanged,
        lines: notes(waiting, warnings).collect(),
        faults: Vec::new(),
        drawing: String::new(),
    }
}

/// Reports a change in force.
pub(super) fn applied(
    replaced: &ReplacementReport,
    changed: &[String],
    waiting: &[String],
    warnings: &[String],
) -> ReloadReport {
    let outcome = if is_the_same(replaced) && changed.is_empty() {
        ReloadOutcome::Unchanged
    } else {
        ReloadOutcome::Changed
    };
    let lines = changed
        .iter()
        .map(|key| format!("changed: `{key}`"))
        .chain(replaced.upstreams.iter().filter_map(of_upstream))
        .chain(replaced.removed.iter().map(|name| format!("upstream `{name}`: removed")))
        .chain(notes(waiting, warnings))
        .collect();
    ReloadReport { outcome, lines, faults: Vec::new(), drawing: String::new() }
}

/// Writes the settings whose change waits for a restart, and the warnings.
fn notes<'n>(
    waiting: &'n [String],
    warnings: &'n [String],
) -> impl Iterator<Item = String> + use<'n> {
    let waits = waiting.iter().map(|key| format!("{NEEDS_RESTART}`{key}`"));
    waits.chain(warnings.iter().map(|warning| format!("warning: {warning}")))
}

fn is_the_same(replaced: &ReplacementReport) -> bool {
    replaced.removed.is_empty() && replaced.upstreams.iter().all(|own| of_upstream(own).is_none())
}

fn of_upstream(own: &RenewedUpstream) -> Option<String> {
    use Continuity::{Kept, New};
    let told = match (own.upstream, own.tokens, own.connections) {
        (New, ..) => "added",
        (Kept, Kept, Kept) => return None,
        (Kept, New, Kept) => "its tokens are verified anew",
        (Kept, Kept, New) => "its connections are made anew",
        (Kept, New, New) => "its tokens are verified anew, its connections made anew",
    };
    Some(format!("upstream `{}`: {told}", own.name))
}

/// Returns the outcome as the metrics count it.
pub(super) fn counted(report: &ReloadReport) -> metrics::ReloadOutcome {
    match report.outcome {
        ReloadOutcome::Changed | ReloadOutcome::Unchanged => metrics::ReloadOutcome::Loaded,
        ReloadOutcome::Refused => metrics::ReloadOutcome::Refused,
    }
}

/// Writes the report to the log.
pub(super) fn log(report: &ReloadReport) {
    for fault in &report.faults {
        tracing::error!(name: "reload_fault", target: "magicproxy::reload", "{fault}");
    }
    for line in &report.lines {
        match line.strip_prefix("warning: ") {
            Some(warning) => {
                tracing::warn!(name: "reload_warning", target: "magicproxy::reload", "{warning}")
            }
            None if line.starts_with(NEEDS_RESTART) => {
                tracing::warn!(name: "restart_needed", target: "magicproxy::reload", "{line}")
            }
            None => tracing::info!(name: "reload_change", target: "magicproxy::reload", "{line}"),
        }
    }
    match report.outcome {
        ReloadOutcome::Changed => {
            tracing::info!(name: "reloaded", target: "magicproxy::reload", "the new configuration is in force")
        }
        ReloadOutcome::Unchanged => {
            let keys: Vec<&str> = report.waiting().collect();
            let told = match keys.as_slice() {
                [] => "the configuration has not changed".to_owned(),
                keys => format!("what has changed waits for a restart: {}", keys.join(", ")),
            };
            tracing::info!(name: "reload_unchanged", target: "magicproxy::reload", "{told}")
        }
        ReloadOutcome::Refused => {
            tracing::error!(name: "reload_refused", target: "magicproxy::reload", faults = report.faults.len(), "the old configuration stays in force");
        }
    }
}
