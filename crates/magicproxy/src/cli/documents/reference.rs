//! `docs/reference/configuration.md` and `docs/reference/cli.md`: made of the tables of the
//! configuration and of the command line.
//!
//! `cargo test -p magicproxy --lib -- --ignored write_the_reference` writes both anew; a test
//! compares them.

mod commands;
mod settings;

use super::root;

/// Returns the references, each with its path and its text.
fn references() -> [(&'static str, String); 2] {
    [
        ("docs/reference/configuration.md", settings::page()),
        ("docs/reference/cli.md", commands::page()),
    ]
}

#[test]
#[ignore = "writes docs/reference/configuration.md and docs/reference/cli.md"]
fn write_the_reference() {
    for (path, text) in references() {
        std::fs::write(root().join(path), text).unwrap();
    }
}

#[test]
fn the_reference_is_what_the_program_says() {
    for (path, text) in references() {
        let file = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let line = file.lines().zip(text.lines()).find(|(is, made)| is != made);
        assert!(
            file == text,
            "{path} differs, first in {line:?}; run: cargo test -p magicproxy --lib -- --ignored write_the_reference"
        );
    }
}

/// Writes a text as a table cell, in one line.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Writes a text as a sentence: a capital letter first, a full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Wraps a text at 100 columns; words, and texts in backquotes, are not broken.
fn wrapped(text: &str, indent: &str) -> String {
    let glued = text.split('`').enumerate().map(|(number, part)| match number % 2 {
        1 => format!("`{}`", part.replace(' ', "\u{a0}")),
        _ => part.to_owned(),
    });
    let mut wrapped = String::new();
    let mut width = 0;
    for word in glued.collect::<String>().split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 100 {
            wrapped.push_str(&format!("\n{indent}"));
            width = indent.len();
        } else if width > 0 {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += length;
    }
    wrapped.replace('\u{a0}', " ")
}

#[test]
fn text_is_wrapped_and_ended() {
    assert_eq!(cell("a | b\n  c"), "a \\| b c");
    assert_eq!(sentence("run the proxy"), "Run the proxy.");
    assert_eq!(sentence("May it?"), "May it?");
    let long = format!("{} `a b` c", "x".repeat(96));
    assert_eq!(wrapped(&long, "  "), format!("{}\n  `a b` c", "x".repeat(96)));
}
