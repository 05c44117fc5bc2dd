//! `revoke`: running proxies refuse these tokens from now on. Where entries are kept is the configuration's to say.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Args;
use magicproxy_core::{UnixTime, UnverifiedToken};
use magicproxy_proxy::clock;
use serde_json::json;

use super::{SettingsArgs, secret, time};
use crate::config::state::BESIDE_KEYS;
use crate::config::{Config, Environment};
use crate::failure::Failure;
use crate::output::{self, harmless, note};
use crate::revocations::{About, Revocation, RevocationFile, Revoked, SharedRevocations};
use crate::{state, wire};

const LONGEST_REASON: usize = 500;
const LONGEST_ID: usize = 500;

const EXAMPLES: &str = "Examples:\n  \
    magicproxy revoke 7Xh0o9kQdV4 --reason 'laptop was stolen'\n  \
    magicproxy revoke --token @job.token\n  \
    magicproxy revoke --before 2026-11-26T10:00:00Z\n  \
    magicproxy revoke --undo 7Xh0o9kQdV4\n  \
    magicproxy revoke --list";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Ids of tokens: their `jti`, or what the proxy's log calls them; behind `--` where one begins with `-`
    #[arg(value_name = "JTI")]
    ids: Vec<String>,
    /// A token and all that were narrowed from it: `@FILE`, or `-` for standard input; repeatable
    #[arg(long = "token", value_name = "@FILE")]
    tokens: Vec<String>,
    /// Id of a key, for all of its tokens; repeatable
    #[arg(long = "key", value_name = "KID", allow_hyphen_values = true)]
    key_ids: Vec<String>,
    /// All tokens that were minted before: `2026-11-26T10:00:00Z`, `now`, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before: Option<u64>,
    /// Why, for those who read the list
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["undo", "list"])]
    reason: Option<String>,
    /// Print what is revoked
    #[arg(long, conflicts_with_all = ["ids", "tokens", "key_ids", "before", "undo"])]
    list: bool,
    /// Accept these again
    #[arg(long)]
    undo: bool,
    /// With --list: print JSON
    #[arg(long, requires = "list")]
    json: bool,
}

/// Changes the list, or prints it.
pub(crate) fn run(args: RevokeArgs, environment: &Environment) -> Result<(), Failure> {
    let revoked = args.revoked()?;
    if revoked.is_empty() && !args.list {
        return Err(Failure::usage("what is to be revoked? a JTI, --token, --key or --before; or --list"));
    }
    if args.reason.as_ref().is_some_and(|reason| reason.len() > LONGEST_REASON) {
        return Err(Failure::usage(format!("--reason: longer than {LONGEST_REASON} bytes")));
    }
    let config = Config::load(args.settings.clone().into_flags(), environment)?;
    if config.revocations.file.as_deref() == Some(&config.keys.files.folder().join(BESIDE_KEYS)) {
        // The proxy that runs here would read another list.
        config.keys.ensure_meant().map_err(Failure::usage)?;
    }
    let kept = Kept::of(&config)?;
    if args.list {
        return Ok(print(&kept.read()?, args.json)?);
    }
    if args.undo {
        return undo(&kept, &revoked);
    }
    let now = clock::now();
    let lifetime = config.revocations.lifetime.as_secs();
    let entry = |revoked: Revoked| {
        // Tokens that a time in the future means are still to be minted.
        let latest = if let Revoked::Before(time) = revoked { now.0.max(time) } else { now.0 };
        let about = About { revoked_at: now.0, expires_at: latest.saturating_add(lifetime), reason: args.reason.clone() };
        Revocation { revoked, about }
    };
    let entries: Vec<Revocation> = revoked.into_iter().map(entry).collect();
    kept.add(&entries)?;
    let lines = entries.iter().map(|entry| format!("revoked {}", harmless(&entry.revoked.name())));
    output::print(&lines.collect::<Vec<_>>().join("\n"))?;
    note(&format!("kept in {}; running proxies that read it refuse them within a second", kept.place));
    Ok(())
}

fn undo(kept: &Kept, revoked: &[Revoked]) -> Result<(), Failure> {
    let known = kept.read()?;
    if let Some(unknown) = revoked.iter().find(|revoked| known.iter().all(|entry| entry.revoked != **revoked)) {
        return Err(anyhow::anyhow!("`{}` is not revoked in {}", harmless(&unknown.name()), kept.place).into());
    }
    kept.remove(revoked)?;
    let lines = revoked.iter().map(|revoked| format!("accepted again {}", harmless(&revoked.name())));
    Ok(output::print(&lines.collect::<Vec<_>>().join("\n"))?)
}

impl RevokeArgs {
    fn revoked(&self) -> Result<Vec<Revoked>, Failure> {
        let legal = |id: &str| !id.is_empty() && id.len() <= LONGEST_ID && !id.contains(char::is_control);
        if let Some(id) = self.ids.iter().chain(&self.key_ids).find(|id| !legal(id)) {
            return Err(Failure::usage(format!("`{}`: expected the id of a token or a key", harmless(id))));
        }
        let ids = self.ids.iter().cloned().map(Revoked::Id);
        let keys = self.key_ids.iter().cloned().map(Revoked::Key);
        let mut all: Vec<Revoked> = ids.chain(keys).chain(self.before.map(Revoked::Before)).collect();
        for token in &self.tokens {
            all.push(owner_of(token)?);
        }
        all.sort();
        all.dedup();
        Ok(all)
    }
}

/// Whom a token's things belong to: the same for all that are narrowed from it. Whether it is genuine is no matter.
fn owner_of(argument: &str) -> Result<Revoked, Failure> {
    if argument != "-" && !argument.starts_with('@') {
        return Err(Failure::usage("--token: expected `@FILE`, or `-`: others see arguments"));
    }
    let text = secret::from_argument(argument)?;
    let owner = UnverifiedToken::parse(&text).ok().and_then(|token| token.owner());
    Ok(Revoked::Owner(*owner.context("--token: expected a magic token")?.as_bytes()))
}

/// A time in words, or in seconds.
fn parse_time(text: &str) -> Result<u64, String> {
    let expected = || "expected `2026-11-26T10:00:00Z`, `now`, or seconds since 1970".to_owned();
    if text == "now" {
        return Ok(clock::now().0);
    }
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time: SystemTime = humantime::parse_rfc3339_weak(text).map_err(|_| expected())?;
    time.duration_since(UNIX_EPOCH).as_ref().map(Duration::as_secs).map_err(|_| expected())
}

/// Where the entries are.
struct Kept {
    place: String,
    way: Way,
}

enum Way {
    File(RevocationFile),
    Shared(SharedRevocations, tokio::runtime::Runtime),
}

impl Kept {
    fn of(config: &Config) -> anyhow::Result<Self> {
        if let Some(path) = &config.revocations.file {
            let place = format!("`{}`", path.display());
            return Ok(Self { place, way: Way::File(RevocationFile(path.clone())) });
        }
        let store = state::open(&config.state.store)?;
        let place = "the state store".to_owned();
        Ok(Self { place, way: Way::Shared(SharedRevocations(Arc::clone(&store)), wire::runtime()?) })
    }

    fn read(&self) -> anyhow::Result<Vec<Revocation>> {
        match &self.way {
            Way::File(file) => file.read(),
            Way::Shared(shared, runtime) => Ok(runtime.block_on(shared.read(clock::now()))?.1),
        }
    }

    fn add(&self, entries: &[Revocation]) -> anyhow::Result<()> {
        match &self.way {
            Way::File(file) => file.change(|all| {
                let now = clock::now().0;
                all.retain(|old| old.about.expires_at > now && entries.iter().all(|new| new.revoked != old.revoked));
                all.extend_from_slice(entries);
            }),
            Way::Shared(shared, runtime) => runtime.block_on(shared.change(entries, &[])),
        }
    }

    fn remove(&self, revoked: &[Revoked]) -> anyhow::Result<()> {
        match &self.way {
            Way::File(file) => file.change(|all| all.retain(|entry| !revoked.contains(&entry.revoked))),
            Way::Shared(shared, runtime) => runtime.block_on(shared.change(&[], revoked)),
        }
    }
}

fn print(entries: &[Revocation], as_json: bool) -> anyhow::Result<()> {
    let now = clock::now();
    let live = entries.iter().filter(|entry| entry.about.expires_at > now.0);
    if as_json {
        let entry = |entry: &Revocation| {
            let About { revoked_at, expires_at, reason } = &entry.about;
            json!({ "revoked": entry.revoked.name(), "revoked_at": revoked_at, "expires_at": expires_at, "reason": reason })
        };
        return output::print_json(&live.map(entry).collect());
    }
    let line = |entry: &Revocation| {
        let since = time::date(UnixTime(entry.about.revoked_at));
        let reason = entry.about.reason.as_deref().map(|reason| format!("  {}", harmless(reason))).unwrap_or_default();
        let until = time::date(UnixTime(entry.about.expires_at));
        format!("{}  since {since} until {until}{reason}", harmless(&entry.revoked.name()))
    };
    let lines: Vec<String> = live.map(line).collect();
    output::print(&if lines.is_empty() { "nothing is revoked".to_owned() } else { lines.join("\n") })
}
