//! A program to be packaged: the machine it runs on, and the libraries and the level of glibc that
//! it needs, read from the file itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::workspace::Workspace;

/// A machine that packages are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

/// A version of glibc, as in `2.28`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Glibc {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    pub(crate) machine: Machine,
    /// The newest version of glibc that a symbol of the program asks for.
    pub(crate) glibc: Glibc,
    /// The libraries that the program names, the loader's among them.
    pub(crate) libraries: Vec<String>,
}

impl Machine {
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Machine::X86_64 => "amd64",
            Machine::Aarch64 => "arm64",
        }
    }

    /// The machine in names of wheels and archives, and in compiler targets.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64",
            Machine::Aarch64 => "aarch64",
        }
    }

    /// The folder of a library below `lib`, as Debian names it.
    pub(crate) fn library_folder(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64-linux-gnu",
            Machine::Aarch64 => "aarch64-linux-gnu",
        }
    }

    /// The path at which a program of this machine asks for its loader.
    pub(crate) fn loader(self) -> &'static str {
        match self {
            Machine::X86_64 => "lib64/ld-linux-x86-64.so.2",
            Machine::Aarch64 => "lib/ld-linux-aarch64.so.1",
        }
    }

    /// True if programs of the machine run here.
    pub(crate) fn is_here(self) -> bool {
        std::env::consts::ARCH == self.name()
    }
}

impl std::fmt::Display for Glibc {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl Program {
    /// Reads what the program needs. The file itself is packaged, so symbols that only debuggers
    /// read should have been stripped.
    pub(crate) fn read(workspace: &Workspace, log: &mut Log, file: &Path) -> Result<Program> {
        let mut read = |option: &str| log.must(readelf(workspace, option).arg(file));
        let (head, dynamic, versions) =
            (read("--file-header")?, read("--dynamic")?, read("--version-info")?);
        Ok(Program {
            file: file.to_owned(),
            machine: machine_in(&head)
                .with_context(|| format!("`{}` is for no known machine", file.display()))?,
            glibc: newest_glibc_in(&versions)
                .with_context(|| format!("`{}` names no version of glibc", file.display()))?,
            libraries: libraries_in(&dynamic),
        })
    }
}

/// Returns the libraries that a file names.
pub(super) fn libraries(workspace: &Workspace, log: &mut Log, file: &Path) -> Result<Vec<String>> {
    Ok(libraries_in(&log.must(readelf(workspace, "--dynamic").arg(file))?))
}

fn readelf(workspace: &Workspace, option: &str) -> Command {
    let mut command = workspace.command("readelf");
    command.env("LC_ALL", "C").args(["--wide", option]);
    command
}

fn machine_in(head: &str) -> Option<Machine> {
    let line = head.lines().find_map(|line| line.trim().strip_prefix("Machine:"))?;
    if line.contains("X86-64") {
        Some(Machine::X86_64)
    } else if line.contains("AArch64") {
        Some(Machine::Aarch64)
    } else {
        None
    }
}

fn newest_glibc_in(versions: &str) -> Option<Glibc> {
    let named = versions.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.');
        let mut numbers = rest.get(..end.unwrap_or(rest.len()))?.split('.').map(str::parse);
        Some(Glibc { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    });
    named.max()
}

fn libraries_in(dynamic: &str) -> Vec<String> {
    let named = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    named
        .filter_map(|line| {
            Some(line.split_once('[')?.1.trim_end().trim_end_matches(']').to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Glibc, Machine, libraries_in, machine_in, newest_glibc_in};

    #[test]
    fn versions_are_numbers_and_not_text() {
        let said = "  0x0010: Name: GLIBC_2.4  Flags: none\n  Name: GLIBC_2.28  Flags\n Name: GLIBC_2.2.5\n";
        assert_eq!(newest_glibc_in(said), Some(Glibc { major: 2, minor: 28 }));
        assert_eq!(newest_glibc_in("Name: GCC_3.0"), None);
        assert!(Glibc { major: 2, minor: 4 } < Glibc { major: 2, minor: 28 });
    }

    #[test]
    fn machine_and_libraries_are_read() {
        let head = "  Class: ELF64\n  Machine:                           AArch64\n";
        assert_eq!(machine_in(head), Some(Machine::Aarch64));
        assert_eq!(machine_in("  Machine:   RISC-V\n"), None);
        let dynamic = " 0x1 (NEEDED)   Shared library: [libc.so.6]\n 0x2 (SONAME) [x]\n";
        assert_eq!(libraries_in(dynamic), ["libc.so.6"]);
    }
}
