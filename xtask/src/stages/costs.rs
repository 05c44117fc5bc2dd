//! The stage that counts the costs of a warm request. Counts, unlike times, are the same on a busy
//! machine, so a limit can be enforced.
//!
//! The proxy runs under valgrind, and counting begins after every connection has been used.

use std::path::Path;
use std::process::Child;

use anyhow::{Context, Result};
use serde_json::json;

use crate::counted::{Counts, Load};
use crate::log::Log;
use crate::stage::Report;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{debian, http, process};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 30;

/// The greatest allowed cost of a request, a little above the present cost, so that one more of
/// anything fails.
const LIMITS: [(&str, f64); 4] = [
    ("instructions", 64_600.0),
    ("allocations", 14.6),
    ("system calls", 4.4),
    ("clock readings", 9.7),
];

pub(super) fn run(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(Report::skipped("the limits are those of x86_64"));
    }
    anyhow::ensure!(
        workspace.binary().is_file(),
        "no release binary: run the stage `release` first"
    );
    debian::ensure(workspace, log, "valgrind", "valgrind")?;
    let bench = Bench::start(workspace, log)?;
    let taken = bench.counted(workspace, log)?;
    log.line(&format!("{taken:#?}"))?;
    let of_each = |count: u64| count as f64 / (CONNECTIONS * ROUNDS) as f64;
    let mut report = Report::default();
    for ((name, limit), count) in LIMITS.into_iter().zip(taken.figures()) {
        let each = of_each(count);
        report.tally = report.tally.plus(Tally::one(each <= limit));
        report.notes.push(format!("{each:.1} {name} a request, at most {limit}"));
    }
    // The number of events that one wait brings depends on timing, so waits have no limit.
    report
        .notes
        .push(format!("{:.2} waits for events a request, without a limit", of_each(taken.waits())));
    Ok(report)
}

/// The upstream, running throughout, and the port and token that all proxies of the stage share.
struct Bench {
    upstream: Running,
    port: u16,
    token: String,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error while stopping has no remedy here.
        process::stop(&mut self.0).ok();
    }
}

impl Bench {
    fn start(workspace: &Workspace, log: &mut Log) -> Result<Bench> {
        let port = http::free_port()?;
        let mut command = workspace.command(workspace.target.join("release/bench-upstream"));
        command.arg(format!("127.0.0.1:{port}")).stdout(log.handle()?).stderr(log.handle()?);
        let mut upstream = Running(command.spawn().context("cannot start the upstream")?);
        http::wait_for(port, &mut upstream.0)?;
        let mut bench = Bench { upstream, port, token: String::new() };
        // The keys are made outside of valgrind, because making keys under valgrind takes long.
        let (proxy, proxy_port) = bench.proxy(workspace, log, &[])?;
        let request = json!({ "token": "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "allowed": ["GET /repos/[^/]+/[^/]+/issues"] });
        let response = http::post_json(proxy_port, "/__magictoken", &request.to_string())?;
        anyhow::ensure!(
            response.status == 200,
            "minting answered {}: {}",
            response.status,
            response.body
        );
        response.body.trim().clone_into(&mut bench.token);
        drop(proxy);
        Ok(bench)
    }

    /// Starts a proxy with one worker and without a log. `prefix` is the command in front, such as
    /// valgrind's.
    fn proxy(&self, workspace: &Workspace, log: &Log, prefix: &[String]) -> Result<(Running, u16)> {
        let folder = workspace.target.join("xtask/costs");
        std::fs::create_dir_all(&folder).context("cannot make a folder in target")?;
        let port = http::free_port()?;
        let mut words = prefix.iter().cloned().chain([workspace.binary().display().to_string()]);
        let mut command = workspace.command(words.next().unwrap_or_default());
        command.args(words).args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command
            .args(["--api-root", &format!("http://127.0.0.1:{}", self.port), "--keys"])
            .arg(folder.join("keys"));
        command
            .env("MAGICPROXY_LOG", "error")
            .env("MAGICPROXY_LIMITS_WORKERS", "1")
            .current_dir(&folder);
        command.stdout(log.handle()?).stderr(log.handle()?);
        let mut proxy = Running(command.spawn().context("cannot start the proxy")?);
        http::wait_for(port, &mut proxy.0)?;
        Ok((proxy, port))
    }

    /// Counts the cost of [`ROUNDS`] requests on each connection.
    fn counted(&self, workspace: &Workspace, log: &mut Log) -> Result<Counts> {
        let file = |name: &str| workspace.target.join("xtask/costs").join(name);
        let (profile, trace) = (file("profile"), file("trace"));
        let valgrind = [
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            "--instr-atstart=no".to_owned(),
            format!("--callgrind-out-file={}", profile.display()),
            "--trace-syscalls=yes".to_owned(),
            format!("--log-file={}", trace.display()),
        ];
        let (mut proxy, port) = self.proxy(workspace, log, &valgrind)?;
        let mut load = Load::new(port, &self.token, CONNECTIONS)?;
        load.run(2)?;
        log.must(
            workspace.command("callgrind_control").args(["--instr=on", &proxy.0.id().to_string()]),
        )?;
        let before = read(&trace)?.len();
        load.run(ROUNDS)?;
        let traced = read(&trace)?;
        anyhow::ensure!(process::stop(&mut proxy.0)?, "the proxy did not stop");
        log.line(&format!("counted before the upstream {}", self.upstream.0.id()))?;
        Counts::read(&read(&profile)?, traced.get(before..).unwrap_or_default())
    }
}

fn read(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).context("cannot read what valgrind wrote")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
