//! `backup`: a copy of the state and the revocations of a running proxy.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use magicproxy_state::StoreCopy;

use super::SettingsArgs;
use crate::client::admin_socket::{self, AdminSocket};
use crate::ground::failure::Failure;
use crate::ground::output::remark;
use crate::runtime::backup::BackupNote;
use crate::runtime::{settings, wire};
use magicproxy_config::ground::environment::Environment;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The file to make, for its owner only; a file that exists is not overwritten
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Asks the running proxy for a backup, checks it, and gives it its name.
pub(crate) fn run(args: BackupArgs, environment: &Environment) -> Result<(), Failure> {
    let config = settings::load(args.settings.into_flags(), environment)?;
    let socket = AdminSocket::of(&config)?;
    let named = || format!("`{}`", args.to.display());
    if args.to.exists() {
        return Err(Failure::usage(format!("{} exists and is not overwritten", named())));
    }
    let part = args.to.with_added_extension("part");
    let mut file = create(&part).with_context(|| format!("`{}`", part.display()))?;
    let made = wire::runtime()?
        .block_on(received(&socket, &mut file))
        .and_then(|()| checked(&part))
        .and_then(|told| std::fs::hard_link(&part, &args.to).map(|()| told).with_context(named));
    // Either a second name for the backup, or of no use.
    drop(std::fs::remove_file(&part));
    remark(&format!("backup {}: {}", named(), made?));
    Ok(())
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Receives the backup whole.
async fn received(socket: &AdminSocket, file: &mut File) -> anyhow::Result<()> {
    let (head, mut content): (_, Incoming) = socket.post("/backup").await?.into_parts();
    if head.status != StatusCode::OK {
        return Err(admin_socket::refused(head.status, content).await);
    }
    let expected = content.size_hint().exact();
    let mut length = 0;
    while let Some(frame) = content.frame().await {
        if let Ok(bytes) = frame.context("the backup broke off")?.into_data() {
            length += bytes.len() as u64;
            file.write_all(&bytes).context("the backup")?;
        }
    }
    ensure!(expected == Some(length), "the backup broke off");
    file.sync_all().context("the backup")
}

/// Checks that the file would be restored.
fn checked(path: &Path) -> anyhow::Result<String> {
    let copy = StoreCopy::open(path).map_err(|error| anyhow::anyhow!("{error}"))?;
    let revocations = BackupNote::parse(copy.note())?.revocations()?;
    Ok(format!("{} rows, {} revocations", copy.rows(), revocations.len()))
}
