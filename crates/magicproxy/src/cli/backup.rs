//! `backup`: a copy of the state and the revocations of a running proxy.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use http::{Method, StatusCode};
use magicproxy_state::StoreCopy;

use super::SettingsArgs;
use super::reload::admin_socket;
use crate::client::admin_listener::{AdminListener, AdminRequest};
use crate::ground::failure::Failure;
use crate::ground::output::remark;
use crate::runtime::backup::BackupNote;
use crate::runtime::{settings, wire};
use magicproxy_config::config::Layers;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::{harmless, reason};

/// The longest silence of a proxy that copies its store: longer than a slow disk takes for a large
/// one.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// The most bytes of a refusal.
const MAX_REFUSAL_BYTES: u64 = 64 * 1024;
/// The remedy of whoever knows the proxy, and not its file.
const WITHOUT_FILE: &str = "`--admin unix:PATH` names the admin socket without a configuration";

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Admin socket of the proxy, instead of the configuration's: `unix:PATH`
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config", value_parser = admin_socket)]
    admin: Option<ListenAddress>,
    /// The file to make, for its owner only; a file that exists is not overwritten
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Asks the running proxy for a backup, checks it, and gives it its name.
pub(crate) fn run(args: BackupArgs, environment: &Environment) -> Result<(), Failure> {
    let listener = match args.admin {
        Some(address) => AdminListener::at(address),
        None => configured(args.settings, environment)?,
    };
    let named = || format!("`{}`", args.to.display());
    if args.to.exists() {
        return Err(Failure::usage(format!("{} exists and is not overwritten", named())));
    }
    let part = args.to.with_added_extension("part");
    let mut file = create(&part).with_context(|| format!("`{}`", part.display()))?;
    let made = wire::runtime()?
        .block_on(received(&listener, &mut file))
        .and_then(|()| checked(&part))
        .and_then(|told| std::fs::hard_link(&part, &args.to).map(|()| told).with_context(named));
    // Either a second name for the backup, or of no use.
    drop(std::fs::remove_file(&part));
    remark(&format!("backup {}: {}", named(), made?));
    Ok(())
}

/// Finds the socket that the configuration names. Faults of other settings are none of the running
/// proxy's.
fn configured(settings: SettingsArgs, environment: &Environment) -> Result<AdminListener, Failure> {
    let layers = Layers::gather(settings.into_flags(), environment);
    settings::say_what_is_used(&layers);
    let listener = AdminListener::socket_of(&layers);
    match (listener, settings::check(layers)) {
        (Some(listener), checked) => {
            checked.err().iter().for_each(settings::warn_of);
            Ok(listener)
        }
        (None, Err(faults)) => Err(settings::with_way_out(faults, WITHOUT_FILE).into()),
        (None, Ok(_)) => Err(Failure::usage(
            "a running proxy is asked on its admin socket, and this configuration names none: `admin.listen = \"unix:PATH\"`, or `--admin unix:PATH`",
        )),
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Receives the backup whole.
async fn received(listener: &AdminListener, file: &mut File) -> anyhow::Result<()> {
    let address = listener.address().to_string();
    let socket = address.trim_start_matches("unix:");
    let request =
        AdminRequest { method: Method::POST, path: "/backup", accept: None, patience: PATIENCE };
    let response = listener.ask(request).await.map_err(|error| {
        anyhow!("the admin socket `{socket}`: {}: does the proxy run?", reason(&error))
    })?;
    if response.status != StatusCode::OK {
        let refusal = response.text(MAX_REFUSAL_BYTES).await?;
        let line = refusal.body.lines().next().unwrap_or_default();
        bail!("the proxy answered {}: {}", refusal.status.as_u16(), harmless(line));
    }
    response.copy_to(file).await.context("the backup")
}

/// Checks that the file would be restored.
fn checked(path: &Path) -> anyhow::Result<String> {
    let copy = StoreCopy::open(path).map_err(|error| anyhow::anyhow!("{error}"))?;
    let revocations = BackupNote::parse(copy.note())?.revocations()?;
    Ok(format!("{} rows, {} revocations", copy.rows(), revocations.len()))
}
