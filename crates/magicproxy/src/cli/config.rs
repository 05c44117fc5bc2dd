//! `config`: checks the configuration, shows the settings with their origins, and prints the
//! schema.

mod connect;

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use magicproxy_proxy::header::RequestFields;
use magicproxy_proxy::settings::UpstreamSettings;
use serde_json::{Value, json};

use self::connect::Connection;
use super::SettingsArgs;
use crate::ground::failure::Failure;
use crate::ground::output::{self, note, remark};
use crate::runtime::keystore::Keys;
use crate::runtime::readiness::{Readiness, addresses};
use crate::runtime::settings;
use magicproxy_config::config::raw::RawConfig;
use magicproxy_config::config::setting::Entry;
use magicproxy_config::config::{Config, Layers, accepted, lint};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::fault::{Faults, Origin};
use magicproxy_config::ground::text::harmless;

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Report everything that is wrong, with the place and a suggestion, and everything that
    /// `serve` would refuse: keys, plugins, files and folders; exit 78 if anything is, 1 if
    /// something is not reached
    Check(CheckArgs),
    /// Print every setting that holds and where it came from
    Show(ShowArgs),
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    show: ShowArgs,
    /// Connect to APIs, state store and ACME server as well: name, TCP, TLS; no request and no
    /// credential is sent
    #[arg(long)]
    connect: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs one of the three commands.
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

/// Lets a single value stand for a list of one in the schema, wherever the list's own schema does
/// not allow it.
fn allow_single(schema: &mut Value) {
    if allows_single(schema) {
        return;
    }
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

/// True for a schema of a list, or of an element of the same list.
fn allows_single(schema: &Value) -> bool {
    let choices = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice);
    matches!(choices, Some([list, element]) if list.get("items") == Some(element))
}

/// The choice whether to connect to the servers.
#[derive(Clone, Copy)]
enum Connect {
    Try,
    Leave,
}

/// The findings about a configuration.
#[derive(Default)]
struct Findings {
    faults: Option<Faults>,
    warnings: Vec<String>,
    notes: Vec<String>,
    /// The tokens accepted and the minters of each upstream; null, if there are faults.
    accepted: Value,
    /// The accepted tokens and the minters, in words.
    words: Vec<String>,
    /// The connections; none, unless the user asked for them.
    connections: Option<Vec<Connection>>,
}

fn check(args: CheckArgs, environment: &Environment) -> Result<(), Failure> {
    let CheckArgs { show, connect } = args;
    let layers = Layers::gather(show.settings.into_flags().and_working_directory(), environment);
    layers.used().iter().for_each(|line| remark(line));
    let files = layers.sources.files();
    let findings = findings(layers, if connect { Connect::Try } else { Connect::Leave })?;
    if show.json {
        output::print_json(&findings.to_json(&files))?;
    } else {
        findings.say(&files)?;
    }
    let unreached = findings.connections.iter().flatten().any(|connection| !connection.is_made());
    match findings.faults {
        Some(_) if show.json => Err(Failure::ConfigSaid),
        Some(faults) => Err(faults.into()),
        None if unreached => {
            Err(anyhow::anyhow!("not everything that the proxy connects to is reached").into())
        }
        None => Ok(()),
    }
}

/// Checks everything that `serve` checks before it begins, and the addresses, without taking them.
fn findings(layers: Layers, connect: Connect) -> Result<Findings, Failure> {
    let (raw, mut warnings) = (layers.raw.clone(), layers.warnings.clone());
    let config = match settings::check_to_serve(layers) {
        Ok(config) => config,
        Err(faults) => {
            return Ok(Findings { faults: Some(faults), warnings, ..Findings::default() });
        }
    };
    let mut readiness = Readiness::of(&config, None);
    addresses(&config, &mut readiness);
    warnings.extend(std::mem::take(&mut readiness.warnings));
    warnings.extend(lint::warnings(
        &raw,
        &config,
        readiness.keys.as_ref().map(Keys::known).as_ref(),
    ));
    let connections = match connect {
        Connect::Try => {
            warnings.extend(connect::inside(&config)?);
            Some(connect::all(&config)?)
        }
        Connect::Leave => None,
    };
    let notes = std::mem::take(&mut readiness.notes);
    let (accepted, words) = (accepted::to_json(&config), accepted::in_words(&config));
    Ok(Findings { faults: readiness.ready().err(), warnings, notes, accepted, words, connections })
}

impl Findings {
    fn to_json(&self, files: &[String]) -> Value {
        let connections = self.connections.as_ref();
        let reached =
            connections.is_none_or(|connections| connections.iter().all(Connection::is_made));
        let mut told = json!({
            "ok": self.faults.is_none() && reached,
            "files": files,
            "faults": self.faults.as_ref().map_or_else(|| json!([]), Faults::to_json),
            "warnings": self.warnings,
            "notes": self.notes,
            "accepts": self.accepted,
        });
        if let (Some(told), Some(connections)) = (told.as_object_mut(), connections) {
            told.insert(
                "connections".to_owned(),
                connections.iter().map(Connection::to_json).collect(),
            );
        }
        told
    }

    fn say(&self, files: &[String]) -> Result<(), Failure> {
        self.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        self.notes.iter().for_each(|line| note(line));
        let connections = self.connections.iter().flatten().map(Connection::describe);
        let mut lines: Vec<String> = connections.collect();
        if self.faults.is_none() {
            lines.extend(self.words.iter().cloned());
            let files = if files.is_empty() {
                "no file; flags, environment and defaults".to_owned()
            } else {
                files.join(", ")
            };
            lines.push(format!("the configuration is right ({files})"));
        }
        if lines.is_empty() { Ok(()) } else { Ok(output::print(&lines.join("\n"))?) }
    }
}

fn show(args: ShowArgs, environment: &Environment) -> Result<(), Failure> {
    let layers = Layers::gather(args.settings.into_flags().and_working_directory(), environment);
    layers.used().iter().for_each(|line| remark(line));
    let describe = |origin: &Origin| layers.sources.describe(origin);
    if args.json {
        let entry = |entry: Entry<'_>| json!({ "key": entry.key, "value": entry.value, "source": describe(entry.origin) });
        let mut entries: Vec<Value> = layers.raw.entries().into_iter().map(entry).collect();
        let checked = settings::check(layers);
        let lists = checked.iter().flat_map(passing_headers);
        let entry = |(name, headers)| json!({ "key": format!("request_headers.{name}"), "value": headers, "source": LIST });
        entries.extend(lists.map(entry));
        output::print_json(&Value::Array(entries))?;
        checked?;
    } else {
        let mut text = String::new();
        for entry in layers.raw.entries() {
            let setting = format!("{} = {}", entry.key, toml(&entry.value));
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:<50} # {}", harmless(&setting), describe(entry.origin));
        }
        output::print(&text)?;
        let config = settings::check(layers)?;
        output::print(
            &passing_headers(&config)
                .iter()
                .map(|(name, headers)| described(name, headers))
                .collect::<String>(),
        )?;
    }
    Ok(())
}

/// Writes the value as TOML in one line, fit for a configuration file.
fn toml(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Array(elements) => format!("[{}]", list(elements.iter().map(toml).collect())),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let given = members.iter().filter(|(_, value)| !value.is_null());
            format!(
                "{{ {} }}",
                list(
                    given
                        .map(|(name, value)| format!("{} = {}", toml_key(name), toml(value)))
                        .collect()
                )
            )
        }
        // The strings of JSON are strings of TOML.
        plain => plain.to_string(),
    }
}

/// Writes a name, in quotes if TOML needs them.
fn toml_key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { name.to_owned() } else { Value::from(name).to_string() }
}

/// The origin of the list of request headers.
const LIST: &str =
    "the standard list, the preset and `pass_request_headers`, less `drop_request_headers`";

/// Returns the request headers passed to each upstream, by its name: they follow from several
/// settings.
fn passing_headers(config: &Config) -> Vec<(String, Vec<String>)> {
    let list = |upstream: &Arc<UpstreamSettings>| {
        (upstream.name.to_string(), RequestFields::of(upstream, &config.upstreams).names())
    };
    config.upstreams.iter().map(list).collect()
}

/// Writes the list as a comment of several lines.
fn described(name: &str, headers: &[String]) -> String {
    const WIDTH: usize = 100;
    let mut text = format!("# request headers that pass to `{name}`, and no others:\n");
    let mut line = String::new();
    for (number, header) in headers.iter().enumerate() {
        let item =
            if number + 1 < headers.len() { format!(" {header},") } else { format!(" {header}") };
        if line.len() + item.len() > WIDTH {
            let _ = writeln!(text, "#  {line}");
            line.clear();
        }
        line.push_str(&item);
    }
    let _ = writeln!(text, "#  {line}");
    text
}
