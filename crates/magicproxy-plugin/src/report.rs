//! What is told of a plugin and of a call of it, to people and to logs. Specification: `plugin.md` sections 2 and 4.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::Interests;

use crate::failure::CallFailure;

/// What a plugin is, for people.
#[derive(Clone, Debug)]
pub struct Description {
    /// What it is interested in.
    pub interests: Arc<Interests>,
    /// What it imports.
    pub imports: Vec<String>,
    /// The SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// The length of its file.
    pub bytes: usize,
}

/// What became of one call.
#[derive(Clone, Debug)]
pub struct Report<T> {
    /// What the plugin said, or why it said nothing.
    pub outcome: Result<T, CallFailure>,
    /// What it wrote.
    pub lines: Vec<Line>,
    /// How long it ran.
    pub spent: Duration,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// For the curious.
    Info,
    /// Odd.
    Warn,
    /// Wrong.
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

/// One line that a plugin wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// One line of text: control characters are escaped.
    pub text: String,
}
