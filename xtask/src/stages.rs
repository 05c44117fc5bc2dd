//! The stages of `check` and `test`, cheap ones first.

mod attack;
mod chains;
mod costs;
mod doc;
mod fuzz;
mod git;
mod house;
mod lint;
mod packages;
mod parsers;
mod scripts;
mod smoke;
mod unit;

use crate::stage::{Stage, beside, long, stage};

const FMT: Stage = stage("fmt", "the formatting is rustfmt's", lint::fmt);
const LAYERS: Stage = stage("layers", "a module uses only those below it", house::layers);
const SHAPE: Stage = stage(
    "shape",
    "short functions and files, narrow makers of proofs, names of the glossary",
    house::shape,
);
const CLIPPY: Stage = stage("clippy", "everything compiles, and no lint fires", lint::clippy);
const DENY: Stage = stage("deny", "no banned crate, licence or source", lint::deny);
const WORKFLOW: Stage =
    stage("workflow", "the workflow and the issue forms fit GitHub's schemas", lint::workflow);
const DOC: Stage = stage("doc", "the documentation builds without a warning", doc::run);

pub(crate) const CHECK: &[Stage] =
    &[FMT, LAYERS, SHAPE, CLIPPY, DENY, DOC, stage("unit", "unit tests and vectors", unit::quick)];

pub(crate) const TEST: &[Stage] = &[
    FMT,
    LAYERS,
    SHAPE,
    CLIPPY,
    Stage { beside: true, ..DENY },
    Stage { beside: true, ..WORKFLOW },
    beside("prepare", "what later stages need from registries", scripts::prepare),
    DOC,
    stage("unit", "every Rust test: unit, vectors, engine, command line, documentation", unit::all),
    stage("parsers", "what conditions allow, as real parsers see it", parsers::usual),
    stage("release", "the binary that later stages run, with plugins", unit::release),
    stage("smoke", "`demo` and a first `serve` keep the README's promise", smoke::run),
    stage("deploy", "the files of `deploy/`, each as its program reads it", packages::deploy),
    stage("costs", "instructions, allocations and system calls of warm requests", costs::run),
    stage("metrics", "Prometheus reads the metrics; its alerts are tested", scripts::metrics),
    stage("fuzz", "each fuzz target for 20 seconds", fuzz::run),
    stage("interop", "tokens, keys and configuration of the Python program", scripts::interop),
    beside("clients", "real clients through the proxy", scripts::clients),
    beside("attack", "the black-box attack runner, with and without a path prefix", attack::run),
    // Runs alone: any other stage beside it would act as a second attacker.
    stage(
        "availability",
        "honest clients beside an attacker, all of them served",
        scripts::availability,
    ),
    long(
        "parsers-million",
        "what conditions allow, as real parsers see it: a million bodies and queries",
        parsers::many,
    ),
    long("chains-million", "narrowing never widens: a million chains of tokens", chains::many),
    long(
        "git-many",
        "lists of commands and proofs of fast-forwards, against git: 100,000 lists, 150 histories",
        git::run,
    ),
    long("packages", "each package, installed into an empty root and used", packages::packages),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::TEST;

    const TEXT: &str = include_str!("../../.github/workflows/test.yml");

    #[test]
    fn the_workflow_runs_each_stage_once() {
        let lines =
            TEXT.lines().filter_map(|line| line.trim().strip_prefix("- run: cargo xtask test "));
        let run: Vec<&str> = lines.flat_map(|stages| stages.split(' ')).collect();
        let named: BTreeSet<&str> = run.iter().copied().collect();
        assert_eq!(named, TEST.iter().map(|stage| stage.name).collect());
        assert_eq!(named.len(), run.len(), "{run:?}");
    }

    /// A tag can be moved to other code; a commit cannot.
    #[test]
    fn the_workflow_pins_each_action_by_its_commit() {
        let used: Vec<&str> = TEXT
            .lines()
            .filter_map(|line| line.split_once("uses: "))
            .map(|(_, action)| action)
            .collect();
        assert!(used.len() >= 5, "{used:?}");
        for action in used {
            let (_, pinned) = action.split_once('@').unwrap();
            let (commit, version) = pinned.split_once(" # v").unwrap_or((pinned, ""));
            let is_commit =
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && !version.is_empty(), "{action}");
        }
    }
}
