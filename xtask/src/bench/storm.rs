//! The effect of 1,000 tokens new to the proxy on the requests with known tokens.

use std::path::Path;

use anyhow::{Context, Result};

use super::measure;
use super::scenarios::{SCENARIOS, Scenario, rotating};
use super::servers::{Core, Servers, pinned};
use crate::log::Log;
use crate::workspace::Workspace;

const SECONDS: u32 = 3;

/// The 99th percentile, in microseconds, of 32 connections with one known token, beside 64
/// connections that send 1,000 other tokens in turn.
#[derive(Debug)]
pub(crate) struct Storm {
    /// The percentile beside 1,000 known tokens.
    pub(crate) known_p99_us: f64,
    /// The percentile beside 1,000 tokens that are new when the load begins.
    pub(crate) new_p99_us: f64,
}

impl Storm {
    pub(crate) fn measure(
        workspace: &Workspace,
        log: &mut Log,
        servers: &Servers,
    ) -> Result<Storm> {
        let scenario =
            SCENARIOS.iter().find(|scenario| scenario.connections == 32).context("no scenario")?;
        // Both runs have the same load, so the difference comes from the new tokens.
        let known_p99_us = beside(workspace, log, servers, scenario, &servers.tokens.many)?;
        let new_p99_us = beside(workspace, log, servers, scenario, &servers.new_tokens()?)?;
        Ok(Storm { known_p99_us, new_p99_us })
    }
}

fn beside(
    workspace: &Workspace,
    log: &mut Log,
    servers: &Servers,
    scenario: &Scenario,
    tokens: &[String],
) -> Result<f64> {
    let server = servers.named("magicproxy")?;
    let script = servers.folder.join("storm.lua");
    std::fs::write(&script, rotating(tokens, scenario.path()))
        .context("cannot write a script for wrk")?;
    let mut wrk = pinned(workspace, Core::Load, Path::new("wrk"));
    wrk.args([
        "--threads=1",
        "--connections=64",
        &format!("--duration={SECONDS}s"),
        measure::NEVER_LATE,
        "--script",
    ])
    .arg(script);
    wrk.arg(format!("http://127.0.0.1:{}{}", server.port, scenario.path()));
    let mut storm =
        wrk.stdout(log.handle()?).stderr(log.handle()?).spawn().context("cannot start wrk")?;
    let slice = measure::slice(workspace, log, servers, server, scenario, SECONDS)?;
    storm.wait().context("cannot wait for wrk")?;
    Ok(slice.p99_us)
}
