//! Tests that everything named by the documents exists: files, headings, commands, flags, settings.
//! Tests alone.

mod reference;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use serde_json::Value;

use crate::cli::examples;
use magicproxy_config::config::raw::RawConfig;

/// Folders of the repository: a path in a document begins with the name of a folder.
const FOLDERS: [&str; 11] = [
    "bench", "clients", "crates", "deploy", "docs", "examples", "fuzz", "testdata", "tests",
    "xtask", ".github",
];

/// The documents in the root about the present state; the changelog is about the past.
const FRONT: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"];

/// The crates by their words in the code map, as in `core:token.rs`.
const SOURCES: [(&str, &str); 5] = [
    ("binary", "magicproxy"),
    ("config", "magicproxy-config"),
    ("core", "magicproxy-core"),
    ("proxy", "magicproxy-proxy"),
    ("state", "magicproxy-state"),
];

/// The most lines of README, so that it fits on one screen.
const SCREEN: usize = 64;

/// Flags of other programs that documents name alone in backquotes.
const FOREIGN_FLAGS: [&str; 26] = [
    "--access-key",
    "--all",
    "--api-url",
    "--async",
    "--atomic",
    "--beside",
    "--cacert",
    "--document-private-items",
    "--features",
    "--fetch",
    "--force",
    "--force-with-lease",
    "--host",
    "--hostname",
    "--no-verify",
    "--old",
    "--only",
    "--out-dir",
    "--port",
    "--program",
    "--release",
    "--signed",
    "--target",
    "--test",
    "--user",
    "--workspace",
];

/// Sections of the configuration: a dotted name in backquotes that begins with a section is a
/// setting.
const SECTIONS: [&str; 11] = [
    "admin", "keys", "limits", "log", "mint", "plugins", "state", "timeouts", "tls", "tokens",
    "upstream",
];

/// Files of other repositories.
const FOREIGN_FILES: [&str; 1] = ["tests/urltestdata.json"];

struct Document {
    path: PathBuf,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn documents() -> Vec<Document> {
    let root = root();
    let mut paths: Vec<PathBuf> = FRONT.iter().map(|name| root.join(name)).collect();
    for folder in ["docs", "deploy", "examples", "clients", "bench", "testdata", "tests"] {
        collect(&root.join(folder), &mut paths);
    }
    assert!(paths.len() > 50, "{}", paths.len());
    paths
        .into_iter()
        .map(|path| Document { text: std::fs::read_to_string(&path).unwrap(), path })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let skipped = ["node_modules", "target", ".venv"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !skipped {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

impl Document {
    /// Returns the lines outside of fenced blocks.
    fn prose(&self) -> String {
        let mut inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }

    /// Returns the blocks whose fence begins with one of the words, without indentation. `toml
    /// codex` is another program's.
    fn blocks(&self, words: &[&str]) -> Vec<String> {
        let (mut blocks, mut open) = (Vec::new(), None::<(bool, usize, String)>);
        for line in self.text.lines() {
            let Some(fence) = line.trim_start().strip_prefix("```") else {
                if let Some((_, indent, block)) = &mut open {
                    block.push_str(line.get(*indent..).unwrap_or_default());
                    block.push('\n');
                }
                continue;
            };
            open = match open.take() {
                None => {
                    let word = fence.split(' ').next().unwrap_or_default();
                    let wanted =
                        words.contains(&word) && (word != "toml" || fence.trim_end() == "toml");
                    Some((wanted, line.len() - line.trim_start().len(), String::new()))
                }
                Some((wanted, _, block)) => {
                    blocks.extend(Some(block).filter(|_| wanted));
                    None
                }
            };
        }
        assert!(open.is_none(), "a fence without end in {}", self.path.display());
        blocks
    }

    /// Returns the texts between backquotes in the prose.
    fn quoted(&self) -> Vec<String> {
        let prose = self.prose().replace("``", "");
        let paragraphs =
            prose.split("\n\n").flat_map(|paragraph| paragraph.split("\n|").collect::<Vec<_>>());
        paragraphs
            .flat_map(|text| {
                text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    }

    fn anchors(&self) -> BTreeSet<String> {
        let headings = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .map(|line| line.trim_start_matches('#').trim());
        headings.map(slug).collect()
    }

    fn fault(&self, about: &str) -> String {
        format!("{}: {about}", self.path.strip_prefix(root()).unwrap().display())
    }
}

/// Returns the name of a heading in links, as GitHub makes it.
fn slug(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>();
    kept.replace(' ', "-")
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Lists the documents at the root that are not compared with the program: documents for builders,
/// and about the past.
fn further_documents() -> impl Iterator<Item = Document> {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let further = entries.filter(move |path| {
        path.extension().is_some_and(|extension| extension == "md")
            && !FRONT.iter().any(|name| path.ends_with(name))
    });
    further.map(|path| Document { text: std::fs::read_to_string(&path).unwrap(), path })
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut faults = Vec::new();
    for document in documents().into_iter().chain(further_documents()) {
        for (_, rest) in document
            .prose()
            .match_indices("](")
            .map(|(at, found)| ((), document.prose().split_off(at + found.len())))
        {
            let Some(target) = rest
                .split(')')
                .next()
                .filter(|target| !target.contains("://") && !target.is_empty())
            else {
                continue;
            };
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                document.path.clone()
            } else {
                document.path.parent().unwrap().join(file)
            };
            if !path.exists() {
                faults.push(document.fault(&format!("`{target}` leads to no file")));
            } else if !anchor.is_empty() {
                let text = std::fs::read_to_string(&path).unwrap();
                if !(Document { path, text }).anchors().contains(anchor) {
                    faults.push(document.fault(&format!("`{target}` leads to no heading")));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn every_file_that_a_document_names_exists() {
    let root = root();
    let mut faults = Vec::new();
    for document in documents() {
        for name in document.quoted() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
            let first = name.split('/').next().unwrap_or_default();
            if FOREIGN_FILES.contains(&name.as_str())
                || !FOLDERS.contains(&first)
                || !name.contains('/')
                || !name.chars().all(plain)
            {
                continue;
            }
            // A number stands for the decision with the number.
            let there = root.join(&name).exists()
                || document.path.parent().unwrap().join(&name).exists()
                || begins_a_file(&root, &name);
            if !there {
                faults.push(document.fault(&format!("`{name}` does not exist")));
            }
        }
    }
    report(&faults);
}

#[test]
fn every_source_that_the_code_map_names_exists() {
    let root = root();
    let mut faults = Vec::new();
    let mut seen = 0;
    for document in documents() {
        for name in document.quoted() {
            let Some((word, file)) = name.split_once(':') else { continue };
            let Some((_, folder)) = SOURCES.iter().find(|(known, _)| *known == word) else {
                continue;
            };
            if file.is_empty() || file.contains([':', ' ']) {
                continue;
            }
            seen += 1;
            if !root.join("crates").join(folder).join("src").join(file).exists() {
                faults.push(document.fault(&format!("`{name}` does not exist")));
            }
        }
    }
    assert!(seen > 60, "{seen}");
    report(&faults);
}

/// Checks prose and blocks of the front pages; tables may be wider.
#[test]
fn the_readme_fits_on_a_screen_and_front_pages_in_a_window() {
    let mut faults = Vec::new();
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "RELEASING.md"] {
        let document = Document {
            path: root().join(name),
            text: std::fs::read_to_string(root().join(name)).unwrap(),
        };
        let lines = document
            .text
            .lines()
            .filter(|line| !line.starts_with('|') && line.chars().count() > 100);
        faults.extend(
            lines.map(|line| document.fault(&format!("longer than 100 characters: {line}"))),
        );
        let length = document.text.lines().count();
        if name == "README.md" && length > SCREEN {
            faults.push(document.fault(&format!("{length} lines are more than {SCREEN}")));
        }
    }
    report(&faults);
}

/// True if a file begins with the name up to its star: `docs/decisions/0010`, `tests/interop/*.py`.
fn begins_a_file(root: &Path, name: &str) -> bool {
    let (folder, begin) = name.rsplit_once('/').unwrap_or(("", name));
    let begin = begin.split('*').next().unwrap_or_default();
    let numbered = name.starts_with("docs/decisions/") || name.contains('*');
    let mut entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    numbered && entries.any(|entry| entry.file_name().to_string_lossy().starts_with(begin))
}

/// Returns the fault of a command line. Placeholders, and incomplete command lines, are no faults.
fn is_wrong(words: &[String]) -> Option<String> {
    let error = examples::command().try_get_matches_from(words).err()?;
    let wrong = [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand];
    wrong
        .contains(&error.kind())
        .then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

#[test]
fn every_command_that_a_document_names_is_one() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for document in documents() {
        let blocks = document.blocks(&["sh", "console"]).join("\n").replace("\\\n", " ");
        let lines = blocks
            .lines()
            .map(|line| line.trim_start_matches("$ ").trim().to_owned())
            .chain(document.quoted());
        for line in lines.filter(|line| !line.starts_with('#')) {
            let Some(words) = examples::tests::words(&line) else { continue };
            seen += 1;
            faults.extend(
                is_wrong(&words).map(|error| document.fault(&format!("`{line}`: {error}"))),
            );
        }
    }
    assert!(seen > 60, "{seen}");
    report(&faults);
}

#[test]
fn every_flag_that_a_document_names_is_one() {
    fn flags(command: &clap::Command, found: &mut BTreeSet<String>) {
        found.extend(
            command
                .get_arguments()
                .filter_map(|argument| argument.get_long())
                .map(|name| format!("--{name}")),
        );
        command.get_subcommands().for_each(|command| flags(command, found));
    }
    let mut known: BTreeSet<String> = FOREIGN_FLAGS.iter().map(|name| (*name).to_owned()).collect();
    known.extend(["--help".to_owned(), "--version".to_owned()]);
    flags(&examples::command(), &mut known);
    let mut faults = Vec::new();
    for document in documents() {
        for quoted in document.quoted().iter().filter(|quoted| quoted.starts_with("--")) {
            let name = quoted.split([' ', '=']).next().unwrap_or_default();
            if name.len() > 2 && !known.contains(name) {
                faults.push(document.fault(&format!("`{name}` is no flag")));
            }
        }
    }
    report(&faults);
}

/// Returns the part of the configuration's schema that a dotted name leads to.
fn setting<'s>(schema: &'s Value, at: &'s Value, name: &[&str]) -> Option<&'s Value> {
    let at = match at.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.trim_start_matches('#'))?,
        None => at,
    };
    let Some((first, rest)) = name.split_first() else { return Some(at) };
    let named = at.get("properties").and_then(|members| members.get(first));
    let below = named.or_else(|| at.get("additionalProperties").filter(|any| any.is_object()))?;
    setting(schema, below, rest)
}

#[test]
fn every_setting_that_a_document_names_is_one() {
    let schema = schemars::schema_for!(RawConfig).to_value();
    let exists =
        |name: &str| setting(&schema, &schema, &name.split('.').collect::<Vec<_>>()).is_some();
    assert!(
        exists("tokens.max_lifetime")
            && exists("upstreams.x.api_root")
            && !exists("tokens.nothing")
            && !exists("nothing.x")
    );
    let mut faults = Vec::new();
    let mut seen = 0;
    for document in documents() {
        for quoted in document.quoted() {
            let name = quoted.split([' ', '=']).next().unwrap_or_default().trim();
            let plain = name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c));
            let section = name.split('.').next().unwrap_or_default();
            let file = ["toml", "json", "md", "rs", "jwk", "redb", "pem"]
                .iter()
                .any(|end| name.ends_with(&format!(".{end}")));
            if !plain || !SECTIONS.contains(&section) || !name.contains('.') || file {
                continue;
            }
            seen += 1;
            if !exists(name) {
                faults.push(document.fault(&format!("`{name}` is no setting")));
            }
        }
    }
    assert!(seen > 30, "{seen}");
    report(&faults);
}

/// The further powers of a recipe's token, beyond the reader's need, stand before the first step.
#[test]
fn every_recipe_says_what_its_token_can_do_beyond_the_job() {
    let mut faults = Vec::new();
    for document in documents()
        .iter()
        .filter(|document| document.path.starts_with(root().join("docs/guide/clients")))
    {
        let lines: Vec<&str> =
            document.text.lines().filter(|line| !line.is_empty()).take(8).collect();
        if !document.path.ends_with("README.md")
            && !lines.iter().any(|line| line.starts_with("**Beyond the job.** "))
        {
            faults.push(
                document.fault("the first lines do not say what the token can do beyond the job"),
            );
        }
    }
    report(&faults);
}

/// Fragments may be incomplete and name missing files; the settings they name must be known.
#[test]
fn every_setting_in_a_block_of_toml_is_one() {
    let mut faults = Vec::new();
    for document in documents() {
        if document.path.starts_with(root().join("examples")) {
            continue;
        }
        for block in document.blocks(&["toml"]) {
            let file = magicproxy_config::config::unknown_keys(&block);
            faults.extend(file.into_iter().map(|fault| document.fault(&fault)));
        }
    }
    report(&faults);
}
