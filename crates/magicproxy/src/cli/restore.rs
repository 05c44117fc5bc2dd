//! `restore`: puts a backup of state and revocations back, while the proxy does not run.

use std::path::PathBuf;

use clap::Args;

use super::SettingsArgs;
use crate::ground::failure::Failure;
use crate::ground::output::{note, remark};
use crate::runtime::backup::{OlderState, Restore};
use crate::runtime::keystore::Keystore;
use crate::runtime::revocations::RevocationFile;
use crate::runtime::settings;
use magicproxy_config::config::state::StoreSettings;
use magicproxy_config::ground::environment::Environment;

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The backup, as `backup` made it
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    /// Put it back although newer state is there, or although the revocations are lost: what was
    /// counted and created since the backup is forgotten
    #[arg(long)]
    accept_older: bool,
}

/// Restores, and says what an older copy means.
pub(crate) fn run(args: RestoreArgs, environment: &Environment) -> Result<(), Failure> {
    let settings = settings::load_storage(args.settings.into_flags(), environment)?.storage;
    // The proxy of this folder would read other state.
    Keystore::of(&settings.keys).ensure_meant().map_err(Failure::usage)?;
    let (StoreSettings::Redb(store), Some(file)) =
        (&settings.state.store, &settings.revocations.file)
    else {
        return Err(Failure::usage(
            "the state of this configuration is no file: a Valkey has means of its own",
        ));
    };
    let had_revocations = file.exists();
    let older = if args.accept_older { OlderState::Accept } else { OlderState::Refuse };
    let revocations = RevocationFile(file.clone());
    let restored = Restore { backup: &args.backup, store, revocations, older }.run()?;
    remark(&format!(
        "restored {} rows of {} to `{}`, and {} revocations that were not there",
        restored.rows,
        restored.made_at,
        store.display(),
        restored.revocations
    ));
    if let Some(before) = restored.before {
        remark(&format!("the state before is kept as `{}`", before.display()));
    }
    note(
        "warning: uses counted since the backup are forgotten, so limits may be used again; what was created since has no owner in the store",
    );
    if !had_revocations {
        note(
            "warning: revocations since the backup are lost: revoke those tokens again, or all that were minted until now (`magicproxy revoke --before now`)",
        );
    }
    Ok(())
}
