//! `plugin list`: the configured plugins, loaded as the proxy would load them.

use clap::Args;
use magicproxy_plugin::{Description, OnFailure, PluginSettings};
use serde_json::{Value, json};

use super::{interests, longest_body, to_json};
use crate::cli::SettingsArgs;
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::runtime::{plugins, settings};
use magicproxy_config::ground::environment::Environment;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: ListArgs, environment: &Environment) -> Result<(), Failure> {
    let config = settings::load(args.settings.into_flags(), environment)?;
    let host = plugins::load(&config.plugins, None)?;
    let described = config
        .plugins
        .plugins
        .iter()
        .filter_map(|plugin| Some((plugin, host.as_ref()?.describe(&plugin.name)?)));
    if args.json {
        let plugins: Value =
            described.map(|(plugin, description)| json(plugin, &description)).collect();
        return Ok(output::print_json(&plugins)?);
    }
    let lines: Vec<String> =
        described.map(|(plugin, description)| line(plugin, &description)).collect();
    let text = if lines.is_empty() {
        "no plugins are configured (`[plugins.NAME]`)".to_owned()
    } else {
        lines.join("\n")
    };
    Ok(output::print(&text)?)
}

fn line(plugin: &PluginSettings, description: &Description) -> String {
    let digest = description.sha256.get(..12).unwrap_or_default();
    format!(
        "{}  {}\n  SHA-256 {digest}…, {} bytes; is shown {}{}; at most {:?}, {} KiB; on failure: {}",
        plugin.name,
        plugin.file.display(),
        description.bytes,
        interests(&description.interests),
        longest_body(description),
        plugin.limits.time,
        plugin.limits.memory / 1024,
        on_failure(plugin),
    )
}

fn json(plugin: &PluginSettings, description: &Description) -> Value {
    json!({
        "name": plugin.name.as_str(),
        "file": plugin.file.display().to_string(),
        "time_limit_ms": plugin.limits.time.as_millis(),
        "memory_limit_bytes": plugin.limits.memory,
        "fuel": plugin.limits.fuel,
        "state_calls": plugin.limits.state_calls,
        "on_failure": on_failure(plugin),
        "component": to_json(description),
    })
}

fn on_failure(plugin: &PluginSettings) -> &'static str {
    match plugin.on_failure {
        OnFailure::Deny => "deny",
        OnFailure::Abstain => "abstain",
    }
}
