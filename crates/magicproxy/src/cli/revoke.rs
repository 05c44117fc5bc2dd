//! `revoke`: running proxies refuse the named tokens from now on. The configuration says where
//! entries are kept.

pub(super) mod effect;
mod named;
mod repair;
mod storage;
mod times;

use clap::Args;
use magicproxy_core::UnixTime;
use magicproxy_proxy::clock;
use serde_json::{Map, Value, json};

use self::effect::KnownIds;
use self::named::NamedEntry;
use self::storage::RevocationStorage;
use super::{SettingsArgs, time};
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::ground::output::note;
use crate::runtime::keystore::{Keys, Keystore};
use crate::runtime::revocations::{EntryNote, FOR_GOOD, Revocation};
use crate::runtime::settings;
use magicproxy_config::config::state::BESIDE_KEYS;
use magicproxy_config::config::{Config, StorageSettings};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

const LONGEST_REASON: usize = 500;

const EXAMPLES: &str = "\
What is ended, each with all that the proxy made of it (sealed anew, receipts):
  chain:HEX   the token with exactly this chain of caveats, and all that were narrowed from it
  owner:HEX   the token that was minted and all that were narrowed from it: parent, siblings and children share it,
              so it is taken with --whole-family only
  jti:v1:KID:ID, jti:v2:KID:MINTER:ID
              the same by the token's id, with the key and the minter who gave it (`none`: nobody signed)
  kid:KID     all tokens of a key
  before:TIME all tokens that were minted before; `now` adds the 30 s that clocks may be apart

`magicproxy inspect` and the log show chain, owner, key and minter of a token. An id alone (jti:ID) may be anyone's:
it is taken with --ambiguous-id only, and then ends every token that is called so.

Examples:
  magicproxy revoke --token @job.token --reason 'laptop was stolen'
  magicproxy revoke --chain 5f1d2c3b4a69788796a5b4c3d2e1f001
  magicproxy revoke --token @job.token --whole-family
  magicproxy revoke --owner 64adca0be5b1f7c2d183e09a4c7761f05d2ee3a8b90c41df183313497a652e06 --whole-family
  magicproxy revoke --key NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs
  magicproxy revoke --before now
  magicproxy revoke --undo chain:5f1d2c3b4a69788796a5b4c3d2e1f001
  magicproxy revoke --list";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Ids with their kind: `chain:HEX`, `owner:HEX`, `jti:v1:KID:ID`, `jti:v2:KID:MINTER:ID`,
    /// `kid:KID`, `before:TIME`
    #[arg(value_name = "KIND:ID")]
    ids: Vec<String>,
    /// A chain, as `magicproxy inspect` and the log show it: a token and all tokens narrowed from
    /// it; repeatable
    #[arg(long = "chain", value_name = "HEX")]
    chains: Vec<String>,
    /// An owner, as `magicproxy inspect` and the log show it: a whole family; repeatable
    #[arg(long = "owner", value_name = "HEX")]
    owners: Vec<String>,
    /// A token and all that were narrowed from it: `@FILE`, `-` for standard input, `env:NAME`;
    /// repeatable
    #[arg(long = "token", value_name = "@FILE")]
    tokens: Vec<String>,
    /// With --token, --owner or jti: - the token that was minted and everything that was ever
    /// narrowed from it
    #[arg(long)]
    whole_family: bool,
    /// Take ids without a known issuer (`jti:ID`, `jti:v2:KID:none:ID`), strangers' tokens included
    #[arg(long)]
    ambiguous_id: bool,
    /// Id of a key, for all of its tokens; repeatable
    #[arg(long = "key", value_name = "KID", allow_hyphen_values = true)]
    key_ids: Vec<String>,
    /// Take ids of keys that are not in the key folder here
    #[arg(long)]
    unknown_key: bool,
    /// All tokens that were minted before: `2026-11-26T10:00:00Z`, `now`, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Reason, for readers of the list
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["undo", "list", "repair"])]
    reason: Option<String>,
    /// Print what is revoked
    #[arg(long, conflicts_with_all = ["ids", "chains", "owners", "tokens", "key_ids", "before", "undo", "whole_family", "ambiguous_id", "unknown_key"])]
    list: bool,
    /// Accept the named tokens again
    #[arg(long)]
    undo: bool,
    /// Make chains of the tokens that an older version took for ids, and take away entries that
    /// mean nothing
    #[arg(long, conflicts_with_all = ["ids", "chains", "owners", "tokens", "key_ids", "before", "undo", "list", "whole_family", "ambiguous_id", "unknown_key"])]
    repair: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The form of a printed result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    Json,
}

impl RevokeArgs {
    fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Lines }
    }
}

/// Changes the list, or prints it.
pub(crate) fn run(args: RevokeArgs, environment: &Environment) -> Result<(), Failure> {
    let all = named::all(&args, environment)?;
    if all.is_empty() && !args.list && !args.repair {
        return Err(Failure::usage(
            "what is to be revoked? --token @FILE, --chain, --owner, --key or --before; or --list",
        ));
    }
    if args.reason.as_deref().is_some_and(named::holds_token) {
        return Err(Failure::usage(
            "--reason: there is a magic token in it, which whoever reads the list would have",
        ));
    }
    if args.reason.as_ref().is_some_and(|reason| reason.len() > LONGEST_REASON) {
        return Err(Failure::usage(format!("--reason: longer than {LONGEST_REASON} bytes")));
    }
    let settings = settings::load_storage(args.settings.clone().into_flags(), environment)?;
    let StorageSettings { keys, revocations, .. } = &settings.storage;
    if revocations.file.as_deref() == Some(&keys.files.folder().join(BESIDE_KEYS)) {
        // The proxy of this folder would read another list.
        Keystore::of(keys).ensure_meant().map_err(Failure::usage)?;
    }
    let keys = effect::keys(&args, &all, keys)?;
    let kept = RevocationStorage::of(&settings.storage)?;
    if args.list {
        return Ok(list(&kept.read()?, args.form())?);
    }
    if args.repair {
        return Ok(repair::run(&kept, args.form())?);
    }
    if args.undo {
        undo(&kept, &all, args.form())
    } else {
        Ok(revoke(&args, (settings.whole.as_ref(), keys.as_ref()), &kept, &all)?)
    }
}

fn revoke(
    args: &RevokeArgs,
    (config, keys): (Option<&Config>, Option<&Keys>),
    kept: &RevocationStorage,
    all: &[NamedEntry],
) -> anyhow::Result<()> {
    let now = clock::now();
    let known = kept.read()?;
    let entry = |named: &NamedEntry| {
        let expires_at = times::end(named, now);
        let about = EntryNote { revoked_at: now.0, expires_at, reason: args.reason.clone() };
        Revocation { revoked: named.revoked.clone(), about }.no_shorter_than(&known)
    };
    let entries: Vec<Revocation> = all.iter().map(entry).collect();
    kept.add(&entries)?;
    let beside = KnownIds { known: &known, config, keys, now };
    let remarks: Vec<Vec<String>> =
        all.iter().map(|named| effect::remarks(named, &beside)).collect();
    report(&entries, &remarks, args.form())?;
    note(&format!(
        "kept in {}; running proxies that read it refuse them within a second",
        kept.place
    ));
    Ok(())
}

/// Prints the revoked entries, each with its remarks.
fn report(entries: &[Revocation], remarks: &[Vec<String>], form: Form) -> anyhow::Result<()> {
    let with = |(entry, remarks): (&Revocation, &Vec<String>)| {
        let mut members = to_json(entry);
        members.insert("remarks".to_owned(), json!(remarks));
        members
    };
    let line = |entry: &Revocation| format!("revoked {}", entry.revoked.name());
    match form {
        Form::Json => output::print_json(&entries.iter().zip(remarks).map(with).collect())?,
        Form::Lines => output::print(&entries.iter().map(line).collect::<Vec<_>>().join("\n"))?,
    }
    for (entry, remarks) in entries.iter().zip(remarks) {
        remarks.iter().for_each(|remark| note(&format!("note: {} {remark}", entry.revoked.name())));
    }
    Ok(())
}

fn undo(kept: &RevocationStorage, all: &[NamedEntry], form: Form) -> Result<(), Failure> {
    let (known, now) = (kept.read()?, clock::now());
    let others = |named: &NamedEntry| -> Vec<String> {
        let reaching =
            named.token.iter().flat_map(|token| effect::reaching(&token.text, None, &known, now));
        reaching
            .filter(|revoked| **revoked != named.revoked)
            .map(|revoked| format!("`{}`", harmless(&revoked.shown())))
            .collect()
    };
    if let Some(unknown) =
        all.iter().find(|named| known.iter().all(|entry| entry.revoked != named.revoked))
    {
        let others = others(unknown);
        let refused = if others.is_empty() {
            String::new()
        } else {
            format!("; the token is refused by {}", others.join(", "))
        };
        return Err(anyhow::anyhow!(
            "`{}` is not revoked in {}{refused}",
            unknown.revoked.name(),
            kept.place
        )
        .into());
    }
    kept.remove(&all.iter().map(|named| named.revoked.clone()).collect::<Vec<_>>())?;
    let names: Vec<String> = all.iter().map(|named| named.revoked.name()).collect();
    match form {
        Form::Json => output::print_json(&json!({ "undone": names }))?,
        Form::Lines => output::print(
            &names
                .iter()
                .map(|name| format!("accepted again {name}"))
                .collect::<Vec<_>>()
                .join("\n"),
        )?,
    }
    for (named, others) in
        all.iter().map(|named| (named, others(named))).filter(|(_, others)| !others.is_empty())
    {
        note(&format!(
            "note: the token of {} is still refused by {}",
            named.revoked.name(),
            others.join(", ")
        ));
    }
    Ok(())
}

fn list(entries: &[Revocation], form: Form) -> anyhow::Result<()> {
    let now = clock::now();
    let live = entries.iter().filter(|entry| entry.about.expires_at > now.0);
    if form == Form::Json {
        return output::print_json(&live.map(to_json).collect());
    }
    let line = |entry: &Revocation| {
        let since = time::date(UnixTime(entry.about.revoked_at));
        let reason = entry
            .about
            .reason
            .as_deref()
            .map(|reason| format!("  {}", harmless(reason)))
            .unwrap_or_default();
        let until = match entry.about.expires_at {
            FOR_GOOD.. => "it is undone".to_owned(),
            end => format!("{}, when its tokens have ended", time::date(UnixTime(end))),
        };
        let idle =
            if entry.revoked.means_nothing() { "  refuses nothing, see --repair" } else { "" };
        format!("{}  since {since} until {until}{idle}{reason}", harmless(&entry.revoked.shown()))
    };
    let lines: Vec<String> = live.map(line).collect();
    output::print(&if lines.is_empty() {
        "nothing is revoked".to_owned()
    } else {
        lines.join("\n")
    })
}

fn to_json(entry: &Revocation) -> Map<String, Value> {
    let EntryNote { revoked_at, expires_at, reason } = &entry.about;
    let mut members = Map::from_iter([
        ("revoked".to_owned(), json!(entry.revoked.shown())),
        ("revoked_at".to_owned(), json!(revoked_at)),
        ("expires_at".to_owned(), json!(expires_at)),
        ("reason".to_owned(), json!(reason)),
    ]);
    if entry.revoked.means_nothing() {
        members.insert("refuses_nothing".to_owned(), json!(true));
    }
    members
}
