//! The timeout that follows from another one where nobody gave it.

use super::check::{LONGEST, parse_duration};
use super::raw::RawTimeouts;
use super::setting::Setting;
use super::value::DurationText;
use crate::ground::fault::Origin;

/// The longest age of a connection to an API, in times of `keep_alive`: three minutes by default, as pools of HTTP clients have it
/// that are to follow DNS, and never so short that idle connections are kept for nothing.
const AGE: u32 = 3;

/// Sets the age that nobody gave, so that `config show` tells what holds.
pub(super) fn complete(timeouts: RawTimeouts) -> RawTimeouts {
    let keep_alive = timeouts.keep_alive.given().and_then(|given| parse_duration(&given.value.0).ok());
    let Some(keep_alive) = keep_alive else { return timeouts };
    let age = keep_alive.saturating_mul(AGE).min(LONGEST);
    let derived = Setting::new(DurationText(humantime::format_duration(age).to_string()), Origin::Default);
    RawTimeouts { upstream_connection_age: timeouts.upstream_connection_age.or(derived), ..timeouts }
}
