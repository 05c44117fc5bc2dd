//! Tests of these tests' rules, from their JSON.

use serde_json::{Map, Value};

use crate::condition::integer::{IntegerRange, MAX_INTEGER};
use crate::condition::names::{ListedName, NamesTest, twin_key};
use crate::condition::value::{
    CountRange, ListTest, Scalar, TextTest, TypeSet, ValueTest, ValueType,
};
use crate::pattern::{Budget, TextAutomaton};
use crate::rule::MAX_LIST_STEPS;

/// Reads NAMES.
pub(super) fn names(json: &str) -> NamesTest {
    of_names(&serde_json::from_str(json).unwrap())
}

/// Reads a VALUE.
pub(super) fn value(json: &str) -> ValueTest {
    of_value(&serde_json::from_str(json).unwrap())
}

fn of_names(members: &Map<String, Value>) -> NamesTest {
    let mut test = NamesTest::default();
    for (name, value) in members {
        let is_optional = name.ends_with('?');
        let name = name.trim_end_matches('?').to_owned();
        let test_of_value = of_value(value);
        if name == "*" {
            test.rest = Some(test_of_value);
            continue;
        }
        test.listed.push(ListedName {
            twin_key: twin_key(&name).into_owned(),
            name,
            is_optional,
            has_keys: false,
            test: test_of_value,
        });
    }
    test
}

fn of_value(value: &Value) -> ValueTest {
    match value {
        Value::Object(words) if words.is_empty() => ValueTest::Anything,
        Value::Object(words) => of_words(words),
        Value::Array(values) => ValueTest::OneOf(values.iter().map(scalar).collect()),
        value => ValueTest::OneOf(vec![scalar(value)]),
    }
}

fn scalar(value: &Value) -> Scalar {
    match value {
        Value::String(text) => Scalar::Text(text.clone()),
        Value::Bool(value) => Scalar::Boolean(*value),
        Value::Null => Scalar::Null,
        number => Scalar::Integer(number.as_i64().unwrap()),
    }
}

fn of_words(words: &Map<String, Value>) -> ValueTest {
    if let Some(names) = words.get("object") {
        return ValueTest::Object(Box::new(of_names(names.as_object().unwrap())));
    }
    if words.contains_key("absent") {
        return ValueTest::Absent;
    }
    if let Some(names) = words.get("type") {
        let mut types = TypeSet::default();
        texts(names).into_iter().for_each(|name| types.add(value_type(name)));
        return ValueTest::Type(types);
    }
    if words.contains_key("each") || words.contains_key("count") {
        let each = words.get("each").map_or(ValueTest::Anything, of_value);
        let count = words.get("count").map_or(CountRange::ANY, count);
        return ValueTest::List(ListTest { each: Box::new(each), count });
    }
    if words.contains_key("min") || words.contains_key("max") {
        let end = |name, missing| words.get(name).map_or(missing, |end| end.as_i64().unwrap());
        return ValueTest::Integer(IntegerRange {
            min: end("min", -MAX_INTEGER),
            max: end("max", MAX_INTEGER),
        });
    }
    let mut budget = Budget::new(MAX_LIST_STEPS);
    let globs = words.get("glob").map(texts);
    let globs = globs.map(|globs| TextAutomaton::of_globs(globs, &mut budget).unwrap());
    let patterns = words.get("pattern").map(texts);
    let patterns =
        patterns.map(|patterns| TextAutomaton::of_patterns(patterns, &mut budget).unwrap());
    ValueTest::Text(TextTest { globs, patterns })
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap()).collect(),
        text => vec![text.as_str().unwrap()],
    }
}

fn count(value: &Value) -> CountRange {
    match value.as_u64() {
        Some(exact) => CountRange { min: exact, max: exact },
        None => {
            let end = |name: &str| value.get(name).and_then(Value::as_u64);
            CountRange { min: end("min").unwrap_or(0), max: end("max").unwrap_or(u64::MAX) }
        }
    }
}

fn value_type(name: &str) -> ValueType {
    match name {
        "string" => ValueType::String,
        "integer" => ValueType::Integer,
        "number" => ValueType::Number,
        "boolean" => ValueType::Boolean,
        "null" => ValueType::Null,
        "array" => ValueType::Array,
        "object" => ValueType::Object,
        other => panic!("no type: {other}"),
    }
}
