//! Reports on a plugin and on a call of a plugin, for people and for logs. Specification:
//! `plugin.md` sections 2 and 4.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::Interests;

use crate::failure::CallFailure;

/// The description of a plugin, for people.
#[derive(Clone, Debug)]
pub struct Description {
    /// The plugin's interests.
    pub interests: Arc<Interests>,
    /// The most bytes of a request's body that the plugin takes.
    pub longest_body: usize,
    /// The plugin's imports.
    pub imports: Vec<String>,
    /// The SHA-256 of the plugin's file, in hexadecimal.
    pub sha256: String,
    /// The length of the plugin's file, in bytes.
    pub bytes: usize,
}

/// The report of a call.
#[derive(Clone, Debug)]
pub struct Report<T> {
    /// The plugin's reply, or the reason why the call failed.
    pub outcome: Result<T, CallFailure>,
    /// The lines that the plugin wrote.
    pub lines: Vec<Line>,
    /// The time that the plugin ran.
    pub spent: Duration,
}

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A line for the plugin's author.
    Debug,
    /// A line for the curious.
    Info,
    /// A line about an oddity.
    Warn,
    /// A line about an error.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// A line that a plugin wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The level of the line.
    pub level: Level,
    /// The text of a single line: control characters are escaped.
    pub text: String,
}
