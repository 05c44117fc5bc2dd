//! The least JSON object for which several tests are true.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::is_required;
use super::value::least_json;
use crate::condition::names::{NamesTest, twin_key};
use crate::condition::value::ValueTest;
use crate::pattern::{Least, SearchSteps};

/// Returns the least object for which all tests are true: only the members that must be there.
pub(super) fn least_object(tests: &[&NamesTest], steps: &SearchSteps) -> Least<Value> {
    let required: BTreeSet<&str> = tests
        .iter()
        .flat_map(|names| &names.listed)
        .filter(|listed| is_required(listed))
        .map(|listed| listed.name.as_str())
        .collect();
    let (mut members, mut is_costly) = (Map::new(), false);
    for name in required {
        let Some(of_name) = tests_of(name, tests) else { return Least::Nothing(name.to_owned()) };
        match least_json(&of_name, steps).within(name) {
            Least::Found(value) => drop(members.insert(name.to_owned(), value)),
            Least::Nothing(place) => return Least::Nothing(place),
            Least::TooCostly => is_costly = true,
        }
    }
    if is_costly { Least::TooCostly } else { Least::Found(Value::Object(members)) }
}

/// Returns the tests of the member of a name; `None` where some test is not true with the member.
fn tests_of<'t>(name: &str, tests: &[&'t NamesTest]) -> Option<Vec<&'t ValueTest>> {
    let key = twin_key(name);
    let mut found = Vec::with_capacity(tests.len());
    for names in tests {
        let test = match names.listed.iter().find(|listed| listed.twin_key == key) {
            Some(listed) if listed.name == name => Some(&listed.test),
            // Some readers take the name for the listed one.
            Some(_) => None,
            None => names.rest.as_ref(),
        };
        found.push(test.filter(|test| !matches!(test, ValueTest::Absent))?);
    }
    Some(found)
}
