//! Failures of a command, and the exit codes that the manual promises for them.

use std::process::ExitCode;

use crate::ground::output::note;
use magicproxy_config::ground::fault::Faults;
use magicproxy_config::ground::text::{Colour, reason};
use magicproxy_config::ground::userinfo::{without_userinfo, without_userinfo_of};

/// The reason for an unsuccessful command, with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: something failed.
    Error(anyhow::Error),
    /// 2: the arguments make no sense; one message for each reason.
    Usage(Vec<String>),
    /// 1: `inspect` shows a token that is not accepted. Everything has been said on standard
    /// output.
    NotAccepted,
    /// 3: `explain` says no. Everything has been said on standard output.
    Denied,
    /// 2: `explain` cannot decide without a body. Everything has been said on standard output.
    Undecided,
    /// 126 or 127, as in a shell: the program for `run` cannot be started.
    NotStarted { code: u8, error: anyhow::Error },
    /// 78 (`EX_CONFIG`): the configuration, or a key, is not usable.
    Config(Faults),
    /// 78 as well, where the faults have been said on standard output.
    ConfigSaid,
    /// An exit code of its own, where everything has been said in the log.
    Logged(u8),
}

impl Failure {
    /// Makes a usage failure for one reason.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(vec![message.into()])
    }

    /// Writes the failure to standard error, without the users and passwords in URLs, and returns
    /// the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let say = |message: &str| note(&format!("error: {}", shown(message)));
        match self {
            Self::Error(error) | Self::NotStarted { error, .. } => say(&chain(error)),
            Self::Usage(messages) => messages.iter().for_each(|message| say(message)),
            Self::NotAccepted
            | Self::Denied
            | Self::Undecided
            | Self::ConfigSaid
            | Self::Logged(_) => {}
            Self::Config(faults) => note(&faults.render(Colour::of_stderr())),
        }
        ExitCode::from(self.code())
    }

    /// Returns the failure in a line, for another process.
    pub(crate) fn line(&self) -> String {
        let line = match self {
            Self::Error(error) | Self::NotStarted { error, .. } => chain(error),
            Self::Usage(messages) => messages.join("; "),
            Self::Config(faults) => faults.in_lines().join("; "),
            Self::NotAccepted
            | Self::Denied
            | Self::Undecided
            | Self::ConfigSaid
            | Self::Logged(_) => "its own lines in the log say why".to_owned(),
        };
        shown(&line)
    }

    fn code(&self) -> u8 {
        match self {
            Self::Error(_) | Self::NotAccepted => 1,
            Self::Usage(_) | Self::Undecided => 2,
            Self::Denied => 3,
            Self::NotStarted { code, .. } | Self::Logged(code) => *code,
            Self::Config(_) | Self::ConfigSaid => 78,
        }
    }

    /// Writes the failure to the log, for commands whose standard error is a log.
    pub(crate) fn logged(self) -> Self {
        let say = |message: &str| tracing::error!(name: "serve_failed", target: "magicproxy::failure", "{}", shown(message));
        match &self {
            Self::Error(error) | Self::NotStarted { error, .. } => say(&chain(error)),
            Self::Usage(messages) => messages.iter().for_each(|message| say(message)),
            Self::NotAccepted
            | Self::Denied
            | Self::Undecided
            | Self::ConfigSaid
            | Self::Logged(_) => {}
            Self::Config(faults) => faults.log(),
        }
        Self::Logged(self.code())
    }
}

/// Masks the users and passwords of URLs in a message, also of URLs in the arguments of the
/// process: the message may repeat a part of an argument.
pub(crate) fn shown(message: &str) -> String {
    let arguments = std::env::args_os().filter_map(|argument| argument.into_string().ok());
    arguments.fold(without_userinfo(message).into_owned(), |message, argument| {
        let value = argument
            .strip_prefix("--")
            .and_then(|flag| flag.split_once('='))
            .map_or(argument.as_str(), |(_, value)| value);
        without_userinfo_of(message, value)
    })
}

/// Writes the error and its causes in one line.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let link = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref() {
        Some(cause) => reason(cause),
        None => cause.to_string(),
    };
    error.chain().map(link).collect::<Vec<_>>().join(": ")
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Config(faults)
    }
}
