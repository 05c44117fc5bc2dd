//! The program `magicproxy`: its command line, and the wiring of a running proxy.
//!
//! The binary is [`main`]; nothing else is public, and nothing imports this crate.
//!
//! | module | contents |
//! |---|---|
//! | `cli` | commands, one a file with its `Args` and one function |
//! | `setup` | variables, commands and files that lead a client to the proxy (`env`, `run`) |
//! | `client` | requests of a command to a running proxy |
//! | `runtime` | a running proxy, made of a checked configuration: keys, stores, listeners, logs |
//! | `ground` | exit codes, and output to the terminal |
//!
//! Commands, flags, exit codes and `--json` output are stable (`RELEASING.md`).

#[allow(rustdoc::bare_urls, reason = "the comments of arguments are what `--help` shows")]
mod cli;
mod client;
mod ground;
mod runtime;
mod setup;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use cli::{Cli, Command, examples};
use ground::failure::{self, Failure};
use ground::output;
use magicproxy_config::ground::environment::Environment;
use runtime::logging::{self, EarlyLog};

/// Parses the command line, runs the command and reports its failure: the whole of the binary.
#[must_use]
pub fn main() -> ExitCode {
    let _last_words = output::LastWords;
    let environment = Environment::of_process();
    let early = EarlyLog::of(std::env::args_os(), &environment);
    logging::install_panic_hook(early);
    let arguments =
        examples::command().try_get_matches().unwrap_or_else(|error| misread(&error, early));
    // Parsed by the same definition, so reading the matches cannot fail.
    let cli = Cli::from_arg_matches(&arguments).unwrap_or_else(|error| error.exit());
    if cli.quiet {
        output::hush();
    }
    match run(cli.command, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Ends the program with the message of clap: help, the version, or a fault in the arguments. A
/// fault repeats the arguments, so the user and password of a URL are masked.
fn misread(error: &clap::Error, early: EarlyLog) -> ! {
    let said = error.render().to_string();
    let shown = failure::shown(&said);
    if let Some(line) = early.usage_fault(&shown).filter(|_| error.use_stderr()) {
        output::note(line.trim_end());
        std::process::exit(error.exit_code())
    }
    if shown == said {
        error.exit()
    }
    output::note(shown.trim_end());
    std::process::exit(error.exit_code())
}

fn run(command: Command, environment: &Environment) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => cli::serve::run(args, environment),
        Command::Health(args) => cli::health::run(args, environment),
        Command::Demo(args) => cli::demo::run(&args),
        Command::Mint(args) => cli::mint::run(args, environment),
        Command::Narrow(args) => cli::narrow::run(&args, environment),
        Command::Reseal(args) => cli::reseal::run(args, environment),
        Command::Inspect(args) => cli::inspect::run(args, environment),
        Command::Explain(args) => cli::explain::run(args, environment),
        Command::Revoke(args) => cli::revoke::run(args, environment),
        Command::Env(args) => cli::env::run(args, environment),
        Command::Run(args) => cli::run::run(args, environment),
        Command::Keys(args) => cli::keys::run(args, environment),
        #[cfg(unix)]
        Command::Backup(args) => cli::backup::run(args, environment),
        Command::Restore(args) => cli::restore::run(args, environment),
        Command::Plugin(args) => cli::plugin::run(args, environment),
        Command::Config(args) => cli::config::run(args, environment),
        Command::Reload(args) => cli::reload::run(args, environment),
        Command::Completions(args) => cli::completions::run(&args),
        Command::Man(args) => cli::man::run(&args),
        Command::Version(args) => cli::version::run(&args),
    }
}
