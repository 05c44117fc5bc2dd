//! `plugin run`: asks a component about one request, and tells it of one response, without a proxy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use magicproxy_core::UnixTime;
use magicproxy_core::json::UniqueValue;
use magicproxy_core::json::form::Presence::{Needed, Nullable, Optional};
use magicproxy_core::json::form::{Form, Kind, Member};
use magicproxy_core::plugin::{PluginBody, PluginRequest, PluginResponse, PluginScope, Verdict};
use magicproxy_core::state::{Partition, RowLimits};
use magicproxy_plugin::Report;
use magicproxy_proxy::clock;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::UnconfiguredPlugin;
use super::memory::Memory;
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::runtime::wire;
use magicproxy_config::ground::text::{harmless, reason};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The component
    file: PathBuf,
    /// A JSON file: `method`, `path`, and perhaps `query`, `headers`, `body`, `upstream`, `sender`,
    /// `labels`
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// A JSON file: `status`, and perhaps `headers` and `body`; the plugin is told of the response,
    /// whatever its verdict on the request
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
    /// A JSON file of names and values: what the plugin remembers, before and after
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Configuration to give to the plugin when it asks for one
    #[arg(long, value_name = "TEXT")]
    config: Option<String>,
    /// Time that the plugin sees, in seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile {
    method: String,
    path: String,
    query: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<UniqueValue>,
    upstream: Option<String>,
    sender: Option<IpAddr>,
    #[serde(default)]
    labels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseFile {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<UniqueValue>,
}

static REQUEST: Form = Form {
    expected: "a JSON object with `method` and `path`",
    kind: Kind::Object(&[
        Member::new("method", &METHOD, Needed),
        Member::new("path", &PATH, Needed),
        Member::new("query", &QUERY, Nullable),
        Member::new("headers", &HEADERS, Optional),
        Member::new("body", &BODY, Nullable),
        Member::new("upstream", &UPSTREAM, Nullable),
        Member::new("sender", &SENDER, Nullable),
        Member::new("labels", &LABELS, Optional),
    ]),
};
static RESPONSE: Form = Form {
    expected: "a JSON object with `status`",
    kind: Kind::Object(&[
        Member::new("status", &STATUS, Needed),
        Member::new("headers", &HEADERS, Optional),
        Member::new("body", &BODY, Nullable),
    ]),
};
static STATE: Form = Form { expected: "a JSON object of names and texts", kind: Kind::Map(&TEXT) };
static METHOD: Form = Form { expected: "a method such as `GET`, as a text", kind: Kind::Text };
static PATH: Form = Form { expected: "a path such as `/repos/acme`, as a text", kind: Kind::Text };
static QUERY: Form = Form { expected: "a query without `?`, as a text", kind: Kind::Text };
static HEADERS: Form = Form { expected: "an object of names and texts", kind: Kind::Map(&TEXT) };
static BODY: Form = Form { expected: "a text, or any JSON", kind: Kind::Any };
static UPSTREAM: Form = Form { expected: "the name of an upstream, as a text", kind: Kind::Text };
static SENDER: Form =
    Form { expected: "an address such as `192.0.2.1`, as a text", kind: Kind::Text };
static LABELS: Form = Form { expected: "a list of labels", kind: Kind::List(&TEXT) };
static STATUS: Form = Form { expected: "a status such as 200, as a number", kind: Kind::Number };
static TEXT: Form = Form { expected: "a text", kind: Kind::Text };

/// Prints the plugin's verdict; exit code 3 for a denial, 1 for a failure.
pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let state = Arc::new(Memory::of(
        args.state.as_deref().map(remembered).transpose()?.unwrap_or_default(),
    ));
    let request = read::<RequestFile>(&args.request, &REQUEST)?.into_request();
    let response = args
        .response
        .as_deref()
        .map(|file| read::<ResponseFile>(file, &RESPONSE))
        .transpose()?
        .map(ResponseFile::into_response);
    let plugin = UnconfiguredPlugin::load(&args.file, args.config.as_deref(), Some(state.clone()))?;
    if let Some(body) = &request.body {
        plugin.ensure_takes(body)?;
    }
    let now = args.now.map_or_else(clock::now, UnixTime);
    let scope = PluginScope {
        owner: Partition::of(&[b"plugin run"]),
        ends_at: UnixTime(u64::MAX),
        now,
        rows: RowLimits::UNBOUNDED,
    };
    let (asked, told) = wire::runtime()?.block_on(async {
        let asked = plugin.host.ask(&plugin.name, &request, scope.clone()).await;
        let told = match &response {
            Some(response) => Some(plugin.host.tell(&plugin.name, &request, response, scope).await),
            None => None,
        };
        (asked, told)
    });
    let entries = state.entries();
    if let Some(file) = &args.state {
        let text = serde_json::to_string_pretty(&entries).context("state")?;
        std::fs::write(file, text + "\n")
            .with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    if args.json {
        output::print_json(&to_json(&asked, told.as_ref(), &entries))?;
    } else {
        output::print(&describe(&asked, told.as_ref(), &entries))?;
    }
    let failed = asked.outcome.is_err() || told.is_some_and(|told| told.outcome.is_err());
    match asked.outcome {
        _ if failed => Err(Failure::Error(anyhow::anyhow!("the plugin failed"))),
        Ok(Verdict::Deny(_)) => Err(Failure::Denied),
        _ => Ok(()),
    }
}

fn read<T: DeserializeOwned>(file: &Path, form: &Form) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| anyhow::anyhow!("`{}`: {}", file.display(), reason(&error)))?;
    form.read(text.as_bytes()).map_err(|faults| anyhow::anyhow!("`{}`: {faults}", file.display()))
}

/// Reads the state left by an earlier run; none, before the first run.
fn remembered(file: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    if file.exists() { read(file, &STATE) } else { Ok(BTreeMap::new()) }
}

impl RequestFile {
    fn into_request(self) -> PluginRequest {
        PluginRequest {
            upstream: self.upstream.unwrap_or_else(|| "upstream".to_owned()),
            method: self.method,
            path: self.path,
            query: self.query,
            headers: headers(self.headers),
            body: self.body.map(body),
            sender: self.sender,
            token_id: "plugin-run".to_owned(),
            labels: self.labels,
        }
    }
}

impl ResponseFile {
    fn into_response(self) -> PluginResponse {
        PluginResponse {
            status: self.status,
            headers: headers(self.headers),
            body: self.body.map(body),
        }
    }
}

fn headers(headers: BTreeMap<String, String>) -> Vec<(String, Vec<u8>)> {
    headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into_bytes()))
        .collect()
}

/// Returns the bytes of a body: a string stands for itself, anything else for its JSON.
fn body(UniqueValue(body): UniqueValue) -> PluginBody {
    match body {
        Value::String(text) => text.into_bytes().into(),
        other => other.to_string().into_bytes().into(),
    }
}

fn verdict(report: &Report<Verdict>) -> String {
    match &report.outcome {
        Ok(Verdict::Allow) => "allow".to_owned(),
        Ok(Verdict::Deny(reason)) => format!("deny: {reason}"),
        Ok(Verdict::Abstain) => "abstain".to_owned(),
        Err(failure) => format!("failure: {failure}"),
    }
}

fn recorded(report: &Report<()>) -> String {
    match &report.outcome {
        Ok(()) => "recorded".to_owned(),
        Err(failure) => format!("failure: {failure}"),
    }
}

fn describe(
    asked: &Report<Verdict>,
    told: Option<&Report<()>>,
    entries: &BTreeMap<String, String>,
) -> String {
    let mut text = format!("request   {} (ran {:?})\n", harmless(&verdict(asked)), asked.spent);
    // Writing to a string does not fail.
    let mut line = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    asked.lines.iter().for_each(|written| line(format!("  {}: {}", written.level, written.text)));
    if let Some(told) = told {
        line(format!("response  {} (ran {:?})", harmless(&recorded(told)), told.spent));
        told.lines
            .iter()
            .for_each(|written| line(format!("  {}: {}", written.level, written.text)));
    }
    line(format!("state     {} entries", entries.len()));
    entries
        .iter()
        .for_each(|(name, value)| line(format!("  {} = {}", harmless(name), harmless(value))));
    text
}

fn to_json(
    asked: &Report<Verdict>,
    told: Option<&Report<()>>,
    entries: &BTreeMap<String, String>,
) -> Value {
    let (word, reason) = match &asked.outcome {
        Ok(Verdict::Allow) => ("allow", None),
        Ok(Verdict::Deny(reason)) => ("deny", Some(reason.clone())),
        Ok(Verdict::Abstain) => ("abstain", None),
        Err(failure) => ("failure", Some(failure.to_string())),
    };
    let lines = |lines: &[magicproxy_plugin::Line]| -> Value {
        lines
            .iter()
            .map(|line| json!({ "level": line.level.to_string(), "text": line.text }))
            .collect()
    };
    json!({
        "request": { "verdict": word, "reason": reason, "micros": asked.spent.as_micros(), "log": lines(&asked.lines) },
        "response": told.map(|told| json!({
            "recorded": told.outcome.is_ok(),
            "reason": told.outcome.as_ref().err().map(ToString::to_string),
            "micros": told.spent.as_micros(),
            "log": lines(&told.lines),
        })),
        "state": entries,
    })
}
