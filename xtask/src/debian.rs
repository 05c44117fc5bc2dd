//! Debian packages, installed only if the program is missing and this process may install.

use std::process::Command;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::workspace::{Workspace, which};

/// Installs `package` if `program` is missing.
pub(crate) fn ensure(
    workspace: &Workspace,
    log: &mut Log,
    program: &str,
    package: &str,
) -> Result<()> {
    if installed(program) {
        return Ok(());
    }
    install(workspace, log, package).with_context(|| format!("`{program}` is missing"))?;
    anyhow::ensure!(installed(program), "`{package}` was installed and brought no `{program}`");
    Ok(())
}

/// Installs all packages whose program is missing. A package without a program is looked up with
/// dpkg.
pub(crate) fn ensure_all(
    workspace: &Workspace,
    log: &mut Log,
    packages: &[(&str, Option<&str>)],
) -> Result<()> {
    let there = |(package, program): &(&str, Option<&str>)| {
        program.map_or_else(|| known_to_dpkg(package), installed)
    };
    let missing: Vec<&str> =
        packages.iter().filter(|wanted| !there(wanted)).map(|(package, _)| *package).collect();
    if missing.is_empty() { Ok(()) } else { install_all(workspace, log, &missing) }
}

pub(crate) fn install(workspace: &Workspace, log: &mut Log, package: &str) -> Result<()> {
    install_all(workspace, log, &[package])
}

fn install_all(workspace: &Workspace, log: &mut Log, packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let prefix = administrator().with_context(|| format!("to be installed by hand: {names}"))?;
    println!("   installing {names}");
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    if !log.run(&mut apt(workspace, prefix, &install))?.ok {
        // The package lists may be absent, as in a fresh image, or out of date.
        log.must(&mut apt(workspace, prefix, &["update"]))?;
        log.must(&mut apt(workspace, prefix, &install))?;
    }
    Ok(())
}

/// Returns a command that root runs.
pub(crate) fn as_root(workspace: &Workspace, program: &str) -> Result<Command> {
    let prefix = administrator().with_context(|| format!("only root may run `{program}` here"))?;
    let mut words = prefix.iter().copied().chain([program]);
    let mut command = workspace.command(words.next().unwrap_or(program));
    command.args(words);
    Ok(command)
}

/// True if the program is on `PATH`, or in `/usr/sbin`, which some paths leave out.
fn installed(program: &str) -> bool {
    which(program).is_some() || std::path::Path::new("/usr/sbin").join(program).is_file()
}

fn known_to_dpkg(package: &str) -> bool {
    let status = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output();
    status.is_ok_and(|status| status.stdout == b"installed")
}

fn apt(workspace: &Workspace, prefix: &[&str], arguments: &[&str]) -> Command {
    let mut words = prefix
        .iter()
        .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get"])
        .copied();
    // RUNLEVEL=1 keeps a server's package from starting the server.
    let mut command = workspace.command(words.next().unwrap_or("env"));
    command.args(words).args(arguments);
    command
}

/// Returns the words in front of a command to run the command as root; `None` if root needs a
/// password or another question.
fn administrator() -> Option<&'static [&'static str]> {
    which("apt-get")?;
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).output().ok()?;
    sudo.status.success().then_some(&["sudo", "-n"])
}
