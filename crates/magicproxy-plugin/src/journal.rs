//! What is known of a call however it ended: its lines for the log, and what it was refused. Specification: `plugin.md` section 4.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::report::{Level, Line};

/// Lines that are kept of a call.
const LINES: usize = 16;
/// The longest line, in bytes.
const LINE_BYTES: usize = 1024;
/// After so many lines a guest is stopped.
const MOST_WRITES: u32 = 1000;

/// What a guest leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    lines: Mutex<Vec<Line>>,
    writes: AtomicU32,
    refused_memory: AtomicUsize,
}

impl Journal {
    /// Notes a line, or leaves it out; false, where the guest writes without end.
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

    /// The limit of which a guest wanted more, if it did.
    pub(crate) fn refused_memory(&self) -> Option<usize> {
        Some(self.refused_memory.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// The lines; if some were left out, one that says so.
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

/// A guest's text for people and logs: no line breaks or other control characters, and no longer than so many bytes.
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

/// Characters that change how a terminal or an editor shows what stands around them.
fn is_steering(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
