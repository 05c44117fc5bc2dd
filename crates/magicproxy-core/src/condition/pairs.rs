//! Judging pairs of names and values: the parameters of a query, and the fields of a form.
//! `conditions.md` section 4.2.
//!
//! A text that readers could split or spell in two ways is never repaired here: the outcome is
//! unknown.

mod explain;
mod form;
mod least;
mod long;
mod lookup;
mod piece;
mod split;
#[cfg(test)]
mod tests;

pub(super) use explain::explain_query;
pub(super) use form::{Form, FormJudge};
pub(super) use least::least_pairs;
pub use split::QueryCache;
pub(super) use split::QueryView;

use lookup::{Lookup, Place};
use piece::{Pair, Plus, Role};

use super::MAX_LISTED_NAMES;
use super::folded::Roots;
use super::names::{ListedName, NamesTest};
use super::outcome::{Outcome, Reason};
use super::steps::{Steps, steps_of_search, steps_of_text};
use super::value::{ListTest, ValueTest};

/// The most pieces between `&`.
const MAX_PIECES: usize = 256;

/// The meaning of `+` in a query, to the server of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlusReading {
    /// A blank.
    Blank,
    /// A plus.
    Plus,
    /// Either: both readings must have the same outcome.
    #[default]
    Both,
}

/// Judges the parameters of a query, as it is sent.
pub(super) fn judge_query(test: &NamesTest, query: QueryView<'_>, steps: &mut Steps) -> Outcome {
    let mut judge = |plus| {
        query.with_pairs(plus, steps, |pairs, steps| {
            let mut judge = Judge::within(test, &QUERY, steps.left);
            let outcome = judge.judge(pairs);
            steps.take(judge.steps);
            outcome
        })
    };
    match query.plus {
        PlusReading::Blank => judge(Plus::IsBlank),
        PlusReading::Plus => judge(Plus::IsItself),
        PlusReading::Both => {
            let outcome = judge(Plus::IsBlank);
            if !query.text.contains('+') || judge(Plus::IsItself) == outcome {
                outcome
            } else {
                Outcome::Unknown(Reason::QueryValue)
            }
        }
    }
}

/// True if the query has a parameter that some reader takes for one of the `body`'s names, and that
/// `test`, of the query, does not list. A server that mixes query and body may take either value.
pub(super) fn has_name_of_body(
    query: QueryView<'_>,
    test: Option<&NamesTest>,
    body: &[&NamesTest],
    steps: &mut Steps,
) -> bool {
    let names = body.iter().copied().chain(test);
    let steps_of_pair: usize = names.map(|names| steps_of_search(names.listed.len())).sum();
    let own = test.map(|test| Lookup::new(&test.listed));
    let is_own = |pair: &Pair<'_>| {
        own.as_ref().is_some_and(|own| matches!(own.find(pair), Place::Listed(_) | Place::Keyed(_)))
    };
    let of_body = |pair: &Pair<'_>| {
        body.iter().any(|names| Lookup::new(&names.listed).find(pair) != Place::Unlisted)
    };
    let is_doubtful = |pair: &Pair<'_>, steps: &mut Steps| {
        steps.take(steps_of_pair);
        steps.is_spent || !is_own(pair) && of_body(pair)
    };
    query.with_pairs(Plus::IsBlank, steps, |pairs, steps| match pairs {
        Ok(pairs) => pairs.iter().any(|pair| is_doubtful(pair, steps)),
        // More pieces than a rule for the query takes.
        Err(BadSyntax) => pieces(query.text).any(|piece| {
            steps.take(piece.len());
            Pair::read(piece, Plus::IsBlank).map_or(true, |pair| is_doubtful(&pair, steps))
        }),
    })
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split('&').filter(|piece| !piece.is_empty())
}

/// Reads a query into its pairs.
fn read_pairs(query: &str, plus: Plus) -> Result<Vec<Pair<'_>>, BadSyntax> {
    let mut pairs = Vec::new();
    for piece in pieces(query) {
        if pairs.len() == MAX_PIECES {
            return Err(BadSyntax);
        }
        pairs.push(Pair::read(piece, plus)?);
    }
    Ok(pairs)
}

/// A part of a request that has pairs, with the reasons for which it cannot be judged.
#[derive(Debug)]
struct PartReasons {
    name: &'static str,
    syntax: Reason,
    twice: Reason,
    twin: Reason,
    value: Reason,
}

const QUERY: PartReasons = PartReasons {
    name: "query",
    syntax: Reason::QuerySyntax,
    twice: Reason::QueryTwice,
    twin: Reason::QueryTwin,
    value: Reason::QueryValue,
};

const FORM: PartReasons = PartReasons {
    name: "form",
    syntax: Reason::FormSyntax,
    twice: Reason::FormTwice,
    twin: Reason::FormTwin,
    value: Reason::FormValue,
};

/// A fault of the syntax, at which judging ends.
#[derive(Clone, Copy, Debug)]
struct BadSyntax;

/// The state of judging one text. Pairs are added one by one, by their numbers in the text.
#[derive(Debug)]
struct Judge<'t> {
    test: &'t NamesTest,
    reasons: &'static PartReasons,
    lookup: Lookup<'t>,
    /// The number of values of each listed name.
    counts: [usize; MAX_LISTED_NAMES],
    /// The outcome of the values of each listed name.
    outcomes: [Outcome; MAX_LISTED_NAMES],
    /// The pairs whose names are listed as `x[*]`.
    keyed: Vec<KeyedPair>,
    /// The roots of the names that some reader takes for listed ones.
    twins: Vec<Roots>,
    /// The outcome of the names that are not listed.
    others: Outcome,
    /// The pairs of names that are not listed, where each such name has one value.
    single: Vec<usize>,
    /// The steps that were taken, by `conditions.md` section 7.
    steps: usize,
    /// The steps beyond which nothing is judged.
    most_steps: usize,
}

/// A pair whose name stands for a listed name with keys: `x[a]` for `x[*]`.
#[derive(Clone, Copy, Debug)]
struct KeyedPair {
    /// The number of the listed name.
    listed: usize,
    /// The number of the pair.
    pair: usize,
    /// The outcome of the value.
    outcome: Outcome,
}

impl<'t> Judge<'t> {
    fn new(test: &'t NamesTest, reasons: &'static PartReasons) -> Self {
        Self::within(test, reasons, usize::MAX)
    }

    fn within(test: &'t NamesTest, reasons: &'static PartReasons, most_steps: usize) -> Self {
        Self {
            test,
            reasons,
            lookup: Lookup::new(&test.listed),
            counts: [0; MAX_LISTED_NAMES],
            outcomes: [Outcome::True; MAX_LISTED_NAMES],
            keyed: Vec::new(),
            twins: Vec::new(),
            others: Outcome::True,
            single: Vec::new(),
            steps: 0,
            most_steps,
        }
    }

    fn judge(&mut self, pairs: Result<&[Pair<'_>], &BadSyntax>) -> Outcome {
        match pairs {
            Ok(pairs) if self.add_all(pairs).is_ok() => self.outcome(pairs),
            _ => Outcome::Unknown(self.reasons.syntax),
        }
    }

    fn add_all(&mut self, pairs: &[Pair<'_>]) -> Result<(), BadSyntax> {
        pairs.iter().enumerate().try_for_each(|(number, pair)| self.add(number, pair))
    }

    fn add(&mut self, number: usize, pair: &Pair<'_>) -> Result<(), BadSyntax> {
        self.steps += steps_of_search(self.test.listed.len());
        if self.steps > self.most_steps {
            return Err(BadSyntax);
        }
        let outcome = if pair.role == Role::Override {
            // A listed name of this root is not absent for whoever takes the pair for it.
            self.twins.push(pair.folded().roots());
            Outcome::Unknown(Reason::FormOverride)
        } else {
            let value = pair.value.as_deref();
            match self.lookup.find(pair) {
                Place::Listed(listed) => {
                    self.add_listed(listed, value.ok_or(BadSyntax)?);
                    Outcome::True
                }
                Place::Keyed(listed) => {
                    self.add_keyed(listed, number, value.ok_or(BadSyntax)?);
                    Outcome::True
                }
                Place::Twin(_) => {
                    self.twins.push(pair.folded().roots());
                    Outcome::Unknown(self.reasons.twin)
                }
                Place::Unlisted => self.rest(number, value.unwrap_or_default()),
            }
        };
        self.others = self.others.and(outcome);
        Ok(())
    }

    /// Judges the value of the pair of this number, whose name is not listed.
    fn rest(&mut self, pair: usize, value: &str) -> Outcome {
        let Some(test) = &self.test.rest else { return Outcome::False };
        if has_one_value(test) {
            self.steps += 1;
            self.single.push(pair);
        }
        self.value(test, value)
    }

    fn value(&mut self, test: &ValueTest, value: &str) -> Outcome {
        self.steps += steps_of_text(test, value);
        if self.steps > self.most_steps {
            return Outcome::Unknown(self.reasons.value);
        }
        test.judge_text(value, self.reasons.value)
    }

    /// Judges a value of a listed name.
    fn add_listed(&mut self, number: usize, value: &str) {
        let Some(listed) = self.test.listed.get(number) else { return };
        let judged = self.value(element(&listed.test), value);
        if let (Some(count), Some(outcome)) =
            (self.counts.get_mut(number), self.outcomes.get_mut(number))
        {
            *count += 1;
            *outcome = outcome.and(judged);
        }
    }

    /// Judges the value of the pair of this number, whose name the listed one stands for.
    fn add_keyed(&mut self, number: usize, pair: usize, value: &str) {
        let Some(listed) = self.test.listed.get(number) else { return };
        // The keys were compared with those of each listed name.
        self.steps += self.test.listed.len();
        let outcome = self.value(element(&listed.test), value);
        self.keyed.push(KeyedPair { listed: number, pair, outcome });
    }

    /// Returns the outcome of all pairs that were added.
    fn outcome(&mut self, pairs: &[Pair<'_>]) -> Outcome {
        let mut outcome = self.others.and(self.overlap(pairs));
        if self.repeated(pairs).is_some() {
            outcome = outcome.and(Outcome::Unknown(self.reasons.twice));
        }
        let doubted = self.doubted();
        for (number, listed) in self.test.listed.iter().enumerate() {
            outcome = outcome.and(self.listed(number, listed, &doubted));
        }
        outcome.and(self.keyed(pairs, &doubted))
    }

    /// Returns the listed names that some reader takes a name of the text for: neither their absence
    /// nor their values are known.
    fn doubted(&mut self) -> Vec<bool> {
        self.steps += steps_of_search(self.twins.len() * self.test.listed.len());
        let is_doubted =
            |listed: &ListedName| self.twins.iter().any(|twin| twin.meet(listed.folded.roots()));
        self.test.listed.iter().map(is_doubted).collect()
    }

    /// Returns a name that is not listed and is there twice, though it has one value: some readers
    /// join the two values, and no test has seen what they make of them.
    fn repeated<'p>(&self, pairs: &'p [Pair<'_>]) -> Option<&'p str> {
        let named = |number: &usize| Some(&*pairs.get(*number)?.name);
        let mut names: Vec<&str> = self.single.iter().filter_map(named).collect();
        names.sort_unstable();
        let mut pairs = names.iter().zip(names.iter().skip(1));
        pairs.find_map(|(one, other)| (one == other).then_some(*one))
    }

    /// Returns the outcome of the listed name of this number.
    fn listed(&self, number: usize, listed: &ListedName, doubted: &[bool]) -> Outcome {
        let count = self.counts.get(number).copied().unwrap_or_default();
        let values = self.outcomes.get(number).copied().unwrap_or(Outcome::False);
        match &listed.test {
            _ if listed.has_keys => Outcome::True,
            _ if is_doubted(doubted, number) => Outcome::Unknown(self.reasons.twin),
            ValueTest::Absent => Outcome::of(count == 0),
            _ if count == 0 => Outcome::of(listed.is_optional),
            ValueTest::List(list) => values.and(has_length(list, count)),
            _ if count == 1 => values,
            _ => Outcome::Unknown(self.reasons.twice),
        }
    }

    /// Returns the outcome of the pairs whose names are listed as `x[*]`. Each full name is judged
    /// like a listed name.
    fn keyed(&self, pairs: &[Pair<'_>], doubted: &[bool]) -> Outcome {
        let mut named = self.named_keyed(pairs);
        named.sort_unstable_by_key(|(name, _)| *name);
        let mut outcome = Outcome::True;
        for same in named.chunk_by(|(one, _), (other, _)| one == other) {
            outcome = outcome.and(self.same_name(same, doubted));
        }
        outcome
    }

    /// Returns the pairs whose names are listed as `x[*]`, with their names.
    fn named_keyed<'p>(&self, pairs: &'p [Pair<'_>]) -> Vec<(&'p str, KeyedPair)> {
        let named = |keyed: &KeyedPair| Some((&*pairs.get(keyed.pair)?.name, *keyed));
        self.keyed.iter().filter_map(named).collect()
    }

    /// Returns the outcome of all pairs of one full name.
    fn same_name(&self, same: &[(&str, KeyedPair)], doubted: &[bool]) -> Outcome {
        let Some((_, KeyedPair { listed: number, .. })) = same.first() else {
            return Outcome::True;
        };
        let Some(listed) = self.test.listed.get(*number) else { return Outcome::True };
        if is_doubted(doubted, *number) {
            return Outcome::Unknown(self.reasons.twin);
        }
        let values = same.iter().map(|(_, pair)| pair.outcome).fold(Outcome::True, Outcome::and);
        match &listed.test {
            ValueTest::List(list) => values.and(has_length(list, same.len())),
            ValueTest::Absent => Outcome::False,
            _ if same.len() == 1 => values,
            _ => Outcome::Unknown(self.reasons.twice),
        }
    }

    /// Returns unknown where two names of the text, both listed, are one place for some reader:
    /// `a` and `a[b]`, `a[b]` and `a[b][]`.
    fn overlap(&mut self, pairs: &[Pair<'_>]) -> Outcome {
        let is_there = |number: &usize| self.counts.get(*number).is_some_and(|count| *count > 0);
        let there: Vec<usize> = if self.lookup.may_overlap() {
            (0..self.test.listed.len()).filter(is_there).collect()
        } else {
            Vec::new()
        };
        self.steps += there.len() * (there.len() + self.keyed.len());
        let keyed = self.keyed.iter().filter_map(|keyed| Some(pairs.get(keyed.pair)?.folded()));
        if self.lookup.overlap(&there, keyed) {
            Outcome::Unknown(self.reasons.twin)
        } else {
            Outcome::True
        }
    }
}

fn is_doubted(doubted: &[bool], number: usize) -> bool {
    doubted.get(number).copied().unwrap_or(true)
}

/// Returns the test of each value of a name.
fn element(test: &ValueTest) -> &ValueTest {
    match test {
        ValueTest::List(list) => &list.each,
        other => other,
    }
}

/// True if a name with this test must not be repeated.
fn has_one_value(test: &ValueTest) -> bool {
    !matches!(test, ValueTest::Anything | ValueTest::List(_) | ValueTest::Absent)
}

fn has_length(list: &ListTest, count: usize) -> Outcome {
    Outcome::of(u64::try_from(count).is_ok_and(|count| list.count.contains(count)))
}
