//! `cargo xtask bench`: measures the proxy beside nginx and haproxy on one upstream, interleaved in
//! one run. `bench/README.md` describes the method and the limits.

mod idle;
mod measure;
mod peers;
mod plot;
mod report;
mod scenarios;
mod servers;
mod storm;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::debian;
use crate::log::Log;
use crate::workspace::Workspace;
use idle::Idle;
use measure::Slice;
use scenarios::{SCENARIOS, Scenario};
use servers::{Server, Servers, Starts};
use storm::Storm;

/// The greatest share of foreign load in a slice; a slice with more is repeated, up to [`TRIES`] in
/// all.
const MAX_FOREIGN: f64 = 0.05;
const TRIES: u32 = 3;
const TRAINING_SECONDS: u32 = 1;

/// Figures measured once, besides the scenarios.
#[derive(Debug)]
pub(crate) struct SideFigures {
    pub(crate) starts: Starts,
    pub(crate) idle: Idle,
    pub(crate) storm: Storm,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) seconds: u32,
    pub(crate) rounds: u32,
    /// Beginnings of names: only the matching scenarios run, and no result is written. Empty for
    /// all scenarios.
    only: Vec<String>,
    /// The proxy to measure; without a program, the build of the profile `dist`.
    program: Option<PathBuf>,
    /// Another build of the proxy, measured beside the first.
    beside: Option<PathBuf>,
}

impl Options {
    fn covers(&self, scenario: &Scenario) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| scenario.name.starts_with(start))
    }
}

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<bool> {
    let options = parse(arguments)?;
    let mut log = Log::create(workspace.target.join("xtask/bench.log"))?;
    let packages: &[&str] = if options.program.is_some() {
        &["bench-upstream"]
    } else {
        &["bench-upstream", "magicproxy"]
    };
    prepare(workspace, &mut log, packages)
        .inspect_err(|_| println!("{}", log.tail(60).unwrap_or_default()))?;
    let program = options.program.clone().unwrap_or_else(|| servers::dist(workspace, "magicproxy"));
    let servers = Servers::start(workspace, &mut log, &program, options.beside.as_deref())?;
    let mut slices = Vec::new();
    for round in 1..=options.rounds {
        for scenario in SCENARIOS.iter().filter(|scenario| options.covers(scenario)) {
            let servers_of =
                servers.all().iter().filter(|server| scenario.has(server.name)).collect();
            for server in order(servers_of, round) {
                let slice =
                    quiet_slice(workspace, &mut log, &servers, server, scenario, options.seconds)?;
                println!("round {round}: {}", report::line(&slice));
                slices.push(slice);
            }
        }
    }
    if !options.only.is_empty() {
        report::print(&servers, &slices);
        return Ok(true);
    }
    let starts = servers.starts(workspace, &mut log, &program)?;
    let idle = servers.idle(workspace, &mut log, &program)?;
    let besides =
        SideFigures { starts, idle, storm: Storm::measure(workspace, &mut log, &servers)? };
    report::write(workspace, &options, &servers, &slices, &besides)
}

/// Runs every scenario briefly, once, on this build of the proxy, without the peers.
pub(crate) fn train(workspace: &Workspace, log: &mut Log, program: &Path) -> Result<()> {
    prepare(workspace, log, &["bench-upstream"])?;
    let servers = Servers::start_alone(workspace, log, program)?;
    for scenario in &SCENARIOS {
        for server in servers
            .all()
            .iter()
            .filter(|server| scenario.has(server.name) && server.name != "direct")
        {
            println!("   {}, {}", scenario.name, server.name);
            measure::slice(workspace, log, &servers, server, scenario, TRAINING_SECONDS)?;
        }
    }
    Ok(())
}

/// Measures a slice, and repeats a slice with too much foreign load. Returns the slice with the
/// least foreign load.
fn quiet_slice(
    workspace: &Workspace,
    log: &mut Log,
    servers: &Servers,
    server: &Server,
    scenario: &Scenario,
    seconds: u32,
) -> Result<Slice> {
    let mut best = measure::slice(workspace, log, servers, server, scenario, seconds)?;
    for _ in 1..TRIES {
        if best.foreign <= MAX_FOREIGN {
            break;
        }
        let again = measure::slice(workspace, log, servers, server, scenario, seconds)?;
        best = if again.foreign < best.foreign { again } else { best };
    }
    Ok(best)
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options =
        Options { seconds: 4, rounds: 5, only: Vec::new(), program: None, beside: None };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("`{word}` wants a value"))?;
        let number = || value.parse().with_context(|| format!("`{word} {value}`: not a number"));
        match word.as_str() {
            "--seconds" => options.seconds = number()?,
            "--rounds" => options.rounds = number()?,
            "--only" => options.only.push(value.clone()),
            "--program" => options.program = Some(file(value)?),
            "--beside" => options.beside = Some(file(value)?),
            _ => anyhow::bail!(
                "no option `{word}`; there are --seconds, --rounds, --only, --program and --beside"
            ),
        }
    }
    let known = |start: &String| SCENARIOS.iter().any(|scenario| scenario.name.starts_with(start));
    anyhow::ensure!(options.only.iter().all(known), "no scenario begins so");
    anyhow::ensure!(options.seconds > 0 && options.rounds > 0, "nothing would be measured");
    Ok(options)
}

fn file(path: &str) -> Result<PathBuf> {
    std::fs::canonicalize(path).with_context(|| format!("cannot find `{path}`"))
}

fn prepare(workspace: &Workspace, log: &mut Log, packages: &[&str]) -> Result<()> {
    debian::ensure(workspace, log, "wrk", "wrk")?;
    debian::ensure(workspace, log, "nginx", "nginx")?;
    debian::ensure(workspace, log, "haproxy", "haproxy")?;
    debian::ensure(workspace, log, "openssl", "openssl")?;
    debian::ensure(workspace, log, "h2load", "nghttp2-client")?;
    debian::ensure(workspace, log, "curl", "curl")?;
    println!("building with the profile `dist`");
    let mut command = workspace.cargo();
    command
        .args(["build", "--profile", "dist"])
        .args(packages.iter().flat_map(|package| ["--package", package]));
    if packages.contains(&"magicproxy") {
        command.args(["--features", "magicproxy/plugins"]);
    }
    log.must_build(&mut command).map(drop)
}

/// Rotates the servers: each round begins with another server, so that none always follows the same
/// neighbour.
fn order(mut all: Vec<&Server>, round: u32) -> Vec<&Server> {
    let first = round as usize % all.len().max(1);
    all.rotate_left(first);
    all
}
