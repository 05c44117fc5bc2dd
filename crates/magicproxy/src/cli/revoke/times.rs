//! Times of `revoke`: the moment of `before:`, and the end of an entry. `docs/spec/state-store.md`
//! section 6.

use std::time::{SystemTime, UNIX_EPOCH};

use magicproxy_core::token::{LEEWAY_SECONDS, MAX_LIFETIME_SECONDS};
use magicproxy_core::{KEY_SET_LIFETIME_SECONDS, UnixTime};

use super::named::{GivenToken, NamedEntry};
use crate::cli::time;
use crate::runtime::revocations::{FOR_GOOD, RevokedThing};

/// The seconds by which the `iat` of a live token may lie in the future, and one more, because
/// `before:` means earlier tokens.
const AHEAD: u64 = LEEWAY_SECONDS + 1;
/// The time for which the entry of an ended token is still shown: a day.
const SHOWN_SECONDS: u64 = 24 * 60 * 60;

/// Reads a moment in words, or in seconds. The word `now` means the latest `iat` possible for a
/// token alive now.
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
    // Rounded up: the `iat` of a token minted in the begun second has no fraction.
    Ok(since.as_secs() + u64::from(since.subsec_nanos() > 0))
}

/// Returns the latest moment allowed for `before:`.
fn latest(now: UnixTime) -> u64 {
    now.0.saturating_add(AHEAD)
}

/// Refuses a moment in the future: nobody knows the tokens to be minted before it.
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

/// Returns the time, in seconds since 1970, from which a new entry can mean no live token, whatever
/// the operator accepts by then.
pub(super) fn end(named: &NamedEntry, now: UnixTime) -> u64 {
    let longest = MAX_LIFETIME_SECONDS + 2 * LEEWAY_SECONDS + 1;
    let lives = |from: u64| from.saturating_add(longest);
    let entry = match (&named.revoked, &named.token) {
        // Sealed tokens of a key retired by then may have an `iat` later by the lifetime of a key
        // set.
        (RevokedThing::Before(moment), _) => {
            lives(now.0.max(*moment)).saturating_add(KEY_SET_LIFETIME_SECONDS)
        }
        // A token of version 1 was minted by the proxy, and so before now.
        (RevokedThing::Chain(_), Some(GivenToken { bound_end: None, .. })) => lives(now.0),
        // The maker of a sealed token chose its end freely, but a chain has only one end.
        (RevokedThing::Chain(_), Some(GivenToken { bound_end: Some(end), .. })) => {
            after(*end).max(now.0.saturating_add(SHOWN_SECONDS))
        }
        // A name has no end: the maker of a sealed token may have written any day, and the holder
        // of a key makes tokens with the key at any time.
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

/// Returns the first second in which a token with this end is refused.
pub(super) fn after(end: UnixTime) -> u64 {
    end.0.saturating_add(LEEWAY_SECONDS + 1)
}
