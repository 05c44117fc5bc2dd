//! Conditions against real parsers: whatever a rule's conditions allow, each parser of
//! `tests/parsers` sees with allowed values in every listed name, and without any other name.
//!
//! `cargo xtask test parsers` runs this with the parsers. Without them nothing is asked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

#[path = "parsers/divergence.rs"]
mod divergence;
#[path = "parsers/hostile_json.rs"]
mod hostile_json;
#[path = "parsers/hostile_parameters.rs"]
mod hostile_parameters;
#[path = "parsers/imitations.rs"]
mod imitations;
#[path = "parsers/known.rs"]
mod known;
#[path = "conditions/naive_conditions.rs"]
mod naive_conditions;
#[path = "parsers/random.rs"]
mod random;
#[path = "parsers/readers.rs"]
mod readers;
#[path = "parsers/rules.rs"]
mod rules;

use std::collections::BTreeMap;

use naive_conditions::{Outcome, SampleRequest};
use random::Random;
use readers::{Readers, Seen};
use rules::{Kind, SampleRule, rules};
use serde_json::Value;

const SEED: u64 = 21;
/// The number of bodies and queries, where the variable does not say it.
const USUAL: u64 = 20_000;
/// The number of cases that are held and sent to the readers at once.
const CHUNK: u64 = 2_000;

/// A body or a query, and its rule.
#[derive(Debug)]
struct Case {
    number: u64,
    rule: usize,
    bytes: Vec<u8>,
}

/// The verdict of the proxy on a request.
fn judge(rule: &Value, request: &SampleRequest) -> Outcome {
    naive_conditions::judge(rule, request)
}

#[test]
fn real_parsers_see_what_was_allowed() {
    let Some(mut readers) = Readers::started() else { return };
    let wanted = std::env::var("MAGICPROXY_PARSERS_BODIES")
        .map_or(USUAL, |number| number.parse().expect("a number of bodies"));
    let (rules, mut counted) = (rules(), Counted::default());
    for begin in (0..wanted).step_by(usize::try_from(CHUNK).unwrap()) {
        let chunk = (begin..wanted.min(begin + CHUNK)).map(|number| generate(number, &rules));
        let allowed: Vec<Case> =
            chunk.filter(|case| counted.judged(&rules[case.rule], &case.bytes)).collect();
        let asked: Vec<String> =
            allowed.iter().map(|case| rules[case.rule].question(&case.bytes)).collect();
        for (case, seen) in allowed.iter().zip(readers.ask(&asked)) {
            counted.compared(&rules[case.rule], case, &seen);
        }
    }
    counted.report(wanted, &rules);
}

/// A case depends on its number alone, so that it can be made again.
fn generate(number: u64, rules: &[SampleRule]) -> Case {
    let mut random = Random::new(SEED, number);
    let rule = random.below(rules.len());
    let names = &rules[rule];
    let bytes = match names.kind {
        Kind::Json => hostile_json::body(&names.rule, &mut random),
        Kind::Form | Kind::Query => hostile_parameters::text(names.names(), &mut random),
    };
    Case { number, rule, bytes }
}

/// The counts of a run, so that a run that tests nothing is seen.
#[derive(Debug, Default)]
struct Counted {
    /// By rule and outcome.
    outcomes: BTreeMap<(String, &'static str), u64>,
    /// By reader: agreeing, refusing.
    readers: BTreeMap<String, (u64, u64)>,
    divergences: Vec<String>,
}

impl Counted {
    /// True if the case is allowed.
    fn judged(&mut self, rule: &SampleRule, bytes: &[u8]) -> bool {
        let outcome = judge(&rule.rule, &rule.request(bytes));
        *self.outcomes.entry((rule.name.to_owned(), outcome.kind())).or_default() += 1;
        outcome == Outcome::True
    }

    fn compared(&mut self, rule: &SampleRule, case: &Case, seen: &BTreeMap<String, Seen>) {
        let imitated = imitations::read(rule, &case.bytes);
        for (reader, seen) in seen.iter().chain(&imitated) {
            let (agreeing, refusing) = self.readers.entry(reader.clone()).or_default();
            match divergence::of(rule, reader, seen) {
                _ if *seen == Seen::Error => *refusing += 1,
                None => *agreeing += 1,
                Some(why) => self.divergences.push(format!(
                    "{reader}, case {} of rule `{}`: {why}\n  {}",
                    case.number,
                    rule.name,
                    case.bytes.escape_ascii()
                )),
            }
        }
    }

    fn report(&self, wanted: u64, rules: &[SampleRule]) {
        let count = |name: &str, kind| *self.outcomes.get(&(name.to_owned(), kind)).unwrap_or(&0);
        for rule in rules {
            let counts = ["true", "false", "unknown"].map(|kind| count(rule.name, kind));
            println!("{:<28} true, false, unknown: {counts:?}", rule.name);
            // Each rule allows some, and refuses some by each way.
            let least = if wanted < USUAL { 0 } else { 20 };
            assert!(counts.iter().all(|count| *count >= least), "{}: {counts:?}", rule.name);
        }
        for (reader, (agreeing, refusing)) in &self.readers {
            println!("{reader:<28} agreed: {agreeing}, refused: {refusing}");
            assert!(wanted < USUAL || *agreeing > 100, "{reader} saw next to nothing");
        }
        println!("{wanted} bodies and queries, {} divergences", self.divergences.len());
        let shown = self.divergences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.divergences.is_empty(), "{} divergences\n{shown}", self.divergences.len());
    }
}
