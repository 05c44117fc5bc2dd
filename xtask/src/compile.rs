//! The cargo commands that compile, chosen so that nothing is compiled twice: each third-party
//! crate once for the tests, by the profile `dev`, and once for the program, by the profile
//! `release`.
//!
//! cargo compiles a third-party crate anew when the selected packages want other features of the
//! crate. So every command of a profile selects the same packages, and only our own few crates are
//! ever compiled in another way.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// The packages and features of every build by the profile `dev`, with the targets of the tests.
const TESTED: &[&str] = &["--workspace", "--features", "magicproxy/plugins"];
/// The packages of [`TESTED`] without plugins, as a newcomer builds them. Third-party crates stay
/// as they are.
const WITHOUT_PLUGINS: &[&str] = &["--workspace", "--no-default-features"];
/// The packages of [`TESTED`], and the fuzz targets, which need libFuzzer.
const FUZZED: &[&str] =
    &["--workspace", "--features", "magicproxy/plugins,magicproxy-fuzz/targets"];
/// The packages and features of every build by the profile `release`, as the program is released.
const RELEASED: &[&str] = &[
    "--release",
    "--package",
    "magicproxy",
    "--package",
    "bench-upstream",
    "--features",
    "magicproxy/plugins",
];

/// `cargo build …` for the tests: every target of every crate, with each of our lints as an error.
pub(crate) fn everything(workspace: &Workspace) -> Result<Command> {
    linting(workspace, "build", &[TESTED, &["--all-targets", "--keep-going"]].concat())
}

/// `cargo test …` of the targets that [`everything`] built.
pub(crate) fn tests(workspace: &Workspace, selection: &[&str]) -> Result<Command> {
    linting(workspace, "test", &[TESTED, selection].concat())
}

/// `cargo test …` of the libraries without plugins; no other command here builds this form.
pub(crate) fn tests_without_plugins(workspace: &Workspace, selection: &[&str]) -> Result<Command> {
    linting(workspace, "test", &[WITHOUT_PLUGINS, &["--lib"], selection].concat())
}

/// `cargo build …` of the fuzz targets: third-party crates are those of the tests, our crates are
/// instrumented.
pub(crate) fn fuzz_targets(workspace: &Workspace, targets: &[String]) -> Command {
    let mut command = workspace.cargo();
    // The test target makes cargo select the packages of the tests; without `--test`, third-party
    // crates would be compiled again with other features.
    command
        .arg("build")
        .args(FUZZED)
        .args(["--test", "listed"])
        .args(targets.iter().flat_map(|target| ["--bin", target]));
    command.env("RUSTC_WORKSPACE_WRAPPER", workspace.root.join("fuzz/instrument"));
    command
}

/// `cargo build …` of the program, and of the upstream for counting the program's costs.
pub(crate) fn released(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command.arg("build").args(RELEASED);
    command
}

/// `cargo test …` of one of core's test programs by the profile `release`: for millions of cases,
/// which take hours without optimisation.
pub(crate) fn released_tests(workspace: &Workspace, program: &str) -> Command {
    let mut command = workspace.cargo();
    command.arg("test").args(RELEASED).args(["--package", "magicproxy-core", "--test", program]);
    command
}

/// Returns a cargo command that compiles our crates with clippy's compiler, and third-party crates
/// with rustc: the tests run code that was linted by the same compilation. `cargo clippy` does so
/// too, but by a profile of its own, for which everything is compiled once more.
fn linting(workspace: &Workspace, verb: &str, words: &[&str]) -> Result<Command> {
    let mut command = workspace.cargo();
    command.arg(verb).args(words).env("RUSTC_WORKSPACE_WRAPPER", clippy_driver(workspace)?);
    command.env("CLIPPY_ARGS", ["-D", "warnings", ""].join("__CLIPPY_HACKERY__"));
    Ok(command)
}

/// Returns the full path of clippy's compiler: a program found by `PATH` may belong to another
/// toolchain.
fn clippy_driver(workspace: &Workspace) -> Result<PathBuf> {
    let said = workspace
        .command("rustc")
        .args(["--print", "sysroot"])
        .output()
        .context("cannot run `rustc`")?;
    let sysroot = String::from_utf8(said.stdout).context("`rustc` gave no path")?;
    let driver = Path::new(sysroot.trim()).join("bin/clippy-driver");
    anyhow::ensure!(driver.is_file(), "clippy is missing: `rustup component add clippy`");
    Ok(driver)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FUZZED, RELEASED, TESTED, WITHOUT_PLUGINS};

    #[test]
    fn builds_of_a_profile_select_the_same_packages() {
        for selected in [TESTED, WITHOUT_PLUGINS, FUZZED] {
            assert!(
                selected.contains(&"--workspace") && !selected.contains(&"--release"),
                "{selected:?}"
            );
        }
        assert!(RELEASED.contains(&"--release") && RELEASED.contains(&"magicproxy/plugins"));
    }

    #[test]
    fn the_pinned_compiler_is_of_the_version_that_the_manifest_asks_for() {
        let value = |text: &'static str, key: &str| {
            let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
            line.unwrap().trim_matches('"')
        };
        let pinned = value(include_str!("../../.github/workflows/test.yml"), "RUSTUP_TOOLCHAIN: ");
        let oldest = value(include_str!("../../Cargo.toml"), "rust-version = ");
        assert!(
            pinned.strip_prefix(oldest).is_some_and(|rest| rest.starts_with('.')),
            "{pinned} is not {oldest}"
        );
    }

    #[test]
    fn there_are_no_profiles_but_those_that_are_described() {
        let manifest = include_str!("../../Cargo.toml");
        let named = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("[profile.")?.split(['.', ']']).next());
        assert_eq!(named.collect::<BTreeSet<_>>(), BTreeSet::from(["dev", "dist", "release"]));
        let described = include_str!("../../ARCHITECTURE.md");
        for profile in ["dev", "dist", "release"] {
            assert!(described.contains(&format!("profile `{profile}`")), "{profile}");
        }
    }
}
