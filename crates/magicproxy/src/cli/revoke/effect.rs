//! Why an entry may have no effect, or none of its own: said, and no reason to do without the entry.

mod before;

use std::collections::BTreeSet;

use magicproxy_core::token::LEEWAY_SECONDS;
use magicproxy_core::{UnixTime, UnverifiedNames, UnverifiedToken};

use super::RevokeArgs;
use super::named::{GivenToken, Named};
use crate::cli::inspect::{Claims, Standing};
use crate::cli::time;
use crate::config::Config;
use crate::failure::Failure;
use crate::keystore::Keys;
use crate::output::harmless;
use crate::revocations::{Revocation, Revoked};

/// What new entries are held against.
pub(super) struct Beside<'a> {
    /// The entries that are there.
    pub(super) known: &'a [Revocation],
    pub(super) config: &'a Config,
    /// The keys at hand, where one was asked for.
    pub(super) keys: Option<&'a Keys>,
    pub(super) now: UnixTime,
}

/// What is to be said about a new entry.
pub(super) fn remarks(named: &Named, beside: &Beside<'_>) -> Vec<String> {
    let Beside { known, now, .. } = *beside;
    let mut said = Vec::new();
    let live = |entry: &&Revocation| entry.about.expires_at > now.0;
    if let Some(same) = known.iter().filter(live).find(|entry| entry.revoked == named.revoked) {
        said.push(format!("was revoked before, since {}", time::date(UnixTime(same.about.revoked_at))));
    }
    if let Revoked::Before(time) = named.revoked {
        said.extend(before::remarks(UnixTime(time), beside));
        let wider = |entry: &Revocation| matches!(entry.revoked, Revoked::Before(other) if other > time);
        said.extend(
            known
                .iter()
                .filter(live)
                .find(|entry| wider(entry))
                .map(|entry| format!("has no effect: `{}` refuses these tokens already", entry.revoked.name())),
        );
    }
    if let Some(token) = &named.token {
        let others = reaching(&token.text, beside.keys, known, now).into_iter().filter(|revoked| **revoked != named.revoked);
        said.extend(others.map(|revoked| format!("has no effect of its own: `{}` refuses this token already", revoked.shown())));
        said.extend(older(token, &named.revoked, &known.iter().filter(live).collect::<Vec<_>>()));
        said.extend(useless(token, beside));
    }
    said
}

/// The tokens of which the proxy made the revoked one, and from which it can be made again. They are only what caveats say, so they
/// are named, and not taken.
fn older(token: &GivenToken, revoked: &Revoked, known: &[&Revocation]) -> Vec<String> {
    let Some(chain) = UnverifiedToken::parse(&token.text).ok().and_then(|token| token.chain()) else { return Vec::new() };
    let is_family = *revoked == Revoked::Chain(chain.root());
    let named: BTreeSet<Revoked> =
        chain.older().iter().map(|older| Revoked::Chain(if is_family { older.root } else { older.id })).collect();
    let lives = |older: &Revoked| known.iter().all(|entry| entry.revoked != *older);
    let what = if is_family { "the family" } else { "the token" };
    let remark = |older: Revoked| {
        format!(
            "leaves {what} alone of which the proxy made it, and can make it again: `{}`, if a caveat says so rightly; whoever held \
             the token may have written that, so look for it in the log before you revoke it, too",
            older.name()
        )
    };
    named.into_iter().filter(lives).map(remark).collect()
}

/// The entries in force that refuse this token. Without the keys, a token that does not name its key seems to have none.
pub(in crate::cli) fn reaching<'k>(token: &str, keys: Option<&Keys>, known: &'k [Revocation], now: UnixTime) -> Vec<&'k Revoked> {
    let parsed = UnverifiedToken::parse(token).ok();
    let names = parsed.and_then(|token| UnverifiedNames::of(&token, keys.map(|keys| &keys.ring)));
    let Some(names) = names else { return Vec::new() };
    known.iter().filter(|entry| entry.refuses(&names.names(), now)).map(|entry| &entry.revoked).collect()
}

/// Why the token is not accepted anyway.
fn useless(token: &GivenToken, beside: &Beside<'_>) -> Option<String> {
    let end = Claims::of(&token.text).ok()?.end()?;
    if beside.now.0 >= end.0.saturating_add(LEEWAY_SECONDS) {
        return Some(format!("has no effect: the token in {} ended at {}", token.argument, time::date(end)));
    }
    let refused = Standing::by(beside.keys?, &token.text, beside.config).ok()?.refused?;
    Some(format!("has perhaps no effect: the token in {} is not accepted here: {}", token.argument, harmless(&refused)))
}

/// The keys, where an argument is to be compared with them; refuses ids of keys that are not there, which mostly are mistyped.
pub(super) fn keys(args: &RevokeArgs, all: &[Named], config: &Config) -> Result<Option<Keys>, Failure> {
    let wanted = |named: &Named| match &named.revoked {
        Revoked::Key(id) if !args.unknown_key => Some(id.clone()),
        Revoked::Minted(minted) if !args.unknown_key => Some(minted.key().to_owned()),
        _ => None,
    };
    let wanted: Vec<String> = all.iter().filter_map(wanted).collect();
    let remarkable = |named: &Named| named.token.is_some() || matches!(named.revoked, Revoked::Before(_));
    if args.undo || (wanted.is_empty() && !all.iter().any(remarkable)) {
        return Ok(None);
    }
    if wanted.is_empty() {
        // Only a remark needs them: a broken key folder keeps nobody from revoking.
        return Ok(config.keys.open_if_there().ok().flatten());
    }
    let keys = config.keys.open_if_there()?;
    let known = keys.as_ref().map(ids).unwrap_or_default();
    let fault = |id: String| {
        format!(
            "`kid:{id}`: `{}` has no such key (`magicproxy keys list` shows them): say `--unknown-key` for one that is elsewhere, or \
             was deleted",
            config.keys.files.folder().display()
        )
    };
    let faults: Vec<String> = wanted.into_iter().filter(|id| !known.contains(id)).map(fault).collect();
    if faults.is_empty() { Ok(keys) } else { Err(Failure::Usage(faults)) }
}

fn ids(keys: &Keys) -> BTreeSet<String> {
    let signing = keys.ring.keys().map(|key| key.public().id());
    signing.chain(keys.ring.sealing().iter().map(|key| key.public().id())).map(ToString::to_string).collect()
}
