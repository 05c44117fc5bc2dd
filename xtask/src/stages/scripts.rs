//! The stages written in other languages: the Python program, real clients, attacks on availability.
//! Each is a runner that takes `--binary` and ends with `N passed, N failed`.

use std::path::Path;

use anyhow::Result;

use crate::log::Log;
use crate::run::Report;
use crate::tally::of_script;
use crate::workspace::Workspace;
use crate::{debian, node, python};

/// Debian packages that the client tests need, with the program that each brings: name servers, a certificate authority,
/// and clients that come from nowhere else.
const SERVERS: [(&str, Option<&str>); 5] = [
    ("pdns-server", Some("pdns_server")),
    ("pdns-backend-sqlite3", None),
    ("pebble", Some("pebble")),
    ("lego", Some("lego")),
    ("git-lfs", Some("git-lfs")),
];

/// Fetches what later stages need, so that they need not wait for it. What cannot be had now, they ask for again.
pub(super) fn prepare(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let manifest = workspace.root.join("tests/clients/package.json");
    let mut attempts = vec![debian::ensure_all(workspace, log, &SERVERS), debian::ensure(workspace, log, "valgrind", "valgrind")];
    attempts.extend([python::SCRIPTS, python::DNS_CLIENTS].map(|packages| python::ensure(workspace, log, packages).map(drop)));
    attempts.push(python::valkey(workspace, log).map(drop));
    attempts.push(node::ensure(workspace, log, &manifest).map(drop));
    let faults = attempts.into_iter().filter_map(Result::err);
    Ok(Report { notes: faults.map(|fault| format!("{fault:#}")).collect(), ..Report::default() })
}

pub(super) fn interop(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    run(workspace, log, "tests/interop/run.py", &[])
}

pub(super) fn clients(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    debian::ensure_all(workspace, log, &SERVERS)?;
    let dns = python::ensure(workspace, log, python::DNS_CLIENTS)?;
    let valkey = python::valkey(workspace, log)?;
    run(workspace, log, "tests/clients/run.py", &[("MAGICPROXY_PY_DNS", &dns), ("MAGICPROXY_TEST_VALKEY", &valkey)])
}

pub(super) fn availability(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    run(workspace, log, "tests/availability/run.py", &[])
}

fn run(workspace: &Workspace, log: &mut Log, script: &str, variables: &[(&str, &Path)]) -> Result<Report> {
    let path = workspace.root.join(script);
    if !path.is_file() {
        anyhow::ensure!(!workspace.ci, "`{script}` is missing");
        return Ok(Report::skipped(format!("`{script}` is not there")));
    }
    anyhow::ensure!(workspace.binary().is_file(), "no release binary: run the stage `release` first");
    let mut command = python::script(workspace, log, &path)?;
    with_node(workspace, log, &path, &mut command)?;
    command.envs(variables.iter().copied()).arg("--binary").arg(workspace.binary());
    Ok(Report::of(of_script(&log.run(&mut command)?)))
}

/// Scripts with a `package.json` beside them find their packages through `NODE_PATH` and `MAGICPROXY_NODE`.
fn with_node(workspace: &Workspace, log: &mut Log, script: &Path, command: &mut std::process::Command) -> Result<()> {
    let manifest = script.with_file_name("package.json");
    if manifest.is_file() {
        let home = node::ensure(workspace, log, &manifest)?;
        command.env("NODE_PATH", home.join("node_modules")).env("MAGICPROXY_NODE", home);
    }
    Ok(())
}
