//! `config`: is the configuration right, what holds and why, and what may be written at all.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use magicproxy_proxy::settings::{RequestFields, UpstreamSettings};
use serde_json::{Value, json};

use super::SettingsArgs;
use crate::config::fault::Faults;
use crate::config::raw::RawConfig;
use crate::config::setting::{Entry, Origin};
use crate::config::{Config, Environment, Layers};
use crate::failure::Failure;
use crate::output::{self, note, remark};

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Report everything that is wrong, with the place and a suggestion; exit 78 if anything is
    Check(LookArgs),
    /// Print every setting that holds and where it came from
    Show(LookArgs),
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
}

#[derive(Debug, Args)]
struct LookArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs one of the three.
pub(crate) fn run(args: ConfigArgs, environment: &Environment) -> Result<(), Failure> {
    match args.command {
        ConfigCommand::Check(args) => check(args, environment),
        ConfigCommand::Show(args) => show(args, environment),
        ConfigCommand::Schema => Ok(output::print_json(&schemars::schema_for!(RawConfig).to_value())?),
    }
}

fn check(args: LookArgs, environment: &Environment) -> Result<(), Failure> {
    let layers = Layers::gather(args.settings.into_flags().and_working_directory(), environment);
    layers.used().iter().for_each(|line| remark(line));
    let warnings = layers.warnings.clone();
    let files = layers.sources.files();
    let result = layers.check_to_serve().and_then(|config| config.keys.files.load().map(|keys| keys.map(|keys| keys.warnings)));
    let warnings: Vec<String> =
        warnings.into_iter().chain(result.as_ref().ok().cloned().flatten().into_iter().flatten()).collect();
    if args.json {
        let faults = result.as_ref().err().map_or_else(|| json!([]), Faults::to_json);
        output::print_json(&json!({ "ok": result.is_ok(), "files": files, "faults": faults, "warnings": warnings }))?;
    } else {
        warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        if result.is_ok() {
            let files = if files.is_empty() { "no file; flags, environment and defaults".to_owned() } else { files.join(", ") };
            output::print(&format!("the configuration is right ({files})"))?;
        }
    }
    match result {
        Ok(_) => Ok(()),
        Err(_) if args.json => Err(Failure::ConfigSaid),
        Err(faults) => Err(faults.into()),
    }
}

fn show(args: LookArgs, environment: &Environment) -> Result<(), Failure> {
    let layers = Layers::gather(args.settings.into_flags().and_working_directory(), environment);
    layers.used().iter().for_each(|line| remark(line));
    let describe = |origin: &Origin| layers.sources.describe(origin);
    if args.json {
        let entry = |entry: Entry<'_>| json!({ "key": entry.key, "value": entry.value, "source": describe(entry.origin) });
        let mut entries: Vec<Value> = layers.raw.entries().into_iter().map(entry).collect();
        let checked = layers.check();
        let lists = checked.iter().flat_map(passing_headers);
        let entry = |(name, headers)| json!({ "key": format!("request_headers.{name}"), "value": headers, "source": LIST });
        entries.extend(lists.map(entry));
        output::print_json(&Value::Array(entries))?;
        checked?;
    } else {
        let mut text = String::new();
        for entry in layers.raw.entries() {
            let setting = format!("{} = {}", entry.key, entry.value);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:<50} # {}", output::harmless(&setting), describe(entry.origin));
        }
        output::print(&text)?;
        let config = layers.check()?;
        output::print(&passing_headers(&config).iter().map(|(name, headers)| described(name, headers)).collect::<String>())?;
    }
    Ok(())
}

/// What the list of request headers is made of.
const LIST: &str = "the standard list, the preset and `pass_request_headers`, less `drop_request_headers`";

/// Which request headers each upstream gets, by its name: they follow from several settings.
fn passing_headers(config: &Config) -> Vec<(String, Vec<String>)> {
    let list =
        |upstream: &Arc<UpstreamSettings>| (upstream.name.to_string(), RequestFields::of(upstream, &config.upstreams).names());
    config.upstreams.iter().map(list).collect()
}

/// The list as a comment of several lines, so that what is printed can be a configuration file.
fn described(name: &str, headers: &[String]) -> String {
    const WIDTH: usize = 100;
    let mut text = format!("# request headers that pass to `{name}`, and no others:\n");
    let mut line = String::new();
    for (number, header) in headers.iter().enumerate() {
        let item = if number + 1 < headers.len() { format!(" {header},") } else { format!(" {header}") };
        if line.len() + item.len() > WIDTH {
            let _ = writeln!(text, "#  {line}");
            line.clear();
        }
        line.push_str(&item);
    }
    let _ = writeln!(text, "#  {line}");
    text
}
