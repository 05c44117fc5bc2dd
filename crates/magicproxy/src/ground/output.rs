//! Writing to the terminal: a closed pipe is no failure, and nobody waits for a standard error that nobody reads.

mod background;

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use background::{Background, Urgency};

/// `--quiet`: remarks are left out. Set once, before any command runs.
static QUIET: AtomicBool = AtomicBool::new(false);

/// The writer of standard error in commands that serve. Once there is one, nothing else writes there: a write that nobody takes
/// would hold up whoever wrote it, and all that write after it.
static BACKGROUND: OnceLock<Background> = OnceLock::new();

/// Has a thread write standard error from now on, and gives its queue; `report` is told how many lines were dropped. `None`
/// where there can be no thread: then everybody writes for himself.
pub(crate) fn write_in_background(report: fn(u64)) -> Option<Background> {
    if let Some(known) = BACKGROUND.get() {
        return Some(known.clone());
    }
    let background = Background::start(io::stderr(), report).ok()?;
    Some(BACKGROUND.get_or_init(|| background).clone())
}

/// Waits, within bounds, until what was said on standard error is written. Made at the beginning of the program, dropped at
/// its end.
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

/// Writes a line, or a text that ends with one, to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(end.as_bytes()))
        .and_then(|()| stdout.flush())
    {
        // `magicproxy man | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Writes JSON, for machines and for people who look at it.
pub(crate) fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Writes a line to standard error. What cannot be said there cannot be said.
pub(crate) fn note(text: &str) {
    match BACKGROUND.get() {
        Some(background) => background.add(format!("{text}\n").as_bytes(), Urgency::Urgent),
        None => drop(writeln!(io::stderr().lock(), "{text}")),
    }
}

/// Writes a line to standard error that is good to know and no warning: which file is used, what was made. `--quiet` leaves
/// it out.
pub(crate) fn remark(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        note(text);
    }
}
