//! `health`: asks the admin listener of a running proxy whether the proxy is alive or ready, for
//! health checks that have no other HTTP client.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use super::SettingsArgs;
use crate::client::socket::{SocketResponse, exchange};
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::runtime::settings;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::scheme::Scheme;
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
    let address = match args.admin {
        Some(address) => address,
        None => configured(args.config, environment)?,
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let response = ask(&address, path).with_context(|| format!("admin listener `{address}`"))?;
    let SocketResponse { status, body } = response;
    if status != 200 {
        let told = harmless(body.lines().next().unwrap_or_default());
        return Err(anyhow::anyhow!("`{path}` is {status}: {told}").into());
    }
    Ok(output::print(body.trim_end())?)
}

/// Returns the address of the configuration's admin listener: a socket, if there is one.
fn configured(
    config: Option<PathBuf>,
    environment: &Environment,
) -> Result<ListenAddress, Failure> {
    let flags = SettingsArgs { config, ..SettingsArgs::default() }.into_flags();
    let addresses = settings::load(flags, environment)?.admin.listen;
    let socket = addresses.iter().find(|address| address.is_unix());
    let address = socket.or(addresses.first()).cloned();
    address.ok_or_else(|| {
        anyhow::anyhow!("there is no admin listener to ask: set `admin.listen`, or say --admin")
            .into()
    })
}

/// Sends one request.
fn ask(address: &ListenAddress, path: &str) -> Result<SocketResponse> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    match address {
        ListenAddress::Tcp(_) => {
            let url = address.url(Scheme::Http, None);
            let stream = TcpStream::connect(url.trim_start_matches("http://"))?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            Ok(exchange(stream, &request, MAX_PAGE_BYTES)?)
        }
        ListenAddress::Unix(path) => over_socket(path, &request),
    }
}

#[cfg(unix)]
fn over_socket(path: &std::path::Path, request: &str) -> Result<SocketResponse> {
    let stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(exchange(stream, request, MAX_PAGE_BYTES)?)
}

#[cfg(not(unix))]
fn over_socket(_: &std::path::Path, _: &str) -> Result<SocketResponse> {
    anyhow::bail!("there are no Unix sockets on this system")
}
