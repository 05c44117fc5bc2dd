//! `completions`: a script with which a shell completes our commands and flags.

use clap::Args;
use clap_complete::Shell;

use super::examples;
use crate::ground::failure::Failure;
use crate::ground::output;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the completion script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut examples::command(), "magicproxy", &mut script);
    Ok(output::print(&String::from_utf8_lossy(&script))?)
}
