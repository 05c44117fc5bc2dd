//! `keys`: the signing keys on disk.

use clap::{Args, Subcommand};
use serde_json::json;

use super::SettingsArgs;
use super::flag;
use crate::config::{Config, Environment};
use crate::failure::Failure;
use crate::keystore::{HeldKey, KeyFiles, NewKey};
use crate::output::{self, note};

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make the first key; nothing is ever overwritten
    Generate(NewKeyArgs),
    /// List the keys: the first mints, all verify
    List(ListArgs),
    /// Make a new key that mints; tokens of the old one stay valid
    Rotate(NewKeyArgs),
    /// Print the public key that mints
    ExportPublic(SettingsArgs),
}

#[derive(Debug, Args)]
struct NewKeyArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Size of the RSA key: 2048, 3072 or 4096 [default: 2048]
    #[arg(long, value_name = "N")]
    bits: Option<u64>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs one of the four.
pub(crate) fn run(args: KeysArgs, environment: &Environment) -> Result<(), Failure> {
    match args.command {
        KeysCommand::Generate(args) => generate(args, environment),
        KeysCommand::List(args) => list(args, environment),
        KeysCommand::Rotate(args) => rotate(args, environment),
        KeysCommand::ExportPublic(settings) => {
            let keys = Config::load(settings.into_flags(), environment)?.keys.files.load_existing()?;
            Ok(output::print(&keys.ring.active().public().to_pem())?)
        }
    }
}

impl NewKeyArgs {
    fn config(self, environment: &Environment) -> Result<Config, Failure> {
        let mut flags = self.settings.into_flags();
        flags.raw.keys.bits = flag("--bits", self.bits);
        Ok(Config::load(flags, environment)?)
    }
}

fn generate(args: NewKeyArgs, environment: &Environment) -> Result<(), Failure> {
    let config = args.config(environment)?;
    let key = config.keys.files.generate(NewKey::of(&config))?;
    Ok(output::print(&made(&key, &config.keys.files))?)
}

fn rotate(args: NewKeyArgs, environment: &Environment) -> Result<(), Failure> {
    let config = args.config(environment)?;
    config.keys.files.load_existing()?;
    let (key, retired) = config.keys.files.rotate(NewKey::of(&config))?;
    output::print(&made(&key, &config.keys.files))?;
    output::print(&format!("the old key is now `{}`: its tokens stay valid until it is deleted", retired.display()))?;
    note("restart every proxy that uses these keys: until then it does not know tokens of the new one");
    Ok(())
}

fn made(key: &HeldKey, files: &KeyFiles) -> String {
    format!(
        "made the key {} ({} bits)\n  {}  (keep it secret and backed up: without it every token is void)\n  {}\n  {}",
        key.id,
        key.bits,
        files.private.display(),
        files.public.display(),
        files.certificate.display()
    )
}

fn list(args: ListArgs, environment: &Environment) -> Result<(), Failure> {
    let keys = Config::load(args.settings.into_flags(), environment)?.keys.files.load_existing()?;
    keys.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    let state = |at: usize| if at == 0 { "active" } else { "retired" };
    if args.json {
        let key = |(at, key): (usize, &HeldKey)| json!({ "kid": key.id.as_str(), "bits": key.bits, "state": state(at), "file": key.path.display().to_string() });
        return Ok(output::print_json(&keys.held.iter().enumerate().map(key).collect())?);
    }
    let lines = keys.held.iter().enumerate();
    let lines: Vec<String> =
        lines.map(|(at, key)| format!("{}  {:<7}  {} bits  {}", key.id, state(at), key.bits, key.path.display())).collect();
    Ok(output::print(&lines.join("\n"))?)
}
