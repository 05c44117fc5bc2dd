//! Bounds on rules and steps.

use super::*;

#[test]
fn too_many_rules_judge_nothing() {
    let names = names("{\"x\":1}");
    let test = JsonTest { object: Some(&names), each: None };
    assert_eq!(judge_all(b"{\"x\":1}", &[test; 64], &[], ALL), [TRUE; 64]);
    assert_eq!(judge_all(b"{\"x\":1}", &[test; 65], &[], ALL), [STEPS; 65]);
}

#[test]
fn an_unfinished_judgement_is_unknown() {
    let names = names("{\"x\":1}");
    let test = JsonTest { object: Some(&names), each: None };
    let body = format!("{{\"x\":1{}}}", " ".repeat(100));
    let mut judge = JsonJudge::new(body.as_bytes(), &[test], &[]);
    assert_eq!(judge.advance(1), Progress::More);
    assert_eq!(judge.outcomes(), [STEPS]);
}

/// Bodies with this many bytes of text and this many automata.
fn of_texts(texts: usize, bytes: usize, rules: usize) -> Vec<Outcome> {
    let test = value("{\"each\":{\"glob\":\"a*\",\"pattern\":\"a*\"}}");
    let names = NamesTest { rest: Some(test), ..NamesTest::default() };
    let test = JsonTest { object: Some(&names), each: None };
    let list = vec![format!("\"{}\"", "a".repeat(bytes)); texts].join(",");
    judge_all(format!("{{\"x\":[{list}]}}").as_bytes(), &vec![test; rules], &[], ALL)
}

#[test]
fn bytes_times_automata_are_bounded() {
    // 2 automata and 1 rule: each byte counts twice.
    assert_eq!(of_texts(1_000, 1_000, 1), [TRUE]);
    // 2 automata and 32 rules: each byte counts 64 times.
    assert_eq!(of_texts(15, 1_000, 32), [TRUE; 32]);
    assert_eq!(of_texts(20, 1_000, 32), [STEPS; 32]);
    assert_eq!(of_texts(1_000, 1_000, 32), [STEPS; 32]);
}

#[test]
fn names_and_values_that_are_looked_at_count() {
    let members = |number: usize| {
        let members: Vec<String> = (0..number).map(|at| format!("\"{at}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    let names = names("{\"*\":1}");
    let test = JsonTest { object: Some(&names), each: None };
    assert_eq!(judge(members(100_000).as_bytes(), &[test], &[], ALL), TRUE);
    assert_eq!(judge_all(members(5_000).as_bytes(), &[test; 64], &[], ALL), [TRUE; 64]);
    assert_eq!(judge_all(members(100_000).as_bytes(), &[test; 64], &[], ALL), [STEPS; 64]);
}

/// A slice ends after its bytes or after its steps.
#[test]
fn slices_are_bounded_in_steps() {
    let names = names("{\"*\":1}");
    let test = JsonTest { object: Some(&names), each: None };
    let members: Vec<String> = (0..1_000).map(|at| format!("\"{at}\":1")).collect();
    let body = format!("{{{}}}", members.join(","));
    let slices = |rules: usize| {
        let tests = vec![test; rules];
        let mut judge = JsonJudge::new(body.as_bytes(), &tests, &[]);
        let mut slices = 1;
        while judge.advance(1_000) == Progress::More {
            slices += 1;
        }
        assert_eq!(judge.outcomes(), vec![TRUE; rules]);
        slices
    };
    assert!(slices(1) <= 11, "{}", slices(1));
    assert!(slices(64) >= 100, "{}", slices(64));
}
