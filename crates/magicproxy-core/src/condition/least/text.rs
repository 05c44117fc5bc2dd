//! The least text for which several tests are true.

use crate::condition::integer::MAX_INTEGER;
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::value::{Scalar, TextTest, TypeSet, ValueTest, ValueType};
use crate::pattern::{Characters, Least, Machine, SearchSteps, shortest};

/// The place of a text outside JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::condition) enum TextPlace {
    /// The value of a parameter or a field of a form.
    Pair,
    /// The value of a header field, which has no blanks at its ends.
    Field,
}

/// Returns the least text outside JSON for which all tests are true.
pub(in crate::condition) fn least_text(
    tests: &[&ValueTest],
    place: TextPlace,
    steps: &SearchSteps,
) -> Least<String> {
    let mut alone = Vec::with_capacity(tests.len());
    for test in tests {
        match test {
            // A single text is a list of one.
            ValueTest::List(list) if !list.count.contains(1) => return Least::nothing(),
            ValueTest::List(list) => alone.push(&*list.each),
            other => alone.push(*other),
        }
    }
    let passes = |text: &str| {
        let is_there = place == TextPlace::Pair || text.trim_matches([' ', '\t']) == text;
        // The reason for a doubt is of no matter here.
        let is_true = |test: &&ValueTest| test.judge_text(text, Reason::PathValue) == Outcome::True;
        is_there && alone.iter().all(is_true)
    };
    if let Some(values) = listed_values(&alone) {
        let texts = values.iter().filter_map(Scalar::to_text).filter(|text| passes(text));
        return texts.min_by_key(|text| text.len()).map_or_else(Least::nothing, Least::Found);
    }
    if let Some(word) = ["true", "false"].into_iter().find(|word| passes(word))
        && alone.iter().any(|test| matches!(test, ValueTest::Type(_)))
    {
        return Least::Found(word.to_owned());
    }
    let mut machines = Vec::new();
    for test in alone {
        match test {
            ValueTest::Anything => {}
            ValueTest::Text(test) => machines.extend(machines_of(test)),
            ValueTest::Integer(range) => machines.push(Machine::of_integers(range.min, range.max)),
            ValueTest::Type(types) => match machine_of_type(*types) {
                Some(machine) => machines.extend(machine),
                None => return Least::nothing(),
            },
            ValueTest::OneOf(_) | ValueTest::List(_) => return Least::TooCostly,
            ValueTest::Object(_) | ValueTest::Absent => return Least::nothing(),
        }
    }
    if place == TextPlace::Field {
        machines.push(Machine::trimmed());
    }
    shortest(&machines, Characters::Visible, steps)
}

/// Returns the machine for the texts of these types but for booleans, if one is needed. `None`
/// where there are no such texts.
fn machine_of_type(types: TypeSet) -> Option<Option<Machine>> {
    if types.has(ValueType::String) {
        return Some(None);
    }
    types.has(ValueType::Integer).then(|| Some(Machine::of_integers(-MAX_INTEGER, MAX_INTEGER)))
}

/// Returns the machines of globs and patterns.
pub(super) fn machines_of(test: &TextTest) -> impl Iterator<Item = Machine> {
    [&test.globs, &test.patterns].into_iter().flatten().map(Machine::of_texts)
}

/// Returns the values of the first test that lists values.
pub(super) fn listed_values<'t>(tests: &[&'t ValueTest]) -> Option<&'t [Scalar]> {
    tests.iter().find_map(|test| match test {
        ValueTest::OneOf(values) => Some(values.as_slice()),
        _ => None,
    })
}
