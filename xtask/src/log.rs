//! One log file per stage: every sub-command's output goes there, and is read back for counting.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process;

#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

/// How a sub-command ended, and everything it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

impl Log {
    pub(crate) fn create(path: PathBuf) -> Result<Log> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        }
        let file = File::create(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Log { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.file, "{text}").context("cannot write the log")
    }

    /// A handle for a child's output, which then goes behind what is there.
    pub(crate) fn handle(&self) -> Result<File> {
        self.file.try_clone().context("cannot share the log with a child process")
    }

    /// Runs the command to its end or to the limit, whichever comes first.
    pub(crate) fn run(&mut self, command: &mut Command, limit: Duration) -> Result<Finished> {
        self.line(&format!("$ {}", shown(command)))?;
        let from = self.length()?;
        let started = Instant::now();
        let mut child = command
            .stdin(std::process::Stdio::null())
            .stdout(self.handle()?)
            .stderr(self.handle()?)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let status = process::wait_until(&mut child, started + limit)?;
        let text = self.text_from(from)?;
        let took = started.elapsed().as_secs_f64();
        match status {
            Some(status) => self.line(&format!("[{status}, {took:.1} s]"))?,
            None => self.line(&format!("[stopped: it took more than {} s]", limit.as_secs()))?,
        }
        Ok(Finished { ok: status.is_some_and(|status| status.success()), text })
    }

    /// Like `run`, for preparations without which there is nothing to test.
    pub(crate) fn must(&mut self, command: &mut Command, limit: Duration) -> Result<String> {
        let finished = self.run(command, limit)?;
        anyhow::ensure!(finished.ok, "{:?} failed", command.get_program());
        Ok(finished.text)
    }

    /// All that is in it.
    pub(crate) fn text(&self) -> Result<String> {
        self.text_from(0)
    }

    pub(crate) fn tail(&self, lines: usize) -> Result<String> {
        let text = self.text()?;
        let all: Vec<&str> = text.lines().collect();
        let skipped = all.len().saturating_sub(lines);
        Ok(all.into_iter().skip(skipped).collect::<Vec<_>>().join("\n"))
    }

    fn length(&self) -> Result<usize> {
        let length = self.file.metadata().context("cannot look at the log")?.len();
        usize::try_from(length).context("the log is too long")
    }

    fn text_from(&self, offset: usize) -> Result<String> {
        let bytes = std::fs::read(&self.path).context("cannot read the log back")?;
        Ok(String::from_utf8_lossy(bytes.get(offset..).unwrap_or_default()).into_owned())
    }
}

/// The words of a command, without the folder and the environment that they all share.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
