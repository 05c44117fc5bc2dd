//! `cargo xtask`: the one recipe that people and CI run. Calls programs and counts results; never
//! part of the product.

mod attack;
mod bench;
mod compile;
mod conditioned;
mod counted;
mod debian;
mod dist;
mod document;
mod failures;
mod house;
mod http;
mod layers;
mod lists;
mod log;
mod mutants;
mod node;
mod packages;
mod plugins;
mod process;
mod python;
mod run;
mod site;
mod source;
mod stage;
mod stages;
mod tally;
mod tools;
mod words;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
cargo xtask check              fast inner loop: fmt, layers, shape, clippy, deny, doc, unit tests and vectors
cargo xtask test [STAGE…]      everything that is not long, or only the named stages
cargo xtask test --all         everything, with the stages that take minutes
cargo xtask test --list        the stages and what they do
cargo xtask bench [--seconds N] [--rounds N] [--only SCENARIO] [--program FILE] [--beside FILE]
                               requests per second and CPU beside nginx and haproxy, in one run;
                               perhaps of some scenarios only, of another build, or beside one
cargo xtask dist [--program FILE]… [--test]
                               the program as it is released, optimised by a profile (half an hour), and its packages;
                               with programs at hand, their packages only; each package installed and used
cargo xtask docs               the documents as a site, with a search
cargo xtask measure house      how the sources are built: circles of modules, lengths, files of a key, makers of proofs
cargo xtask measure words      how the sources read: pro-forms, one-line comments, long lines, names that no glossary has
cargo xtask mutants [PART…] [--sample N]
                               every tenth fault that cargo-mutants puts into the code that decides: is it noticed? (hours)
cargo xtask plugins            build the components of examples/plugins anew";

/// Runs the command named by the arguments. Acts as rustdoc if the variable `document::ASKED` is
/// set.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if std::env::var_os(document::ASKED).is_some() {
        return document::run(arguments);
    }
    match dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the command. True if everything passed.
fn dispatch(arguments: &[String]) -> Result<bool> {
    let workspace = workspace::Workspace::find()?;
    match arguments.split_first() {
        Some((command, rest)) if command == "check" => run::check(&workspace, rest),
        Some((command, rest)) if command == "test" => run::test(&workspace, rest),
        Some((command, rest)) if command == "bench" => bench::run(&workspace, rest),
        Some((command, rest)) if command == "dist" => dist::run(&workspace, rest),
        Some((command, _)) if command == "docs" => site::run(&workspace),
        Some((command, rest)) if command == "measure" => measure(&workspace, rest),
        Some((command, rest)) if command == "mutants" => mutants::run(&workspace, rest),
        Some((command, _)) if command == "plugins" => plugins::build(&workspace),
        Some((command, _)) if command == "help" || command == "--help" || command == "-h" => {
            println!("{HELP}");
            Ok(true)
        }
        Some((command, _)) => anyhow::bail!("no command `{command}`; there are:\n{HELP}"),
        None => anyhow::bail!("a command is missing; there are:\n{HELP}"),
    }
}

fn measure(workspace: &workspace::Workspace, arguments: &[String]) -> Result<bool> {
    match arguments {
        [what] if what == "house" => house::measure(workspace),
        [what] if what == "words" => words::measure(workspace),
        _ => anyhow::bail!("expected `cargo xtask measure house` or `cargo xtask measure words`"),
    }
}
