//! The stage that runs the black-box attack runner. The runner lies beside the repository, not in
//! it.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};

use crate::attack::{Case, ChangedPromises, Explanations, judge, read_cases};
use crate::log::Log;
use crate::stage::Report;
use crate::tally::{Tally, of_script};
use crate::workspace::Workspace;

/// One run of the attack runner.
struct Round {
    name: &'static str,
    /// The path of the API root.
    prefix: &'static str,
    /// The upstream's way to read paths, as configured. Every value but the default limits the run
    /// to the cases about paths; the default runs all cases.
    path_reading: &'static str,
}

impl Round {
    /// True if the round tries all cases.
    fn is_whole(&self) -> bool {
        self.path_reading == "strict"
    }
}

const ROUNDS: [Round; 5] = [
    Round { name: "root", prefix: "", path_reading: "strict" },
    Round { name: "prefix", prefix: "/api/v3", path_reading: "strict" },
    Round { name: "decode-once", prefix: "", path_reading: "decode-once" },
    Round { name: "servlet", prefix: "", path_reading: "servlet" },
    Round { name: "normalize", prefix: "", path_reading: "normalize" },
];

/// The groups of cases about paths, and the groups of cases that must succeed.
const PATH_GROUPS: &str = "control,path,policy,reqline";

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let Some(runner) = runner(workspace) else {
        return Ok(Report::skipped(
            "the attack runner is not there (set MAGICPROXY_ATTACK to its attack.py)",
        ));
    };
    anyhow::ensure!(
        workspace.binary().is_file(),
        "no release binary: run the stage `release` first"
    );
    let explanations = Explanations::read(&workspace.root.join("tests/attack/warnings.json"))?;
    let changed = ChangedPromises::read(&workspace.root.join("tests/attack/changed.json"))?;
    let keys = fresh_keys(workspace, log)?;
    let mut report = Report::default();
    let mut cases = Vec::new();
    for (round, attacked) in ROUNDS.iter().zip(attack_all(workspace, &runner, &keys)?) {
        let Attacked { said, mut found, text } = attacked;
        log.line(&text)?;
        let verdict = judge(&found, &explanations, &changed);
        // The runner counts a leak or a warning as passed; this stage counts both as failed.
        let worse = verdict.leaks + verdict.unexplained;
        let tally = Tally {
            passed: (said.passed + verdict.changed).saturating_sub(worse),
            failed: said.failed.saturating_sub(verdict.changed) + worse,
        };
        report.tally = report.tally.plus(tally);
        report
            .notes
            .extend(verdict.remarks.iter().map(|remark| format!("{}: {remark}", round.name)));
        cases.append(&mut found);
    }
    let stale = explanations.unused(&cases);
    report.notes.extend(
        stale.iter().map(|key| format!("no warning needs the explanation `{key}` any more")),
    );
    let kept = changed.unused(&cases);
    report
        .notes
        .extend(kept.iter().map(|id| format!("`{id}` in changed.json does not fail as it says")));
    Ok(report)
}

fn runner(workspace: &Workspace) -> Option<PathBuf> {
    let chosen = std::env::var_os("MAGICPROXY_ATTACK").map(PathBuf::from);
    let file = chosen.unwrap_or_else(|| workspace.root.join("../shared/attack/attack.py"));
    file.is_file().then_some(file)
}

fn fresh_keys(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let folder = workspace.target.join("xtask/attack-keys");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot remove the old keys")?;
    }
    let mut command = workspace.command(workspace.binary());
    command.args(["keys", "generate", "--keys"]).arg(&folder);
    log.must(&mut command).context("`magicproxy keys generate` failed")?;
    Ok(folder)
}

struct Attacked {
    said: Tally,
    found: Vec<Case>,
    /// The whole output of the runner.
    text: String,
}

/// Runs all rounds at once: each round mostly waits for time-outs.
fn attack_all(workspace: &Workspace, runner: &Path, keys: &Path) -> Result<Vec<Attacked>> {
    thread::scope(|scope| {
        let rounds: Vec<_> = ROUNDS
            .iter()
            .map(|round| scope.spawn(|| attack(workspace, runner, keys, round)))
            .collect();
        rounds
            .into_iter()
            .map(|round| round.join().map_err(|_| anyhow::anyhow!("a round panicked")).flatten())
            .collect()
    })
}

fn attack(workspace: &Workspace, runner: &Path, keys: &Path, round: &Round) -> Result<Attacked> {
    let file = |extension: &str| {
        workspace.target.join("xtask").join(format!("attack-{}.{extension}", round.name))
    };
    let out = file("jsonl");
    let serve = format!(
        "exec {} serve --listen 127.0.0.1:{{proxy_port}} --api-root {{upstream}} --keys {{keys}}",
        quoted(&workspace.binary())
    );
    let mut command = workspace.command("python3");
    // Unbuffered output shows that the runner does not hang.
    command.env("PYTHONUNBUFFERED", "1").arg(runner).args([
        "--start-cmd",
        &serve,
        "--quiet",
        "--verbose",
    ]);
    command.env("MAGICPROXY_UPSTREAM_PATH_READING", round.path_reading);
    command.args(if round.is_whole() {
        ["--timers", "30"].as_slice()
    } else {
        &["--timers", "0", "--groups", PATH_GROUPS]
    });
    command.arg("--keys").arg(keys).arg("--out").arg(&out);
    if !round.prefix.is_empty() {
        command.args(["--api-prefix", round.prefix]);
    }
    let mut log = Log::create(file("log"))?;
    let finished = log.run(&mut command)?;
    let found = read_cases(&std::fs::read_to_string(&out).unwrap_or_default())?;
    Ok(Attacked { said: of_script(&finished), found, text: log.text()? })
}

/// Quotes the path for a shell. Braces are doubled, because the runner replaces text in braces.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('\'', "'\\''");
    format!("'{}'", text.replace('{', "{{").replace('}', "}}"))
}
