//! `reload`: has a running proxy read its configuration again.
//!
//! The running proxy is asked on the Unix socket of its admin listener, which the configuration
//! names. Nothing of the configuration is sent: the proxy reads its own.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::SettingsArgs;
use crate::client::socket;
use crate::ground::failure::Failure;
use crate::ground::output::{self, note};
use magicproxy_config::config::Layers;
use magicproxy_config::config::admin::unix_sockets;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    settings: SettingsArgs,
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
    // A configuration with faults names its socket all the same: the proxy tells of the faults.
    let layers = Layers::gather(args.settings.into_flags().and_working_directory(), environment);
    let sockets = unix_sockets(&layers);
    let Some(path) = sockets.first() else {
        return Err(anyhow::anyhow!(
            "no admin listener on a Unix socket: write `[admin] listen = \"unix:PATH\"` and restart the proxy, or say --pid PID"
        )
        .into());
    };
    let report = ask(path)?;
    if args.json {
        output::print_json(&json!({
            "outcome": report.outcome.name(), "lines": report.lines, "faults": report.faults,
        }))?;
    } else {
        report.say()?;
    }
    if report.outcome == Outcome::Refused { Err(Failure::ConfigSaid) } else { Ok(()) }
}

fn ask(path: &std::path::Path) -> Result<Report, Failure> {
    let shown = path.display();
    let response = socket::post(path, "/reload")
        .map_err(|error| anyhow::anyhow!("no proxy can be asked at `{shown}`: {error}"))?;
    match response.status {
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
    /// Says what changed on standard output, and warnings and faults on standard error.
    fn say(&self) -> Result<(), Failure> {
        let (notes, changes): (Vec<_>, Vec<_>) = self
            .lines
            .iter()
            .partition(|line| line.starts_with("warning: ") || line.starts_with("needs a restart"));
        notes.iter().for_each(|line| note(line));
        if !self.drawing.is_empty() {
            note(&self.drawing);
        }
        let told = match self.outcome {
            Outcome::Changed => "the new configuration is in force",
            Outcome::Unchanged => "the configuration has not changed",
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
