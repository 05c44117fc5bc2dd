//! Times in words.

use std::time::{Duration, UNIX_EPOCH};

use magicproxy_core::UnixTime;

/// `2026-11-24T21:16:54Z`
pub(super) fn date(time: UnixTime) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(time.0)) {
        Some(point) if time.0 <= magicproxy_core::token::MAX_UNIX_TIME => humantime::format_rfc3339_seconds(point).to_string(),
        _ => format!("{} seconds after 1970", time.0),
    }
}

/// `in 24h`, `3 days ago`: the two largest units.
pub(super) fn distance(time: UnixTime, now: UnixTime) -> String {
    if time.0 >= now.0 { format!("in {}", length(time.0 - now.0)) } else { format!("{} ago", length(now.0 - time.0)) }
}

fn length(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
