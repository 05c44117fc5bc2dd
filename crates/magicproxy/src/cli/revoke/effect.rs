//! Why an entry may have no effect, or none of its own: said, and no reason to do without the entry.

use std::collections::BTreeSet;

use magicproxy_core::token::LEEWAY_SECONDS;
use magicproxy_core::{UnixTime, UnverifiedToken};

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
        let others = reaching(&token.text, known, now).into_iter().filter(|revoked| **revoked != named.revoked);
        said.extend(others.map(|revoked| format!("has no effect of its own: `{}` refuses this token already", revoked.shown())));
        said.extend(older_family(token, &named.revoked));
        said.extend(useless(token, beside));
    }
    said
}

/// A family that is revoked by a token which was made of another one's. The other is only what a caveat says, so it is named, and not taken.
fn older_family(token: &GivenToken, revoked: &Revoked) -> Option<String> {
    let chain = UnverifiedToken::parse(&token.text).ok()?.chain()?;
    let older = chain.older().first().filter(|_| *revoked == Revoked::Chain(chain.root()))?;
    Some(format!(
        "is the family since the token was made anew; the older one, as a caveat says, is `chain:{older}`, and lives on"
    ))
}

/// The entries in force that refuse this token.
pub(in crate::cli) fn reaching<'k>(token: &str, known: &'k [Revocation], now: UnixTime) -> Vec<&'k Revoked> {
    let Ok(parsed) = UnverifiedToken::parse(token) else { return Vec::new() };
    let (chain, id, owner) = (parsed.chain(), parsed.id(), parsed.owner());
    let claims = parsed.claims_for_display().unwrap_or_default();
    let issued_at = claims.get("iat").and_then(serde_json::Value::as_u64);
    let refuses = |revoked: &Revoked| match revoked {
        Revoked::Chain(revoked) => chain.as_ref().is_some_and(|chain| chain.ids().contains(revoked)),
        Revoked::Id(revoked) => id.as_ref() == Some(revoked),
        Revoked::Owner(revoked) => owner.is_some_and(|owner| owner.as_bytes() == revoked),
        Revoked::Key(revoked) => parsed.kid() == Some(revoked),
        Revoked::Before(time) => issued_at.is_some_and(|issued_at| issued_at < *time),
    };
    let live = known.iter().filter(|entry| entry.about.expires_at > now.0);
    live.map(|entry| &entry.revoked).filter(|revoked| refuses(revoked)).collect()
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
        _ => None,
    };
    let wanted: Vec<String> = all.iter().filter_map(wanted).collect();
    if args.undo || (wanted.is_empty() && all.iter().all(|named| named.token.is_none())) {
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
