//! `keys`: the keys on disk, and those of minters.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use magicproxy_core::{
    Acceptance, AcceptedTokens, Kem, KeyLifetime, KeyRing, KeySetKey, MinterSigningKey, SealingKey,
    SealingPublicKey, UnixTime,
};
use magicproxy_proxy::clock;
use magicproxy_proxy::services::RevocationList;
use serde_json::json;

use super::{SettingsArgs, flag, revoked};
use crate::ground::failure::{Failure, chain};
use crate::ground::output::{self, note};
use crate::runtime::keystore::{self, KeyNote, KeySetRotation, Keystore, NewKey};
use crate::runtime::settings::{self, UsableSettings};
use magicproxy_config::config::keys::{KeyFiles, KeySettings};
use magicproxy_config::config::state::RevocationSettings;
use magicproxy_config::config::{Config, parse_duration};
use magicproxy_config::ground::environment::Environment;

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make the keys that are missing; nothing is ever overwritten
    Generate(NewKeyArgs),
    /// List the keys: the first mints, all verify
    List(ListArgs),
    /// Make new keys; tokens of the old ones stay valid, and running proxies and minters notice by
    /// themselves
    Rotate(RotateArgs),
    /// Print the public key that mints
    ExportPublic(ExportArgs),
    /// Make a key for a minter, who signs with it; the operator lists its public half in
    /// `tokens.minters`
    Minter(MinterArgs),
}

#[derive(Debug, Args)]
struct RotateArgs {
    #[command(flatten)]
    new: NewKeyArgs,
    /// How long the old sealing keys still open tokens: `30d`; without it, until the tokens end
    #[arg(long, value_name = "DURATION")]
    retire_after: Option<String>,
    /// Make a new key to sign the key set, too: the old key announces it to minters who pinned the
    /// old key
    #[arg(long)]
    key_set: bool,
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print the sealing keys instead, as a signed JWK Set: what `mint --to` takes
    #[arg(long)]
    jwks: bool,
}

#[derive(Debug, Args)]
struct MinterArgs {
    /// Where the private key goes; the public half goes to standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
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

/// Runs one of the commands.
pub(crate) fn run(args: KeysArgs, environment: &Environment) -> Result<(), Failure> {
    match args.command {
        KeysCommand::Generate(args) => generate(args, environment),
        KeysCommand::List(args) => list(args, environment),
        KeysCommand::Rotate(args) => rotate(args, environment),
        KeysCommand::ExportPublic(args) => {
            let config = settings::load(args.settings.into_flags(), environment)?;
            let keys = Keystore::of(&config.keys).open()?;
            let revocations = revoked::in_force_here(&config.revocations)?;
            if !args.jwks {
                let active = keys.ring.active().public();
                revoked::ensure_key_lives(&revocations, active.id())?;
                return Ok(output::print(&active.to_pem())?);
            }
            let (now, accepts, mut denied) = (clock::now(), config.accepts(), config.denied_keys());
            denied.extend(revocations.keys);
            let is_denied =
                |key: &SealingPublicKey| denied.iter().any(|id| id == key.id().as_str());
            if !keys
                .ring
                .published(now)
                .any(|key| accepts.kems.contains(&key.kem()) && !is_denied(key))
            {
                return Err(anyhow::anyhow!(
                    "there is no sealing key of a kind that is accepted and neither denied nor revoked: `magicproxy keys generate` makes them where there \
                     is none, `magicproxy keys rotate` in place of those that are denied or revoked"
                )
                .into());
            }
            Ok(output::print_json(&keys.ring.key_set_document(now, &accepts, &denied))?)
        }
        KeysCommand::Minter(args) => {
            let key = MinterSigningKey::generate().context("a new key")?;
            keystore::write::create_folder_of(&args.out)?;
            keystore::write::own(&args.out, &key.to_json())?;
            Ok(output::print_json(&key.to_public_jwk())?)
        }
    }
}

impl NewKeyArgs {
    /// Finds the folder of the keys, and the name in their certificate. Keys are rotated in
    /// incidents, so faults of other settings are warnings.
    fn place(self, environment: &Environment) -> Result<(KeySettings, String), Failure> {
        let mut flags = self.settings.into_flags();
        flags.raw.keys.bits = flag("--bits", self.bits);
        let UsableSettings { storage, whole } = settings::load_storage(flags, environment)?;
        // No key is made in another folder in silence.
        Keystore::of(&storage.keys).ensure_meant().map_err(Failure::usage)?;
        let host = whole.map_or_else(|| "localhost".to_owned(), |config| config.host().to_owned());
        Ok((storage.keys, host))
    }
}

fn generate(args: NewKeyArgs, environment: &Environment) -> Result<(), Failure> {
    let (settings, host) = args.place(environment)?;
    let keystore = Keystore::of(&settings);
    // A folder of the Python program, or of an earlier version, lacks the further keys only.
    let held = if keystore.files().private.exists() { keystore.load()? } else { None };
    let lacks = held.as_ref().map(|keys| lacks_further_keys(&keys.ring));
    let whole = lacks == Some(false);
    if lacks == Some(true) {
        let now = clock::now();
        let sealing = made_sealing(&keystore.add_sealing(now)?);
        let key_set = keystore.add_key_set(now)?.map(|(path, key)| key_set_line(&path, &key));
        let owners = keystore.add_owner_secret(now)?.map(|path| owners_line(&path));
        let lines =
            [sealing].into_iter().filter(|lines| !lines.is_empty()).chain(key_set).chain(owners);
        let lines: Vec<String> = lines.collect();
        return Ok(output::print(&lines.join("\n"))?);
    }
    let key = keystore
        .generate(NewKey::of(&settings, &host))
        .map_err(|error| if whole { error.context("nothing is missing") } else { error })?;
    output::print(&made(&key, keystore.files()))?;
    let sealing = keystore.load_existing()?;
    let lines = sealing
        .ring
        .sealing()
        .iter()
        .zip(&sealing.sealing_files)
        .map(|(key, path)| sealing_line(path, key));
    let key_set = sealing
        .ring
        .key_set()
        .iter()
        .zip(&sealing.key_set_files)
        .map(|(key, path)| key_set_line(path, key));
    let owners = owners_line(&keystore.owner_secret());
    Ok(output::print(&lines.chain(key_set).chain([owners]).collect::<Vec<_>>().join("\n"))?)
}

/// True if a sealing key of some kind, a key that signs the key set, or the owner secret is
/// missing.
fn lacks_further_keys(ring: &KeyRing) -> bool {
    let signs = ring.key_set().iter().any(|key| key.lifetime().retired.is_none());
    ring.published(clock::now()).count() < Kem::ALL.len() || !signs || ring.owner_secret().is_none()
}

fn rotate(args: RotateArgs, environment: &Environment) -> Result<(), Failure> {
    let retire_after = args.retire_after.as_deref().map(parse_duration).transpose();
    let retire_after =
        retire_after.map_err(|expected| Failure::usage(format!("--retire-after: {expected}")))?;
    let (settings, host) = args.new.place(environment)?;
    let keystore = Keystore::of(&settings);
    let held = keystore.open()?;
    let of_key_set = if args.key_set { KeySetRotation::Rotate } else { KeySetRotation::Keep };
    held.ensure_room_to_rotate(of_key_set)?;
    let version = held.ring.key_set_version();
    let (key, retired) = keystore.rotate(NewKey::of(&settings, &host))?;
    output::print(&made(&key, keystore.files()))?;
    output::print(&format!(
        "the old key is now `{}`: its tokens stay valid until it is deleted",
        retired.display()
    ))?;
    // Later than the last change, so that minters who pinned the last set take the new set for
    // newer.
    let now = clock::now().max(UnixTime(version.0 + 1));
    let not_after = retire_after.map(|after| UnixTime(now.0.saturating_add(after.as_secs())));
    let made = keystore.rotate_sealing(now, not_after)?;
    output::print(&made_sealing(&made))?;
    let key_set = match of_key_set {
        KeySetRotation::Rotate => Some(keystore.rotate_key_set(now, not_after)?),
        KeySetRotation::Keep => keystore.add_key_set(now)?,
    };
    if let Some((path, key)) = key_set {
        output::print(&key_set_line(&path, &key))?;
    }
    // A present owner secret stays: with another secret, named owners would lose all their state.
    if let Some(path) = keystore.add_owner_secret(now)? {
        output::print(&owners_line(&path))?;
    }
    note(
        "running proxies that share this folder notice within seconds; give the new files to the others before anyone mints with the new keys",
    );
    note(
        "who seals with keys from a file (`mint --to FILE`) needs the new ones within 30 days: what is sealed to the old ones later is refused",
    );
    Ok(())
}

fn made(key: &KeyNote, files: &KeyFiles) -> String {
    format!(
        "made the key {} ({} bits)\n  {}  (keep it secret and backed up: without it every token is void)\n  {}\n  {}",
        key.id,
        key.bits,
        files.private.display(),
        files.public.display(),
        files.certificate.display()
    )
}

fn made_sealing(made: &[(PathBuf, SealingKey)]) -> String {
    made.iter().map(|(path, key)| sealing_line(path, key)).collect::<Vec<_>>().join("\n")
}

fn key_set_line(path: &Path, key: &KeySetKey) -> String {
    format!("made the key {} that signs the key set\n  {}", key.id(), path.display())
}

fn owners_line(path: &Path) -> String {
    format!(
        "made the secret that binds named owners to credentials\n  {}  (keep it with the keys: replicas share it)",
        path.display()
    )
}

fn sealing_line(path: &Path, key: &SealingKey) -> String {
    format!(
        "made the sealing key {} ({})\n  {}",
        key.public().id(),
        key.public().kem(),
        path.display()
    )
}

fn list(args: ListArgs, environment: &Environment) -> Result<(), Failure> {
    let UsableSettings { storage, whole } =
        settings::load_storage(args.settings.into_flags(), environment)?;
    let keystore = Keystore::of(&storage.keys);
    let keys = keystore.open()?;
    let accepts = whole.as_ref().map_or_else(everything, Config::accepts);
    let denied = whole.as_ref().map(Config::denied_keys).unwrap_or_default();
    let revoked = revoked_keys(&storage.revocations);
    let sealing_state = |key: &SealingKey| {
        let id = key.public().id().as_str();
        if revoked.contains(id) {
            "revoked"
        } else if denied.iter().any(|denied| denied == id) {
            "denied"
        } else {
            sealing_state(key, &accepts)
        }
    };
    let state = |at: usize, key: &KeyNote| match at {
        _ if revoked.contains(key.id.as_str()) => "revoked",
        0 => "active",
        _ => "retired",
    };
    if args.json {
        let key = |(at, key): (usize, &KeyNote)| json!({ "kid": key.id.as_str(), "bits": key.bits, "state": state(at, key), "file": key.path.display().to_string() });
        let signing = keys.held.iter().enumerate().map(key);
        let sealing = keys.ring.sealing().iter().zip(&keys.sealing_files).map(|(key, path)| {
            json!({
                "kid": key.public().id().as_str(), "kem": key.public().kem().as_str(), "state": sealing_state(key),
                "not_after": key.lifetime().not_after.map(|time| time.0), "file": path.display().to_string(),
            })
        });
        let key_set = keys.ring.key_set().iter().zip(&keys.key_set_files).map(|(key, path)| {
            let lifetime = key.lifetime();
            json!({
                "kid": key.id().as_str(), "use": "key-set", "state": key_set_state(lifetime),
                "not_after": lifetime.not_after.map(|time| time.0), "file": path.display().to_string(),
            })
        });
        let owners = keys
            .ring
            .owner_secret()
            .map(|_| json!({ "use": "owners", "state": "active", "file": keystore.owner_secret().display().to_string() }));
        return Ok(output::print_json(
            &signing.chain(sealing).chain(key_set).chain(owners).collect(),
        )?);
    }
    let lines = keys.held.iter().enumerate();
    let lines = lines.map(|(at, key)| {
        format!("{}  {:<7}  {} bits  {}", key.id, state(at, key), key.bits, key.path.display())
    });
    let sealing = keys.ring.sealing().iter().zip(&keys.sealing_files);
    let sealing = sealing.map(|(key, path)| {
        format!(
            "{}  {:<7}  {:<9}  {}",
            key.public().id(),
            sealing_state(key),
            key.public().kem(),
            path.display()
        )
    });
    let key_set = keys.ring.key_set().iter().zip(&keys.key_set_files).map(|(key, path)| {
        format!(
            "{}  {:<7}  {:<9}  {}",
            key.id(),
            key_set_state(key.lifetime()),
            "key set",
            path.display()
        )
    });
    let owners = keys.ring.owner_secret().map(|_| {
        let path = keystore.owner_secret();
        format!("{:<43}  {:<7}  {:<9}  {}", "(a secret)", "active", "owners", path.display())
    });
    let lines: Vec<String> = lines.chain(sealing).chain(key_set).chain(owners).collect();
    Ok(output::print(&lines.join("\n"))?)
}

/// Reads the ids of revoked keys. A list that cannot be read hides no key: the keys are wanted in an
/// incident.
fn revoked_keys(settings: &RevocationSettings) -> HashSet<String> {
    let list = revoked::in_force_here(settings).unwrap_or_else(|error| {
        note(&format!("warning: not checked: revocations: {}", chain(&error)));
        RevocationList::default()
    });
    list.keys
}

/// The tokens that a proxy accepts by default, for a configuration that cannot be used.
fn everything() -> AcceptedTokens {
    AcceptedTokens::any_of([&Acceptance::default()])
}

fn key_set_state(lifetime: KeyLifetime) -> &'static str {
    let ended = lifetime.not_after.is_some_and(|end| clock::now() >= end);
    match (ended, lifetime.retired) {
        (true, _) => "ended",
        (false, Some(_)) => "retired",
        (false, None) => "active",
    }
}

fn sealing_state(key: &SealingKey, accepts: &AcceptedTokens) -> &'static str {
    let now = clock::now();
    if !accepts.kems.contains(&key.public().kem()) {
        return "refused";
    }
    match (key.is_active(now), key.is_usable(now)) {
        (true, _) => "active",
        (false, true) => "retired",
        (false, false) => "ended",
    }
}
