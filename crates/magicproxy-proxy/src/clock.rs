//! The wall clock. This module alone reads it; everything else takes the time as an argument.

use std::time::{Duration, SystemTime};

use magicproxy_core::UnixTime;
use magicproxy_core::state::UnixMillis;

/// Returns the current time. A clock set before 1970 reads as 1970, when no token is valid yet.
#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
#[must_use]
pub fn now() -> UnixTime {
    UnixTime(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs(),
    )
}

/// Returns the current time in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
#[must_use]
pub fn now_millis() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
