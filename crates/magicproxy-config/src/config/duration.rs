//! Durations: the written form, and the limits.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use super::check::Checker;
use super::setting::{FromText, Setting};

/// A duration as written: `24h`, `15m`, or a number of seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DurationText(pub String);

impl DurationText {
    /// Writes a duration in the largest unit that divides it: `24h`, `366d`, `90s`.
    pub(super) fn of(duration: Duration) -> Self {
        let seconds = duration.as_secs();
        let divides = |unit: &&(u64, &str)| seconds > unit.0 && seconds.is_multiple_of(unit.0);
        let unit = [(86_400, "d"), (3_600, "h"), (60, "m")]
            .iter()
            .find(divides)
            .copied()
            .unwrap_or((1, "s"));
        Self(format!("{}{}", seconds / unit.0, unit.1))
    }
}

impl FromText for DurationText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = DurationText;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration such as `24h`, or a number of seconds")
            }
            fn visit_str<E>(self, text: &str) -> Result<DurationText, E> {
                Ok(DurationText(text.to_owned()))
            }
            fn visit_i64<E>(self, seconds: i64) -> Result<DurationText, E> {
                Ok(DurationText(seconds.to_string()))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "description": "A duration such as `24h` or `1h 30m`, or a number of seconds." })
    }
}

impl Checker<'_> {
    /// Reads the lifetime of a token, at least one second, because tokens count in seconds.
    pub(super) fn whole_seconds(
        &mut self,
        key: &str,
        setting: &Setting<DurationText>,
    ) -> Option<Duration> {
        let lifetime = self.lifetime(key, setting)?;
        if let Some(given) = setting.given().filter(|_| lifetime < Duration::from_secs(1)) {
            self.fault(format!("{key} `{}`: expected at least `1s`", given.value.0), &given.origin);
        }
        Some(lifetime)
    }

    /// Reads a duration of at least a millisecond.
    pub(super) fn lifetime(
        &mut self,
        key: &str,
        setting: &Setting<DurationText>,
    ) -> Option<Duration> {
        let given = setting.given()?;
        let parsed = parse_duration(&given.value.0);
        parsed
            .map_err(|expected| {
                self.fault(format!("{key} `{}`: {expected}", given.value.0), &given.origin)
            })
            .ok()
    }
}

/// A hundred years, so that a duration added to a time does not overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Reads `24h`, `1h 30m`, or a number of seconds: at least a millisecond and at most 100 years.
///
/// # Errors
/// The message says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    let sensible =
        parsed.filter(|duration| (Duration::from_millis(1)..=LONGEST).contains(duration));
    sensible.ok_or_else(|| "expected a duration such as `24h` or `90s`, or a number of seconds, of at most 100 years".to_owned())
}
