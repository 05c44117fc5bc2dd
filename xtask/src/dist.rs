//! `cargo xtask dist`: builds the program as released, and its packages. For this machine the
//! program is built with counters, counted under the benchmark's load, and built again by the
//! counts: the code of a request then lies together, which saves a fifth of the request's time. For
//! the other machine the program is built once.
//!
//! Zig links, against an old glibc, so that a release runs on systems that are older than this one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::packages::{self, Glibc, Program};
use crate::workspace::{Workspace, path_with};
use crate::{bench, python};

/// The glibc that releases run on, of 2018: what Debian 10, RHEL 8 and Ubuntu 20.04 have, or later.
const GLIBC: Glibc = Glibc { major: 2, minor: 28 };
/// The machines that a release is for.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// The arguments of `cargo xtask dist`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// Programs that are there; none where they are to be built.
    programs: Vec<PathBuf>,
    /// True if each package is to be installed and used.
    test: bool,
}

/// Builds the programs, or takes those that `--program FILE` names, and makes the packages. With
/// `--test`, installs each of them. True if nothing failed.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<bool> {
    let options = parse(arguments)?;
    let mut log = Log::create(workspace.target.join("xtask/dist.log"))?;
    make(workspace, &mut log, &options)
        .inspect_err(|_| println!("{}", log.tail(60).unwrap_or_default()))
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match (word.as_str(), words.as_slice().first()) {
            ("--test", _) => options.test = true,
            ("--program", Some(_)) => options.programs.extend(words.next().map(PathBuf::from)),
            _ => anyhow::bail!("expected `cargo xtask dist [--program FILE]… [--test]`"),
        }
    }
    Ok(options)
}

fn make(workspace: &Workspace, log: &mut Log, options: &Options) -> Result<bool> {
    let built = options.programs.is_empty();
    let files = if built { build(workspace, log)? } else { options.programs.clone() };
    let programs: Vec<Program> =
        files.iter().map(|file| Program::read(workspace, log, file)).collect::<Result<_>>()?;
    let young = programs.iter().find(|program| built && program.glibc > GLIBC);
    if let Some(program) = young {
        anyhow::bail!("`{}` needs glibc {}, not {GLIBC}", program.file.display(), program.glibc);
    }
    for program in &programs {
        println!("{}: glibc {} or later", program.file.display(), program.glibc);
    }
    let folder = packages::make(workspace, log, &programs)?;
    println!("{}", folder.display());
    if options.test { test(workspace, log, &programs, &folder) } else { Ok(true) }
}

/// Installs each package and uses it. True if nothing failed.
fn test(workspace: &Workspace, log: &mut Log, programs: &[Program], folder: &Path) -> Result<bool> {
    let here = programs.iter().find(|program| program.machine.is_here());
    let here = here.context("none of the programs runs here")?;
    let tally = packages::test(workspace, log, &here.file, folder)?;
    if tally.failed > 0 {
        println!("{}", log.tail(60)?);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed == 0)
}

/// Builds the programs of all machines, and returns their paths.
fn build(workspace: &Workspace, log: &mut Log) -> Result<Vec<PathBuf>> {
    let here = host(workspace, log)?;
    let mut programs = vec![guided(workspace, log, &here)?];
    for target in TARGETS.iter().filter(|target| **target != here) {
        println!("for {target}");
        log.must(workspace.command("rustup").args(["target", "add", target]))
            .with_context(|| format!("the compiler has no library for {target}"))?;
        let folder = workspace.target.join("pgo/other");
        programs.push(compile(
            workspace,
            log,
            Build { linker: Linker::Zig, target, folder, flags: "" },
        )?);
    }
    Ok(programs)
}

/// Builds the program for this machine in three steps, and returns the path.
fn guided(workspace: &Workspace, log: &mut Log, target: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("pgo");
    let (counts, profile) = (folder.join("counts"), folder.join("profile"));
    let tool = profdata(workspace, log)?;
    if counts.exists() {
        std::fs::remove_dir_all(&counts).context("cannot remove older counts")?;
    }
    println!("1 of 3: building with counters");
    let flags = format!("-Cprofile-generate={}", counts.display());
    let build = |linker, name, flags| Build { linker, target, folder: folder.join(name), flags };
    let counting = compile(workspace, log, build(Linker::System, "counting", &flags))?;
    println!("2 of 3: counting");
    bench::train(workspace, log, &counting)?;
    let mut merge = workspace.command(tool);
    merge.arg("merge").arg("--output").arg(&profile).arg(&counts);
    log.must(&mut merge).context("cannot read the counts")?;
    println!("3 of 3: building by what was counted");
    let flags = format!("-Cprofile-use={}", profile.display());
    compile(workspace, log, build(Linker::Zig, "guided", &flags))
}

/// A build of the program.
struct Build<'b> {
    linker: Linker,
    target: &'b str,
    /// The target folder of cargo.
    folder: PathBuf,
    /// The compiler's flags.
    flags: &'b str,
}

#[derive(Debug, Clone, Copy)]
enum Linker {
    /// The linker of this system. The counters' library is not linked by Zig.
    System,
    /// Zig, against [`GLIBC`].
    Zig,
}

fn compile(workspace: &Workspace, log: &mut Log, build: Build<'_>) -> Result<PathBuf> {
    let (mut command, target) = match build.linker {
        Linker::System => {
            let mut command = workspace.cargo();
            command.arg("build");
            (command, build.target.to_owned())
        }
        Linker::Zig => (zigbuild(workspace, log)?, format!("{}.{GLIBC}", build.target)),
    };
    // With an explicit target, build scripts and macros are neither counted nor built anew.
    command.args(["--profile", "dist", "--package", "magicproxy"]);
    command.args(["--features", "magicproxy/plugins", "--target", &target, "--target-dir"]);
    command.arg(&build.folder);
    command.env("RUSTFLAGS", build.flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    log.must_build(&mut command).context("cannot build")?;
    Ok(build.folder.join(build.target).join("dist/magicproxy"))
}

/// Returns a command that builds with Zig as its compiler of C and its linker.
fn zigbuild(workspace: &Workspace, log: &mut Log) -> Result<Command> {
    let programs = python::ensure(workspace, log, python::ZIG)?.join("bin");
    let mut command = workspace.command(programs.join("cargo-zigbuild"));
    command.env("PATH", path_with(&programs)).arg("zigbuild");
    Ok(command)
}

fn host(workspace: &Workspace, log: &mut Log) -> Result<String> {
    let said = log.must(workspace.command("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say for what it compiles")
}

/// Returns the path of llvm-profdata, which reads the counts of this compiler's LLVM.
fn profdata(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let sysroot = log.must(workspace.command("rustc").args(["--print", "sysroot"]))?;
    let tool = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host(workspace, log)?)
        .join("bin/llvm-profdata");
    if !tool.is_file() {
        let mut rustup = workspace.command("rustup");
        log.must(rustup.args(["component", "add", "llvm-tools"]))
            .context("`llvm-tools` is missing")?;
    }
    anyhow::ensure!(tool.is_file(), "`llvm-tools` brought no llvm-profdata");
    Ok(tool)
}

#[cfg(test)]
mod tests {
    use super::{Options, parse};

    #[test]
    fn programs_are_named_and_nothing_else_is_taken() {
        let read =
            |words: &[&str]| parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read(&[]).unwrap(), Options::default());
        let both = read(&["--program", "a", "--test", "--program", "b"]).unwrap();
        assert_eq!(both, Options { programs: vec!["a".into(), "b".into()], test: true });
        for words in [&["--program"][..], &["a"], &["--tests"], &["--test", "--program"]] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
