//! Log lines on their way to standard error: each event is one line in the queue of the writing
//! thread.
//!
//! Lines of requests wait for others, because a system call for each would cost more than the line;
//! warnings and errors do not wait.

use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::ground::output::{Background, Urgency};

/// The target of reports about dropped lines.
const REPORTS: &str = "magicproxy::log";

/// The pace of ordinary lines: at once, or together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    AtOnce,
    Together,
}

/// A maker of lines from events.
#[derive(Debug)]
pub(super) struct Lines {
    background: Background,
    pace: Pace,
}

impl Lines {
    pub(super) fn new(background: Background, pace: Pace) -> Self {
        Self { background, pace }
    }

    fn urgency(&self, event: &Metadata<'_>) -> Urgency {
        if event.target() == REPORTS {
            return Urgency::Report;
        }
        if self.pace == Pace::AtOnce || *event.level() <= Level::WARN {
            Urgency::Urgent
        } else {
            Urgency::Ordinary
        }
    }
}

/// Reports dropped lines. At the highest level: a reader of errors alone has lost errors, too.
pub(super) fn report(dropped: u64) {
    tracing::error!(name: "log_lines_dropped", target: REPORTS, lines = dropped, "log lines were dropped: nobody read standard error, or it could not be written");
}

/// The line of one event.
pub(super) struct Line<'l> {
    background: &'l Background,
    urgency: Urgency,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.background.add(bytes, self.urgency);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Self::Writer {
        Line { background: &self.background, urgency: Urgency::Urgent }
    }

    fn make_writer_for(&'l self, event: &Metadata<'_>) -> Self::Writer {
        Line { background: &self.background, urgency: self.urgency(event) }
    }
}
