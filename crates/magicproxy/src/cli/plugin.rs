//! `plugin`: inspects a component, runs it on a request, lists the configured plugins, and imports
//! Python plugins.

mod check;
mod import;
mod list;
mod memory;
mod run;

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use magicproxy_core::plugin::{Interests, PluginName};
use magicproxy_core::state::StateStore;
use magicproxy_plugin::{Description, Host, HostSettings, PluginSettings};
use serde_json::{Value, json};

use crate::ground::failure::Failure;
use magicproxy_config::ground::environment::Environment;

#[derive(Debug, Args)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Load a component and show what it is: interests, imports, size
    Check(check::CheckArgs),
    /// Ask a component about a request, and show verdict, log and state
    Run(run::RunArgs),
    /// List the configured plugins
    List(list::ListArgs),
    /// Say what to do instead of a plugin of the Python program
    Import(import::ImportArgs),
}

/// Runs the command.
pub(crate) fn run(args: PluginArgs, environment: &Environment) -> Result<(), Failure> {
    match args.command {
        PluginCommand::Check(args) => check::run(&args),
        PluginCommand::Run(args) => run::run(&args),
        PluginCommand::List(args) => list::run(args, environment),
        PluginCommand::Import(args) => import::run(&args),
    }
}

/// A component named by no configuration, and a host for it.
struct UnconfiguredPlugin {
    host: Host,
    name: PluginName,
}

impl UnconfiguredPlugin {
    fn load(
        file: &Path,
        config: Option<&str>,
        state: Option<Arc<dyn StateStore>>,
    ) -> anyhow::Result<Self> {
        let name =
            PluginName::parse("plugin").ok_or_else(|| anyhow::anyhow!("a plugin has no name"))?;
        let plugin = PluginSettings {
            config: config.map(Into::into),
            ..PluginSettings::new(name.clone(), file.to_owned())
        };
        let settings = HostSettings { plugins: vec![plugin], cache: None, state };
        match Host::new(settings) {
            Ok(host) => Ok(Self { host, name }),
            Err(errors) => {
                anyhow::bail!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl UnconfiguredPlugin {
    /// Refuses a body that the proxy would not show to the plugin.
    fn ensure_takes(&self, body: &[u8]) -> anyhow::Result<()> {
        let longest = self.host.describe(&self.name).map_or(0, |plugin| plugin.longest_body);
        anyhow::ensure!(
            body.len() <= longest,
            "`body` has {} bytes: the plugin takes at most {longest}, a quarter of the memory that is left to it",
            body.len()
        );
        Ok(())
    }
}

/// Describes the longest body of a request that the component takes, if it is shown any.
fn longest_body(description: &Description) -> String {
    if description.interests.request_body {
        format!("; bodies of at most {} bytes", description.longest_body)
    } else {
        String::new()
    }
}

/// Describes the component's interests in words.
fn interests(interests: &Interests) -> String {
    let mut words = Vec::new();
    if !interests.request_headers.is_empty() {
        words.push(format!("request fields {}", interests.request_headers.join(", ")));
    }
    if interests.request_body {
        words.push("request bodies".to_owned());
    }
    if interests.responses {
        words.push("answers".to_owned());
    }
    if !interests.response_headers.is_empty() {
        words.push(format!("response fields {}", interests.response_headers.join(", ")));
    }
    if interests.response_body {
        words.push("response bodies".to_owned());
    }
    if words.is_empty() { "method, path and query alone".to_owned() } else { words.join(", ") }
}

fn to_json(description: &Description) -> Value {
    let Description { interests, longest_body, imports, sha256, bytes } = description;
    json!({
        "bytes": bytes,
        "sha256": sha256,
        "imports": imports,
        "longest_body_bytes": longest_body,
        "interests": {
            "request_headers": interests.request_headers,
            "request_body": interests.request_body,
            "responses": interests.responses,
            "response_headers": interests.response_headers,
            "response_body": interests.response_body,
        },
    })
}
