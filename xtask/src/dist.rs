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

/// Builds the programs, or takes those that `--program FILE` names, and makes the packages.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<bool> {
    let named = parse(arguments)?;
    let mut log = Log::create(workspace.target.join("xtask/dist.log"))?;
    let folder = make(workspace, &mut log, named)
        .inspect_err(|_| println!("{}", log.tail(60).unwrap_or_default()))?;
    println!("{}", folder.display());
    Ok(true)
}

fn parse(arguments: &[String]) -> Result<Vec<PathBuf>> {
    let pairs = arguments.chunks(2).map(|pair| match pair {
        [flag, file] if flag == "--program" => Ok(PathBuf::from(file)),
        _ => anyhow::bail!("expected `cargo xtask dist [--program FILE]…`"),
    });
    pairs.collect()
}

fn make(workspace: &Workspace, log: &mut Log, named: Vec<PathBuf>) -> Result<PathBuf> {
    let built = named.is_empty();
    let files = if built { build(workspace, log)? } else { named };
    let programs: Vec<Program> =
        files.iter().map(|file| Program::read(workspace, log, file)).collect::<Result<_>>()?;
    let young = programs.iter().find(|program| built && program.glibc > GLIBC);
    if let Some(program) = young {
        anyhow::bail!("`{}` needs glibc {}, not {GLIBC}", program.file.display(), program.glibc);
    }
    for program in &programs {
        println!("{}: glibc {} or later", program.file.display(), program.glibc);
    }
    packages::make(workspace, log, &programs)
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
