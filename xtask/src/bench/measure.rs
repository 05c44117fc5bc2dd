//! A slice: a few seconds of `wrk`, `h2load` or `curl` against one server, and the costs of the
//! server meanwhile.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::scenarios::{Scenario, Tool};
use super::servers::{Core, Server, Servers, pinned};
use crate::log::Log;
use crate::process::TICKS_PER_SECOND;
use crate::workspace::Workspace;

/// The time limit for a response. By default, wrk counts a response after two seconds as an error,
/// and a busy machine may be that slow.
pub(super) const NEVER_LATE: &str = "--timeout=1200s";

#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) server: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) cpu_us: f64,
    pub(crate) pss_mib: f64,
    /// The share of all cores used by processes other than ours.
    pub(crate) foreign: f64,
}

pub(crate) fn slice(
    workspace: &Workspace,
    log: &mut Log,
    servers: &Servers,
    server: &Server,
    scenario: &Scenario,
    seconds: u32,
) -> Result<Slice> {
    let mut load = load(workspace, servers, scenario, seconds)?;
    load.arg(scenario.url(server));
    let before = Clocks::read(servers, server)?;
    let started = Instant::now();
    let finished = log.run(&mut load)?;
    let elapsed = started.elapsed().as_secs_f64();
    let after = Clocks::read(servers, server)?;

    let said = finished.text;
    let said = match scenario.tool() {
        Tool::Wrk => Said::of_wrk(&said),
        Tool::H2load => Said::of_h2load(&said),
        Tool::Curl => {
            Ok(Said { requests: 1.0, p50_us: elapsed * 1e6, p99_us: f64::NAN, p999_us: f64::NAN })
        }
    };
    let said = said.with_context(|| format!("{} under load", server.name))?;
    anyhow::ensure!(finished.ok, "{} under load: the load generator failed", server.name);
    Ok(Slice {
        server: server.name,
        scenario: scenario.name,
        per_second: said.requests
            / if scenario.tool() == Tool::Curl { elapsed } else { f64::from(seconds) },
        p50_us: said.p50_us,
        p99_us: said.p99_us,
        p999_us: said.p999_us,
        cpu_us: (after.server - before.server) * 1e6 / said.requests,
        pss_mib: pss_mib(server)?,
        foreign: after.foreign_since(&before, elapsed),
    })
}

/// Returns the load generator's command, without the address.
fn load(
    workspace: &Workspace,
    servers: &Servers,
    scenario: &Scenario,
    seconds: u32,
) -> Result<Command> {
    let program = |name: &str| pinned(workspace, Core::Load, Path::new(name));
    let header = scenario
        .token(&servers.tokens)
        .map(|token| ["--header".to_owned(), format!("Authorization: Bearer {token}")]);
    let connections = scenario.connections;
    let mut command = match scenario.tool() {
        Tool::Wrk => {
            let mut wrk = program("wrk");
            wrk.args([
                "--threads=1",
                "--latency",
                &format!("--connections={connections}"),
                &format!("--duration={seconds}s"),
            ]);
            wrk.arg(NEVER_LATE);
            wrk.arg("--script").arg(scenario.script(servers)?);
            wrk
        }
        Tool::H2load => {
            let mut h2load = program("h2load");
            h2load.args(["--threads=1", "--max-concurrent-streams=4", "--warm-up-time=0"]);
            h2load.args([format!("--clients={connections}"), format!("--duration={seconds}")]);
            h2load
        }
        Tool::Curl => {
            let mut curl = program("curl");
            curl.args(["--silent", "--show-error", "--fail", "--output", "/dev/null"]);
            curl
        }
    };
    command.args(header.into_iter().flatten());
    Ok(command)
}

/// The figures of a load generator. A time that the generator does not print is NaN.
struct Said {
    requests: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
}

impl Said {
    fn of_wrk(text: &str) -> Result<Said> {
        let fault =
            text.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors"));
        anyhow::ensure!(fault.is_none(), "{}", fault.unwrap_or_default());
        Ok(Said {
            requests: number_before(text, "requests in")?,
            p50_us: percentile(text, "50%")?,
            p99_us: percentile(text, "99%")?,
            p999_us: percentile(text, "99.9%")?,
        })
    }

    /// Reads h2load's output, which has no percentiles: only a mean, a least and a greatest time.
    fn of_h2load(text: &str) -> Result<Said> {
        let (done, fine) = (number_before(text, "done,")?, number_before(text, "2xx,")?);
        // At the end, some requests have a status and are not done.
        anyhow::ensure!(
            done > 0.0 && fine >= done,
            "{fine} of {done} requests were answered with 2xx"
        );
        Ok(Said { requests: done, p50_us: f64::NAN, p99_us: f64::NAN, p999_us: f64::NAN })
    }
}

/// CPU seconds so far: of the server under test, of all our processes, and of the machine.
struct Clocks {
    server: f64,
    ours: f64,
    machine: f64,
}

impl Clocks {
    fn read(servers: &Servers, server: &Server) -> Result<Clocks> {
        let all: f64 = servers.all().iter().map(|each| run_time(&each.processes())).sum();
        Ok(Clocks {
            server: run_time(&server.processes()),
            ours: all + waited_for()?,
            machine: machine()?,
        })
    }

    fn foreign_since(&self, before: &Clocks, elapsed: f64) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let foreign = (self.machine - before.machine) - (self.ours - before.ours);
        (foreign / (elapsed * cores)).max(0.0)
    }
}

/// Returns the CPU seconds of the processes.
fn run_time(processes: &[u32]) -> f64 {
    processes.iter().map(|id| process_run_time(*id)).sum()
}

/// Returns the CPU seconds of a process, from the scheduler's nanosecond count of each thread. If
/// threads have ended, as in a server with a thread per request, the process's coarser count is
/// larger and is taken instead.
fn process_run_time(id: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let texts =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    let threads =
        texts.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e9;
    let whole = ticks(&format!("/proc/{id}/stat"), 11).unwrap_or(0.0);
    if whole > threads + 3.0 / TICKS_PER_SECOND { whole } else { threads }
}

/// Returns the sum of two neighbouring fields of a `stat` file, in seconds. Fields are counted from
/// behind the program's name, which may hold blanks.
fn ticks(file: &str, skipped: usize) -> Result<f64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let rest = text.rsplit_once(')').map(|(_, rest)| rest).context("an odd `stat`")?;
    let ticks: f64 = rest
        .split_whitespace()
        .skip(skipped)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// Returns the CPU seconds of children that have ended and were waited for: the load generator.
fn waited_for() -> Result<f64> {
    ticks("/proc/self/stat", 13)
}

fn machine() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let fields = text.lines().next().context("odd /proc/stat")?.split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // The fields are user nice system idle iowait irq softirq steal; idle and iowait are not
    // counted.
    let busy: f64 = ticks
        .iter()
        .take(8)
        .enumerate()
        .filter(|(index, _)| !matches!(index, 3 | 4))
        .map(|(_, tick)| tick)
        .sum();
    Ok(busy / TICKS_PER_SECOND)
}

/// Returns the memory of a server's processes in MiB; each shared page is divided among the
/// processes that share the page.
pub(super) fn pss_mib(server: &Server) -> Result<f64> {
    let mut kib = 0.0;
    for id in server.processes() {
        let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup"))
            .context("cannot read smaps_rollup")?;
        kib += number_after(&text, "Pss:")?;
    }
    Ok(kib / 1024.0)
}

fn number_after(text: &str, label: &str) -> Result<f64> {
    let word = text.split_once(label).and_then(|(_, rest)| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("no number after `{label}`"))
}

fn number_before(text: &str, label: &str) -> Result<f64> {
    let word = text.split_once(label).and_then(|(rest, _)| rest.split_whitespace().next_back());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("no number before `{label}`"))
}

/// Reads a line such as `     99%    1.25ms`, and returns the time in microseconds.
fn percentile(text: &str, name: &str) -> Result<f64> {
    let value = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(name))
        .with_context(|| format!("no {name}"))?
        .trim();
    let unit_at = value
        .find(|character: char| character.is_alphabetic())
        .context("a latency without a unit")?;
    let (number, unit) = value.split_at(unit_at);
    let number: f64 = number.parse().with_context(|| format!("`{value}` is no latency"))?;
    match unit {
        "us" => Ok(number),
        "ms" => Ok(number * 1e3),
        "s" => Ok(number * 1e6),
        _ => anyhow::bail!("`{value}` has a unit that wrk never used before"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, number_after, number_before, percentile};

    const SAID: &str = "  Latency Distribution\n     50%  525.00us\n     99%    2.50ms\n  \
                        171621 requests in 3.00s, 190.00MB read\nRequests/sec:  57207.10\n";

    #[test]
    fn the_words_of_h2load_are_understood() {
        let text = "requests: 500 total, 500 started, 500 done, 500 succeeded, 0 failed, 0 errored, 0 timeout\n\
                    status codes: 500 2xx, 0 3xx, 0 4xx, 0 5xx\n";
        assert_eq!(Said::of_h2load(text).unwrap().requests, 500.0);
        assert!(Said::of_h2load(&text.replace("500 2xx", "499 2xx")).is_err());
    }

    #[test]
    fn the_words_of_wrk_are_understood() {
        assert_eq!(percentile(SAID, "50%").unwrap(), 525.0);
        assert_eq!(percentile(SAID, "99%").unwrap(), 2500.0);
        assert_eq!(number_before(SAID, "requests in").unwrap(), 171_621.0);
        assert_eq!(number_after(SAID, "Requests/sec:").unwrap(), 57_207.1);
    }
}
