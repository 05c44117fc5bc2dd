//! `cargo xtask dist`: builds the program as released. The program is built with counters, counted
//! under the benchmark's load, and built again by the counts: the code of a request then lies
//! together, which saves a fifth of the request's time.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::bench;
use crate::log::Log;
use crate::packages::{self, Program};
use crate::workspace::Workspace;

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
    let files = if named.is_empty() { vec![build(workspace, log)?] } else { named };
    let programs: Vec<Program> =
        files.iter().map(|file| Program::read(workspace, log, file)).collect::<Result<_>>()?;
    for program in &programs {
        println!("{}: glibc {} or later", program.file.display(), program.glibc);
    }
    packages::make(workspace, log, &programs)
}

/// Builds the program in three steps, and returns the path.
fn build(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let folder = workspace.target.join("pgo");
    let (counts, profile) = (folder.join("counts"), folder.join("profile"));
    let tool = profdata(workspace, log)?;
    if counts.exists() {
        std::fs::remove_dir_all(&counts).context("cannot remove older counts")?;
    }
    println!("1 of 3: building with counters");
    let counting =
        compile(workspace, log, "counting", &format!("-Cprofile-generate={}", counts.display()))?;
    println!("2 of 3: counting");
    bench::train(workspace, log, &counting)?;
    let mut merge = workspace.command(tool);
    merge.arg("merge").arg("--output").arg(&profile).arg(&counts);
    log.must(&mut merge).context("cannot read the counts")?;
    println!("3 of 3: building by what was counted");
    compile(workspace, log, "guided", &format!("-Cprofile-use={}", profile.display()))
}

fn compile(workspace: &Workspace, log: &mut Log, name: &str, flags: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("pgo").join(name);
    let target = host(workspace, log)?;
    let mut command = workspace.cargo();
    // With an explicit target, build scripts and macros are neither counted nor built anew.
    command
        .args([
            "build",
            "--profile",
            "dist",
            "--package",
            "magicproxy",
            "--features",
            "magicproxy/plugins",
            "--target",
            &target,
            "--target-dir",
        ])
        .arg(&folder);
    command.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    log.must_build(&mut command).context("cannot build")?;
    Ok(folder.join(target).join("dist/magicproxy"))
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
