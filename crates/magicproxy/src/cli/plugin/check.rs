//! `plugin check`: loads a component as the proxy would, and describes it.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::{UnconfiguredPlugin, interests, longest_body, to_json};
use crate::ground::failure::Failure;
use crate::ground::output;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The component
    file: PathBuf,
    /// Configuration to give to the plugin when it asks for one
    #[arg(long, value_name = "TEXT")]
    config: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let plugin = UnconfiguredPlugin::load(&args.file, args.config.as_deref(), None)?;
    let description = plugin.host.describe(&plugin.name).context("the plugin is gone")?;
    if args.json {
        return Ok(output::print_json(&to_json(&description))?);
    }
    let imports = if description.imports.is_empty() {
        "nothing".to_owned()
    } else {
        description.imports.join(", ")
    };
    Ok(output::print(&format!(
        "{}: a plugin for magicproxy:plugin@1.0.0\n  size        {} bytes\n  SHA-256     {}\n  imports     {imports}\n  \
         is shown    {}{}",
        args.file.display(),
        description.bytes,
        description.sha256,
        interests(&description.interests),
        longest_body(&description),
    ))?)
}
