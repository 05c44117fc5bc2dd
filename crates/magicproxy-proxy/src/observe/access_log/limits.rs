//! The limits in a request's log line.

use std::fmt;
use std::time::Duration;

use magicproxy_core::limit::Limit;

/// The most limits in a line: those with the fewest left.
const MOST: usize = 8;

/// The limits of a request, with the number of requests left of each. Shown as a JSON array, such
/// as `[{"limit":"requests=100/1h","left":41}]`; of a limit that is reached, `retry_after` tells
/// the seconds after which a further request may be allowed, if that is known.
#[derive(Debug)]
pub(super) struct LimitBalanceList(Vec<LimitBalance>);

#[derive(Debug)]
struct LimitBalance {
    limit: Limit,
    left: u64,
    retry_after: Option<Duration>,
}

impl LimitBalanceList {
    /// Makes the list of the limits of which a request took one each. `None` without limits.
    pub(super) fn of(limits: &[(Limit, u64)]) -> Option<Self> {
        let mut limits: Vec<LimitBalance> = limits
            .iter()
            .map(|(limit, left)| LimitBalance { limit: *limit, left: *left, retry_after: None })
            .collect();
        limits.sort_by_key(|limit| limit.left);
        limits.truncate(MOST);
        (!limits.is_empty()).then_some(Self(limits))
    }

    /// Makes the list of the one limit that refused a request.
    pub(super) fn reached(limit: Limit, retry_after: Option<Duration>) -> Self {
        Self(vec![LimitBalance { limit, left: 0, retry_after }])
    }
}

impl fmt::Display for LimitBalanceList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, LimitBalance { limit, left, retry_after }) in self.0.iter().enumerate() {
            let before = if at == 0 { "[" } else { "," };
            // The text of a limit has nothing that JSON would escape.
            write!(formatter, "{before}{{\"limit\":\"{limit}\",\"left\":{left}")?;
            if let Some(after) = retry_after {
                write!(formatter, ",\"retry_after\":{}", after.as_millis().div_ceil(1_000))?;
            }
            formatter.write_str("}")?;
        }
        formatter.write_str(if self.0.is_empty() { "[]" } else { "]" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(limits: &LimitBalanceList) -> Value {
        serde_json::from_str(&limits.to_string()).unwrap()
    }

    #[test]
    fn the_list_is_json_of_bounded_length() {
        assert!(LimitBalanceList::of(&[]).is_none());
        let many: Vec<(Limit, u64)> =
            (0..100).rev().map(|left| (Limit::Total(1_000_000_000), left)).collect();
        let shown_many = shown(&LimitBalanceList::of(&many).unwrap());
        let left: Vec<u64> = shown_many
            .as_array()
            .unwrap()
            .iter()
            .map(|limit| limit["left"].as_u64().unwrap())
            .collect();
        assert_eq!(left, (0..MOST as u64).collect::<Vec<_>>());
        let reached =
            LimitBalanceList::reached(Limit::Concurrent(2), Some(Duration::from_millis(1_001)));
        assert_eq!(
            shown(&reached),
            json!([{ "limit": "concurrent=2", "left": 0, "retry_after": 2 }])
        );
        assert_eq!(
            shown(&LimitBalanceList::reached(Limit::Total(1), None)),
            json!([{ "limit": "total=1", "left": 0 }])
        );
    }
}
