//! The mutants of the code that decides, as listed by cargo-mutants, each with a part of the code.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::tree::Tree;

/// The parts in the order of the trials: core as a whole, and modules of the engine.
pub(super) const PARTS: &[&str] =
    &["core", "gate", "ledger", "verifier", "carriers", "header", "upstream"];

/// The modules of the engine from which mutants are drawn, each with the part.
const MODULES: &[(&str, &str)] = &[
    ("gate", "gate"),
    ("ledger", "ledger"),
    ("verifier", "verifier"),
    ("carriers", "carriers"),
    ("header", "header"),
    ("field_names", "header"),
    ("upstream", "upstream"),
    ("transport", "upstream"),
];
const CORE: &str = "crates/magicproxy-core/src/";
const ENGINE: &str = "crates/magicproxy-proxy/src/";

/// A possible fault in the code, made by replacing a piece of text. A mutant changes nothing until
/// a trial.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// The place and the description of the change, as cargo-mutants writes both.
    pub(super) name: String,
    pub(super) part: &'static str,
    pub(super) file: String,
    /// The text put in the place of `span`, which runs from the first place up to the second.
    pub(super) replacement: String,
    pub(super) span: [SourcePosition; 2],
}

/// A line and a character in the line, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SourcePosition {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mutant {
    /// Returns the description of the change and the function, without the line number, which moves
    /// with the code.
    pub(super) fn deed(&self) -> &str {
        self.name
            .strip_prefix(&self.file)
            .and_then(|rest| rest.split_once(": "))
            .map_or(&self.name, |(_, deed)| deed)
    }
}

/// Lists all mutants of all parts, in the order of the parts and of the files.
pub(super) fn all(tree: &Tree, tool: &Path) -> Result<Vec<Mutant>> {
    let mut command = tree.command(tool);
    command.args(["mutants", "--workspace", "--list", "--json", "--no-config"]);
    command.args(
        [CORE, ENGINE].iter().flat_map(|folder| ["--file".to_owned(), format!("{folder}**")]),
    );
    let listed = command.output().context("cannot run cargo-mutants")?;
    anyhow::ensure!(
        listed.status.success(),
        "cargo-mutants failed: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let listed: Vec<Value> =
        serde_json::from_slice(&listed.stdout).context("cargo-mutants lists no mutants")?;
    let mut all: Vec<Mutant> = listed.iter().filter_map(mutant).collect();
    all.sort_by_key(|mutant| PARTS.iter().position(|part| *part == mutant.part));
    for (module, _) in MODULES {
        let is_of = |mutant: &Mutant| {
            mutant
                .file
                .strip_prefix(ENGINE)
                .and_then(module_of)
                .is_some_and(|(found, _)| found == *module)
        };
        anyhow::ensure!(
            all.iter().any(is_of),
            "no mutant is in a module `{module}`: was it renamed?"
        );
    }
    Ok(all)
}

/// Reads one listed mutant; `None` for a mutant of no part.
fn mutant(listed: &Value) -> Option<Mutant> {
    let text = |name: &str| listed.get(name)?.as_str().map(str::to_owned);
    let place = |name: &str| {
        let place = listed.pointer(&format!("/span/{name}"))?;
        let number = |name: &str| usize::try_from(place.get(name)?.as_u64()?).ok();
        Some(SourcePosition { line: number("line")?, column: number("column")? })
    };
    let file = text("file")?;
    Some(Mutant {
        name: text("name")?,
        part: part_of(&file)?,
        replacement: text("replacement")?,
        span: [place("start")?, place("end")?],
        file,
    })
}

/// Returns the part of a file, found by the name of the file or of a folder above the file, at any
/// depth.
fn part_of(file: &str) -> Option<&'static str> {
    if file.starts_with(CORE) {
        return PARTS.first().copied();
    }
    let (_, part) = module_of(file.strip_prefix(ENGINE)?)?;
    Some(part)
}

fn module_of(path: &str) -> Option<(&'static str, &'static str)> {
    let mut names = path.strip_suffix(".rs")?.split('/');
    names.find_map(|name| MODULES.iter().find(|(module, _)| *module == name)).copied()
}

#[cfg(test)]
mod tests {
    use super::{Mutant, SourcePosition, mutant, part_of};

    #[test]
    fn a_file_is_of_the_part_whose_name_it_bears() {
        for (file, part) in [
            ("crates/magicproxy-core/src/token/mint.rs", Some("core")),
            ("crates/magicproxy-proxy/src/gate.rs", Some("gate")),
            ("crates/magicproxy-proxy/src/exchange/gate/outbound.rs", Some("gate")),
            ("crates/magicproxy-proxy/src/transport/http2/driver.rs", Some("upstream")),
            ("crates/magicproxy-proxy/src/http/header/fields.rs", Some("header")),
            ("crates/magicproxy-proxy/src/downstream.rs", None),
            ("crates/magicproxy/src/keystore.rs", None),
        ] {
            assert_eq!(part_of(file), part, "{file}");
        }
    }

    #[test]
    fn the_list_is_read() {
        let listed = serde_json::json!({
            "file": "crates/magicproxy-core/src/a.rs", "genre": "BinaryOperator", "replacement": "+",
            "name": "crates/magicproxy-core/src/a.rs:24:85: replace * with + in X::f",
            "span": { "start": { "line": 24, "column": 85 }, "end": { "line": 24, "column": 86 } },
        });
        let read = mutant(&listed).unwrap();
        assert_eq!(read.deed(), "replace * with + in X::f");
        let span =
            [SourcePosition { line: 24, column: 85 }, SourcePosition { line: 24, column: 86 }];
        let Mutant { name, file, replacement, .. } = mutant(&listed).unwrap();
        assert_eq!(read, Mutant { name, part: "core", file, replacement, span });
    }
}
