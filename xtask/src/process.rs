//! Child processes with a deadline. Children stay in our process group, so that Ctrl-C reaches them all.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const POLL: Duration = Duration::from_millis(20);

/// Waits for the child; at the deadline ends it and all that it started, and returns `None`.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            signal("KILL", &with_descendants(child.id()))?;
            child.wait().context("cannot wait for a killed process")?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Asks a server to stop, and kills it when it has not stopped in time. True when it stopped by itself.
pub(crate) fn stop(child: &mut Child, patience: Duration) -> Result<bool> {
    signal("TERM", &[child.id()])?;
    Ok(wait_until(child, Instant::now() + patience)?.is_some())
}

fn signal(name: &str, ids: &[u32]) -> Result<()> {
    let mut command = Command::new("kill");
    command.arg(format!("-{name}")).args(ids.iter().map(u32::to_string));
    // A process that is already gone is what we want, so the status says nothing.
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
        .flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect()
}
