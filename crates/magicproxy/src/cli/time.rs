//! Times in words.

use std::cmp::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use magicproxy_core::UnixTime;

/// Writes a time as `2026-11-24T21:16:54Z`.
pub(super) fn date(time: UnixTime) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(time.0)) {
        Some(point) if time.0 <= magicproxy_core::token::MAX_UNIX_TIME => {
            humantime::format_rfc3339_seconds(point).to_string()
        }
        _ => format!("{} seconds after 1970", time.0),
    }
}

/// Writes a distance as `in 1d 6h`, `3m 20s ago`: the two largest units.
pub(super) fn distance(time: UnixTime, now: UnixTime) -> String {
    match time.0.cmp(&now.0) {
        Ordering::Equal => "now".to_owned(),
        Ordering::Greater => format!("in {}", length(time.0 - now.0)),
        Ordering::Less => format!("{} ago", length(now.0 - time.0)),
    }
}

fn length(seconds: u64) -> String {
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let largest =
        units.iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
    largest.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_largest_units() {
        let cases = [
            (0, "now"),
            (5, "in 5s"),
            (3_600, "in 1h"),
            (5_400, "in 1h 30m"),
            (90_061, "in 1d 1h"),
            (86_460, "in 1d"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(distance(UnixTime(1_000_000 + seconds), UnixTime(1_000_000)), expected);
        }
        assert_eq!(distance(UnixTime(0), UnixTime(61)), "1m 1s ago");
        assert_eq!(date(UnixTime(1_700_000_000)), "2023-11-14T22:13:20Z");
    }
}
