//! Judging pairs of names and values: the parameters of a query, and the fields of a form.
//! `conditions.md` section 4.2.
//!
//! A text that readers could split or spell in two ways is never repaired here: the outcome is
//! unknown.

mod explain;
mod least;
mod lookup;
mod piece;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub(super) use explain::explain_query;
pub(super) use least::least_pairs;

use lookup::{Lookup, Place, Roots};
use piece::{Pair, Plus, Role};

use super::MAX_LISTED_NAMES;
use super::names::{ListedName, NamesTest};
use super::outcome::{Outcome, Reason};
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
pub(super) fn judge_query(test: &NamesTest, query: Option<&str>, plus: PlusReading) -> Outcome {
    let query = query.unwrap_or_default();
    let judge = |plus| {
        let pairs = pieces(query).map(|piece| Pair::read(piece, plus));
        Judge::new(test, &QUERY).judge(pairs)
    };
    match plus {
        PlusReading::Blank => judge(Plus::IsBlank),
        PlusReading::Plus => judge(Plus::IsItself),
        PlusReading::Both => {
            let outcome = judge(Plus::IsBlank);
            if !query.contains('+') || judge(Plus::IsItself) == outcome {
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
    query: Option<&str>,
    test: Option<&NamesTest>,
    body: &[&NamesTest],
) -> bool {
    let own = test.map(|test| Lookup::new(&test.listed));
    let is_own = |pair: &Pair<'_>| {
        own.as_ref().is_some_and(|own| matches!(own.find(pair), Place::Listed(_) | Place::Keyed(_)))
    };
    let of_body = |pair: &Pair<'_>| {
        body.iter().any(|names| Lookup::new(&names.listed).find(pair) != Place::Unlisted)
    };
    pieces(query.unwrap_or_default()).any(|piece| match Pair::read(piece, Plus::IsBlank) {
        Ok(pair) => !is_own(&pair) && of_body(&pair),
        Err(BadSyntax) => true,
    })
}

/// The fields of a form, read once for all rules that judge them.
#[derive(Debug)]
pub(super) struct Form<'b>(Result<Vec<Pair<'b>>, BadSyntax>);

impl<'b> Form<'b> {
    /// Reads a body. `guarded` has names that override the method, or carry a token or a
    /// credential, by the settings of the upstream.
    pub(super) fn read(body: &'b [u8], guarded: &[String]) -> Self {
        let Ok(text) = std::str::from_utf8(body) else { return Self(Err(BadSyntax)) };
        let mut fields = Vec::new();
        for (number, piece) in pieces(text).enumerate() {
            let field = Pair::read(piece, Plus::IsBlank).map(|pair| pair.of_form(guarded));
            match field {
                Ok(field) if number < MAX_PIECES => fields.push(field),
                _ => return Self(Err(BadSyntax)),
            }
        }
        Self(Ok(fields))
    }

    /// Judges the fields by one rule.
    pub(super) fn judge(&self, test: &NamesTest) -> Outcome {
        match &self.0 {
            Ok(fields) => {
                Judge::new(test, &FORM).judge(fields.iter().map(|field| Ok(field.borrowed())))
            }
            Err(BadSyntax) => Outcome::Unknown(FORM.syntax),
        }
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split('&').filter(|piece| !piece.is_empty())
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

/// The state of judging one text.
struct Judge<'t> {
    test: &'t NamesTest,
    reasons: &'static PartReasons,
    lookup: Lookup<'t>,
    /// The number of values of each listed name.
    counts: [usize; MAX_LISTED_NAMES],
    /// The outcome of the values of each listed name.
    outcomes: [Outcome; MAX_LISTED_NAMES],
    /// The pairs whose names are listed as `x[*]`.
    keyed: Vec<KeyedPair<'t>>,
    /// The roots of the names that some reader takes for listed ones.
    twins: Vec<Roots>,
    /// The outcome of the names that are not listed.
    others: Outcome,
}

/// A pair whose name stands for a listed name with keys: `x[a]` for `x[*]`.
struct KeyedPair<'t> {
    /// The number of the listed name.
    number: usize,
    name: Cow<'t, str>,
    value: Cow<'t, str>,
}

impl<'t> Judge<'t> {
    fn new(test: &'t NamesTest, reasons: &'static PartReasons) -> Self {
        Self {
            test,
            reasons,
            lookup: Lookup::new(&test.listed),
            counts: [0; MAX_LISTED_NAMES],
            outcomes: [Outcome::True; MAX_LISTED_NAMES],
            keyed: Vec::new(),
            twins: Vec::new(),
            others: Outcome::True,
        }
    }

    fn judge(mut self, pairs: impl Iterator<Item = Result<Pair<'t>, BadSyntax>>) -> Outcome {
        match self.add_all(pairs) {
            Ok(()) => self.outcome(),
            Err(BadSyntax) => Outcome::Unknown(self.reasons.syntax),
        }
    }

    fn add_all(
        &mut self,
        pairs: impl Iterator<Item = Result<Pair<'t>, BadSyntax>>,
    ) -> Result<(), BadSyntax> {
        for (number, pair) in pairs.enumerate() {
            if number == MAX_PIECES {
                return Err(BadSyntax);
            }
            self.add(pair?)?;
        }
        Ok(())
    }

    fn add(&mut self, pair: Pair<'t>) -> Result<(), BadSyntax> {
        let outcome = if pair.role == Role::Override {
            Outcome::Unknown(Reason::FormOverride)
        } else {
            match self.lookup.find(&pair) {
                Place::Listed(number) => {
                    self.add_listed(number, &pair.value.ok_or(BadSyntax)?);
                    Outcome::True
                }
                Place::Keyed(number) => {
                    let (name, value) = (pair.name, pair.value.ok_or(BadSyntax)?);
                    self.keyed.push(KeyedPair { number, name, value });
                    Outcome::True
                }
                Place::Twin(_) => {
                    self.twins.push(pair.roots());
                    Outcome::Unknown(self.reasons.twin)
                }
                Place::Unlisted => self.rest(&pair.value.unwrap_or_default()),
            }
        };
        self.others = self.others.and(outcome);
        Ok(())
    }

    fn rest(&self, value: &str) -> Outcome {
        let judge = |test: &ValueTest| test.judge_text(value, self.reasons.value);
        self.test.rest.as_ref().map_or(Outcome::False, judge)
    }

    /// Judges a value of a listed name.
    fn add_listed(&mut self, number: usize, value: &str) {
        let (Some(listed), Some(count), Some(outcome)) = (
            self.test.listed.get(number),
            self.counts.get_mut(number),
            self.outcomes.get_mut(number),
        ) else {
            return;
        };
        *count += 1;
        *outcome = outcome.and(element(&listed.test).judge_text(value, self.reasons.value));
    }

    fn outcome(mut self) -> Outcome {
        let mut outcome = self.others.and(self.overlap());
        for (listed, (count, values)) in
            self.test.listed.iter().zip(self.counts.iter().zip(self.outcomes))
        {
            outcome = outcome.and(self.listed(listed, *count, values));
        }
        outcome.and(self.keyed())
    }

    /// Returns the outcome of a listed name that is there `count` times, with these values.
    fn listed(&self, listed: &ListedName, count: usize, values: Outcome) -> Outcome {
        match &listed.test {
            _ if listed.has_keys => Outcome::True,
            _ if self.has_twin_of(listed) => Outcome::Unknown(self.reasons.twin),
            ValueTest::Absent => Outcome::of(count == 0),
            _ if count == 0 => Outcome::of(listed.is_optional),
            ValueTest::List(list) => values.and(has_length(list, count)),
            _ if count == 1 => values,
            _ => Outcome::Unknown(self.reasons.twice),
        }
    }

    /// True if some reader takes a name of the text for the listed one: neither its absence nor its
    /// value is known then.
    fn has_twin_of(&self, listed: &ListedName) -> bool {
        !self.twins.is_empty() && {
            let own = Roots::of(&listed.name);
            self.twins.iter().any(|twin| twin.meet(own))
        }
    }

    /// Returns the outcome of the pairs whose names are listed as `x[*]`. Each full name is judged
    /// like a listed name.
    fn keyed(&mut self) -> Outcome {
        let mut keyed = std::mem::take(&mut self.keyed);
        keyed.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut outcome = Outcome::True;
        for same in keyed.chunk_by(|one, other| one.name == other.name) {
            outcome = outcome.and(self.same_name(same));
        }
        outcome
    }

    /// Returns the outcome of all pairs of one full name.
    fn same_name(&self, pairs: &[KeyedPair<'_>]) -> Outcome {
        let listed = pairs.first().and_then(|pair| self.test.listed.get(pair.number));
        let Some(listed) = listed else { return Outcome::True };
        if self.has_twin_of(listed) {
            return Outcome::Unknown(self.reasons.twin);
        }
        let judge = |pair: &KeyedPair<'_>| {
            element(&listed.test).judge_text(&pair.value, self.reasons.value)
        };
        let values = pairs.iter().map(judge).fold(Outcome::True, Outcome::and);
        match &listed.test {
            ValueTest::List(list) => values.and(has_length(list, pairs.len())),
            ValueTest::Absent => Outcome::False,
            _ if pairs.len() == 1 => values,
            _ => Outcome::Unknown(self.reasons.twice),
        }
    }

    /// Returns unknown where two names of the text, both listed, are one place for some reader:
    /// `a` and `a[b]`, `a[b]` and `a[b][]`.
    fn overlap(&self) -> Outcome {
        let is_there = |number: &usize| self.counts.get(*number).is_some_and(|count| *count > 0);
        let there: Vec<usize> = if self.lookup.may_overlap() {
            (0..self.test.listed.len()).filter(is_there).collect()
        } else {
            Vec::new()
        };
        let keyed = self.keyed.iter().map(|pair| pair.name.as_ref());
        if self.lookup.overlap(&there, keyed) {
            Outcome::Unknown(self.reasons.twin)
        } else {
            Outcome::True
        }
    }
}

/// Returns the test of each value of a name.
fn element(test: &ValueTest) -> &ValueTest {
    match test {
        ValueTest::List(list) => &list.each,
        other => other,
    }
}

fn has_length(list: &ListTest, count: usize) -> Outcome {
    Outcome::of(u64::try_from(count).is_ok_and(|count| list.count.contains(count)))
}
