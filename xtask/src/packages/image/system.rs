//! Debian's packages that an image takes files from, each unpacked into a folder of its own, so that
//! the copyright of what is taken goes along, and of nothing else.
//!
//! The packages are freshly fetched for the machine of the image: those of the machine that builds
//! could hold an authority of its owner's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::packages::program::Machine;
use crate::packages::{Release, install, make_folder};

/// Packages of libraries: glibc, and the unwinder that Rust's programs load.
const LIBRARIES: [&str; 2] = ["libc6", "libgcc-s1"];
/// The package of Mozilla's authorities.
pub(super) const AUTHORITIES: &str = "ca-certificates";
/// The package of the licences that copyright files name by their path.
const LICENCES: &str = "base-files";

/// The unpacked packages.
pub(super) struct System {
    /// A folder for each package, named as the package.
    folder: PathBuf,
    machine: Machine,
}

/// A library of a package.
pub(super) struct Library {
    pub(super) file: PathBuf,
    pub(super) package: &'static str,
}

impl System {
    /// Fetches the packages, and those that hold their copyright files, into a folder.
    pub(super) fn fetch(
        release: &Release<'_>,
        log: &mut Log,
        folder: &Path,
        machine: Machine,
    ) -> Result<System> {
        let apt = Apt::update(release, log, folder, machine)?;
        let system = System { folder: folder.join("system"), machine };
        for package in [AUTHORITIES, LICENCES].iter().chain(&LIBRARIES) {
            apt.unpack(log, package, &system.folder)?;
        }
        for package in LIBRARIES {
            let documented = system.documented_by(package);
            if documented != package {
                apt.unpack(log, &documented, &system.folder)?;
            }
        }
        Ok(system)
    }

    /// Finds a library, whose name is that of its file.
    pub(super) fn library(&self, name: &str) -> Result<Library> {
        let folder = Path::new("lib").join(self.machine.library_folder());
        let places = LIBRARIES.iter().flat_map(|package| {
            let root = self.folder.join(package);
            [root.join(&folder), root.join("usr").join(&folder)]
                .map(|folder| Library { file: folder.join(name), package })
        });
        places
            .into_iter()
            .find(|library| library.file.is_file())
            .with_context(|| format!("none of Debian's packages has `{name}`"))
    }

    /// Returns the certificates of all authorities, in the order of their names.
    pub(super) fn authorities(&self) -> Result<String> {
        let folder = self.folder.join(AUTHORITIES).join("usr/share/ca-certificates/mozilla");
        let files = files_in(&folder).context("the package has no certificates")?;
        anyhow::ensure!(files.len() > 50, "the package has only {} certificates", files.len());
        let texts: std::io::Result<Vec<String>> =
            files.iter().map(std::fs::read_to_string).collect();
        Ok(texts.context("cannot read a certificate")?.concat())
    }

    /// Lays the copyright files of packages in a root, and the licences that they name.
    pub(super) fn lay_copyrights(&self, packages: &BTreeSet<&str>, root: &Path) -> Result<()> {
        for package in packages {
            let owner = self.documented_by(package);
            let text = self.folder.join(&owner).join("usr/share/doc").join(&owner);
            let there = root.join("usr/share/doc").join(package).join("copyright");
            install(&text.join("copyright"), &there, 0o644)?;
        }
        let licences = Path::new("usr/share/common-licenses");
        for file in files_in(&self.folder.join(LICENCES).join(licences))? {
            let name = file.file_name().context("a licence has a name")?;
            install(&file, &root.join(licences).join(name), 0o644)?;
        }
        Ok(())
    }

    /// Returns the package that has a package's copyright file: libgcc-s1 links to that of GCC.
    fn documented_by(&self, package: &str) -> String {
        let documents = self.folder.join(package).join("usr/share/doc").join(package);
        let linked = std::fs::read_link(documents).ok();
        let name = linked.as_deref().and_then(Path::file_name);
        name.map_or_else(|| package.to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// Apt for a machine, which may be another one, with lists of its own: what is installed here plays
/// no part, and nothing here is changed.
struct Apt<'r, 'w> {
    release: &'r Release<'w>,
    folder: PathBuf,
    machine: Machine,
}

impl<'r, 'w> Apt<'r, 'w> {
    /// Reads which packages there are.
    fn update(
        release: &'r Release<'w>,
        log: &mut Log,
        folder: &Path,
        machine: Machine,
    ) -> Result<Apt<'r, 'w>> {
        let apt = Apt { release, folder: folder.join("apt"), machine };
        make_folder(&apt.folder.join("lists/partial"))?;
        make_folder(&apt.folder.join("archives/partial"))?;
        log.must(apt.get().arg("update")).context("Debian's lists cannot be fetched")?;
        Ok(apt)
    }

    /// Fetches a package, and unpacks it into a folder of its name below `systems`.
    fn unpack(&self, log: &mut Log, package: &str, systems: &Path) -> Result<()> {
        let fetched = self.folder.join("fetched").join(package);
        make_folder(&fetched)?;
        let mut download = self.get();
        log.must(download.arg("download").arg(package).current_dir(&fetched))
            .with_context(|| format!("Debian's `{package}` cannot be fetched"))?;
        let file = files_in(&fetched)?.pop().context("nothing was fetched")?;
        let root = systems.join(package);
        make_folder(&root)?;
        let mut unpack = self.release.workspace.command("dpkg-deb");
        log.must(unpack.arg("--extract").arg(file).arg(&root)).map(drop)
    }

    fn get(&self) -> std::process::Command {
        let machine = self.machine.debian();
        let folder = self.folder.display();
        let set = [
            format!("APT::Architecture={machine}"),
            format!("APT::Architectures={machine}"),
            "APT::Sandbox::User=".to_owned(),
            format!("Dir::State={folder}"),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::Cache={folder}"),
        ];
        let mut command = self.release.workspace.command("apt-get");
        command.arg("--quiet=2").args(set.iter().flat_map(|option| ["-o", option]));
        command
    }
}

/// Returns the files of a folder, in the order of their names.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    Ok(files)
}
