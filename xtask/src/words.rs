//! Figures of words: the style of doc comments, the length of code lines, and the names that a
//! stranger does not know. The word lists are in `xtask/words.toml`; the project's own words are in
//! `docs/glossary.md`.

mod comments;
mod glossary;
mod names;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use crate::lists::{self, Section};
use crate::source::{Crate, crates};
use crate::workspace::Workspace;

use comments::Figures;

const LISTS: &str = "xtask/words.toml";
const GLOSSARY: &str = "docs/glossary.md";

/// `cargo xtask measure words`: prints every figure.
pub(crate) fn measure(workspace: &Workspace) -> Result<bool> {
    let text = read(&workspace.root, LISTS)?;
    let sections = lists::read(&text).with_context(|| format!("`{LISTS}` cannot be understood"))?;
    let (pro_forms, openers) = (words(&sections, "pro-forms")?, words(&sections, "openers")?);
    let crates = crates(&workspace.root)?;
    let mut all = Figures::default();
    println!("{:<18} {}", "crate", Figures::HEADER);
    for found in &crates {
        let figures = comments::figures(found, &pro_forms, &openers);
        println!("{:<18} {figures}", found.name);
        all += figures;
    }
    println!("{:<18} {all}", "all");
    let glossary = read(&workspace.root, GLOSSARY)?;
    let missing = glossary::unused(&glossary, &crates);
    println!("\nnames in the glossary that code does not use\n  {}", listed(&missing));
    let replaced = names::replaced(&crates, &words(&sections, "replaced")?);
    println!("types named with a word that the glossary has replaced\n  {}", listed(&replaced));
    let nouns = words(&sections, "nouns")?.union(&glossary::words(&glossary)).cloned().collect();
    let private = names::private(&crates, &nouns);
    println!(
        "types whose name ends in no noun of the lists or the glossary\n  {}",
        listed(&private)
    );
    Ok(true)
}

/// Returns a line for each name in the glossary that code does not use, and for each type that is
/// named with a word that the glossary has replaced.
pub(crate) fn faults(root: &Path, crates: &[Crate]) -> Result<Vec<String>> {
    let text = read(root, LISTS)?;
    let sections = lists::read(&text).with_context(|| format!("`{LISTS}` cannot be understood"))?;
    let mut faults = names::replaced(crates, &words(&sections, "replaced")?);
    for name in glossary::unused(&read(root, GLOSSARY)?, crates) {
        faults.push(format!("{GLOSSARY}: no code has the name `{name}`"));
    }
    Ok(faults)
}

fn read(root: &Path, file: &str) -> Result<String> {
    std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read `{file}`"))
}

/// Returns all words of a section, in lower case.
fn words(sections: &[Section<'_>], name: &str) -> Result<BTreeSet<String>> {
    let section = sections.iter().find(|section| section.name == name);
    let section = section.with_context(|| format!("`{LISTS}`: there is no section `[{name}]`"))?;
    let words = section.lines.iter().flat_map(|(_, words)| words.split_whitespace());
    Ok(words.map(str::to_lowercase).collect())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "0".to_owned() } else { format!("{}: {}", names.len(), names.join(" ")) }
}

/// Makes a crate of one module, for the tests of the parts.
#[cfg(test)]
fn crate_of(text: &str) -> crate::source::Crate {
    let file = std::path::PathBuf::from("a.rs");
    let module = crate::source::Module { path: vec!["a".to_owned()], file, text: text.to_owned() };
    crate::source::Crate { name: "house".to_owned(), modules: vec![module] }
}
