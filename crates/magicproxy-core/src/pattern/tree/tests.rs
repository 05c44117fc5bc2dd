//! A tree says what an automaton of the same patterns says.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{Automaton, Budget, MAX_DFA_BYTES, MAX_PATTERN_STEPS, Pattern, PatternMode};
use super::*;

fn parsed(text: &str) -> Pattern {
    Pattern::parse(text, PatternMode::Whole, &mut Budget::new(MAX_PATTERN_STEPS)).unwrap()
}

/// As much as many patterns take together.
const MAX_SHARED_BYTES: usize = 512 * 1024;
/// What policies allow a tree.
const MAX_VISITS: usize = 64;

fn numbered(patterns: &[Pattern]) -> impl Iterator<Item = (u32, &Template)> {
    (0..).zip(patterns).map(|(number, pattern)| (number, pattern.template().unwrap()))
}

fn tree(texts: &[&str]) -> Option<Tree> {
    let patterns: Vec<Pattern> = texts.iter().map(|text| parsed(text)).collect();
    Tree::build(numbered(&patterns), MAX_VISITS)
}

fn matches(tree: &Tree, path: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    tree.each_match(path, |number| {
        found.insert(number);
    });
    found
}

fn first_match(tree: &Tree, path: &str) -> Option<usize> {
    matches(tree, path).first().copied()
}

#[test]
fn the_first_in_the_list() {
    #[track_caller]
    fn check(texts: &[&str], path: &str, expected: Option<usize>) {
        assert_eq!(first_match(&tree(texts).unwrap(), path), expected, "{path}");
    }
    let texts = [
        "/repos/acme",
        "/repos/[^/]+",
        "/re",
        "/.*",
        "/repos/acm[a-f]*",
        "/repos/acme/x",
        "/repos/acme",
        "/repos/[^/]+/x",
    ];
    check(&texts, "/repos/acme", Some(0));
    check(&texts, "/repos/acm", Some(1));
    check(&texts, "/re", Some(2));
    check(&texts, "/", Some(3));
    check(&texts, "/repos/acme/x", Some(3));
    check(&texts[4..], "/repos/acme", Some(0));
    check(&texts[4..], "/repos/acm", Some(0));
    check(&texts[4..], "/repos/acme/x", Some(1));
    check(&texts[4..], "/repos/acmy/x", Some(3));
    check(&texts[4..], "/repos//x", None);
    check(&texts[4..], "/repos/acme/", None);
    check(&[], "/", None);
    // The same class, once with nothing in it and once with something.
    check(&["/a/[bc]+", "/a/[bc]*"], "/a/", Some(1));
    check(&["/a/[bc]*/c", "/a/[bc]+/c"], "/a/b/c", Some(0));
}

#[test]
fn a_path_is_not_looked_at_too_often() {
    #[track_caller]
    fn check(texts: impl Iterator<Item = String>, accepted: bool) {
        let texts: Vec<String> = texts.collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(tree(&texts).is_some(), accepted);
    }
    let classes = |count: u8| {
        (0..count).map(|number| {
            format!("[{}{}]*", char::from(b'A' + number / 26), char::from(b'a' + number % 26))
        })
    };
    check(classes(64).map(|class| format!("/{class}")), true);
    check(classes(65).map(|class| format!("/{class}")), false);
    // So many ways on, and as many behind each: 7 + 49, and 8 + 64.
    let twice = |count| {
        classes(count)
            .flat_map(move |one| classes(count).map(move |other| format!("/{one}-{other}")))
    };
    check(twice(7), true);
    check(twice(8), false);
    // A path goes to one place only, of those that literals lead to.
    check((0..1000).map(|number| format!("/{number}/[a-z]+/x")), true);
}

/// Patterns that are simple, for the most part, and begin alike.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "/",
        "b/",
        "/a",
        "0",
        "-",
        "\\.",
        "[^/]+",
        "[^/]*",
        "[ab]+",
        "[a-c/]*",
        ".*",
        ".+?",
        "\\d+",
        "([^/a]+)",
        "\\w*",
        "(a|b/)",
        "(/a)?",
        "[ab]",
        "[a-c]{2}",
        "(?:a|0|[bc])",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..8)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn path() -> impl Strategy<Value = String> {
    let pieces = ["a", "b", "/", "0", "-", ".", "\n", "ab/", "/a", "0a", "c", "é"];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..10)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_tree_matches_what_the_automata_do(texts in prop::collection::vec(text(), 1..12), paths in prop::collection::vec(path(), 1..8)) {
        let parse = |text: &String| Pattern::parse(text, PatternMode::Whole, &mut Budget::new(MAX_PATTERN_STEPS)).ok();
        let patterns: Vec<Pattern> = texts.iter().filter_map(parse).filter(|pattern| pattern.template().is_some()).collect();
        let Some(tree) = Tree::build(numbered(&patterns), MAX_VISITS) else { return Ok(()) };
        // A template always has an automaton within the limits, too.
        let alone = |pattern| Automaton::compile(&[pattern], MAX_DFA_BYTES, &mut Budget::new(MAX_PATTERN_STEPS)).unwrap();
        let automata: Vec<Automaton> = patterns.iter().map(alone).collect();
        for path in paths {
            let expected = automata.iter().position(|automaton| automaton.matches(&path).next().is_some());
            prop_assert_eq!(first_match(&tree, &path), expected, "{:?} on {}", &texts, path);
            // Each that matches is told of, and no other.
            let all: BTreeSet<usize> =
                automata.iter().enumerate().filter(|(_, alone)| alone.matches(&path).next().is_some()).map(|(at, _)| at).collect();
            prop_assert_eq!(&matches(&tree, &path), &all, "{:?} on {}", &texts, path);
            let patterns: Vec<&Pattern> = patterns.iter().collect();
            let Some(together) = Automaton::compile(&patterns, MAX_SHARED_BYTES, &mut Budget::new(MAX_PATTERN_STEPS)) else { continue };
            prop_assert!(together.matches(&path).eq(all), "{:?} on {}", &texts, path);
        }
    }
}
