//! The stages that hold conditions against real parsers: whatever a rule allows, each parser sees
//! as the rule says. `tests/parsers/README.md` has the parsers, and where they come from.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::stage::Report;
use crate::tally::of_libtest;
use crate::workspace::Workspace;
use crate::{compile, debian, node, python};

/// The Debian packages of the parsers, each with the program in the package.
pub(super) const PROGRAMS: [(&str, Option<&str>); 5] = [
    ("php-cli", Some("php")),
    ("ruby", Some("ruby")),
    ("ruby-rack", None),
    ("golang-go", Some("go")),
    ("jq", Some("jq")),
];

/// The numbers of bodies and queries in the ordinary run and in the long run.
const USUAL: u32 = 20_000;
const MANY: u32 = 1_000_000;

pub(super) fn usual(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    run(workspace, log, USUAL, || compile::tests(workspace, &["--test", "parsers"]))
}

pub(super) fn many(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    run(workspace, log, MANY, || Ok(compile::released_tests(workspace, "parsers")))
}

fn run(
    workspace: &Workspace,
    log: &mut Log,
    bodies: u32,
    tests: impl Fn() -> Result<Command>,
) -> Result<Report> {
    debian::ensure_all(workspace, log, &PROGRAMS)?;
    let python = python::program(workspace, log)?;
    let node = node::ensure(workspace, log, node::CLIENTS)?.join("node_modules");
    let go = reader_in_go(workspace, log)?;
    log.must_build(tests()?.arg("--no-run"))?;
    let mut command = tests()?;
    command
        .env("MAGICPROXY_PARSERS_PYTHON", python)
        .env("MAGICPROXY_PARSERS_NODE", node)
        .env("MAGICPROXY_PARSERS_GO", go)
        .env("MAGICPROXY_PARSERS_BODIES", bodies.to_string())
        .args(["--", "--nocapture"]);
    let finished = log.run(&mut command)?;
    let counted = finished.text.lines().find(|line| line.ends_with(" divergences"));
    let notes = vec![counted.context("no body was judged")?.to_owned()];
    Ok(Report { tally: of_libtest(&finished), notes, ..Report::default() })
}

/// Compiles the reader in Go, which needs no package but Go's own.
fn reader_in_go(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let folder = workspace.target.join("parsers");
    let program = folder.join("reader-in-go");
    let mut command = workspace.command("go");
    command
        .args(["build", "-o"])
        .arg(&program)
        .arg("tests/parsers/reader.go")
        .env("GOCACHE", folder.join("go-cache"))
        .env("GO111MODULE", "off")
        .env("GOTOOLCHAIN", "local");
    log.must(&mut command).context("cannot compile the reader in Go")?;
    Ok(program)
}
