//! How patterns come to share automata, and where they do so no more.

use super::*;
use crate::pattern::PatternMode;
use crate::rule::RawRule;

fn rules(texts: impl IntoIterator<Item = String>) -> Vec<Rule> {
    let raw: Vec<RawRule> =
        texts.into_iter().map(|text| RawRule::Text(format!("GET {text}"))).collect();
    Rule::parse_list(&raw, PatternMode::Whole).unwrap()
}

/// How many automata the list has.
fn automata(rules: &[Rule], budget: &mut PolicyBudget) -> usize {
    RuleList::compile(&rules.iter().collect::<Vec<_>>(), budget).unwrap().automata()
}

fn alone(rules: &[Rule]) -> usize {
    automata(rules, &mut PolicyBudget::of_operator())
}

/// Letters of which there are many, so that the rows of a table have 64 places.
fn letters(count: usize) -> String {
    ('a'..='z').chain('0'..='1').cycle().take(count).collect()
}

/// So many are tried together: those beyond have an automaton of their own.
#[test]
fn sixty_four_patterns_share_an_automaton() {
    let of = |count: usize| alone(&rules((0..count).map(|number| format!("/{number}(ab|cd)*"))));
    assert_eq!([1, 2, 63, 64, 65, 128, 129].map(of), [1, 1, 1, 1, 2, 2, 3]);
}

/// 512 KiB: the first row that is too many makes two automata of one.
#[test]
fn an_automaton_that_is_shared_has_512_kib() {
    let of = |last: usize| {
        rules((0..5).map(|number| {
            format!("/{number}(ab|cd)*{}", letters(if number < 4 { 480 } else { last }))
        }))
    };
    let bytes = |last: usize| {
        let rules = of(last);
        let patterns: Vec<&Pattern> = rules.iter().map(Rule::pattern).collect();
        Automaton::compile(&patterns, 1 << 30, &mut Budget::new(100_000_000))
            .unwrap()
            .memory_bytes()
    };
    let (mut fits, mut refused) = (1, 480);
    assert!(bytes(fits) <= 524_288 && bytes(refused) > 524_288);
    while fits + 1 < refused {
        let middle = fits.midpoint(refused);
        if bytes(middle) <= 524_288 { fits = middle } else { refused = middle }
    }
    assert_eq!((alone(&of(fits)), alone(&of(refused))), (1, 2), "{fits}");
}

/// Of 36 patterns whose tables have more than 512 KiB where five are in one, eight attempts fail until the third quarter: what is left
/// then is not tried together.
#[test]
fn after_eight_attempts_each_has_its_own() {
    let list = rules((0..36_u8).map(|number| {
        let own =
            [number / 6, number % 6].map(|part| char::from(b'a' + part)).iter().collect::<String>();
        format!("/{own}(ab|cd)*{}", letters(415))
    }));
    let mut budget = PolicyBudget::of_operator();
    // 36, 18 and 9 fail; 4 share; 5 fail, and 2 and 3 share; so do the next nine; 18 and 9 fail.
    assert_eq!(automata(&list, &mut budget), 2 * 3 + 18);
    assert!(budget.sharing() > 0, "it is not for want of steps");
}

/// 1,200,000 steps for the attempts of one policy at sharing: where none is left, each pattern has an automaton of its own.
#[test]
fn sharing_takes_so_many_steps() {
    let list = rules((0..3).map(|number| format!("/{number}(ab|cd)*")));
    let mut whole = PolicyBudget::of_operator();
    assert_eq!((whole.sharing(), whole.visits()), (1_200_000, 256));
    assert_eq!(automata(&list, &mut whole), 1);
    let took = 1_200_000 - whole.sharing();
    for (left, expected) in [(took, 1), (took - 1, 3), (0, 3)] {
        let mut budget = PolicyBudget::of_operator();
        budget.take_shared(0, 1_200_000 - left);
        assert_eq!(automata(&list, &mut budget), expected, "{left} of {took}");
    }
}

/// An automaton of one pattern has 128 KiB, as its rule was parsed with.
#[test]
fn an_automaton_of_its_own_has_128_kib() {
    assert_eq!(OWN_AUTOMATON_BYTES, 131_072);
    assert_eq!(alone(&rules([format!("/(ab|cd)*{}", letters(500))])), 1);
}
