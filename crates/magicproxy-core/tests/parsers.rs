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
#[path = "conditions/verdict.rs"]
mod verdict;

use std::collections::BTreeMap;

use naive_conditions::Outcome;
use random::Random;
use readers::{Readers, Seen};
use rules::{Kind, PATH, SampleRule, rules};
use verdict::Token;

const SEED: u64 = 21;
/// The number of bodies and queries, where the variable does not say it.
const USUAL: u64 = 20_000;
/// The number of cases that are held and sent to the readers at once.
const CHUNK: u64 = 2_000;
/// The number of cases after which a long run says how far it is: silence counts as hanging.
const LINE: u64 = 20_000;

/// A body or a query, and its rule.
#[derive(Debug)]
struct Case {
    number: u64,
    rule: usize,
    bytes: Vec<u8>,
}

/// A rule, and the token that has it.
#[derive(Debug)]
struct Judge {
    rule: SampleRule,
    token: Token,
}

impl Judge {
    fn new(rule: SampleRule) -> Judge {
        Judge { token: Token::with(&[rule.whole()], &[]), rule }
    }

    /// The proxy's verdict, and how the naive evaluator differs. `None` if no rule is asked, since
    /// the target is refused.
    fn verdict(&self, bytes: &[u8]) -> Option<(Outcome, Option<String>)> {
        let request = self.rule.request(bytes);
        let verdict = self.token.decide(self.rule.method(), PATH, &request)?;
        let naive = naive_conditions::judge(&self.rule.rule, &request);
        // Of several reasons within one part of a request any may be given.
        let part = |code: &str| code.split('_').next().unwrap_or_default().to_owned();
        let same = match (&verdict, &naive) {
            (Outcome::Unknown(one), Outcome::Unknown(others)) => part(one[0]) == part(others[0]),
            (verdict, naive) => verdict == naive,
        };
        let (shown, rule) = (bytes.escape_ascii(), &self.rule.name);
        let difference = format!("rule `{rule}`: {verdict:?}, naively {naive:?}\n  {shown}");
        Some((verdict, (!same).then_some(difference)))
    }
}

#[test]
fn real_parsers_see_what_was_allowed() {
    let Some(mut readers) = Readers::started() else { return };
    let wanted = std::env::var("MAGICPROXY_PARSERS_BODIES")
        .map_or(USUAL, |number| number.parse().expect("a number of bodies"));
    let judges: Vec<Judge> = rules().into_iter().map(Judge::new).collect();
    let mut counted = Counted::default();
    for begin in (0..wanted).step_by(usize::try_from(CHUNK).unwrap()) {
        let chunk = (begin..wanted.min(begin + CHUNK)).map(|number| generate(number, &judges));
        let allowed: Vec<Case> =
            chunk.filter(|case| counted.judged(&judges[case.rule], case)).collect();
        if begin % LINE == 0 {
            println!("{begin} bodies and queries");
        }
        let asked: Vec<String> =
            allowed.iter().map(|case| judges[case.rule].rule.question(&case.bytes)).collect();
        for (case, seen) in allowed.iter().zip(readers.ask(&asked)) {
            counted.compared(&judges[case.rule].rule, case, &seen);
        }
    }
    counted.report(wanted, &judges);
}

/// A case depends on its number alone, so that it can be made again.
fn generate(number: u64, judges: &[Judge]) -> Case {
    let mut random = Random::new(SEED, number);
    let rule = random.below(judges.len());
    let names = &judges[rule].rule;
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
    /// Cases of which the naive evaluator thinks otherwise.
    differences: Vec<String>,
    divergences: Vec<String>,
}

impl Counted {
    /// True if the case is allowed.
    fn judged(&mut self, judge: &Judge, case: &Case) -> bool {
        // A target that is refused reaches no upstream.
        let (outcome, difference) = judge.verdict(&case.bytes).unwrap_or((Outcome::False, None));
        let numbered = difference.map(|difference| format!("case {} of {difference}", case.number));
        self.differences.extend(numbered);
        *self.outcomes.entry((judge.rule.name.to_owned(), outcome.kind())).or_default() += 1;
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

    fn report(&self, wanted: u64, judges: &[Judge]) {
        let count = |name: &str, kind| *self.outcomes.get(&(name.to_owned(), kind)).unwrap_or(&0);
        let by_rule = judges.iter().map(|Judge { rule, .. }| {
            (rule.name, ["true", "false", "unknown"].map(|kind| count(rule.name, kind)))
        });
        let by_rule: Vec<(&str, [u64; 3])> = by_rule.collect();
        for (rule, counts) in &by_rule {
            println!("{rule:<28} true, false, unknown: {counts:?}");
        }
        for (reader, (agreeing, refusing)) in &self.readers {
            println!("{reader:<28} agreed: {agreeing}, refused: {refusing}");
        }
        let count = (self.differences.len(), self.divergences.len());
        println!("{wanted} bodies and queries, {} differences, {} divergences", count.0, count.1);
        let all = self.divergences.iter().take(20).chain(self.differences.iter().take(40));
        let shown = all.cloned().collect::<Vec<_>>().join("\n");
        assert_eq!(count, (0, 0), "differences of the naive evaluator, divergences\n{shown}");
        if wanted >= USUAL {
            // Each rule allows some, and refuses some by each way; each reader saw some.
            let each = by_rule.iter().all(|(_, counts)| counts.iter().all(|count| *count >= 20));
            assert!(each && self.readers.values().all(|(agreeing, _)| *agreeing > 100));
        }
    }
}
