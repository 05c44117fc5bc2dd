//! `reload`: has a running proxy read its configuration again.
//!
//! The running proxy is asked on the Unix socket of its admin listener, which the configuration or
//! `--admin` names. Nothing of the configuration is sent: the proxy reads its own.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::SettingsArgs;
use crate::client::admin_listener::{AdminListener, AdminRequest};
use crate::ground::failure::Failure;
use crate::ground::output::{self, note};
use crate::runtime::reload::NEEDS_RESTART;
use crate::runtime::{settings, wire};
use magicproxy_config::config::Layers;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::{harmless, reason};

/// Longer than the proxy takes for its longest operation.
const PATIENCE: Duration = Duration::from_secs(90);
const MAX_REPORT_BYTES: u64 = 1024 * 1024;
/// The remedy of whoever knows the proxy, and not its file.
const WITHOUT_FILE: &str = "`--config FILE` names the file of the running proxy; `--admin unix:PATH` and `--pid PID` need no file";

#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Admin socket of the proxy, instead of the configuration's: `unix:PATH`
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["config", "pid"], value_parser = admin_socket)]
    admin: Option<ListenAddress>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Send SIGHUP to this process instead; its log tells how the reload ends
    #[arg(long, value_name = "PID", conflicts_with = "json")]
    pid: Option<i32>,
}

/// The proxy's report.
#[derive(Debug, Deserialize)]
struct Report {
    outcome: Outcome,
    lines: Vec<String>,
    faults: Vec<String>,
    #[serde(default)]
    drawing: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Changed,
    Unchanged,
    Refused,
}

/// Asks the proxy, and says what it reports.
pub(crate) fn run(args: ReloadArgs, environment: &Environment) -> Result<(), Failure> {
    if let Some(pid) = args.pid {
        return signal(pid);
    }
    let listener = match args.admin {
        Some(address) => AdminListener::at(address),
        None => configured(args.settings, environment)?,
    };
    let report = ask(&listener)?;
    if args.json {
        output::print_json(&json!({
            "outcome": report.outcome.name(), "lines": report.lines, "faults": report.faults,
        }))?;
    } else {
        report.say()?;
    }
    if report.outcome == Outcome::Refused { Err(Failure::ConfigSaid) } else { Ok(()) }
}

/// Reads `unix:PATH`, the address of an admin listener that carries out operations.
pub(super) fn admin_socket(text: &str) -> Result<ListenAddress, String> {
    let address = ListenAddress::parse(text)?;
    if address.is_unix() {
        return Ok(address);
    }
    Err("expected `unix:PATH`: an address of TCP reads, and changes nothing".to_owned())
}

/// Finds the socket that the configuration names. A configuration with faults names its socket all
/// the same: the proxy tells of the faults.
fn configured(settings: SettingsArgs, environment: &Environment) -> Result<AdminListener, Failure> {
    // A file that lies in the working directory, and was not named, may be anybody's.
    let is_named = settings.config.is_some() || environment.var("MAGICPROXY_CONFIG").is_some();
    let layers = Layers::gather(settings.into_flags().and_working_directory(), environment);
    let faults = layers.faults_of_form().filter(|_| is_named);
    match (AdminListener::socket_of(&layers), faults) {
        (Some(listener), _) => Ok(listener),
        (None, Some(faults)) => Err(settings::with_way_out(faults, WITHOUT_FILE).into()),
        (None, None) => Err(anyhow::anyhow!(
            "no admin listener on a Unix socket: write `[admin] listen = \"unix:PATH\"` and restart the proxy, or say --admin unix:PATH or --pid PID"
        )
        .into()),
    }
}

fn ask(listener: &AdminListener) -> Result<Report, Failure> {
    let address = listener.address().to_string();
    let shown = address.trim_start_matches("unix:");
    let request = AdminRequest {
        method: Method::POST,
        path: "/reload",
        accept: Some("application/json"),
        patience: PATIENCE,
    };
    let response = wire::runtime()?
        .block_on(async { listener.ask(request).await?.text(MAX_REPORT_BYTES).await })
        .map_err(|error| {
            anyhow::anyhow!("no proxy can be asked at `{shown}`: {}", reason(&error))
        })?;
    match response.status.as_u16() {
        200 | 422 => serde_json::from_str(&response.body).map_err(|_| {
            anyhow::anyhow!("`{shown}`: the response is no report of a reload").into()
        }),
        status => {
            let told: serde_json::Value = serde_json::from_str(&response.body).unwrap_or_default();
            let detail = told.get("detail").and_then(|detail| detail.as_str());
            let detail = detail.unwrap_or("no reason was given");
            Err(anyhow::anyhow!(
                "the proxy at `{shown}` did not reload ({status}): {}",
                harmless(detail)
            )
            .into())
        }
    }
}

impl Report {
    /// Returns the keys of the settings whose change waits for a restart.
    fn waiting(&self) -> String {
        let keys = self.lines.iter().filter_map(|line| line.strip_prefix(NEEDS_RESTART));
        keys.collect::<Vec<_>>().join(", ")
    }

    /// Says what changed on standard output, and warnings and faults on standard error.
    fn say(&self) -> Result<(), Failure> {
        let (notes, changes): (Vec<_>, Vec<_>) = self
            .lines
            .iter()
            .partition(|line| line.starts_with("warning: ") || line.starts_with(NEEDS_RESTART));
        notes.iter().for_each(|line| note(line));
        if !self.drawing.is_empty() {
            note(&self.drawing);
        }
        let waiting = self.waiting();
        let told = match self.outcome {
            Outcome::Changed => "the new configuration is in force",
            Outcome::Unchanged if waiting.is_empty() => "the configuration has not changed",
            Outcome::Unchanged => &format!("what has changed waits for a restart: {waiting}"),
            Outcome::Refused => "the old configuration stays in force",
        };
        let lines = changes.into_iter().map(String::as_str).chain([told]);
        Ok(output::print(&lines.collect::<Vec<_>>().join("\n"))?)
    }
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// Sends SIGHUP.
#[cfg(unix)]
fn signal(pid: i32) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};
    let process = (pid > 0).then(|| Pid::from_raw(pid)).flatten();
    let process = process
        .ok_or_else(|| Failure::usage(format!("--pid `{pid}`: expected a number above 0")))?;
    kill_process(process, Signal::HUP)
        .map_err(|error| anyhow::anyhow!("the process {pid}: {}", std::io::Error::from(error)))?;
    note(&format!("SIGHUP was sent to process {pid}: its log tells how the reload ends"));
    Ok(())
}

#[cfg(not(unix))]
fn signal(_: i32) -> Result<(), Failure> {
    Err(Failure::usage("--pid: there are no signals on this system"))
}
