//! The log file of a stage: every sub-command writes its output to the file, and the counts are
//! read from the file.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process;

/// The limit after which a command is stopped.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// No limit: the command ends by itself.
    Never,
    /// A limit on the time without output.
    Silent(Duration),
    /// A limit on the time since the start.
    After(Duration),
}

impl Stop {
    fn is_due(self, silent: Duration, took: Duration) -> bool {
        match self {
            Stop::Never => false,
            Stop::Silent(limit) => silent >= limit,
            Stop::After(limit) => took >= limit,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Never => formatter.write_str("it had no limit"),
            Stop::Silent(limit) => {
                write!(formatter, "it had said nothing for {} s, so it hangs", limit.as_secs())
            }
            Stop::After(limit) => write!(formatter, "it took more than {} s", limit.as_secs()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

/// The result of a sub-command, with the whole output.
#[derive(Debug)]
pub(crate) struct FinishedStage {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

impl Log {
    pub(crate) fn create(path: PathBuf) -> Result<Log> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make `{}`", folder.display()))?;
        }
        let file =
            File::create(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Log { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.file, "{text}").context("cannot write the log")
    }

    /// Returns a handle for a child's output, which is appended to the log.
    pub(crate) fn handle(&self) -> Result<File> {
        self.file.try_clone().context("cannot share the log with a child process")
    }

    /// Compiles without a time limit: a slow machine is no fault.
    pub(crate) fn build(&mut self, command: &mut Command) -> Result<FinishedStage> {
        self.finish(command, Stop::Never)
    }

    /// Compiles like `build`. A failure is an error; for preparations that the tests need.
    pub(crate) fn must_build(&mut self, command: &mut Command) -> Result<String> {
        let finished = self.build(command)?;
        succeeded(command, finished)
    }

    /// Runs the command to the end, or until the command hangs. A command that compiles goes
    /// through `build`.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<FinishedStage> {
        anyhow::ensure!(
            !compiles(command),
            "`{}` compiles, and no limit is for that",
            shown(command)
        );
        self.finish(command, Stop::Silent(process::HUNG))
    }

    /// Runs like `run`. A failure is an error; for preparations that the tests need.
    pub(crate) fn must(&mut self, command: &mut Command) -> Result<String> {
        let finished = self.run(command)?;
        succeeded(command, finished)
    }

    /// Runs the command up to the time limit; for optional work that is given up when slow.
    pub(crate) fn run_within(
        &mut self,
        command: &mut Command,
        limit: Duration,
    ) -> Result<FinishedStage> {
        self.finish(command, Stop::After(limit))
    }

    fn finish(&mut self, command: &mut Command, stop: Stop) -> Result<FinishedStage> {
        self.line(&format!("$ {}", shown(command)))?;
        let from = self.length()?;
        let started = Instant::now();
        let mut child = command
            .stdin(std::process::Stdio::null())
            .stdout(self.handle()?)
            .stderr(self.handle()?)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let status = process::wait_unless(
            &mut child,
            || self.length(),
            |silent, took| stop.is_due(silent, took),
        )?;
        let text = self.text_from(from)?;
        let took = started.elapsed().as_secs_f64();
        match status {
            Some(status) => self.line(&format!("[{status}, {took:.1} s]"))?,
            None => self.line(&format!("[stopped after {took:.1} s: {stop}]"))?,
        }
        Ok(FinishedStage { ok: status.is_some_and(|status| status.success()), text })
    }

    /// Returns the whole log.
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

/// Returns the words of a command, without the folder and the environment that all commands share.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn succeeded(command: &Command, finished: FinishedStage) -> Result<String> {
    anyhow::ensure!(finished.ok, "{:?} failed", command.get_program());
    Ok(finished.text)
}

/// True if the command does little else than compile.
fn compiles(command: &Command) -> bool {
    let is_cargo = Path::new(command.get_program()).file_stem().is_some_and(|name| name == "cargo");
    let words: Vec<_> = command.get_args().collect();
    let verb = words.first().is_some_and(|verb| {
        ["build", "check", "clippy", "doc", "install"].iter().any(|known| verb == known)
    });
    is_cargo && (verb || words.iter().any(|word| *word == "--no-run"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Log, Stop, compiles};

    #[test]
    fn slow_is_no_fault_and_silence_is() {
        let (short, long) = (Duration::from_secs(1), Duration::MAX);
        assert!(!Stop::Never.is_due(long, long));
        assert!(!Stop::Silent(short).is_due(Duration::ZERO, long));
        assert!(Stop::Silent(short).is_due(short, short));
        assert!(Stop::After(short).is_due(Duration::ZERO, short));
    }

    #[test]
    fn no_limit_is_ever_put_on_compiling() {
        let cargo = |words: &[&str]| {
            let mut command = Command::new("/somewhere/cargo");
            command.args(words);
            command
        };
        for words in
            [&["build", "--release"][..], &["install", "x"], &["test", "--workspace", "--no-run"]]
        {
            assert!(compiles(&cargo(words)), "{words:?}");
        }
        assert!(
            !compiles(&cargo(&["test", "--workspace"]))
                && !compiles(Command::new("pip").arg("install"))
        );
        let folder = std::env::temp_dir().join(format!("xtask-log-{}", std::process::id()));
        let mut log = Log::create(folder.join("log")).unwrap();
        let refused = log.run(&mut cargo(&["build"])).unwrap_err().to_string();
        assert!(refused.contains("compiles"), "{refused}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
