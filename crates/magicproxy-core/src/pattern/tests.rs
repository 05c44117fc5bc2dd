//! Templates match what their automata would.

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Pattern {
    Pattern::parse(text, PatternMode::Whole, &mut Budget::new(MAX_PATTERN_STEPS)).unwrap()
}

#[test]
fn most_rules_are_templates() {
    for text in [
        "/",
        "/user",
        "/repos/[^/]+/[^/]+/issues",
        "/repos/acme/([^/]+)/issues/\\d+",
        "/repos/acme/.*",
        "/a[b-d]*/x\\.y",
        "/(?:[^/]+)/b",
        "/[ab]+?/b",
        "/v2/domains/[a-z0-9.-]+/records",
    ] {
        assert!(parsed(text).is_template(), "{text}");
    }
    let long = format!("/{}", "a".repeat(100));
    let many = "/[a-z]+".repeat(17);
    for text in [
        "/a.*b",
        "/[ab]+a",
        "/[^/]+[0-9]+",
        "/a|/b",
        "/a?",
        "/[ab]",
        "[^a]+",
        "/(ab)+",
        "/a{2,}",
        "/\\b",
        "/(?i:a)",
        &long,
        &many,
    ] {
        assert!(!parsed(text).is_template(), "{text}");
    }
    let blind = Pattern::parse("/a", PatternMode::DangerPrefix, &mut Budget::new(MAX_PATTERN_STEPS)).unwrap();
    assert!(!blind.is_template());
}

/// Texts that are templates, for the most part.
fn text() -> impl Strategy<Value = String> {
    let pieces =
        ["a", "/", "b/", "/a", "0", "-", "\\.", "[^/]+", "[ab]+", "[a-c/]*", ".*", ".+?", "\\d+", "([^/a]+)", "\\w*", "(?:b)"];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn path() -> impl Strategy<Value = String> {
    let pieces = ["a", "b", "/", "0", "-", ".", "\n", "ab/", "/a", "0a", "c", "é"];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_template_matches_what_its_automaton_does(text in text(), path in path()) {
        let Ok(pattern) = Pattern::parse(&text, PatternMode::Whole, &mut Budget::new(MAX_PATTERN_STEPS)) else { return Ok(()) };
        if !pattern.is_template() {
            return Ok(());
        }
        let budget = || Budget::new(MAX_PATTERN_STEPS);
        let alone = Automaton::compile(&[&pattern], MAX_DFA_BYTES, &mut budget()).unwrap();
        // A template always has an automaton within the limits, too.
        let table = Automaton::determinise(&[&pattern], MAX_DFA_BYTES, &mut budget()).unwrap();
        prop_assert_eq!(alone.first_match(&path), table.first_match(&path), "{} on {}", text, path);
    }
}
