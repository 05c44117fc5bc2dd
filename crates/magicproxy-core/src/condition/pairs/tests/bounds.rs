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
    let mut steps = Steps::new(1 << 20);
    let view = view(&query, PlusReading::Blank);
    assert!(!has_name_of_body(view, None, &[&body, &body], &mut steps));
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

/// A query is split once for all rules, in each reading that is asked for; the query of another
/// request is not taken for it.
#[test]
fn a_query_is_split_once() {
    let test = names(&json!({"x[*]": {}}), Place::Query);
    let query = text(50, |number| format!("x[k{number}]")) + "+";
    let cache = QueryCache::default();
    let of = |text: &str, plus| {
        let mut steps = Steps::new(1 << 20);
        let view = QueryView { text, plus, cache: Some(&cache) };
        let outcome = word(judge_query(&test, view, &mut steps));
        (outcome, (1 << 20) - steps.left().unwrap())
    };
    let split = crate::condition::steps::steps_of_split(&query);
    let (first, again) = (of(&query, PlusReading::Blank), of(&query, PlusReading::Blank));
    assert_eq!((first.0, again.0), ("true", "true"));
    assert_eq!(first.1, split + again.1);
    assert!(again.1 >= 50, "each pair is judged anew: {again:?}");
    assert_eq!(of(&query, PlusReading::Both).1, split + 2 * again.1);
    assert_eq!(of(&query, PlusReading::Both).1, 2 * again.1);
    let folded = FOLDED_NAMES.get();
    assert_eq!(of(&query, PlusReading::Both).0, "true");
    assert_eq!(FOLDED_NAMES.get(), folded);
    assert_eq!(of("y=1", PlusReading::Blank).0, "false");
    assert_eq!(of(&query, PlusReading::Blank).0, "true");
}

/// Once the steps are spent nothing more is judged, and the outcome is not true.
#[test]
fn a_query_is_judged_within_its_steps() {
    let test = names(&json!({"*": {"glob": "a*", "pattern": "a*"}}), Place::Query);
    let query = text(20, |number| format!("f{number}")).replace('1', &"a".repeat(400));
    let of = |steps: usize| {
        let mut steps = Steps::new(steps);
        let outcome = judge_query(&test, view(&query, PlusReading::Blank), &mut steps);
        (outcome, steps.left().map(|left| left > 0))
    };
    let mut all = Steps::new(1 << 20);
    assert_eq!(judge_query(&test, view(&query, PlusReading::Blank), &mut all), Outcome::True);
    let taken = (1 << 20) - all.left().unwrap();
    assert!(taken > 2 * query.len(), "{taken}");
    assert_eq!(of(taken), (Outcome::True, Some(false)));
    for steps in [0, 1, taken / 2, taken - 1] {
        let (outcome, left) = of(steps);
        assert_eq!(left, None, "{steps}");
        assert!(steps + 100 > taken || outcome != Outcome::True, "{steps}");
    }
}

/// The slices of reading a form, by the bytes that one slice may read.
fn slices_of(body: &str, bytes: usize) -> (usize, &'static str) {
    let test = names(&json!({"*": {}}), Place::Form);
    let mut judge = FormJudge::new(body.as_bytes(), vec![&test], &[]);
    let mut slices = 1;
    while judge.advance(bytes) == Progress::More {
        slices += 1;
    }
    (slices, word(judge.outcomes()[0]))
}

/// A body of one field is read in parts.
#[test]
fn a_long_field_is_read_in_slices() {
    for value in ["a", "%C3%A9", "+"] {
        let body = format!("x={}", value.repeat((1 << 20) / value.len()));
        let (slices, outcome) = slices_of(&body, 64 * 1024);
        assert_eq!(outcome, "true", "{value}");
        // A slice ends with the part in which it has read its bytes.
        assert!(slices >= (1 << 20) / (64 + 16) / 1024, "{value}: {slices}");
    }
    // No `=`, and no `&` to be found.
    let (slices, outcome) = slices_of(&"a".repeat(1 << 20), 64 * 1024);
    assert_eq!((slices, outcome), (1, "form_syntax"));
}

/// A long value is judged alike, wherever its parts begin.
#[test]
fn parts_of_a_long_field_cut_nothing() {
    use super::super::long::PART_BYTES;
    let test = names(&json!({"x": {"type": "string"}, "y?": "1"}), Place::Form);
    for (piece, expected) in [
        ("é", "true"),
        ("%C3%A9", "true"),
        ("%E2%82%AC", "true"),
        ("\u{1f600}", "true"),
        ("=", "true"),
        ("a]b", "true"),
        ("%5D", "true"),
        ("]=", "form_syntax"),
        ("%5D=", "form_syntax"),
        ("%5d=", "form_syntax"),
        (";", "form_syntax"),
        ("%C3", "form_syntax"),
        ("%C3%28", "form_syntax"),
        ("%4", "form_syntax"),
        ("%", "form_syntax"),
        ("%zz", "form_syntax"),
    ] {
        for at in PART_BYTES - 12..=PART_BYTES + 1 {
            // The window that tells the piece's length begins before `x=`, the first part behind.
            for begin in [PART_BYTES, 2 * PART_BYTES] {
                let filling = "a".repeat(at + begin - PART_BYTES);
                let body = format!("x={filling}{piece}{}&y=1", "z".repeat(PART_BYTES));
                assert_eq!(of_form(&test, body.as_bytes()), expected, "{piece} {at} {begin}");
                let body = format!("x={filling}{piece}");
                assert_eq!(of_form(&test, body.as_bytes()), expected, "{piece} {at} {begin}");
            }
        }
    }
}

/// What is behind the kept part of a long value still counts.
#[test]
fn traits_of_a_long_field_are_kept() {
    use super::super::long::PART_BYTES;
    let long = "a".repeat(3 * PART_BYTES);
    for (test, behind, expected) in [
        (json!(["a", "b"]), "", "false"),
        (json!(["a", "b"]), "%00", "form_value"),
        (json!(["a", 1]), "", "false"),
        (json!(["a", 1]), "7", "form_value"),
        (json!(["a", "b"]), "7", "false"),
        (json!({"glob": "a*"}), "", "form_value"),
        (json!({}), "%00", "true"),
    ] {
        let test = names(&json!({"x": test}), Place::Form);
        for body in [format!("x={long}{behind}"), format!("x={long}{behind}{long}&")] {
            assert_eq!(of_form(&test, body.as_bytes()), expected, "{behind}");
        }
    }
}
