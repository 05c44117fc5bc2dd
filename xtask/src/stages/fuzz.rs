//! A smoke run of every fuzz target. Long runs are a person's business: see `fuzz/README.md`.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::run::Report;
use crate::tally::Tally;
use crate::tools;
use crate::workspace::Workspace;

const BUILD_LIMIT: Duration = Duration::from_secs(900);
const SECONDS: u64 = 30;

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
    let mut report = Report::default();
    for target in targets.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let ok = smoke(workspace, log, target)?;
        if !ok {
            report.notes.push(format!("the fuzz target `{target}` failed; its input lies in fuzz/artifacts/{target}"));
        }
        report.tally = report.tally.plus(Tally::one(ok));
    }
    anyhow::ensure!(report.tally != Tally::default(), "there is no fuzz target");
    Ok(report)
}

fn smoke(workspace: &Workspace, log: &mut Log, target: &str) -> Result<bool> {
    let corpus = format!("fuzz/corpus/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    std::fs::create_dir_all(workspace.root.join(&corpus)).context("cannot make the corpus folder")?;
    let mut command = fuzz(workspace, &["run", target, &corpus]);
    // What is found goes into the first folder; the checked-in seeds are only read.
    if workspace.root.join(&seeds).is_dir() {
        command.arg(seeds);
    }
    command.arg("--").args([&format!("-max_total_time={SECONDS}"), "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    Ok(log.run(&mut command, Duration::from_secs(SECONDS * 3 + 60))?.ok)
}

/// `rustup run` works where `cargo +nightly` does not: when the cargo on the path is no rustup proxy.
fn fuzz(workspace: &Workspace, arguments: &[&str]) -> std::process::Command {
    let mut command = workspace.command("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments);
    command.env_remove("CARGO").env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
    command
}

fn nightly_is_there(workspace: &Workspace, log: &mut Log) -> Result<bool> {
    let Some(rustup) = crate::workspace::which("rustup") else {
        return Ok(false);
    };
    let limit = Duration::from_secs(60);
    Ok(log.run(workspace.command(rustup).args(["run", "nightly", "cargo", "--version"]), limit)?.ok)
}
