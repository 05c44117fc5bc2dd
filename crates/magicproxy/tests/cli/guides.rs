//! The commands of the guides, run as they stand there.
//!
//! A block of `sh` or `console` is run, in the order of its page, in one folder with keys, beside a proxy that nobody configured. A block
//! that cannot be run here says `no-run` behind its language. What this file does not run is run by who says so in [`ELSEWHERE`].

use std::path::Path;

use crate::program::{Place, Program, SECRET};

/// Pages whose blocks are run here.
const HERE: [&str; 6] = [
    "docs/guide/configuration.md",
    "docs/guide/incidents.md",
    "docs/guide/operate.md",
    "docs/guide/rotation.md",
    "docs/guide/sealed-tokens.md",
    "docs/guide/state.md",
];

/// Pages, and folders of pages, whose blocks are run with other programs, and by which test.
const ELSEWHERE: [(&str, &str); 4] = [
    ("README.md", "tests/clients/topics/readme.py"),
    ("docs/guide/getting-started.md", "tests/clients/topics/readme.py"),
    ("docs/guide/clients", "tests/clients/recipes.py"),
    ("docs/guide/migrating.md", "tests/interop/cases/migrating.py"),
];

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All blocks of a page, each behind its language.
fn fenced(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (mut found, mut open) = (Vec::new(), None::<(String, String)>);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, block))) => *block += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

/// The blocks of commands that are to be run.
fn blocks(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (language, block) in fenced(page) {
        match language.as_str() {
            "sh" => found.push(block),
            "console" => found.push(commands(&block)),
            _ => {}
        }
    }
    found
}

/// The lines that a reader types: those behind `$ `, and those that continue one that ends in `\`.
fn commands(block: &str) -> String {
    let (mut typed, mut continues) = (String::new(), false);
    for line in block.lines() {
        // The block of a list's step is indented.
        let begun = line.trim_start().strip_prefix("$ ");
        if let Some(line) = begun.or(Some(line).filter(|_| continues)) {
            typed += &format!("{line}\n");
            continues = line.ends_with('\\');
        }
    }
    typed
}

/// The pages of a folder, without those that programs have made or fetched.
fn pages(folder: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if folder == "." { name.clone() } else { format!("{folder}/{name}") };
        if ["target", "node_modules", ".git"].contains(&name.as_str()) || name.starts_with("py-") {
            continue;
        }
        if root().join(&path).is_dir() {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// A block that says no language, and begins with what a reader types.
fn unmarked_commands(page: &str) -> Option<String> {
    const TYPED: [&str; 7] = ["$ ", "cargo ", "curl ", "git ", "npm ", "pip ", "python"];
    for (language, block) in fenced(page) {
        // `magicproxy 0.1.0` is what the program says.
        let ours = block.strip_prefix("magicproxy ").unwrap_or_default();
        let is_typed = TYPED.iter().any(|typed| block.starts_with(typed))
            || ours.starts_with(|first: char| first.is_ascii_lowercase());
        if language.is_empty() && is_typed {
            return Some(block);
        }
    }
    None
}

#[test]
fn every_block_of_commands_is_run_or_marked() {
    let mut found = Vec::new();
    pages(".", &mut found);
    for page in ["README.md", "CONTRIBUTING.md", "docs/guide/tls.md", "fuzz/README.md"] {
        assert!(found.iter().any(|path| path == page), "{page}");
    }
    for page in found {
        assert_eq!(unmarked_commands(&page), None, "{page}: say the language: `sh no-run`");
        let elsewhere = ELSEWHERE.iter().any(|(path, _)| page.starts_with(path));
        let runs = HERE.contains(&page.as_str());
        assert!(!(runs && elsewhere), "{page} is run twice");
        let left = if elsewhere { Vec::new() } else { blocks(&page) };
        assert_eq!(
            !left.is_empty(),
            runs,
            "{page}: mark a block that cannot be run as `sh no-run`, or list the page: {left:?}"
        );
    }
    for (path, by) in ELSEWHERE {
        let test = std::fs::read_to_string(root().join(by)).unwrap();
        let name = path.rsplit('/').next().unwrap();
        assert!(test.contains(name) || by.contains("recipes"), "{by} does not name {path}");
    }
}

/// A line of a shell with the program in its path, and what a reader has: a credential and keys.
fn shell(place: &Place, script: &str) -> Program {
    let folder =
        Path::new(env!("CARGO_BIN_EXE_magicproxy")).parent().unwrap().display().to_string();
    let script = format!("set -eu\n{script}");
    let program =
        place.shell(&script).env("PATH", &format!("{folder}:/usr/local/bin:/usr/bin:/bin"));
    program.env("MAGICPROXY_KEYS", "keys").env("GITHUB_TOKEN", SECRET)
}

#[test]
fn the_commands_of_the_guides_run() {
    for page in HERE {
        let place = Place::with_keys();
        let mut proxy = place
            .program(&[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--keys",
                "keys",
                "--log-format",
                "pretty",
            ])
            .spawn();
        let line = proxy.line(" listens on ");
        let url = line
            .split(" listens on ")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .trim_end_matches(',')
            .to_owned();
        let minted = shell(
            &place,
            "magicproxy mint --allow 'GET /.*' --credential-env GITHUB_TOKEN --out job.token",
        )
        .output();
        assert_eq!(minted.code, 0, "{minted:?}");
        for block in blocks(page) {
            assert!(!block.trim().is_empty(), "{page}: a block without a command");
            let done = shell(&place, &block.replace("https://proxy.example", &url)).output();
            assert_eq!(done.code, 0, "{page}: {block}\n{done:?}");
        }
        assert_eq!(proxy.terminate().code, 0);
    }
}
