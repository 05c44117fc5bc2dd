//! The least pairs for which several tests are true: only those that must be there.

use std::collections::BTreeSet;

use super::lookup::{Lookup, Place};
use super::piece::{Pair, is_name};
use super::{MAX_PIECES, element};
use crate::condition::folded::FoldedName;
use crate::condition::least::{TextPlace, is_required, least_text};
use crate::condition::names::NamesTest;
use crate::condition::value::{CountRange, ValueTest};
use crate::pattern::{Least, SearchSteps};

/// Pairs of names and values, not encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::condition) struct LeastPairs(Vec<(String, String)>);

impl LeastPairs {
    /// Returns the pairs as a query or a form has them.
    pub(in crate::condition) fn encoded(&self) -> String {
        let pairs =
            self.0.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Returns the least pairs for which all tests are true.
pub(in crate::condition) fn least_pairs(
    tests: &[&NamesTest],
    steps: &SearchSteps,
) -> Least<LeastPairs> {
    let lookups: Vec<(&NamesTest, Lookup<'_>)> =
        tests.iter().map(|names| (*names, Lookup::new(&names.listed))).collect();
    let required: BTreeSet<&str> = tests
        .iter()
        .flat_map(|names| &names.listed)
        .filter(|listed| is_required(listed))
        .map(|listed| listed.name.as_str())
        .collect();
    for (names, lookup) in &lookups {
        if let Some(name) = overlapping(names, lookup, &required) {
            return Least::Nothing(name.to_owned());
        }
    }
    let (mut pairs, mut is_costly) = (Vec::new(), false);
    for name in required {
        match least_of_name(name, &lookups, steps) {
            Least::Found((count, value)) => {
                pairs.extend(std::iter::repeat_n((name.to_owned(), value), count));
            }
            Least::Nothing(_) => return Least::Nothing(name.to_owned()),
            Least::TooCostly => is_costly = true,
        }
    }
    match (is_costly, pairs.len() > MAX_PIECES) {
        (_, true) => Least::nothing(),
        (true, false) => Least::TooCostly,
        (false, false) => Least::Found(LeastPairs(pairs)),
    }
}

/// Returns how often a name must be there, and its least value.
fn least_of_name(
    name: &str,
    lookups: &[(&NamesTest, Lookup<'_>)],
    steps: &SearchSteps,
) -> Least<(usize, String)> {
    if !is_name(name) {
        return Least::nothing();
    }
    let (mut count, mut elements) = (CountRange { min: 1, max: u64::MAX }, Vec::new());
    for (names, lookup) in lookups {
        let (test, own) = match lookup.find(&Pair::named(name.into())) {
            Place::Listed(number) | Place::Keyed(number) => {
                let Some(listed) = names.listed.get(number) else { return Least::TooCostly };
                let once = CountRange { min: 1, max: 1 };
                let own = if let ValueTest::List(list) = &listed.test { list.count } else { once };
                (element(&listed.test), own)
            }
            Place::Twin(_) => return Least::nothing(),
            Place::Unlisted => match &names.rest {
                Some(test) => (test, CountRange::ANY),
                None => return Least::nothing(),
            },
        };
        count = CountRange { min: count.min.max(own.min), max: count.max.min(own.max) };
        elements.push(test);
    }
    let number = usize::try_from(count.min).ok().filter(|number| *number <= MAX_PIECES);
    match number.filter(|_| count.min <= count.max) {
        Some(number) => least_text(&elements, TextPlace::Pair, steps).map(|value| (number, value)),
        None => Least::nothing(),
    }
}

/// Returns a name that cannot be there together with the other ones.
fn overlapping<'n>(
    names: &NamesTest,
    lookup: &Lookup<'_>,
    required: &BTreeSet<&'n str>,
) -> Option<&'n str> {
    if !lookup.may_overlap() {
        return None;
    }
    let number_of =
        |name: &str| names.listed.iter().position(|listed| !listed.has_keys && listed.name == name);
    let there: Vec<usize> = required.iter().filter_map(|name| number_of(name)).collect();
    let of_rule = |name: &&&str| number_of(name).is_none();
    let keyed = required.iter().filter(of_rule).copied().filter(|name| lookup.stands_for(name));
    let keyed: Vec<FoldedName> = keyed.map(FoldedName::of).collect();
    lookup.overlap(&there, keyed.iter()).then(|| required.first().copied()).flatten()
}
