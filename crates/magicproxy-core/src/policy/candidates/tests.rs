//! Candidates are what a naive look at each rule finds, in the order of the rules.

use std::sync::Arc;

use proptest::prelude::*;
use regex::bytes::Regex;

use super::*;
use crate::pattern::PatternMode;
use crate::policy::{Policy, PolicyBudget};
use crate::rule::{RawRule, Rule};
use crate::target::{EncodedSlash, RequestTarget};

/// Some of them simple, which stand in a tree, and some not, which share an automaton.
fn pattern() -> impl Strategy<Value = String> {
    let pieces = [
        "a", "b", "/", "/a", "0", "[^/]+", "[ab]+", ".*", "(a|b/)", "(/a)?", "[ab]{2}", "(ab)+",
        ".*b", "(?i:A)", "a.*0",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..5)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn rules() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    prop::collection::vec(
        (prop::sample::select(vec!["GET", "GET", "GET", "POST", "*", "HEAD"]), pattern()),
        1..12,
    )
}

fn path() -> impl Strategy<Value = String> {
    let pieces = ["a", "b", "0", "ab", "/a", "/b", "A", "aab"];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..6)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn parsed(rules: &[(&str, String)]) -> Vec<Rule> {
    let text = |(method, pattern): &(&str, String)| RawRule::Text(format!("{method} {pattern}"));
    rules.iter().filter_map(|rule| Rule::parse(text(rule), PatternMode::Whole).ok()).collect()
}

fn list(rules: &[Rule]) -> Arc<RuleList> {
    Arc::new(
        RuleList::compile(&rules.iter().collect::<Vec<_>>(), &mut PolicyBudget::of_operator())
            .unwrap(),
    )
}

fn matches(
    list: &RuleList,
    method: &str,
    path: &str,
    steps: &DecisionSteps,
) -> Result<Matches, ExhaustedSteps> {
    let mut matches = Matches::default();
    list.find_matches(method, path, steps, &mut matches).map(|()| matches)
}

/// Does the rule match, by what it says alone?
fn naive(rule: &Rule, method: &str, path: &str) -> bool {
    let text = rule.to_string();
    let (word, pattern) = text.split_once(' ').unwrap();
    let admits = word == "*" || word == method || (word == "GET" && method == "HEAD");
    admits && Regex::new(&format!(r"(?-u)\A(?:{pattern})\z")).unwrap().is_match(path.as_bytes())
}

/// The list and the number of each candidate.
fn found(policy: &Policy, method: &str, path: &str, steps: &DecisionSteps) -> Vec<(usize, usize)> {
    let place = |candidate: Candidate<'_>| {
        (
            policy.lists.iter().position(|list| std::ptr::eq(&**list, candidate.list)).unwrap(),
            candidate.rule,
        )
    };
    policy.candidates(method, path, steps).map(|candidate| place(candidate.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_that_matches_in_the_order_of_the_rules(
        lists in prop::collection::vec(rules(), 1..4),
        paths in prop::collection::vec(path(), 1..12),
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT"]),
    ) {
        let lists: Vec<Vec<Rule>> = lists.iter().map(|rules| parsed(rules)).collect();
        let policy = Policy::of_scopes(lists.iter().map(|rules| list(rules)).collect(), Vec::new()).unwrap();
        for path in paths {
            let numbered = lists.iter().enumerate();
            let expected: Vec<(usize, usize)> = numbered
                .flat_map(|(at, rules)| {
                    let matching = rules.iter().enumerate().filter(|(_, rule)| naive(rule, method, &path));
                    matching.map(move |(number, _)| (at, number)).collect::<Vec<_>>()
                })
                .collect();
            let steps = DecisionSteps::new();
            let first = policy.candidates(method, &path, &steps).next().map(|candidate| candidate.unwrap().written().cloned());
            let (once, all) = (steps.taken(), DecisionSteps::new());
            prop_assert_eq!(&found(&policy, method, &path, &all), &expected, "{} {}", method, path);
            // The first costs a look at the lists up to its own, and the others of that list cost nothing more.
            let looked_at = expected.first().map_or(lists.len(), |(list, _)| list + 1);
            let look = |list: &Arc<RuleList>| {
                let steps = DecisionSteps::new();
                matches(list, method, &path, &steps).unwrap();
                steps.taken()
            };
            prop_assert_eq!(once, policy.lists.iter().take(looked_at).map(look).sum::<usize>());
            prop_assert_eq!(all.taken(), policy.lists.iter().map(look).sum::<usize>());
            // The decision names the first.
            let target = RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse);
            if let Ok(target) = target.as_ref().map_err(drop).and_then(|target| if target.path() == path { Ok(target) } else { Err(()) }) {
                prop_assert_eq!(policy.allows(method, target).cloned(), first.flatten());
            }
        }
    }
}

/// Where the steps end, nothing that stands behind is a candidate.
#[test]
fn what_was_not_looked_at_is_no_candidate() {
    let one = |text: &str| {
        list(&[Rule::parse(RawRule::Text(text.to_owned()), PatternMode::Whole).unwrap()])
    };
    let policy =
        Policy::of_scopes(vec![one("GET /a"), one("GET /.*"), one("GET /b")], Vec::new()).unwrap();
    let steps = DecisionSteps::new();
    let left = matches(&policy.lists[0], "GET", "/b", &steps).map(|_| steps.taken()).unwrap();
    steps.take(crate::policy::MAX_DECISION_STEPS - 2 * left).unwrap();
    let mut candidates = policy.candidates("GET", "/b", &steps);
    assert_eq!(candidates.next().unwrap().map(|_| ()), Err(ExhaustedSteps));
    assert!(candidates.next().is_none());
}

/// A list longer than may be is refused: the numbers of its last rules would have no place.
#[test]
fn a_list_is_no_longer_than_matches_have_places() {
    let rule = Rule::parse(RawRule::Text("GET /a".to_owned()), PatternMode::Whole).unwrap();
    let compile =
        |count: usize| RuleList::compile(&vec![&rule; count], &mut PolicyBudget::of_operator());
    let longest = compile(crate::rule::MAX_RULES).unwrap();
    assert!(
        matches(&longest, "GET", "/a", &DecisionSteps::new())
            .unwrap()
            .eq(0..crate::rule::MAX_RULES)
    );
    assert!(compile(crate::rule::MAX_RULES + 1).is_err());
}
