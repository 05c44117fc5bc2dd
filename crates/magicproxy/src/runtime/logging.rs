//! Log lines on standard error, and the message of a panic.
//!
//! Other people's crates are capped at `warn`, whatever level the user sets: at `debug` and `trace`
//! hyper, h2 and rustls print header fields and buffers, and so credentials.

mod early;
pub(crate) mod events;
mod json;
mod lines;
mod short;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use json::JsonLines;
use lines::{Lines, Pace};
use short::ShortLines;

use crate::ground::output::{note, write_in_background};
use magicproxy_config::config::log::{LogFormat, LogLevel, LogSettings};
use magicproxy_config::ground::text::Colour;

pub(crate) use early::EarlyLog;

/// Installs the log. A second call changes nothing. A terminal shows each line at once; to a file
/// or a pipe, lines are written together.
pub(crate) fn install(settings: LogSettings) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let ours = |target: &str| {
        target.split("::").next().is_some_and(|krate| krate.starts_with("magicproxy"))
    };
    let filter = filter_fn(move |event| {
        let cap = if ours(event.target()) { level } else { level.min(LevelFilter::WARN) };
        *event.level() <= cap
    })
    .with_max_level_hint(level);
    let (pace, short) = if io::stderr().is_terminal() {
        (Pace::AtOnce, ShortLines::TimeOfDay)
    } else {
        (Pace::Together, ShortLines::Dated)
    };
    let writer = match write_in_background(lines::report) {
        Some(background) => BoxMakeWriter::new(Lines::new(background, pace)),
        None => BoxMakeWriter::new(io::stderr),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format(settings) {
        LogFormat::Json => lines.with_ansi(false).event_format(JsonLines).boxed(),
        LogFormat::Pretty => {
            lines.with_ansi(Colour::of_stderr().is_on()).event_format(short).boxed()
        }
    };
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

/// Returns the format of the settings, or the format that suits standard error.
pub(crate) fn format(settings: LogSettings) -> LogFormat {
    let suitable = if io::stderr().is_terminal() { LogFormat::Pretty } else { LogFormat::Json };
    settings.format.unwrap_or(suitable)
}

/// Installs a panic hook that prints the place and not the message: a message may quote a header or
/// a body.
pub(crate) fn install_panic_hook(early: EarlyLog) {
    std::panic::set_hook(Box::new(move |panic| report_panic(panic, early)));
}

fn report_panic(panic: &PanicHookInfo<'_>, early: EarlyLog) {
    const MESSAGE: &str = "the program met a bug and gave up what it was doing";
    let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
    if tracing::enabled!(target: "magicproxy::logging", tracing::Level::ERROR) {
        tracing::error!(name: "panic", target: "magicproxy::logging", place, "{MESSAGE}");
        return;
    }
    let place = place.unwrap_or_default();
    match early {
        EarlyLog::Json => {
            note(early::json_line(("panic", MESSAGE), &[("place", &place)]).trim_end())
        }
        EarlyLog::Text => note(&format!("error: {MESSAGE} at {place}")),
    }
}
