//! Remarks on entries without effect, or without an effect of their own. Such an entry is made
//! nevertheless.

mod before;
mod last_key;

use std::collections::BTreeSet;
use std::path::Path;

use magicproxy_core::token::LEEWAY_SECONDS;
use magicproxy_core::{TokenVersion, UnixTime, UnverifiedNames, UnverifiedToken};

use super::RevokeArgs;
use super::named::{GivenToken, NamedEntry};
use crate::cli::inspect::{CheckResult, Claims};
use crate::cli::time;
use crate::ground::failure::Failure;
use crate::runtime::keystore::{Keys, Keystore};
use crate::runtime::revocations::{Revocation, RevokedThing};
use magicproxy_config::config::Config;
use magicproxy_config::config::keys::KeySettings;
use magicproxy_config::ground::text::harmless;

/// The entries, keys and configuration to compare new entries with.
pub(super) struct KnownIds<'a> {
    /// The present entries.
    pub(super) known: &'a [Revocation],
    /// The configuration; `None` where it has faults, so that remarks on what it accepts are left
    /// out.
    pub(super) config: Option<&'a Config>,
    /// The keys at hand, if an argument needs them.
    pub(super) keys: Option<&'a Keys>,
    pub(super) now: UnixTime,
}

/// Lists the remarks on a new entry.
pub(super) fn remarks(named: &NamedEntry, beside: &KnownIds<'_>) -> Vec<String> {
    let KnownIds { known, now, .. } = *beside;
    let mut said = Vec::new();
    let live = |entry: &&Revocation| entry.about.expires_at > now.0;
    if let Some(same) = known.iter().filter(live).find(|entry| entry.revoked == named.revoked) {
        said.push(format!(
            "was revoked before, since {}",
            time::date(UnixTime(same.about.revoked_at))
        ));
    }
    if let RevokedThing::Before(time) = named.revoked {
        said.extend(before::remarks(UnixTime(time), beside));
        let wider = |entry: &Revocation| matches!(entry.revoked, RevokedThing::Before(other) if other > time);
        said.extend(known.iter().filter(live).find(|entry| wider(entry)).map(|entry| {
            format!("has no effect: `{}` refuses these tokens already", entry.revoked.name())
        }));
    }
    said.extend(beside.config.and_then(|config| unlisted(&named.revoked, config)));
    said.extend(last_key::remarks(&named.revoked, beside));
    if let Some(token) = &named.token {
        let others = reaching(&token.text, beside.keys, known, now)
            .into_iter()
            .filter(|revoked| **revoked != named.revoked);
        said.extend(others.map(|revoked| {
            format!("has no effect of its own: `{}` refuses this token already", revoked.shown())
        }));
        said.extend(older(token, &named.revoked, &known.iter().filter(live).collect::<Vec<_>>()));
        said.extend(useless(token, beside));
    }
    said
}

/// Names the tokens from which the proxy made the revoked token, and can make it again. The names
/// are mere claims of caveats, so the older tokens are named, and not revoked.
fn older(token: &GivenToken, revoked: &RevokedThing, known: &[&Revocation]) -> Vec<String> {
    let Some(chain) = UnverifiedToken::parse(&token.text).ok().and_then(|token| token.chain())
    else {
        return Vec::new();
    };
    let is_family = *revoked == RevokedThing::Chain(chain.root());
    let named: BTreeSet<RevokedThing> = chain
        .older()
        .iter()
        .map(|older| RevokedThing::Chain(if is_family { older.root } else { older.id }))
        .collect();
    let lives = |older: &RevokedThing| known.iter().all(|entry| entry.revoked != *older);
    let what = if is_family { "the family" } else { "the token" };
    let remark = |older: RevokedThing| {
        format!(
            "leaves {what} alone of which the proxy made it, and can make it again: `{}`, if a caveat says so rightly; whoever held \
             the token may have written that, so look for it in the log before you revoke it, too",
            older.name()
        )
    };
    named.into_iter().filter(lives).map(remark).collect()
}

/// Returns the entries in force that refuse a token. Without the keys, a token that does not name
/// its key seems to have none.
pub(in crate::cli) fn reaching<'k>(
    token: &str,
    keys: Option<&Keys>,
    known: &'k [Revocation],
    now: UnixTime,
) -> Vec<&'k RevokedThing> {
    let parsed = UnverifiedToken::parse(token).ok();
    let names = parsed.and_then(|token| UnverifiedNames::of(&token, keys.map(|keys| &keys.ring)));
    let Some(names) = names else { return Vec::new() };
    known
        .iter()
        .filter(|entry| entry.refuses(&names.names(), now))
        .map(|entry| &entry.revoked)
        .collect()
}

/// Returns the reason for which the token is not accepted anyway.
fn useless(token: &GivenToken, beside: &KnownIds<'_>) -> Option<String> {
    let is_over = |end: &UnixTime| beside.now.0 >= end.0.saturating_add(LEEWAY_SECONDS);
    if let Some(end) = token.end.filter(is_over) {
        return Some(format!(
            "has no effect: the token in {} ended at {}",
            token.argument,
            time::date(end)
        ));
    }
    // A narrowed token may be over while its family lives on.
    Claims::of(&token.text).ok()?.end().filter(|end| !is_over(end))?;
    let refused = CheckResult::by(beside.keys?, &token.text, beside.config?).ok()?.refused?;
    Some(format!(
        "has perhaps no effect: the token in {} is not accepted here: {}",
        token.argument,
        harmless(&refused)
    ))
}

/// Remarks on a minter listed by no upstream here, whose name may be mistyped.
fn unlisted(revoked: &RevokedThing, config: &Config) -> Option<String> {
    let RevokedThing::Minted(minted) = revoked else { return None };
    let minter = minted.minter()?;
    let mut minters = config.upstreams.iter().flat_map(|upstream| &upstream.acceptance.minters);
    let is_listed = minters.any(|key| key.id().as_str() == minter);
    (!is_listed)
        .then(|| format!("has perhaps no effect: no upstream here lists the minter `{minter}`"))
}

/// A key named by an argument, and its use.
struct RevokedKey<'n> {
    id: &'n str,
    /// The version of the tokens meant, because each version has its own keys; none for either.
    version: Option<TokenVersion>,
}

impl<'n> RevokedKey<'n> {
    fn by(revoked: &'n RevokedThing) -> Option<Self> {
        match revoked {
            RevokedThing::Key(id) => Some(Self { id, version: None }),
            RevokedThing::Minted(minted) => {
                Some(Self { id: minted.key(), version: Some(minted.version()) })
            }
            _ => None,
        }
    }

    /// Returns the fault of the key's name, by the keys at hand.
    fn fault(&self, keys: Option<&Keys>, folder: &Path) -> Option<String> {
        let Self { id, version } = self;
        let signs =
            keys.is_some_and(|keys| keys.ring.keys().any(|key| key.public().id().as_str() == *id));
        let opens = keys.is_some_and(|keys| {
            keys.ring.sealing().iter().any(|key| key.public().id().as_str() == *id)
        });
        match version {
            None if signs || opens => None,
            Some(TokenVersion::V1) if signs => None,
            Some(TokenVersion::V2) if opens => None,
            Some(TokenVersion::V2) if signs => Some(format!(
                "`kid:{id}`: this key signs tokens of version 1, so its ids are `jti:v1:{id}:ID`"
            )),
            Some(TokenVersion::V1) if opens => Some(format!(
                "`kid:{id}`: tokens of version 2 are sealed to this key, so its ids are `jti:v2:{id}:MINTER:ID`"
            )),
            _ => Some(format!(
                "`kid:{id}`: `{}` has no such key (`magicproxy keys list` shows them): say `--unknown-key` for one that is elsewhere, or \
                 was deleted",
                folder.display()
            )),
        }
    }
}

/// Reads the keys, if an argument is to be compared with them; refuses ids of keys that are not
/// there, because most are mistyped.
pub(super) fn keys(
    args: &RevokeArgs,
    all: &[NamedEntry],
    settings: &KeySettings,
) -> Result<Option<Keys>, Failure> {
    let wanted =
        all.iter().filter_map(|named| RevokedKey::by(&named.revoked)).filter(|_| !args.unknown_key);
    let wanted: Vec<RevokedKey<'_>> = wanted.collect();
    let remarkable = |named: &NamedEntry| {
        named.token.is_some() || matches!(named.revoked, RevokedThing::Before(_))
    };
    if args.undo || (wanted.is_empty() && !all.iter().any(remarkable)) {
        return Ok(None);
    }
    if wanted.is_empty() {
        // Only a remark needs the keys: a broken key folder keeps nobody from revoking.
        return Ok(Keystore::of(settings).open_if_there().ok().flatten());
    }
    let keys = Keystore::of(settings).open_if_there()?;
    let faults =
        wanted.iter().filter_map(|wanted| wanted.fault(keys.as_ref(), settings.files.folder()));
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() { Ok(keys) } else { Err(Failure::Usage(faults)) }
}
