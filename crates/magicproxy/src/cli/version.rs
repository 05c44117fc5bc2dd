//! `version`: the name and version of the program.

use clap::Args;
use serde_json::json;

use crate::ground::failure::Failure;
use crate::ground::output;

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints name and version.
pub(crate) fn run(args: &VersionArgs) -> Result<(), Failure> {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    if args.json {
        output::print_json(
            &json!({ "name": name, "version": version, "token_versions": [1], "plugins": cfg!(feature = "plugins") }),
        )?;
    } else {
        output::print(&format!("{name} {version}"))?;
    }
    Ok(())
}
