//! The stage that counts the costs of warm requests: a plain one, and two that are decided by
//! conditions. Counts, unlike times, are the same on a busy machine, so a limit can be enforced.
//!
//! The proxy runs under valgrind, and counting begins after every connection has been used.

use std::path::Path;
use std::process::Child;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conditioned;
use crate::counted::{Counts, Load};
use crate::log::Log;
use crate::stage::Report;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{debian, http, process};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 30;

/// What is counted of a request, in the order of [`Counts::figures`].
const COUNTED: [&str; 4] = ["instructions", "allocations", "system calls", "clock readings"];

/// A request whose costs have limits: a little above the present costs, so that one more of
/// anything fails.
struct Limited {
    name: &'static str,
    kind: Kind,
    limits: [f64; 4],
}

const PLAIN: Limited =
    Limited { name: "a request", kind: Kind::Plain, limits: [64_600.0, 14.6, 4.4, 9.7] };
const QUERY: Limited = Limited {
    name: "a request with conditions on its query",
    kind: Kind::Query,
    limits: [77_000.0, 24.8, 4.4, 9.7],
};
const BODY: Limited = Limited {
    name: "a request with conditions on 2 KiB of JSON",
    kind: Kind::Body(SHORT),
    limits: [215_000.0, 37.4, 8.0, 17.0],
};

/// The greatest allowed instructions for each further byte of a body of JSON with conditions: to
/// receive, hold, judge and send it.
const INSTRUCTIONS_A_BYTE: f64 = 46.5;

/// The lengths of two bodies. What the longer takes beyond the shorter is the cost of its bytes.
const SHORT: usize = 2 * 1024;
const LONG: usize = 16 * 1024;

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
    let mut report = Report::default();
    for limited in [PLAIN, QUERY] {
        bench.limited(workspace, log, &limited, &mut report)?;
    }
    let short = bench.limited(workspace, log, &BODY, &mut report)?;
    let long = bench.counted(workspace, log, Kind::Body(LONG))?;
    log.line(&format!("{LONG} bytes of JSON: {long:#?}"))?;
    let more = long.instructions().saturating_sub(short.instructions());
    let each = of_each(more) / (LONG - SHORT) as f64;
    hold(&mut report, each, INSTRUCTIONS_A_BYTE, "instructions a byte of JSON");
    Ok(report)
}

fn of_each(count: u64) -> f64 {
    count as f64 / (CONNECTIONS * ROUNDS) as f64
}

fn hold(report: &mut Report, cost: f64, limit: f64, name: &str) {
    report.tally = report.tally.plus(Tally::one(cost <= limit));
    report.notes.push(format!("{cost:.1} {name}, at most {limit}"));
}

/// A kind of request, and of the token that it has.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A `GET` by a rule without conditions.
    Plain,
    /// The same `GET` with a query of two parameters, each with a condition.
    Query,
    /// A `POST` of so many bytes of JSON, with a condition on each member.
    Body(usize),
}

impl Kind {
    /// Returns the token's rule.
    fn rule(self) -> Value {
        match self {
            Kind::Plain => json!("GET /repos/[^/]+/[^/]+/issues"),
            Kind::Query => conditioned::query_rule(),
            Kind::Body(_) => conditioned::json_rule(),
        }
    }

    /// Writes the whole request.
    fn request(self, port: u16, token: &str) -> String {
        let path = "/repos/acme/rocket/issues";
        let (method, path, body) = match self {
            Kind::Plain => ("GET", path, String::new()),
            Kind::Query => ("GET", conditioned::QUERY, String::new()),
            Kind::Body(length) => ("POST", path, conditioned::content(length)),
        };
        let fields = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\
             Authorization: Bearer {token}\r\n{fields}\r\n{body}"
        )
    }
}

/// The upstream, running throughout, and its port.
struct Bench {
    upstream: Running,
    port: u16,
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
        Ok(Bench { upstream, port })
    }

    /// Counts a request's costs, and reports whether they are within their limits.
    fn limited(
        &self,
        workspace: &Workspace,
        log: &mut Log,
        limited: &Limited,
        report: &mut Report,
    ) -> Result<Counts> {
        let taken = self.counted(workspace, log, limited.kind)?;
        log.line(&format!("{}: {taken:#?}", limited.name))?;
        for ((name, limit), count) in COUNTED.iter().zip(limited.limits).zip(taken.figures()) {
            hold(report, of_each(count), limit, &format!("{name} {}", limited.name));
        }
        // The number of events that one wait brings depends on timing, so waits have no limit.
        report.notes.push(format!(
            "{:.2} waits for events {}, without a limit",
            of_each(taken.waits()),
            limited.name
        ));
        Ok(taken)
    }

    /// Mints a token for a kind of request, with keys that all proxies of the stage share.
    fn mint(&self, workspace: &Workspace, log: &Log, kind: Kind) -> Result<String> {
        let (_proxy, port) = self.proxy(workspace, log, &[])?;
        let request = json!({ "token": "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "allowed": [kind.rule()] });
        let response = http::post_json(port, "/__magictoken", &request.to_string())?;
        anyhow::ensure!(
            response.status == 200,
            "minting answered {}: {}",
            response.status,
            response.body
        );
        Ok(response.body.trim().to_owned())
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
    fn counted(&self, workspace: &Workspace, log: &mut Log, kind: Kind) -> Result<Counts> {
        // The first proxy makes the keys, outside of valgrind, where that takes long.
        let token = self.mint(workspace, log, kind)?;
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
        let mut load = Load::new(port, kind.request(port, &token), CONNECTIONS)?;
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
