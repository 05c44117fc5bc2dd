//! Limits on the number of requests. `state.md` section 6.
//!
//! A limit says how much is allowed; the store counts (see [`crate::state`]).

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::form::{Form, Kind, Member, Presence, ValueFault};
use crate::json::present;
use crate::state::{Bound, Holder};

/// The highest number in a limit.
pub const MAX_LIMIT: u64 = 1_000_000_000;
/// The duration of a lease of a concurrent limit until the lease must be renewed, in milliseconds.
pub const LEASE_MILLIS: u64 = 60_000;
/// The most limits of caveats that may count for an owner at a time. Needed because any holder of a
/// token can append caveats without end.
pub const MAX_CAVEAT_COUNTERS: u64 = 64;
/// The longest [`Period`]: 31 days.
const MAX_PERIOD_SECONDS: u64 = 31 * 24 * 60 * 60;

/// A number of requests, and the sense in which requests are counted: a limit of a rule, a caveat
/// or a mint request. A limit holds no count; the store counts, per owner and place of the limit
/// (`state.md` section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// At most this many requests in any stretch of time of this length.
    Requests(u64, Period),
    /// At most this many requests, ever.
    Total(u64),
    /// At most this many requests at once.
    Concurrent(u64),
}

/// A length of time for [`Limit::Requests`], in whole seconds: one second to 31 days. `state.md`
/// section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(u64);

impl Limit {
    /// Returns the bound for the store. `holder` is the request, needed by a concurrent limit, in
    /// which the request holds a lease.
    #[must_use]
    pub fn bound(&self, holder: Holder) -> Bound {
        match *self {
            Self::Requests(count, period) => Bound::Window(count, period.0 * 1_000),
            Self::Total(count) => Bound::Total(count),
            Self::Concurrent(count) => Bound::Concurrent(count, holder, LEASE_MILLIS),
        }
    }
}

impl Period {
    /// Reads a period such as `90s`, `15m`, `1h` or `7d`: digits, the first not `0`, and a unit
    /// right behind. Returns `None` for any other text, and for more than 31 days.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let begins_above_zero = matches!(number.bytes().next(), Some(b'1'..=b'9'));
        if !begins_above_zero || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count: u64 = number.parse().ok()?;
        let seconds = count.checked_mul(*length)?;
        (seconds <= MAX_PERIOD_SECONDS).then_some(Self(seconds))
    }

    /// The period's length in seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }
}

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Prints the period in the largest unit without a remainder, so that a length has a single text.
impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, seconds) =
            UNITS.iter().find(|(_, seconds)| self.0.is_multiple_of(*seconds)).unwrap_or(&("s", 1));
        write!(formatter, "{}{name}", self.0 / seconds)
    }
}

/// The members of a limit as written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    per: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    concurrent: Option<u64>,
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members: Members = crate::json::inner_object(deserializer)?;
        members.limit().map_err(serde::de::Error::custom)
    }
}

/// The form of a limit, for the faults of a malformed limit.
pub(crate) static FORM: Form = Form {
    expected: "an object such as {\"requests\": 100, \"per\": \"1h\"}, {\"total\": 3} or {\"concurrent\": 2}",
    kind: Kind::Object(&[
        Member::new("requests", &COUNT, Presence::Alternative(0)),
        Member::new("per", &PER, Presence::Alternative(0)),
        Member::new("total", &COUNT, Presence::Alternative(1)),
        Member::new("concurrent", &COUNT, Presence::Alternative(2)),
    ]),
};
static COUNT: Form =
    Form { expected: "a number from 1 to 1,000,000,000", kind: Kind::NumberWithin(1, MAX_LIMIT) };
static PER: Form = Form {
    expected: "a length of time such as `1h`, as a text",
    kind: Kind::TextLike("^[1-9][0-9]*[smhd]$"),
};

impl Members {
    fn limit(self) -> Result<Limit, ValueFault> {
        let count = |count: u64| {
            let legal = (1..=MAX_LIMIT).contains(&count);
            legal.then_some(count).ok_or(ValueFault::LimitCount)
        };
        match (self.requests, self.per, self.total, self.concurrent) {
            (Some(requests), Some(per), None, None) => {
                let period = Period::parse(&per).ok_or(ValueFault::LimitPeriod)?;
                Ok(Limit::Requests(count(requests)?, period))
            }
            (None, None, Some(total), None) => Ok(Limit::Total(count(total)?)),
            (None, None, None, Some(concurrent)) => Ok(Limit::Concurrent(count(concurrent)?)),
            _ => Err(ValueFault::LimitKind),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members { requests: None, per: None, total: None, concurrent: None };
        match self {
            Self::Requests(count, period) => {
                members.requests = Some(*count);
                members.per = Some(period.to_string());
            }
            Self::Total(count) => members.total = Some(*count),
            Self::Concurrent(count) => members.concurrent = Some(*count),
        }
        members.serialize(serializer)
    }
}

/// Prints a limit as in `requests=100/1h`: for people and on the command line.
impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests(count, period) => write!(formatter, "requests={count}/{period}"),
            Self::Total(count) => write!(formatter, "total={count}"),
            Self::Concurrent(count) => write!(formatter, "concurrent={count}"),
        }
    }
}

/// The refusal of a text that is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `requests=100/1h`, `total=3` or `concurrent=2`, with numbers from 1 to 1,000,000,000 and at most 31 days"
)]
pub struct ParseLimitError;

/// Reads the text that [`Limit`]'s `Display` writes.
impl std::str::FromStr for Limit {
    type Err = ParseLimitError;

    fn from_str(text: &str) -> Result<Self, ParseLimitError> {
        let (kind, value) = text.split_once('=').ok_or(ParseLimitError)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| ParseLimitError);
        let mut members = Members { requests: None, per: None, total: None, concurrent: None };
        match kind {
            "requests" => {
                let (count, per) = value.split_once('/').ok_or(ParseLimitError)?;
                members.requests = Some(number(count)?);
                members.per = Some(per.to_owned());
            }
            "total" => members.total = Some(number(value)?),
            "concurrent" => members.concurrent = Some(number(value)?),
            _ => return Err(ParseLimitError),
        }
        members.limit().map_err(|_| ParseLimitError)
    }
}
