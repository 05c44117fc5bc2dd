//! The stages with Rust's own tests and the release build for the black-box stages.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::log::Log;
use crate::stage::Report;
use crate::tally::{Tally, of_libtest};
use crate::workspace::Workspace;
use crate::{compile, python};

/// The targets that `check` tests: the unit tests inside of the crates, and the vectors; no other
/// integration test, and no documentation.
const QUICK: [&str; 4] = ["--lib", "--bins", "--test", "vectors"];

pub(super) fn quick(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    test(workspace, log, || compile::tests(workspace, &QUICK), None)
}

/// Runs all tests, and tests the stores against a real Valkey, which a Python package brings.
pub(super) fn all(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let every = || compile::tests(workspace, &[]);
    let mut report = match python::valkey(workspace, log) {
        Ok(valkey) => test(workspace, log, every, Some(&valkey)),
        Err(error) if workspace.ci => Err(error.context("there is no Valkey to test with")),
        Err(error) => {
            let mut report = test(workspace, log, every, None)?;
            report.notes.push(format!("the store in Valkey was NOT tested: {error:#}"));
            Ok(report)
        }
    }?;
    report.tally = report.tally.plus(without_plugins(workspace, log)?.tally);
    Ok(report)
}

pub(super) fn release(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    Ok(Report::of(Tally::one(log.build(&mut compile::released(workspace))?.ok)))
}

/// Lints and tests the build without plugins, the newcomer's build. Only the message for a request
/// for a plugin is tested here; everything else was tested with plugins.
fn without_plugins(workspace: &Workspace, log: &mut Log) -> Result<Report> {
    let report = test(
        workspace,
        log,
        || compile::tests_without_plugins(workspace, &["what_to_build"]),
        None,
    )?;
    anyhow::ensure!(
        report.tally.failed > 0 || report.tally.passed > 0,
        "no test of a program without plugins was found"
    );
    Ok(report)
}

/// Builds the tests without a time limit, and then runs them.
fn test(
    workspace: &Workspace,
    log: &mut Log,
    tests: impl Fn() -> Result<Command>,
    valkey: Option<&Path>,
) -> Result<Report> {
    if !log.build(tests()?.arg("--no-run"))?.ok {
        return Ok(Report::of(Tally::one(false)));
    }
    let mut command = tests()?;
    command.env("RUSTDOC", workspace.root.join("xtask/rustdoc"));
    if let Some(valkey) = valkey {
        command.env("MAGICPROXY_TEST_VALKEY", valkey);
    }
    // Without `--no-fail-fast`, one failing binary would hide the results of the binaries after it.
    Ok(Report::of(of_libtest(&log.run(command.arg("--no-fail-fast"))?)))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::QUICK;

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    /// The sources of the test targets that `check` runs, without those that write vectors.
    fn run_by_check(root: &Path) -> Vec<PathBuf> {
        let crates =
            std::fs::read_dir(root.join("crates")).unwrap().flatten().map(|entry| entry.path());
        let mut sources = Vec::new();
        for folder in crates {
            sources.extend(
                files(&folder.join("src")).into_iter().filter(|_| QUICK.contains(&"--lib")),
            );
            for pair in QUICK.windows(2).filter(|pair| pair[0] == "--test") {
                let target = folder.join("tests").join(pair[1]);
                sources.extend(files(&target));
                sources.extend(Some(target.with_extension("rs")).filter(|file| file.is_file()));
            }
        }
        sources.retain(|file| !file.file_name().unwrap().to_string_lossy().starts_with("make_"));
        sources
    }

    #[test]
    fn check_runs_every_file_of_vectors() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sources: Vec<String> =
            run_by_check(root).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let vectors = files(&root.join("testdata/vectors"));
        let vectors: Vec<&PathBuf> = vectors
            .iter()
            .filter(|file| file.extension().is_some_and(|kind| kind == "json"))
            .collect();
        assert!(vectors.len() > 10, "{vectors:?}");
        for file in vectors {
            let name = file.file_name().unwrap().to_string_lossy();
            let stem = file.file_stem().unwrap().to_string_lossy();
            let named =
                |text: &String| text.contains(&*name) || text.contains(&format!("\"{stem}\""));
            assert!(sources.iter().any(named), "`check` runs no test that reads `{name}`");
        }
    }
}
