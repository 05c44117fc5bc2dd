//! The section `[log]`: the lines that the proxy writes to standard error.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::setting::{choices, section};

section! {
    /// The lines that the proxy writes to standard error.
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
    /// A JSON object on each line, for machines.
    Json,
    /// Lines for people.
    Pretty,
}

/// The least severe lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Failures, and events that are odd.
    Warn,
    /// As `warn`, and one line for each request.
    Info,
    /// As `info`, and connections.
    Debug,
    /// Everything.
    Trace,
}

choices!(LogFormat, LogLevel);

/// The checked settings of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// The form of log lines; `None` means `pretty` on a terminal, else `json`.
    pub format: Option<LogFormat>,
    /// The least severe lines that are written.
    pub level: LogLevel,
}

impl LogSettings {
    /// Takes the settings as written, which need no further check.
    pub(super) fn of(raw: &RawLog) -> Self {
        let level = raw.level.given().map_or(LogLevel::Info, |given| given.value);
        Self { format: raw.format.given().map(|given| given.value), level }
    }
}
