//! `[log]`: what the proxy writes to stderr.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::setting::{choices, section};

section! {
    /// What the proxy writes to stderr.
    RawLog {
        /// The form of log lines.
        format: LogFormat,
        /// The least severe lines that are written.
        level: LogLevel = LogLevel::Info,
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Lines for people.
    Pretty,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Also what is odd.
    Warn,
    /// Also one line for each request.
    Info,
    /// Also connections.
    Debug,
    /// Everything.
    Trace,
}

choices!(LogFormat, LogLevel);

/// What is logged.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// Where nobody says: `pretty` on a terminal, else `json`.
    pub format: Option<LogFormat>,
    /// How much is logged.
    pub level: LogLevel,
}

impl LogSettings {
    /// What was written, which needs no further check.
    pub(super) fn of(raw: &RawLog) -> Self {
        let level = raw.level.given().map_or(LogLevel::Info, |given| given.value);
        Self { format: raw.format.given().map(|given| given.value), level }
    }
}
