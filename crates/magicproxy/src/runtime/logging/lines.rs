//! Log lines on their way to standard error: each event is one line of the queue that a thread writes.
//!
//! Requests' lines wait for others, because a system call for each costs more than the line; warnings and errors do not.

use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::ground::output::{Background, Urgency};

/// The target of the line that tells of dropped ones.
const REPORTS: &str = "magicproxy::log";

/// Does an ordinary line wait for others?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    AtOnce,
    Together,
}

/// Makes lines of events.
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

/// Tells of lines that were dropped. At the highest level: whoever reads errors only has lost errors.
pub(super) fn report(dropped: u64) {
    tracing::error!(target: REPORTS, dropped, "log lines were dropped: nobody read standard error, or it could not be written");
}

/// One event's line.
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
