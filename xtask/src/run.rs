//! `check` and `test`: runs the stages in order, some beside each other, prints the time of each
//! stage, and adds up the counts.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::failures;
use crate::log::Log;
use crate::process;
use crate::stage::{Report, Stage};
use crate::stages;
use crate::tally::Tally;
use crate::workspace::Workspace;

#[derive(Debug)]
struct Row {
    name: &'static str,
    took: Duration,
    /// The CPU time of all processes of the stage. For stages beside each other, the first stage's
    /// row has the sum.
    cpu: Option<Duration>,
    report: Report,
    /// The failed cases that the stage's log names.
    failures: Vec<String>,
}

pub(crate) fn check(workspace: &Workspace, arguments: &[String]) -> Result<bool> {
    anyhow::ensure!(arguments.is_empty(), "`check` takes no arguments");
    run_all(workspace, &stages::CHECK.iter().collect::<Vec<_>>())
}

pub(crate) fn test(workspace: &Workspace, arguments: &[String]) -> Result<bool> {
    if arguments.iter().any(|argument| argument == "--list") {
        for stage in stages::TEST {
            let only = if stage.long { " (with `--all`)" } else { "" };
            println!("{:<16} {}{only}", stage.name, stage.summary);
        }
        return Ok(true);
    }
    run_all(workspace, &chosen(arguments)?)
}

/// Returns the stages of these names; all but the long ones, if there is no name, and with `--all`
/// the long ones, too.
fn chosen(names: &[String]) -> Result<Vec<&'static Stage>> {
    if names == ["--all"] {
        return Ok(stages::TEST.iter().collect());
    }
    let is_more = names.iter().any(|name| name == "--all");
    anyhow::ensure!(!is_more, "`--all` is every stage, so no stage is named beside it");
    if let Some(unknown) =
        names.iter().find(|name| stages::TEST.iter().all(|stage| stage.name != name.as_str()))
    {
        anyhow::bail!("no stage `{unknown}`; `cargo xtask test --list` shows them");
    }
    let wanted = |stage: &&Stage| match names {
        [] => !stage.long,
        names => names.iter().any(|name| name == stage.name),
    };
    Ok(stages::TEST.iter().filter(wanted).collect())
}

fn run_all(workspace: &Workspace, chosen: &[&'static Stage]) -> Result<bool> {
    let started = Instant::now();
    let mut rows = Vec::new();
    for together in chosen.chunk_by(|_, next| next.beside) {
        for stage in together {
            println!("== {}: {}", stage.name, stage.summary);
        }
        let before = process::spent_by_children();
        let mut finished = run_together(workspace, together)?;
        if let Some(first) = finished.first_mut() {
            first.cpu = Some(process::spent_by_children().saturating_sub(before));
        }
        for row in finished {
            println!("   {}", outcome(&row, together.len() > 1));
            for note in &row.report.notes {
                println!("   note: {note}");
            }
            rows.push(row);
        }
    }
    Ok(summary(&rows, started.elapsed()))
}

fn run_together(workspace: &Workspace, stages: &[&'static Stage]) -> Result<Vec<Row>> {
    thread::scope(|scope| {
        let running: Vec<_> =
            stages.iter().map(|stage| scope.spawn(|| run_one(workspace, stage))).collect();
        running
            .into_iter()
            .map(|stage| stage.join().map_err(|_| anyhow::anyhow!("a stage panicked")).flatten())
            .collect()
    })
}

fn run_one(workspace: &Workspace, stage: &Stage) -> Result<Row> {
    let started = Instant::now();
    let mut log = Log::create(workspace.target.join("xtask").join(format!("{}.log", stage.name)))?;
    let report = (stage.run)(workspace, &mut log).unwrap_or_else(|error| Report {
        tally: Tally::one(false),
        skipped: false,
        notes: vec![format!("{error:#}")],
    });
    let mut failures = Vec::new();
    if report.tally.failed > 0 {
        println!("{}\n   (all of it: {})", log.tail(60)?, shown(workspace, &log));
        failures = failures::named_in(&log.text()?)
            .into_iter()
            .chain(report.notes.iter().cloned())
            .collect();
    }
    Ok(Row { name: stage.name, took: started.elapsed(), cpu: None, report, failures })
}

fn shown(workspace: &Workspace, log: &Log) -> String {
    log.path().strip_prefix(&workspace.root).unwrap_or(log.path()).display().to_string()
}

/// Returns the line on a finished stage, with the stage's name if `named`: several stages run at
/// once.
fn outcome(row: &Row, named: bool) -> String {
    let took = row.took.as_secs_f64();
    let name = if named { format!("{}: ", row.name) } else { String::new() };
    if row.report.skipped {
        return format!("{name}skipped, {took:.1} s");
    }
    format!(
        "{name}{} passed, {} failed, {took:.1} s",
        row.report.tally.passed, row.report.tally.failed
    )
}

/// Prints the table, the failures, and the last line, whose exact form other programs read. True if
/// nothing failed.
fn summary(rows: &[Row], took: Duration) -> bool {
    println!("\n{:<16} {:>8} {:>7} {:>9} {:>9}", "stage", "passed", "failed", "seconds", "of CPU");
    for row in rows {
        let Tally { passed, failed } = row.report.tally;
        let remark = if row.report.skipped { "  skipped" } else { "" };
        let cpu = row.cpu.map_or_else(String::new, |cpu| format!("{:.1}", cpu.as_secs_f64()));
        println!(
            "{:<16} {passed:>8} {failed:>7} {:>9.1} {cpu:>9}{remark}",
            row.name,
            row.took.as_secs_f64()
        );
    }
    let total = rows.iter().fold(Tally::default(), |sum, row| sum.plus(row.report.tally));
    let (took, cpu) = (took.as_secs_f64(), process::spent_by_children().as_secs_f64());
    println!("{:<16} {:>8} {:>7} {took:>9.1} {cpu:>9.1}\n", "all", total.passed, total.failed);
    for row in rows {
        row.failures.iter().for_each(|failure| println!("{}: {failure}", row.name));
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    total.failed == 0
}

#[cfg(test)]
mod tests {
    use super::chosen;

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        chosen(&arguments).unwrap().iter().map(|stage| stage.name).collect()
    }

    #[test]
    fn long_stages_run_when_they_are_asked_for() {
        assert!(names(&[]).contains(&"unit") && !names(&[]).contains(&"packages"));
        assert!(names(&["--all"]).contains(&"unit") && names(&["--all"]).contains(&"packages"));
        assert_eq!(names(&["packages", "fmt"]), ["fmt", "packages"]);
        for arguments in [&["--al"][..], &["--all", "unit"], &["unit", "--all"]] {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            assert!(chosen(&arguments).is_err(), "{arguments:?}");
        }
    }
}
