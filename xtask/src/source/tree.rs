//! The crates of the workspace and the modules of each crate, found by following `mod …;` from the
//! root. Modules of tests are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Module;

/// A library of the workspace.
#[derive(Debug)]
pub(crate) struct Crate {
    /// The name of the crate's folder.
    pub(crate) name: String,
    /// All modules, the root first.
    pub(crate) modules: Vec<Module>,
}

impl Crate {
    /// Returns the names of the modules declared in the root.
    pub(crate) fn tops(&self) -> BTreeSet<&str> {
        self.modules.iter().filter_map(|module| module.path.first()).map(String::as_str).collect()
    }
}

/// Reads every library of the workspace, in the order of the workspace's members.
pub(crate) fn crates(root: &Path) -> Result<Vec<Crate>> {
    let manifest =
        std::fs::read_to_string(root.join("Cargo.toml")).context("cannot read `Cargo.toml`")?;
    let members = manifest
        .lines()
        .find_map(|line| line.strip_prefix("members = ["))
        .context("`Cargo.toml` lists no members")?;
    let mut folders = Vec::new();
    for member in members.split('"').skip(1).step_by(2) {
        match member.strip_suffix("/*") {
            Some(parent) => folders.extend(children(root, parent)?),
            None => folders.push(PathBuf::from(member)),
        }
    }
    folders.retain(|folder| root.join(folder).join("src/lib.rs").is_file());
    folders.iter().map(|folder| read(root, folder)).collect()
}

fn children(root: &Path, parent: &str) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(root.join(parent)).with_context(|| format!("cannot list `{parent}`"))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| Path::new(parent).join(entry.file_name())).collect();
    found.sort();
    Ok(found)
}

fn read(root: &Path, folder: &Path) -> Result<Crate> {
    let name = folder.file_name().context("a member has no name")?.to_string_lossy().into_owned();
    let source = folder.join("src");
    let mut modules = vec![module(root, Vec::new(), source.join("lib.rs"))?];
    let mut next = 0;
    while let Some(parent) = modules.get(next) {
        let mut found = Vec::new();
        for name in declared(parent) {
            let path: Vec<String> = parent.path.iter().cloned().chain([name]).collect();
            let file = source.join(path.join("/")).with_extension("rs");
            found.push(module(root, path, file)?);
        }
        modules.extend(found);
        next += 1;
    }
    Ok(Crate { name, modules })
}

fn module(root: &Path, path: Vec<String>, file: PathBuf) -> Result<Module> {
    let text = std::fs::read_to_string(root.join(&file))
        .with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(Module { path, file, text })
}

/// Returns the names behind `mod …;`.
fn declared(parent: &Module) -> Vec<String> {
    let tokens = parent.tokens();
    let declarations = tokens.windows(3).filter_map(|three| match three {
        [keyword, name, end] if keyword.text == "mod" && end.text == ";" => {
            Some(name.text.to_owned())
        }
        _ => None,
    });
    declarations.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::crates;

    #[test]
    fn every_library_is_found_with_its_modules_and_without_its_tests() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let found = crates(root).unwrap();
        let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        for name in [
            "magicproxy",
            "magicproxy-config",
            "magicproxy-core",
            "magicproxy-plugin",
            "magicproxy-proxy",
            "magicproxy-state",
            "xtask",
            "fuzz",
        ] {
            assert!(names.contains(&name), "{names:?}");
        }
        let own = found.iter().find(|found| found.name == "xtask").unwrap();
        assert!(own.modules.iter().any(|module| module.path == ["source", "tree"]));
        let files = found.iter().flat_map(|found| &found.modules).map(|module| &module.file);
        assert_eq!(files.filter(|file| file.ends_with("tests.rs")).count(), 0);
    }
}
