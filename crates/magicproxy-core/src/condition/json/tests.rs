mod bounds;
mod explained;
mod grammar;
mod speed;
mod table;

use super::*;
use crate::condition::parse::{Place, Reader};
use crate::pattern::Budget;
use crate::rule::MAX_LIST_STEPS;

/// The size of a slice that reads each body of these tests in one go.
const ALL: usize = 1 << 20;

/// Reads NAMES.
fn names(json: &str) -> NamesTest {
    let written = serde_json::from_str(json).unwrap();
    Reader::new(&mut Budget::new(MAX_LIST_STEPS)).names(&written, Place::Json).unwrap()
}

/// Reads a VALUE.
fn value(json: &str) -> ValueTest {
    let written = serde_json::from_str(json).unwrap();
    Reader::new(&mut Budget::new(MAX_LIST_STEPS)).value(&written, Place::Json).unwrap()
}

/// Judges a body by the `json` of a rule.
fn of_object(test: &str, body: &str) -> Outcome {
    let names = names(test);
    judge(body.as_bytes(), &[JsonTest { object: Some(&names), each: None }], &[], ALL)
}

/// Judges a body by the `json_each` of a rule.
fn of_each(test: &str, body: &str) -> Outcome {
    let test = value(test);
    judge(body.as_bytes(), &[JsonTest { object: None, each: Some(&test) }], &[], ALL)
}

/// Judges a body in slices of this size, and returns the first outcome.
fn judge(body: &[u8], tests: &[JsonTest<'_>], guarded: &[String], slice: usize) -> Outcome {
    judge_all(body, tests, guarded, slice)[0]
}

fn judge_all(
    body: &[u8],
    tests: &[JsonTest<'_>],
    guarded: &[String],
    slice: usize,
) -> Vec<Outcome> {
    let mut judge = JsonJudge::new(body, tests, guarded);
    while judge.advance(slice) == Progress::More {}
    judge.outcomes()
}

const TRUE: Outcome = Outcome::True;
const FALSE: Outcome = Outcome::False;
const SYNTAX: Outcome = Outcome::Unknown(Reason::JsonSyntax);
const TWICE: Outcome = Outcome::Unknown(Reason::JsonTwice);
const TWIN: Outcome = Outcome::Unknown(Reason::JsonTwin);
const VALUE: Outcome = Outcome::Unknown(Reason::JsonValue);
const OVERRIDE: Outcome = Outcome::Unknown(Reason::JsonOverride);
const STEPS: Outcome = Outcome::Unknown(Reason::BodySteps);
