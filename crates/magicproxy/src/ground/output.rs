//! Writing to the terminal: a closed pipe is no failure, and no command waits for an unread
//! standard error.

mod background;

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use background::{Background, Urgency};

/// The flag `--quiet`: remarks are left out. Set once, before any command runs.
static QUIET: AtomicBool = AtomicBool::new(false);

/// The writer of standard error in commands that serve. Once set, nothing else writes to standard
/// error: a write without a reader would hold up the writing thread and every later writer.
static BACKGROUND: OnceLock<Background> = OnceLock::new();

/// Starts a thread that writes standard error from now on, and returns its queue; `report` is given
/// the number of dropped lines. `None` if no thread can be started: then every thread writes for
/// itself.
pub(crate) fn write_in_background(report: fn(u64)) -> Option<Background> {
    if let Some(known) = BACKGROUND.get() {
        return Some(known.clone());
    }
    let background = Background::start(io::stderr(), report).ok()?;
    Some(BACKGROUND.get_or_init(|| background).clone())
}

/// A guard whose end waits, within bounds, until all lines for standard error are written. Made at
/// the beginning of the program, dropped at the end.
#[derive(Debug)]
pub(crate) struct LastWords;

impl Drop for LastWords {
    fn drop(&mut self) {
        if let Some(background) = BACKGROUND.get() {
            background.flush();
        }
    }
}

/// Leaves remarks out from now on.
pub(crate) fn hush() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Writes a line, or a text that ends with a line end, to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(end.as_bytes()))
        .and_then(|()| stdout.flush())
    {
        // Not a failure: `magicproxy man | head` closes the pipe early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Writes JSON, indented, for machines and for people.
pub(crate) fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Writes a line to standard error. A failure of the write is ignored, for want of another place to
/// report the failure.
pub(crate) fn note(text: &str) {
    match BACKGROUND.get() {
        Some(background) => background.add(format!("{text}\n").as_bytes(), Urgency::Urgent),
        None => drop(writeln!(io::stderr().lock(), "{text}")),
    }
}

/// Writes a remark to standard error, good to know and no warning: the files used, the things made.
/// `--quiet` leaves remarks out.
pub(crate) fn remark(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        note(text);
    }
}
