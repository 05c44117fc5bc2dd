//! The command line: one file for each command, holding its `Args` and one `run`.
//!
//! No secret is ever an argument: other users of the machine see arguments. Secrets come from
//! files, standard input (`-`) or named environment variables.

mod asking;
#[cfg(unix)]
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
#[cfg(test)]
mod documents;
pub(crate) mod env;
pub(crate) mod examples;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod mint;
pub(crate) mod narrow;
mod pinned;
pub(crate) mod plugin;
pub(crate) mod reload;
mod remade;
pub(crate) mod reseal;
pub(crate) mod restore;
pub(crate) mod revoke;
mod revoked;
pub(crate) mod run;
mod secret;
pub(crate) mod serve;
mod time;
mod token_argument;
mod token_file;
mod token_output;
mod typed_rule;
mod upstream_name;
pub(crate) mod version;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use magicproxy_config::config::raw::RawConfig;
use magicproxy_config::config::setting::Setting;
use magicproxy_config::config::{Flags, WorkingDirectory};
use magicproxy_config::ground::fault::Origin;

/// One API credential in, any number of narrow magic tokens out.
#[derive(Debug, Parser)]
#[command(name = "magicproxy", version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Leave out the notes on files used and things made; warnings and errors stay
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 denied (explain, plugin run), 78 configuration; run: those of its \
                          program, 126 or 127 where it cannot be started.\n\
                          Configuration: --config, $MAGICPROXY_CONFIG, ./magicproxy.toml (serve, config, reload, health only), \
                          ~/.config/magicproxy/config.toml, /etc/magicproxy/config.toml.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy; keys are made on the first run
    ///
    /// SIGTERM and SIGINT finish the requests in progress and end the proxy, a second one ends it at
    /// once. SIGHUP reads the configuration again. SIGUSR2 starts the program on disk again, which
    /// takes over without a lost request.
    /// systemd's sockets, notifications and watchdog are used where they are given.
    Serve(serve::ServeArgs),
    /// Ask a running proxy, by its admin listener, whether it is alive or ready
    Health(health::HealthArgs),
    /// Show in one minute what the proxy does, with no network and no configuration
    Demo(demo::DemoArgs),
    /// Mint a magic token
    Mint(mint::MintArgs),
    /// Make a weaker token from a token: fewer requests, less time, one sender; a token of version 2
    /// needs no key and no proxy, one of version 1 needs its proxy (--proxy)
    Narrow(narrow::NarrowArgs),
    /// Turn a token of a retired key into one of the active key
    Reseal(reseal::ResealArgs),
    /// Show what is in a magic token, except its credential
    Inspect(inspect::InspectArgs),
    /// Say which rule decides on a request, or which rule would be needed
    Explain(explain::ExplainArgs),
    /// Have running proxies refuse tokens from now on: one, all of a key, all minted before a time
    Revoke(revoke::RevokeArgs),
    /// Print what makes a client speak to the proxy: variables, commands, files
    Env(env::EnvArgs),
    /// Run a program with the variables that make it speak to the proxy
    Run(run::RunArgs),
    /// Make, list, rotate and export the signing keys
    Keys(keys::KeysArgs),
    /// Copy the state and the revocations of a running proxy into a file
    #[cfg(unix)]
    Backup(backup::BackupArgs),
    /// Put a backup of state and revocations back, while the proxy does not run
    Restore(restore::RestoreArgs),
    /// Check, try and list plugins, and say what becomes of the Python program's
    Plugin(plugin::PluginArgs),
    /// Check the configuration, show the settings in force, or print the JSON Schema
    Config(config::ConfigArgs),
    /// Have a running proxy read its configuration again
    Reload(reload::ReloadArgs),
    /// Print shell completions
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write all of them to a folder
    Man(man::ManArgs),
    /// Print the version
    Version(version::VersionArgs),
}

/// The flags for the configuration and the keys of a command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the keys
    #[arg(long, value_name = "DIR")]
    keys: Option<String>,
    /// Root of the API behind the proxy [default: https://api.github.com]
    #[arg(long, value_name = "URL")]
    api_root: Option<String>,
}

impl SettingsArgs {
    /// Returns the flags as the topmost layer of the configuration.
    fn into_flags(self) -> Flags {
        let mut raw = RawConfig::default();
        raw.keys.folder = flag("--keys", self.keys);
        raw.upstream.api_root = flag("--api-root", self.api_root);
        Flags { config: self.config, raw, working_directory: WorkingDirectory::Ignored }
    }
}

/// Makes a setting of the value of a flag.
fn flag<T>(name: &'static str, value: Option<T>) -> Setting<T> {
    value.map_or_else(Setting::default, |value| Setting::new(value, Origin::Flag(name)))
}
