//! The least JSON value for which several tests are true.

use serde_json::Value;

use super::object::least_object;
use super::text::{listed_values, machines_of};
use crate::condition::integer::{IntegerRange, MAX_INTEGER};
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::value::{CountRange, Scalar, TypeSet, ValueTest, ValueType};
use crate::pattern::{Characters, Least, SearchSteps, shortest};

/// The longest list that is written out.
const MAX_ELEMENTS: usize = 256;

/// Returns the least JSON value for which all tests are true.
pub(super) fn least_json(tests: &[&ValueTest], steps: &SearchSteps) -> Least<Value> {
    if let Some(values) = listed_values(tests) {
        let passes = |value: &&Scalar| tests.iter().all(|test| is_true_for(test, value));
        let found = values.iter().find(passes).map(Scalar::to_json);
        return found.map_or_else(Least::nothing, Least::Found);
    }
    least_json_text(tests, steps)
        .or_else(|| least_scalar(tests))
        .or_else(|| least_list(tests, steps))
        .or_else(|| match narrowed(tests, ValueType::Object) {
            Some(tests) => {
                let names: Vec<_> = tests
                    .iter()
                    .filter_map(|test| {
                        if let ValueTest::Object(names) = test { Some(&**names) } else { None }
                    })
                    .collect();
                least_object(&names, steps)
            }
            None => Least::nothing(),
        })
}

/// Returns the tests that say more of a value of this type than the type; `None` where a test is
/// not true for any such value.
fn narrowed<'t>(tests: &[&'t ValueTest], kind: ValueType) -> Option<Vec<&'t ValueTest>> {
    let mut narrowed = Vec::new();
    for test in tests {
        match (test, kind) {
            (ValueTest::Anything, _) => {}
            (ValueTest::Type(types), kind) if has_type(*types, kind) => {}
            (ValueTest::Text(_), ValueType::String)
            | (ValueTest::Integer(_), ValueType::Integer)
            | (ValueTest::List(_), ValueType::Array)
            | (ValueTest::Object(_), ValueType::Object) => narrowed.push(*test),
            _ => return None,
        }
    }
    Some(narrowed)
}

/// An integer is a number, too.
fn has_type(types: TypeSet, kind: ValueType) -> bool {
    types.has(kind) || kind == ValueType::Integer && types.has(ValueType::Number)
}

fn least_json_text(tests: &[&ValueTest], steps: &SearchSteps) -> Least<Value> {
    let Some(tests) = narrowed(tests, ValueType::String) else { return Least::nothing() };
    let machines: Vec<_> = tests
        .iter()
        .filter_map(|test| if let ValueTest::Text(test) = test { Some(test) } else { None })
        .flat_map(machines_of)
        .collect();
    shortest(&machines, Characters::Visible, steps).map(Value::String)
}

/// Returns the least integer, boolean or null.
fn least_scalar(tests: &[&ValueTest]) -> Least<Value> {
    let is_of = |kind| narrowed(tests, kind).is_some();
    if let Some(tests) = narrowed(tests, ValueType::Integer) {
        let mut least = IntegerRange { min: -MAX_INTEGER, max: MAX_INTEGER };
        for test in tests {
            if let ValueTest::Integer(range) = test {
                let (min, max) = (least.min.max(range.min), least.max.min(range.max));
                least = IntegerRange { min, max };
            }
        }
        if least.min <= least.max {
            return Least::Found(Value::from(least.min));
        }
    }
    if is_of(ValueType::Boolean) {
        return Least::Found(Value::Bool(false));
    }
    if is_of(ValueType::Null) { Least::Found(Value::Null) } else { Least::nothing() }
}

fn least_list(tests: &[&ValueTest], steps: &SearchSteps) -> Least<Value> {
    let Some(tests) = narrowed(tests, ValueType::Array) else { return Least::nothing() };
    let (mut count, mut elements) = (CountRange::ANY, Vec::new());
    for test in tests {
        if let ValueTest::List(list) = test {
            let (min, max) = (count.min.max(list.count.min), count.max.min(list.count.max));
            count = CountRange { min, max };
            elements.push(&*list.each);
        }
    }
    if count.min > count.max {
        return Least::Nothing("count".to_owned());
    }
    if count.min == 0 {
        return Least::Found(Value::Array(Vec::new()));
    }
    let number = usize::try_from(count.min).ok().filter(|number| *number <= MAX_ELEMENTS);
    match (least_json(&elements, steps).within("each"), number) {
        (Least::Found(element), Some(number)) => Least::Found(Value::Array(vec![element; number])),
        (Least::Nothing(place), _) => Least::Nothing(place),
        _ => Least::TooCostly,
    }
}

/// True if a test is true for a value.
fn is_true_for(test: &ValueTest, value: &Scalar) -> bool {
    let kind = match value {
        Scalar::Text(_) => ValueType::String,
        Scalar::Integer(_) => ValueType::Integer,
        Scalar::Boolean(_) => ValueType::Boolean,
        Scalar::Null => ValueType::Null,
    };
    match (test, value) {
        (ValueTest::Anything, _) => true,
        (ValueTest::OneOf(values), value) => values.contains(value),
        (ValueTest::Text(test), Scalar::Text(text)) => {
            test.judge(text, Reason::JsonValue) == Outcome::True
        }
        (ValueTest::Integer(range), Scalar::Integer(value)) => range.contains(*value),
        (ValueTest::Type(types), _) => has_type(*types, kind),
        (
            ValueTest::Text(_)
            | ValueTest::Integer(_)
            | ValueTest::List(_)
            | ValueTest::Object(_)
            | ValueTest::Absent,
            _,
        ) => false,
    }
}
