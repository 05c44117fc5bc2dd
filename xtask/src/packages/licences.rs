//! The licences of everything that is compiled into the program, as their authors wrote them: most
//! of them ask that their text goes along with the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Release, sbom};

/// Beginnings of names of files that hold a licence, in lower case.
const NAMES: [&str; 5] = ["licen", "copying", "copyright", "notice", "unlicense"];

/// Writes one file with each text once, below the names of the crates that it came with. Returns
/// its path.
pub(super) fn write(release: &Release<'_>) -> Result<PathBuf> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in sbom::linked_packages(release)? {
        let name = format!("{} {}", member(&package, "name")?, member(&package, "version")?);
        for text in texts_of(Path::new(member(&package, "manifest_path")?))? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut ordered: Vec<(Vec<String>, String)> =
        texts.into_iter().map(|(text, names)| (names, text)).collect();
    ordered.sort();
    let sections = ordered.iter().map(|(names, text)| {
        format!("{}\n{}\n\n{}\n", "=".repeat(80), names.join("\n"), text.trim_end())
    });
    let file = release.parts.join("THIRD-PARTY-LICENCES");
    let head = "The licences of what is compiled into magicproxy, each below the names of the \
                crates that have it.\n";
    super::write(&file, &(head.to_owned() + &sections.collect::<String>()), 0o644)?;
    Ok(file)
}

/// Returns the texts of the licences beside a manifest, in the order of their names.
fn texts_of(manifest: &Path) -> Result<Vec<String>> {
    let folder = manifest.parent().context("a manifest lies in a folder")?;
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && is_licence(path))
        .collect();
    files.sort();
    let read = |file: &PathBuf| {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    files.iter().map(read).collect()
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    NAMES.iter().any(|start| name.starts_with(start)) && !name.ends_with(".rs")
}

fn member<'v>(package: &'v Value, name: &str) -> Result<&'v str> {
    package.get(name).and_then(Value::as_str).with_context(|| format!("a package has no `{name}`"))
}
