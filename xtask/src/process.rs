//! Child processes, and the limits for children that hang. Children stay in our process group, so
//! that Ctrl-C reaches all of them.
//!
//! A limit is for a hanging process, never for a slow process: compiling has no limit, and other
//! commands are stopped only after a long silence.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The silence after which a command counts as hanging, on however busy a machine.
pub(crate) const HUNG: Duration = Duration::from_secs(20 * 60);
/// The clock ticks per second in `/proc`, on every Linux that Rust runs on.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;
const POLL: Duration = Duration::from_millis(20);

/// Waits for the child. At the deadline, ends the child with all its descendants, and returns
/// `None`.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return end(child).map(|()| None);
        }
        std::thread::sleep(POLL);
    }
}

/// Waits for the child, unless `over` returns true. `over` gets two durations: the time since the
/// number from `said` last grew, and the time since the start. Then ends the child with all its
/// descendants, and returns `None`.
pub(crate) fn wait_unless(
    child: &mut Child,
    said: impl Fn() -> Result<usize>,
    over: impl Fn(Duration, Duration) -> bool,
) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    let (mut heard, mut last) = (said()?, started);
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
            return Ok(Some(status));
        }
        let now = said()?;
        if now != heard {
            (heard, last) = (now, Instant::now());
        }
        if over(last.elapsed(), started.elapsed()) {
            return end(child).map(|()| None);
        }
        std::thread::sleep(POLL);
    }
}

/// Asks a server to stop, and kills a server that hangs. True if the server stopped by itself.
pub(crate) fn stop(child: &mut Child) -> Result<bool> {
    stop_within(child, HUNG)
}

/// Like `stop`, with a shorter patience, for servers whose way of stopping is not tested.
pub(crate) fn stop_within(child: &mut Child, patience: Duration) -> Result<bool> {
    signal("TERM", &[child.id()])?;
    Ok(wait_until(child, Instant::now() + patience)?.is_some())
}

/// Returns the CPU time of all children that have ended, and of their descendants; zero where the
/// system does not tell.
pub(crate) fn spent_by_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields behind the name, which may hold spaces: the first is the state, and the 14th and 15th
    // are the times of the children.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    let ticks = fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum::<u32>();
    Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SECOND)
}

fn end(child: &mut Child) -> Result<()> {
    signal("KILL", &with_descendants(child.id()))?;
    child.wait().context("cannot wait for a killed process").map(drop)
}

fn signal(name: &str, ids: &[u32]) -> Result<()> {
    let mut command = Command::new("kill");
    command.arg(format!("-{name}")).args(ids.iter().map(u32::to_string));
    // A process that is already gone is no error, so the status is ignored.
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().context("cannot run `kill`")?;
    Ok(())
}

pub(crate) fn with_descendants(id: u32) -> Vec<u32> {
    let mut found = vec![id];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(children(parent));
        next += 1;
    }
    found
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::process::Command;
    use std::time::Duration;

    use super::wait_unless;

    #[test]
    fn a_child_that_is_heard_is_not_silent() {
        // `sleep` does not end by itself.
        let mut child = Command::new("sleep").arg("100000").spawn().unwrap();
        let (words, silences) = (Cell::new(0), Cell::new(0));
        let said = || {
            words.set(words.get() + usize::from(words.get() < 5));
            Ok(words.get())
        };
        let over = |silent: Duration, took: Duration| {
            // The silence begins anew with each word, and the fifth word is the last.
            silences.set(silences.get() + usize::from(words.get() == 5 && silent < took));
            silences.get() == 3
        };
        assert!(wait_unless(&mut child, said, over).unwrap().is_none());
        assert_eq!((words.get(), silences.get()), (5, 3));
    }
}
