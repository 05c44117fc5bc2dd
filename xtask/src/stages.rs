//! The stages of `check` and `test`, cheap ones first.

mod attack;
mod costs;
mod fuzz;
mod lint;
mod scripts;
mod smoke;
mod unit;

use anyhow::Result;

use crate::log::Log;
use crate::run::Report;
use crate::workspace::Workspace;

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) run: fn(&Workspace, &mut Log) -> Result<Report>,
}

const FMT: Stage = Stage { name: "fmt", summary: "the formatting is rustfmt's", run: lint::fmt };
const CLIPPY: Stage = Stage { name: "clippy", summary: "no lint fires", run: lint::clippy };
const DENY: Stage = Stage { name: "deny", summary: "no banned crate, licence or source", run: lint::deny };
const DOC: Stage = Stage { name: "doc", summary: "the documentation builds without a warning", run: lint::doc };

pub(crate) const CHECK: &[Stage] =
    &[FMT, CLIPPY, DENY, DOC, Stage { name: "unit", summary: "unit tests and vectors", run: unit::quick }];

pub(crate) const TEST: &[Stage] = &[
    FMT,
    DENY,
    CLIPPY,
    DOC,
    Stage { name: "unit", summary: "every Rust test: unit, vectors, engine, command line, documentation", run: unit::all },
    Stage { name: "release", summary: "the binary as a newcomer builds it", run: unit::release },
    Stage { name: "smoke", summary: "`demo` and a first `serve` keep the README's promise", run: smoke::run },
    Stage { name: "costs", summary: "instructions, allocations and system calls of a warm request", run: costs::run },
    Stage { name: "interop", summary: "tokens, keys and configuration of the Python program", run: scripts::interop },
    Stage { name: "clients", summary: "real clients through the proxy", run: scripts::clients },
    Stage { name: "fuzz", summary: "each fuzz target for 20 seconds", run: fuzz::run },
    Stage { name: "attack", summary: "the black-box attack runner, with and without a path prefix", run: attack::run },
];
