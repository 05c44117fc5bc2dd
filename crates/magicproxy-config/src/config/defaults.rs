//! The lowest layer: the default values.
//!
//! Each section has its own defaults. This module holds the defaults outside of all sections, and
//! the defaults that depend on the environment.

use std::path::Path;

use super::WorkingDirectory;
use super::admin::RawAdmin;
use super::keys::RawKeys;
use super::limits::RawLimits;
use super::listeners::HostCheckChoice;
use super::log::RawLog;
use super::mint::RawMint;
use super::plugins;
use super::raw::RawConfig;
use super::setting::{Section as _, Setting};
use super::state::RawState;
use super::timeouts::RawTimeouts;
use super::tls::{RawAcme, RawTls};
use super::tokens::RawTokens;
use super::upstream::RawUpstream;
use crate::ground::environment::Environment;

/// The folder of keys if there is no home folder and the working directory is not read.
const SYSTEM_KEYS: &str = "/var/lib/magicproxy/keys";

/// Returns the defaults in this environment.
pub(crate) fn layer(environment: &Environment, here: WorkingDirectory) -> RawConfig {
    RawConfig {
        listen: Setting::by_default("127.0.0.1:5000".to_owned()),
        check_host: Setting::by_default(HostCheckChoice::default()),
        danger_plain_http: Setting::by_default(false),
        tls: RawTls::defaults(),
        acme: RawAcme::defaults(),
        keys: RawKeys {
            folder: Setting::by_default(key_folder(environment, here)),
            ..RawKeys::defaults()
        },
        mint: RawMint::defaults(),
        tokens: RawTokens::defaults(),
        state: RawState::defaults(),
        upstream: RawUpstream::defaults(),
        timeouts: RawTimeouts::defaults(),
        limits: RawLimits::defaults(),
        plugin_cache: plugins::default_cache(environment),
        log: RawLog::defaults(),
        admin: RawAdmin::defaults(),
        ..RawConfig::default()
    }
}

/// Returns the default folder of keys: the folder that systemd hands over (`LoadCredential=`), if
/// keys are there; `keys` in a working directory that is read, if the Python program's keys are
/// there; else the user's data folder.
fn key_folder(environment: &Environment, here: WorkingDirectory) -> String {
    if let Some(folder) = environment
        .var("CREDENTIALS_DIRECTORY")
        .filter(|folder| Path::new(folder).join("private.pem").exists())
    {
        return folder.to_owned();
    }
    let is_read = here == WorkingDirectory::Read;
    if is_read && Path::new("keys/private.pem").exists() {
        return "keys".to_owned();
    }
    let data =
        environment.xdg("XDG_DATA_HOME", ".local/share").map(|data| data.join("magicproxy/keys"));
    let without_home = if is_read { "keys" } else { SYSTEM_KEYS };
    data.map_or_else(|| without_home.to_owned(), |folder| folder.to_string_lossy().into_owned())
}
