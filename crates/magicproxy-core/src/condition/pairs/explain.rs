//! The parameters and fields at which one rule's tests are not true, for `explain`.

use crate::condition::finding::{ANY_NAME, Finding, Findings, FoundValue, shortened};
use crate::condition::names::{ListedName, NamesTest};
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::steps::Steps;
use crate::condition::value::{ListTest, ValueTest};
use crate::condition::words::{self, Expected};

use super::lookup::Place;
use super::piece::{Pair, Plus, Role};
use super::{
    BadSyntax, FORM, Form, Judge, PartReasons, PlusReading, QUERY, QueryView, element, judge_query,
};

/// Finds the parameters of a query at which a test is not true.
pub(in crate::condition) fn explain_query(test: &NamesTest, query: QueryView<'_>) -> Vec<Finding> {
    let mut steps = Steps::new(usize::MAX);
    let mut explain = |plus| {
        query.with_pairs(plus, &mut steps, |pairs, _| Explainer::new(&QUERY).explain(test, pairs))
    };
    let is_plus = query.plus == PlusReading::Plus;
    let findings = explain(if is_plus { Plus::IsItself } else { Plus::IsBlank });
    let mut unbounded = Steps::new(usize::MAX);
    if !findings.is_empty() || judge_query(test, query, &mut unbounded) == Outcome::True {
        return findings;
    }
    // The readings of `+` differ: what is right as a blank is not right as a plus.
    explain(Plus::IsItself)
}

impl Form<'_> {
    /// Finds the fields at which a test is not true.
    pub(in crate::condition) fn explain(&self, test: &NamesTest) -> Vec<Finding> {
        Explainer::new(&FORM).explain(test, self.0.as_deref())
    }
}

/// A name of a pair, and the name that the rule has for it.
#[derive(Clone, Copy)]
struct NamedPair<'n> {
    sent: &'n str,
    in_rule: NameInRule<'n>,
}

#[derive(Clone, Copy)]
enum NameInRule<'n> {
    Listed(&'n ListedName),
    /// A name that the rule does not list.
    Any,
}

impl<'n> NamedPair<'n> {
    fn listed(sent: &'n str, listed: &'n ListedName) -> Self {
        Self { sent, in_rule: NameInRule::Listed(listed) }
    }

    fn unlisted(sent: &'n str) -> Self {
        Self { sent, in_rule: NameInRule::Any }
    }

    fn place(self, part: &str) -> String {
        format!("{part}.{}", shortened(self.sent))
    }

    fn place_in_rule(self, part: &str) -> String {
        match self.in_rule {
            NameInRule::Listed(listed) => {
                let keys = if listed.has_keys { "[*]" } else { "" };
                format!("{part}.{}{keys}", shortened(&listed.name))
            }
            NameInRule::Any => format!("{part}{ANY_NAME}"),
        }
    }
}

struct Explainer {
    part: &'static PartReasons,
    findings: Findings,
}

impl Explainer {
    fn new(part: &'static PartReasons) -> Self {
        Self { part, findings: Findings::default() }
    }

    fn explain(mut self, test: &NamesTest, pairs: Result<&[Pair<'_>], &BadSyntax>) -> Vec<Finding> {
        let mut judge = Judge::new(test, self.part);
        let (Ok(pairs), Ok(Ok(()))) = (pairs, pairs.map(|pairs| judge.add_all(pairs))) else {
            let reason = self.part.syntax;
            self.whole(Outcome::Unknown(reason), format!("cannot be judged: {reason}"));
            return self.findings.into_vec();
        };
        for pair in pairs {
            self.pair(&judge, pair);
        }
        for (listed, count) in test.listed.iter().zip(judge.counts) {
            if count > 0 {
                self.count(NamedPair::listed(&listed.name, listed), &listed.test, count);
            } else if !listed.has_keys && !listed.is_optional && !is_absence(listed) {
                let name = NamedPair::listed(&listed.name, listed);
                self.note(name, Outcome::False, FoundValue::Absent, &listed.test);
            }
        }
        self.keyed(&judge, pairs);
        if let Some(name) = judge.repeated(pairs) {
            let outcome = Outcome::Unknown(self.part.twice);
            self.name(NamedPair::unlisted(name), outcome, words::TWICE.to_owned());
        }
        let overlap = judge.overlap(pairs);
        self.whole(overlap, "has two names that some readers take for one place".to_owned());
        self.findings.into_vec()
    }

    /// Notes a pair whose name or value is not right.
    fn pair(&mut self, judge: &Judge<'_>, pair: &Pair<'_>) {
        let listed = |number: usize| judge.test.listed.get(number);
        let value = pair.value.as_deref().unwrap_or_default();
        let unlisted = NamedPair::unlisted(&pair.name);
        if pair.role == Role::Override {
            let outcome = Outcome::Unknown(Reason::FormOverride);
            return self.name(unlisted, outcome, words::OVERRIDES.to_owned());
        }
        match judge.lookup.find(pair) {
            Place::Twin(number) => {
                let name = listed(number).map_or("", |listed| listed.name.as_str());
                self.name(unlisted, Outcome::Unknown(self.part.twin), words::taken_for(name));
            }
            Place::Listed(number) | Place::Keyed(number) => {
                if let Some(listed) = listed(number) {
                    let name = NamedPair::listed(&pair.name, listed);
                    self.value(name, value, element(&listed.test));
                }
            }
            Place::Unlisted => match &judge.test.rest {
                Some(test) => self.value(unlisted, value, test),
                None => self.name(unlisted, Outcome::False, words::NOT_NAMED.to_owned()),
            },
        }
    }

    /// Notes a name that is there too often.
    fn count(&mut self, name: NamedPair<'_>, test: &ValueTest, count: usize) {
        match test {
            ValueTest::Absent => {}
            ValueTest::List(list) => {
                let outcome = super::has_length(list, count);
                let each = Box::new(ValueTest::Anything);
                let test = ValueTest::List(ListTest { each, count: list.count });
                let found = FoundValue::Shown(format!("a list of {count}"));
                self.note(name, outcome, found, &test);
            }
            _ if count > 1 => {
                let outcome = Outcome::Unknown(self.part.twice);
                self.name(name, outcome, words::TWICE.to_owned());
            }
            _ => {}
        }
    }

    /// Notes the full names of `x[*]` that are there too often.
    fn keyed(&mut self, judge: &Judge<'_>, pairs: &[Pair<'_>]) {
        let mut named = judge.named_keyed(pairs);
        named.sort_unstable_by_key(|(name, _)| *name);
        for same in named.chunk_by(|(one, _), (other, _)| one == other) {
            let listed = same
                .first()
                .and_then(|(name, pair)| Some((*name, judge.test.listed.get(pair.listed)?)));
            if let Some((name, listed)) = listed {
                self.count(NamedPair::listed(name, listed), &listed.test, same.len());
            }
        }
    }

    fn value(&mut self, name: NamedPair<'_>, value: &str, test: &ValueTest) {
        let outcome = test.judge_text(value, self.part.value);
        let found = match test {
            ValueTest::Absent => FoundValue::Unread,
            _ => FoundValue::of_text(value),
        };
        self.note(name, outcome, found, test);
    }

    fn note(&mut self, name: NamedPair<'_>, outcome: Outcome, found: FoundValue, test: &ValueTest) {
        let part = self.part.name;
        self.findings.add(outcome, || Finding {
            place: name.place(part),
            place_in_rule: name.place_in_rule(part),
            outcome,
            found,
            expected: Expected(test).to_string(),
        });
    }

    /// Notes a name that is itself not right.
    fn name(&mut self, name: NamedPair<'_>, outcome: Outcome, expected: String) {
        let part = self.part.name;
        self.findings.add(outcome, || Finding {
            place: name.place(part),
            place_in_rule: name.place_in_rule(part),
            outcome,
            found: FoundValue::Unread,
            expected,
        });
    }

    /// Notes the whole part.
    fn whole(&mut self, outcome: Outcome, expected: String) {
        let place = self.part.name.to_owned();
        self.findings.add(outcome, || Finding {
            place_in_rule: place.clone(),
            place,
            outcome,
            found: FoundValue::Unread,
            expected,
        });
    }
}

fn is_absence(listed: &ListedName) -> bool {
    matches!(listed.test, ValueTest::Absent)
}
