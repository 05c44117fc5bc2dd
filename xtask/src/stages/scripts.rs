//! The stages in other languages: the Python program, real clients, Prometheus, and attacks on
//! availability.
//! Each is a runner that takes `--binary` and ends with `N passed, N failed`.

use std::path::Path;

use anyhow::Result;

use crate::log::Log;
use crate::stage::Report;
use crate::tally::of_script;
use crate::workspace::Workspace;
use crate::{debian, node, python};

use super::parsers;

/// Debian packages for the client tests, each with the program in the package: name servers, a
/// certificate authority, and clients without another source.
const SERVERS: [(&str, Option<&str>); 5] = [
    ("pdns-server", Some("pdns_server")),
    ("pdns-backend-sqlite3", None),
    ("pebble", Some("pebble")),
    ("lego", Some("lego")),
    ("git-lfs", Some("git-lfs")),
];

/// Fetches the needs of later stages, so that those stages do not wait. A stage asks again for
/// anything that could not be fetched.
pub(super) fn prepare(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let mut attempts = vec![
        debian::ensure_all(workspace, log, &SERVERS),
        debian::ensure_all(workspace, log, &parsers::PROGRAMS),
        debian::ensure(workspace, log, "valgrind", "valgrind"),
        debian::ensure(workspace, log, "promtool", "prometheus"),
    ];
    let environments = [python::SCRIPTS, python::DNS_CLIENTS, python::TOKEN];
    attempts
        .extend(environments.map(|packages| python::ensure(workspace, log, packages).map(drop)));
    attempts.push(python::valkey(workspace, log).map(drop));
    attempts.extend(
        [node::CLIENTS, node::TOKEN]
            .map(|packages| node::ensure(workspace, log, packages).map(drop)),
    );
    let faults = attempts.into_iter().filter_map(Result::err);
    Ok(Report { notes: faults.map(|fault| format!("{fault:#}")).collect(), ..Report::default() })
}

pub(super) fn interop(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let python = python::ensure(workspace, log, python::TOKEN)?;
    let node = node::ensure(workspace, log, node::TOKEN)?;
    run(
        workspace,
        log,
        "tests/interop/run.py",
        &[("MAGICPROXY_PY_TOKEN", &python), ("MAGICPROXY_NODE_TOKEN", &node)],
    )
}

pub(super) fn clients(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    debian::ensure_all(workspace, log, &SERVERS)?;
    let dns = python::ensure(workspace, log, python::DNS_CLIENTS)?;
    let valkey = python::valkey(workspace, log)?;
    // Scripts find Node packages through both variables.
    let node = node::ensure(workspace, log, node::CLIENTS)?;
    let modules = node.join("node_modules");
    let variables: [(&str, &Path); 4] = [
        ("MAGICPROXY_PY_DNS", &dns),
        ("MAGICPROXY_TEST_VALKEY", &valkey),
        ("MAGICPROXY_NODE", &node),
        ("NODE_PATH", &modules),
    ];
    run(workspace, log, "tests/clients/run.py", &variables)
}

pub(super) fn metrics(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    debian::ensure(workspace, log, "promtool", "prometheus")?;
    run(workspace, log, "tests/metrics/run.py", &[])
}

pub(super) fn availability(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    run(workspace, log, "tests/availability/run.py", &[])
}

fn run(
    workspace: &Workspace,
    log: &mut Log,
    script: &str,
    variables: &[(&str, &Path)],
) -> Result<Report> {
    let path = workspace.root.join(script);
    if !path.is_file() {
        anyhow::ensure!(!workspace.ci, "`{script}` is missing");
        return Ok(Report::skipped(format!("`{script}` is not there")));
    }
    anyhow::ensure!(
        workspace.binary().is_file(),
        "no release binary: run the stage `release` first"
    );
    let mut command = python::script(workspace, log, &path)?;
    command.envs(variables.iter().copied()).arg("--binary").arg(workspace.binary());
    Ok(Report::of(of_script(&log.run(&mut command)?)))
}
