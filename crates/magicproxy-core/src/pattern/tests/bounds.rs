//! How large the automaton of one pattern may be, and how much work: to the last that fits, and the first that does not.

use super::*;
use crate::rule::{RawRule, Rule, RuleFault};

fn is_accepted(text: &str) -> bool {
    match Pattern::parse(text, PatternMode::Whole, &mut Budget::new(1_000_000)) {
        Ok(pattern) => {
            assert!(pattern.template().is_none(), "{text} is simple");
            true
        }
        Err(PatternError::TooComplex) => false,
        Err(other) => panic!("{text}: {other}"),
    }
}

/// The first number from which on a pattern is refused.
fn first_refused(pattern: impl Fn(usize) -> String) -> usize {
    let (mut accepted, mut refused) = (1, 4_000);
    assert!(is_accepted(&pattern(accepted)) && !is_accepted(&pattern(refused)));
    while accepted + 1 < refused {
        let middle = accepted.midpoint(refused);
        if is_accepted(&pattern(middle)) { accepted = middle } else { refused = middle }
    }
    refused
}

fn nfa(text: &str, bytes: usize) -> Option<thompson::NFA> {
    let hir = anchor(parser(PatternMode::Whole).parse(text).unwrap(), PatternMode::Whole);
    let config = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(bytes))
        .which_captures(WhichCaptures::None);
    thompson::Compiler::new().configure(config).build_many_from_hir(&[hir]).ok()
}

/// What the table takes where nothing bounds it.
fn dfa_bytes(text: &str) -> usize {
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::All)
        .accelerate(false);
    dense::Builder::new()
        .configure(config)
        .build_from_nfa(&nfa(text, 1 << 30).unwrap())
        .unwrap()
        .memory_usage()
}

fn steps(text: &str) -> usize {
    let mut budget = Budget::new(100_000_000);
    effort::take(&nfa(text, 1 << 30).unwrap(), 1 << 30, &mut budget).unwrap();
    100_000_000 - budget.left()
}

/// 64 KiB: classes of many parts make an NFA that is larger than its table.
#[test]
fn bytes_of_an_nfa() {
    let pattern = |count: usize| format!("/(ab|cd)*[acegikmoqsuwyACE]{{{count}}}");
    let refused = first_refused(pattern);
    assert!(
        nfa(&pattern(refused - 1), 65_536).is_some() && nfa(&pattern(refused), 65_536).is_none(),
        "{refused}"
    );
    assert!(
        dfa_bytes(&pattern(refused)) < 131_072 && steps(&pattern(refused)) < 200_000,
        "something else refuses it"
    );
}

/// 128 KiB: letters of which there are many make a table with long rows.
#[test]
fn bytes_of_a_table() {
    let letters: Vec<char> = ('a'..='z').chain('0'..='9').collect();
    let pattern = |count: usize| {
        format!("/(ab|cd)*{}", letters.iter().cycle().take(count).collect::<String>())
    };
    let refused = first_refused(pattern);
    let (most, least) = (dfa_bytes(&pattern(refused - 1)), dfa_bytes(&pattern(refused)));
    assert!(most <= 131_072 && least > 131_072, "{most} {least}");
    assert!(
        nfa(&pattern(refused), 65_536).is_some() && steps(&pattern(refused)) < 200_000,
        "something else refuses it"
    );
}

/// 200,000: sets of many states are work, however small what comes of them is.
#[test]
fn steps_of_a_pattern() {
    let pattern = |count: usize| format!("/(ab|cd)*(?:a?){{{count}}}b");
    let refused = first_refused(pattern);
    let (most, least) = (steps(&pattern(refused - 1)), steps(&pattern(refused)));
    assert!(most <= 200_000 && least > 200_000, "{most} {least}");
    assert!(
        nfa(&pattern(refused), 65_536).is_some() && dfa_bytes(&pattern(refused)) < 131_072,
        "something else refuses it"
    );
    // And to the last step of what is left.
    let within = |steps| {
        Pattern::parse(&pattern(refused - 1), PatternMode::Whole, &mut Budget::new(steps)).is_ok()
    };
    assert!(within(most) && !within(most - 1));
}

/// 1,200,000 for the patterns of one list together. A simple one takes a step for each of its characters.
#[test]
fn steps_of_a_list() {
    let hard = |number: usize| format!("/{number}(ab|cd)*(?:a?){{60}}b");
    let (mut raw, mut left) = (Vec::new(), 1_200_000_usize);
    while let Some(rest) = left.checked_sub(steps(&hard(raw.len()))) {
        raw.push(RawRule::Text(format!("GET {}", hard(raw.len()))));
        left = rest;
    }
    while left > 400 {
        raw.push(RawRule::Text(format!("GET /{}", "a".repeat(399))));
        left -= 400;
    }
    let faults = |length: usize| {
        let rules =
            [raw.clone(), vec![RawRule::Text(format!("GET /{}", "a".repeat(length - 1)))]].concat();
        Rule::parse_list(&rules, PatternMode::Whole).err()
    };
    assert_eq!(faults(left), None);
    assert!(
        matches!(faults(left + 1).as_deref(), Some([.., fault]) if is_too_complex(fault)),
        "{left}"
    );
}

fn is_too_complex(fault: &RuleFault) -> bool {
    matches!(fault, RuleFault::TooComplex) || fault.to_string().contains("complex")
}
