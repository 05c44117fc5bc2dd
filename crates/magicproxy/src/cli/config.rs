//! `config`: is the configuration right, what holds and why, and what may be written at all.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::SettingsArgs;
use crate::config::fault::Faults;
use crate::config::raw::RawConfig;
use crate::config::setting::{Entry, Origin};
use crate::config::{Environment, Layers};
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
        ConfigCommand::Schema => {
            let mut schema = schemars::schema_for!(RawConfig).to_value();
            allow_single(&mut schema);
            Ok(output::print_json(&schema)?)
        }
    }
}

/// One value stands for a list of one, wherever there is a list.
fn allow_single(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(allow_single);
            let is_list = members.get("type").is_some_and(|kind| kind == "array");
            if let Some(element) = members.get("items").filter(|_| is_list).cloned() {
                let about = members.remove("description");
                let list = Value::Object(std::mem::take(members));
                members.extend(about.map(|about| ("description".to_owned(), about)));
                members.insert("anyOf".to_owned(), json!([list, element]));
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(allow_single),
        _ => {}
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
        output::print_json(&layers.raw.entries().into_iter().map(entry).collect())?;
    } else {
        let mut text = String::new();
        for entry in layers.raw.entries() {
            let setting = format!("{} = {}", entry.key, entry.value);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:<50} # {}", output::harmless(&setting), describe(entry.origin));
        }
        output::print(&text)?;
    }
    layers.check()?;
    Ok(())
}
