//! A smoke run of every fuzz target. Long runs are a person's business: see `fuzz/README.md`.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::run::Report;
use crate::tally::Tally;
use crate::tools;
use crate::workspace::Workspace;

const BUILD_LIMIT: Duration = Duration::from_secs(1_800);
const SECONDS: u64 = 20;
/// What it reads is the operator's own, and it takes longer to build than all others.
const NOT_HERE: &str = "configuration";

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    if !workspace.root.join("fuzz/Cargo.toml").is_file() {
        anyhow::ensure!(!workspace.ci, "`fuzz/Cargo.toml` is missing");
        return Ok(Report::skipped("`fuzz/` is not there"));
    }
    if !nightly_is_there(workspace, log)? {
        anyhow::ensure!(!workspace.ci, "the nightly toolchain is missing");
        return Ok(Report::skipped("fuzzing needs `rustup toolchain install nightly`"));
    }
    tools::ensure(workspace, log, tools::FUZZ)?;
    log.must(&mut fuzz(workspace, &["build"]), BUILD_LIMIT).context("the fuzz targets do not build")?;
    let targets = log.must(&mut fuzz(workspace, &["list"]), BUILD_LIMIT)?;
    let targets: Vec<&str> = targets.lines().map(str::trim).filter(|line| !line.is_empty() && *line != NOT_HERE).collect();
    anyhow::ensure!(!targets.is_empty(), "there is no fuzz target");
    let mut report = Report::default();
    for together in targets.chunks(cores()) {
        for (target, ok) in smoke_together(workspace, log, together)? {
            if !ok {
                report.notes.push(format!("the fuzz target `{target}` failed; its input lies in fuzz/artifacts/{target}"));
            }
            report.tally = report.tally.plus(Tally::one(ok));
        }
    }
    Ok(report)
}

/// A target keeps one core busy.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn smoke_together<'t>(workspace: &Workspace, log: &mut Log, targets: &[&'t str]) -> Result<Vec<(&'t str, bool)>> {
    let results: Vec<Result<(bool, String)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = targets.iter().map(|target| scope.spawn(|| smoke(workspace, target))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked")));
        ended.map(Result::flatten).collect()
    });
    let mut outcomes = Vec::new();
    for (target, result) in targets.iter().zip(results) {
        let (ok, tail) = result?;
        log.line(&format!("-- {target}: {}", if ok { "passed" } else { "FAILED" }))?;
        if !ok {
            log.line(&tail)?;
        }
        outcomes.push((*target, ok));
    }
    Ok(outcomes)
}

/// Runs one target with a log of its own, since targets run side by side.
fn smoke(workspace: &Workspace, target: &str) -> Result<(bool, String)> {
    let mut log = Log::create(workspace.target.join("xtask").join(format!("fuzz-{target}.log")))?;
    let corpus = format!("fuzz/corpus/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    std::fs::create_dir_all(workspace.root.join(&corpus)).context("cannot make the corpus folder")?;
    let mut command = fuzz(workspace, &["run", target, &corpus]);
    // What is found goes into the first folder; the checked-in seeds are only read.
    if workspace.root.join(&seeds).is_dir() {
        command.arg(seeds);
    }
    command.arg("--").args([&format!("-max_total_time={SECONDS}"), "-timeout=10", "-rss_limit_mb=2048"]);
    let finished = log.run(&mut command, Duration::from_secs(SECONDS * 3 + 60))?;
    Ok((finished.ok, essence(&finished.text)))
}

/// What a person wants to see of a failure: the panic and the input, without the frames between.
fn essence(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let panic = lines.iter().skip_while(|line| !line.contains("panicked at")).take(4);
    let input = lines.iter().skip_while(|line| !line.starts_with("Failing input")).take(12);
    let end = lines.iter().skip(lines.len().saturating_sub(5));
    panic.chain(input).chain(end).copied().collect::<Vec<_>>().join("\n")
}

/// `rustup run` works where `cargo +nightly` does not: when the cargo on the path is no rustup proxy.
fn fuzz(workspace: &Workspace, arguments: &[&str]) -> std::process::Command {
    let mut command = workspace.command("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments);
    command.env_remove("CARGO").env("CARGO_TARGET_DIR", workspace.target.join("fuzz")).env("RUST_BACKTRACE", "0");
    command
}

fn nightly_is_there(workspace: &Workspace, log: &mut Log) -> Result<bool> {
    let Some(rustup) = crate::workspace::which("rustup") else {
        return Ok(false);
    };
    let limit = Duration::from_secs(60);
    Ok(log.run(workspace.command(rustup).args(["run", "nightly", "cargo", "--version"]), limit)?.ok)
}
