//! The record of a call, kept however the call ended: its lines for the log, and its refused
//! memory. Specification: `plugin.md` section 4.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::report::{Level, Line};

/// The most lines that are kept of a call.
const LINES: usize = 16;
/// The longest line, in bytes.
const LINE_BYTES: usize = 1024;
/// The number of lines after which a guest is stopped.
const MOST_WRITES: u32 = 1000;

/// The record that a guest leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    lines: Mutex<Vec<Line>>,
    writes: AtomicU32,
    refused_memory: AtomicUsize,
}

impl Journal {
    /// Notes a line, or leaves the line out. Returns false if the guest writes without end.
    pub(crate) fn write(&self, level: Level, message: &str) -> bool {
        let before = self.writes.fetch_add(1, Ordering::Relaxed);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(Line { level, text: one_line(message, LINE_BYTES) });
        }
        before < MOST_WRITES
    }

    pub(crate) fn memory_refused(&self, limit: usize) {
        self.refused_memory.store(limit, Ordering::Relaxed);
    }

    /// The memory limit that a guest wanted to exceed, if any.
    pub(crate) fn refused_memory(&self) -> Option<usize> {
        Some(self.refused_memory.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// Takes the lines; if some were left out, the last line says so.
    pub(crate) fn take_lines(&self) -> Vec<Line> {
        let mut lines =
            std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        let writes = self.writes.load(Ordering::Relaxed) as usize;
        if writes > LINES {
            lines.push(Line {
                level: Level::Warn,
                text: format!("{} more lines were left out", writes - LINES),
            });
        }
        lines
    }
}

/// Returns a guest's text for people and logs: no line breaks or other control characters, and at
/// most `most` bytes.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let written = line.len();
        if character.is_control() || is_steering(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        if line.len() > most {
            line.truncate(written);
            break;
        }
    }
    line
}

/// True for characters that change how a terminal or an editor shows the text around.
fn is_steering(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
