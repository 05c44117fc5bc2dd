//! `version`: the name and version of the program.

use clap::Args;

use crate::ground::failure::Failure;
use crate::ground::output;
use crate::runtime::admin::version;

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints name and version.
pub(crate) fn run(args: &VersionArgs) -> Result<(), Failure> {
    if args.json {
        output::print_json(&version::to_json())?;
    } else {
        output::print(&version::line())?;
    }
    Ok(())
}
