//! The documentation build: this program, called by cargo as rustdoc of the documentation tests,
//! writes the documentation instead of running the tests.
//!
//! `cargo doc` would compile every third-party crate once more, by a profile of its own.
//! `cargo test --doc` gives rustdoc the libraries of the test build, and lets the environment name
//! the rustdoc: this program.

use std::path::Path;
use std::process::{Command, ExitCode};

/// The environment variable that makes this program act as rustdoc; its value is the folder of the
/// documentation.
pub(crate) const ASKED: &str = "MAGICPROXY_XTASK_DOCUMENTS";
/// Arguments of rustdoc for tests only, each with the number of words that follow.
const OF_TESTS: [(&str, usize); 4] =
    [("--test", 0), ("--test-run-directory", 1), ("--test-args", 1), ("--no-run", 0)];

/// Turns `cargo test --doc …` into a documentation build: cargo calls `copy`, a copy of this
/// program, as rustdoc.
pub(crate) fn instead_of_tests(
    tests: &mut Command,
    copy: &Path,
    folder: &Path,
) -> std::io::Result<()> {
    // The build of the tests may have replaced this program's file, and then the path of the
    // running program is gone; `/proc/self/exe` still reads the running one.
    let running = Path::new("/proc/self/exe");
    let program = if running.exists() { running.to_path_buf() } else { std::env::current_exe()? };
    std::fs::copy(program, copy)?;
    tests.env("RUSTDOC", copy).env(ASKED, folder).arg("--doc");
    Ok(())
}

/// Documents one crate with all private items. Each warning is an error.
pub(crate) fn run(arguments: Vec<String>) -> ExitCode {
    let mut rustdoc = Command::new("rustdoc");
    rustdoc.args(without_tests(arguments)).args([
        "--document-private-items",
        "-D",
        "warnings",
        "--out-dir",
    ]);
    let status =
        rustdoc.arg(std::env::var_os(ASKED).unwrap_or_default()).env_remove(ASKED).status();
    match status {
        Ok(status) if status.success() => {
            println!("{DOCUMENTED}");
            ExitCode::SUCCESS
        }
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

/// The line printed for each documented crate.
pub(crate) const DOCUMENTED: &str = "documented without a warning";

fn without_tests(arguments: Vec<String>) -> Vec<String> {
    let mut arguments = arguments.into_iter();
    let mut kept = Vec::new();
    while let Some(argument) = arguments.next() {
        match OF_TESTS.iter().find(|(name, _)| *name == argument) {
            Some((_, words)) => arguments.by_ref().take(*words).for_each(drop),
            None => kept.push(argument),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_tests;

    #[test]
    fn what_only_tests_need_is_left_out() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let given = "--crate-name x --test src/lib.rs --test-run-directory /x --extern a=b --test-args y -L z";
        assert_eq!(
            without_tests(words(given)),
            words("--crate-name x src/lib.rs --extern a=b -L z")
        );
    }
}
