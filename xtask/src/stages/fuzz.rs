//! The stage with a smoke run of every fuzz target. Long runs are started by a person: see
//! `fuzz/README.md`.

use anyhow::{Context, Result};

use crate::compile;
use crate::log::Log;
use crate::stage::Report;
use crate::tally::Tally;
use crate::workspace::Workspace;

const SECONDS: u64 = 20;
/// The time limit for one input, in seconds. Other inputs take thousandths of a second, so an input
/// that reaches the limit loops forever.
const HANGS: u64 = 300;
/// The target that the stage leaves out. The target reads the operator's own file, and would
/// compile crates that no other target needs: configuration, plugins and stores.
const NOT_HERE: &str = "configuration";

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let targets = targets(workspace)?;
    log.must_build(&mut compile::fuzz_targets(workspace, &targets))
        .context("the fuzz targets do not build")?;
    let mut report = Report::default();
    for together in targets.chunks(cores()) {
        for (target, ok) in smoke_together(workspace, log, together)? {
            if !ok {
                report.notes.push(format!(
                    "the fuzz target `{target}` failed; its input lies in fuzz/artifacts/{target}"
                ));
            }
            report.tally = report.tally.plus(Tally::one(ok));
        }
    }
    Ok(report)
}

/// Returns the number of targets that run at once: each keeps one core busy.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn smoke_together<'t>(
    workspace: &Workspace,
    log: &mut Log,
    targets: &'t [String],
) -> Result<Vec<(&'t String, bool)>> {
    let results: Vec<Result<(bool, String)>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            targets.iter().map(|target| scope.spawn(|| smoke(workspace, target))).collect();
        let ended = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked")));
        ended.map(Result::flatten).collect()
    });
    let mut outcomes = Vec::new();
    for (target, result) in targets.iter().zip(results) {
        let (ok, tail) = result?;
        log.line(&format!("-- {target}: {}", if ok { "passed" } else { "FAILED" }))?;
        if !ok {
            log.line(&tail)?;
        }
        outcomes.push((target, ok));
    }
    Ok(outcomes)
}

/// Runs one target with a log of its own, since targets run side by side.
fn smoke(workspace: &Workspace, target: &str) -> Result<(bool, String)> {
    let mut log = Log::create(workspace.target.join("xtask").join(format!("fuzz-{target}.log")))?;
    let folder = workspace.root.join("fuzz");
    let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
    let artifacts = folder.join("artifacts").join(target);
    for made in [&corpus, &artifacts] {
        std::fs::create_dir_all(made).context("cannot make a folder of a fuzz target")?;
    }
    let mut command = workspace.command(workspace.target.join("debug").join(target));
    // libFuzzer writes new inputs to the first folder, and only reads the checked-in seeds.
    command
        .arg(corpus)
        .args(seeds.is_dir().then_some(seeds))
        .arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args([
        &format!("-max_total_time={SECONDS}"),
        &format!("-timeout={HANGS}"),
        "-rss_limit_mb=2048",
    ]);
    command.env("RUST_BACKTRACE", "0");
    let finished = log.run(&mut command)?;
    Ok((finished.ok, essence(&finished.text)))
}

/// Returns the names of all target files except [`NOT_HERE`].
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).context("`fuzz/fuzz_targets` is missing")?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.retain(|name| name != NOT_HERE);
    names.sort();
    anyhow::ensure!(!names.is_empty(), "there is no fuzz target");
    Ok(names)
}

/// Returns the useful lines of a failure's output: the panic and the input, without the stack
/// frames between.
fn essence(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let panic = lines.iter().skip_while(|line| !line.contains("panicked at")).take(4);
    let input = lines.iter().skip_while(|line| !line.contains("Test unit written to")).take(2);
    let end = lines.iter().skip(lines.len().saturating_sub(5));
    panic.chain(input).chain(end).copied().collect::<Vec<_>>().join("\n")
}
