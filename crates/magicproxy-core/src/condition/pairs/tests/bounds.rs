//! Bounds on the work of judging pairs.

use std::fmt::Write as _;

use super::*;
use crate::condition::folded::FOLDED_NAMES;

/// The work of judging pairs.
#[derive(Debug)]
struct Work {
    outcome: &'static str,
    /// The names that were folded while the text was judged.
    folded: usize,
    steps: usize,
}

/// Judges a form by one rule.
fn work_of_form(test: &NamesTest, body: &str) -> Work {
    let folded = FOLDED_NAMES.get();
    let pairs = read_pairs(body, Plus::IsBlank).unwrap();
    let mut judge = Judge::new(test, &FORM);
    judge.add_all(&pairs).unwrap();
    let outcome = word(judge.outcome(&pairs));
    Work { outcome, folded: FOLDED_NAMES.get() - folded, steps: judge.steps }
}

/// A rule with 52 names and one `[*]`.
fn rule(root: &str, own: impl Fn(usize) -> String) -> Value {
    let mut names: serde_json::Map<_, _> =
        (0..52).map(|number| (own(number) + "?", json!({}))).collect();
    names.insert(format!("{root}[*]"), json!({}));
    Value::Object(names)
}

fn text(count: usize, sent: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0..count {
        write!(text, "&{}=1", sent(number)).unwrap();
    }
    text
}

#[test]
fn a_name_is_folded_once() {
    let root = "a".repeat(118);
    let deep = |number: usize| format!("a{}[k{number}]", "[]".repeat(58));
    for (test, body, outcome) in [
        (
            rule(&root, |number| format!("{root}[k{number}]")),
            text(255, |number| format!("{root}[q{number}]")),
            "true",
        ),
        (
            rule(&root, |number| format!("{root}[k{number}]")),
            text(255, |number| format!("{root}[k{number}]")),
            "true",
        ),
        (
            rule(&root, |number| format!("{root}[k{number}]")),
            text(255, |number| format!("{root}.k{number}")),
            "form_twin",
        ),
        (rule("a", deep), text(255, deep), "form_twin"),
        (rule("b", deep), text(255, |number| format!("b[{number}]")), "true"),
    ] {
        let work = work_of_form(&names(&test, Place::Form), &body);
        assert_eq!(work.outcome, outcome);
        assert!(work.folded <= 255, "{work:?}");
        assert!(work.steps <= 64 * 1_024, "{work:?}");
    }
}

#[test]
fn names_of_a_query_are_folded_once_for_each_reading() {
    let root = "a".repeat(18);
    let test = names(&rule(&root, |number| format!("{root}[k{number}]")), Place::Query);
    let query = text(250, |number| format!("{root}[q{number}]")) + "+";
    for (reading, most) in
        [(PlusReading::Blank, 250), (PlusReading::Plus, 250), (PlusReading::Both, 500)]
    {
        let folded = FOLDED_NAMES.get();
        assert_eq!(of_query(&test, &query, reading), "true");
        let folded = FOLDED_NAMES.get() - folded;
        assert!(folded <= most, "{reading:?}: {folded}");
    }
    let folded = FOLDED_NAMES.get();
    let body = names(&json!({"x": {}, "y": {}}), Place::Json);
    let listed_of_body = FOLDED_NAMES.get() - folded;
    assert!(!has_name_of_body(Some(&query), None, &[&body, &body]));
    assert!(FOLDED_NAMES.get() - folded - listed_of_body <= 250);
}

/// A form is read once for all rules.
#[test]
fn names_of_a_form_are_folded_once_for_all_rules() {
    let root = "a".repeat(18);
    let test = names(&rule(&root, |number| format!("{root}[k{number}]")), Place::Form);
    let body = text(100, |number| format!("{root}[q{number}]"));
    let folded = FOLDED_NAMES.get();
    let mut judge = FormJudge::new(body.as_bytes(), vec![&test; 32], &[]);
    while judge.advance(1_000) == Progress::More {}
    assert_eq!(judge.outcomes(), [Outcome::True; 32]);
    assert!(FOLDED_NAMES.get() - folded <= 100);
}

/// Only so many keys are compared: names that differ behind these meet.
#[test]
fn further_keys_are_not_compared() {
    let keys = |count: usize| "[k]".repeat(count);
    let rule =
        json!({format!("a{}[b]?", keys(15)): {}, format!("a{}[b]?", keys(16)): {}, "a[*]": {}});
    check(
        rule,
        &[
            (&format!("a{}[c]=1", keys(15)), "true"),
            (&format!("a{}[b]=1", keys(15)), "true"),
            (&format!("a{}[c]=1", keys(16)), "twin"),
            (&format!("a{}[b]=1", keys(16)), "true"),
        ],
    );
}

/// The outcomes of a form by this many rules with 2 automata, and the slices of judging it.
fn of_texts(fields: usize, bytes: usize, rules: usize) -> (Vec<&'static str>, usize) {
    let test = names(&json!({"*": {"glob": "a*", "pattern": "a*"}}), Place::Form);
    let value = "a".repeat(bytes);
    let body: String = (0..fields).map(|number| format!("&f{number}={value}")).collect();
    let mut judge = FormJudge::new(body.as_bytes(), vec![&test; rules], &[]);
    let mut slices = 1;
    while judge.advance(1_000) == Progress::More {
        slices += 1;
    }
    (judge.outcomes().into_iter().map(word).collect(), slices)
}

#[test]
fn steps_of_a_form_are_bounded() {
    assert_eq!(of_texts(200, 1_000, 1).0, ["true"]);
    // 2 automata and 32 rules: each byte counts 64 times.
    assert_eq!(of_texts(15, 1_000, 32).0, ["true"; 32]);
    assert_eq!(of_texts(20, 1_000, 32).0, ["body_steps"; 32]);
    assert_eq!(of_texts(200, 1_000, 32).0, ["body_steps"; 32]);
}

/// A slice ends after its bytes or after its steps.
#[test]
fn slices_of_a_form_are_bounded_in_steps() {
    let (one, many) = (of_texts(100, 100, 1).1, of_texts(100, 100, 32).1);
    assert!(one <= 40, "{one}");
    assert!(many >= 300, "{many}");
}

#[test]
fn an_unfinished_form_is_unknown() {
    let test = names(&json!({"*": {}}), Place::Form);
    let mut judge = FormJudge::new(b"a=1&b=1&c=1", vec![&test], &[]);
    assert_eq!(judge.advance(1), Progress::More);
    assert_eq!(judge.outcomes(), [Outcome::Unknown(Reason::BodySteps)]);
}
