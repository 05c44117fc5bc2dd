//! Times of `revoke`: the moment of `before:`, and the end of an entry. `docs/spec/state-store.md` section 6.

use std::time::{SystemTime, UNIX_EPOCH};

use magicproxy_core::token::{LEEWAY_SECONDS, MAX_LIFETIME_SECONDS};
use magicproxy_core::{KEY_SET_LIFETIME_SECONDS, UnixTime};

use super::named::{GivenToken, NamedEntry};
use crate::cli::time;
use crate::runtime::revocations::{FOR_GOOD, RevokedThing};

/// How far in the future the `iat` of a live token may be, and one second, since `before:` means earlier ones.
const AHEAD: u64 = LEEWAY_SECONDS + 1;
/// How long an entry is shown whose token has ended: a day.
const SHOWN_SECONDS: u64 = 24 * 60 * 60;

/// A moment in words, or in seconds. `now` is as late as the `iat` of a token can be that is alive now.
pub(super) fn moment(text: &str, now: UnixTime) -> Result<u64, String> {
    let expected = || "expected `2026-11-26T10:00:00Z`, `now`, or seconds since 1970".to_owned();
    if text == "now" {
        return Ok(latest(now));
    }
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time: SystemTime = humantime::parse_rfc3339_weak(text).map_err(|_| expected())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| expected())?;
    // A token of the second that has begun then says no more than this second.
    Ok(since.as_secs() + u64::from(since.subsec_nanos() > 0))
}

/// The latest moment that `before:` may name.
fn latest(now: UnixTime) -> u64 {
    now.0.saturating_add(AHEAD)
}

/// Refuses a moment in the future, before which nobody can say what will have been minted.
pub(super) fn ensure_past(moment: u64, now: UnixTime) -> Result<(), String> {
    if moment <= latest(now) {
        return Ok(());
    }
    let named = time::date(UnixTime(moment));
    Err(format!(
        "`before:{moment}`: {named} is in the future, and the entry would end tokens that are still to be made: `now` is the latest \
         that can be meant"
    ))
}

/// When no token can be meant any more by an entry that is made now, whatever the operator accepts by then.
pub(super) fn end(named: &NamedEntry, now: UnixTime) -> u64 {
    let longest = MAX_LIFETIME_SECONDS + 2 * LEEWAY_SECONDS + 1;
    let lives = |from: u64| from.saturating_add(longest);
    let entry = match (&named.revoked, &named.token) {
        // Sealed tokens of a key that was retired by then may say that they were minted as much later.
        (RevokedThing::Before(moment), _) => {
            lives(now.0.max(*moment)).saturating_add(KEY_SET_LIFETIME_SECONDS)
        }
        // The proxy minted it, so before now.
        (RevokedThing::Chain(_), Some(GivenToken { bound_end: None, .. })) => lives(now.0),
        // Its maker wrote the end that he liked, but no two into one chain.
        (RevokedThing::Chain(_), Some(GivenToken { bound_end: Some(end), .. })) => {
            after(*end).max(now.0.saturating_add(SHOWN_SECONDS))
        }
        // A name does not say when its tokens end: the maker of a sealed one may have written any day, and whoever has a key
        // makes tokens of it at any time.
        (
            RevokedThing::Key(_)
            | RevokedThing::Chain(_)
            | RevokedThing::Id(_)
            | RevokedThing::Minted(_)
            | RevokedThing::Owner(_),
            _,
        ) => FOR_GOOD,
    };
    entry.min(FOR_GOOD)
}

/// The first second in which a token with this end is refused.
pub(super) fn after(end: UnixTime) -> u64 {
    end.0.saturating_add(LEEWAY_SECONDS + 1)
}
