//! The arguments of calls, brought into the range that every backend can reckon with. All backends
//! begin here, so none differs.

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, Change, Condition, Demand, MAX_ENTRY_NAME_BYTES, MAX_ENTRY_VALUE_BYTES, StoreError,
    UnixMillis,
};

/// The latest second that a store knows, in the year 5138; a later second counts as this second.
///
/// A sixtieth of a window is found by `milliseconds * 60 / length`, and in the doubles of Lua the
/// result is exact up to here.
pub const LATEST_SECONDS: u64 = 100_000_000_000;

/// The time that an ended entry may still be kept, unseen, in seconds: a clock that goes back by
/// less finds everything unchanged, and a server whose clock is ahead drops nothing early.
pub const GRACE_SECONDS: u64 = 300;

/// The highest count; higher counts are cut to this number.
const MOST: u64 = 1_000_000_000;

/// The longest window in milliseconds: more than allowed, and few enough for the doubles of Lua.
const LONGEST_WINDOW: u64 = 1_000_000_000_000;

/// Converts any second to milliseconds since the epoch, no later than [`LATEST_SECONDS`].
pub(crate) fn millis(time: UnixTime) -> u64 {
    time.0.min(LATEST_SECONDS) * 1000
}

/// Returns the milliseconds of the calling program's clock, no later than [`LATEST_SECONDS`].
pub(crate) fn clock(now: UnixMillis) -> u64 {
    now.0.min(LATEST_SECONDS * 1000)
}

/// Returns the time `millis` after `now`, in milliseconds, no later than [`LATEST_SECONDS`].
pub(crate) fn after(now: u64, millis: u64) -> u64 {
    now.saturating_add(millis).min(LATEST_SECONDS * 1000)
}

/// Returns a bound on a count, at most [`MOST`].
pub(crate) fn most(number: u64) -> u64 {
    number.min(MOST)
}

/// Returns the length of a window, within 1,000 and [`LONGEST_WINDOW`].
pub(crate) fn window(length: u64) -> u64 {
    length.clamp(1000, LONGEST_WINDOW)
}

pub(crate) fn names<'n>(names: impl IntoIterator<Item = &'n Vec<u8>>) -> Result<(), StoreError> {
    let fit = names.into_iter().all(|name| name.len() <= MAX_ENTRY_NAME_BYTES);
    if fit { Ok(()) } else { Err(StoreError::TooLong) }
}

/// Checks the arguments of `apply`.
pub(crate) fn step(conditions: &[Condition], changes: &[Change]) -> Result<(), StoreError> {
    names(conditions.iter().map(|condition| match condition {
        Condition::Absent(name) | Condition::Equals(name, _) | Condition::AtMost(name, _) => name,
        Condition::AtMostValued(prefix, _) => prefix,
    }))?;
    names(changes.iter().map(|change| match change {
        Change::Put(name, _) | Change::Remove(name) => name,
    }))?;
    let asked = conditions
        .iter()
        .map(|condition| if let Condition::Equals(_, value) = condition { value.len() } else { 0 });
    let put = changes
        .iter()
        .map(|change| if let Change::Put(_, entry) = change { entry.value.len() } else { 0 });
    let fit = asked.chain(put).all(|length| length <= MAX_ENTRY_VALUE_BYTES);
    if fit { Ok(()) } else { Err(StoreError::TooLong) }
}

pub(crate) fn demands(demands: &[Demand]) -> Result<(), StoreError> {
    names(demands.iter().map(|demand| &demand.counter))
}

/// Returns the name under which a counter is kept. A counter of another kind, or of a window of
/// another length, is another counter.
pub(crate) fn counter_name(bound: &Bound, counter: &[u8]) -> Vec<u8> {
    match bound {
        Bound::Total(_) => [b"n", counter].concat(),
        Bound::Window(_, length) => {
            [b"w", window(*length).to_be_bytes().as_slice(), counter].concat()
        }
        Bound::Concurrent(..) => leases_name(counter),
    }
}

/// Returns the name under which leases are kept.
pub(crate) fn leases_name(counter: &[u8]) -> Vec<u8> {
    [b"l", counter].concat()
}
