//! `health`: asks the admin listener of a running proxy whether the proxy is alive or ready, for
//! health checks that have no other HTTP client.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use http::{Method, StatusCode};

use super::SettingsArgs;
use crate::client::admin_listener::{AdminListener, AdminRequest, AdminText};
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::runtime::{settings, wire};
use magicproxy_config::config::Layers;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

/// The longest silence of the admin listener. Its own answers take less than a second.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most that is read of a response.
const MAX_PAGE_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Configuration file (TOML), which names the admin listener
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the admin listener, instead of the configuration's: `HOST:PORT` or `unix:PATH`
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config", value_parser = ListenAddress::parse)]
    admin: Option<ListenAddress>,
    /// Ask whether requests should be sent to the proxy, instead of whether it is alive
    #[arg(long)]
    ready: bool,
}

/// Prints what the proxy says of itself. Fails unless the proxy says that all is well.
pub(crate) fn run(args: HealthArgs, environment: &Environment) -> Result<(), Failure> {
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let listener = match args.admin {
        Some(address) => AdminListener::at(address),
        None => configured(args.config, environment)?,
    };
    let request = AdminRequest { method: Method::GET, path, accept: None, patience: TIMEOUT };
    let response = wire::runtime()?
        .block_on(async { listener.ask(request).await?.text(MAX_PAGE_BYTES).await });
    let AdminText { status, body } =
        response.with_context(|| format!("admin listener `{}`", listener.address()))?;
    if status != StatusCode::OK {
        let told = harmless(body.lines().next().unwrap_or_default());
        return Err(anyhow::anyhow!("`{path}` is {}: {told}", status.as_u16()).into());
    }
    Ok(output::print(body.trim_end())?)
}

/// Finds the admin listener that the configuration names: a socket, if there is one. Faults of
/// other settings are none of the running proxy's.
fn configured(
    config: Option<PathBuf>,
    environment: &Environment,
) -> Result<AdminListener, Failure> {
    // A file that lies in the working directory, and was not named, may be anybody's.
    let is_named = config.is_some() || environment.var("MAGICPROXY_CONFIG").is_some();
    let flags = SettingsArgs { config, ..SettingsArgs::default() }.into_flags();
    let layers = Layers::gather(flags.and_working_directory(), environment);
    if let Some(listener) = AdminListener::any_of(&layers) {
        return Ok(listener);
    }
    match layers.faults_of_form().filter(|_| is_named) {
        Some(faults) => {
            Err(settings::with_way_out(faults, "--admin ADDRESS asks without a configuration")
                .into())
        }
        None => Err(anyhow::anyhow!(
            "there is no admin listener to ask: set `admin.listen`, or say --admin"
        )
        .into()),
    }
}
