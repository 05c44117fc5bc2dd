//! Whether what a parser sees is what the rule allows. Reads values, never their spelling, and
//! shares no code with an evaluator of conditions.

use serde_json::{Map, Value};

use crate::readers::Seen;
use crate::rules::{Kind, SampleRule};

/// What a parser sees and the rule does not allow; `None` if there is nothing.
pub(crate) fn of(rule: &SampleRule, reader: &str, seen: &Seen) -> Option<String> {
    let found = match seen {
        Seen::Error => Ok(()),
        Seen::Json(value) => json(rule, value, by_name(reader)),
        Seen::Nested(value) => parameters(rule.names(), &flattened(value)),
        Seen::Pairs(pairs) => {
            let pairs: Vec<Seeing> =
                pairs.iter().map(|(name, value)| Seeing::pair(name, value)).collect();
            parameters(rule.names(), &pairs)
        }
    };
    found.err()
}

/// What a reader does with members that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    Seen,
    /// The reader is PHP, to which `{"0": 1}` and `[1]` are one array.
    SeenInArrays,
    /// The reader fills a structure with the names of the rule.
    Dropped,
}

fn by_name(reader: &str) -> Others {
    match reader {
        "go struct" => Others::Dropped,
        imitation if imitation.starts_with("imitated") => Others::Dropped,
        "php json_decode" => Others::SeenInArrays,
        _ => Others::Seen,
    }
}

fn json(rule: &SampleRule, value: &Value, others: Others) -> Result<(), String> {
    assert_eq!(rule.kind, Kind::Json);
    match (rule.rule.get("json"), rule.rule.get("json_each"), value) {
        (Some(names), _, value) if is_object(value, others) => {
            object(names, &members(value), others)
        }
        (_, Some(each), Value::Array(list)) => {
            list.iter().try_for_each(|element| value_is(each, element, others))
        }
        _ => Err(format!("the body is {value}")),
    }
}

fn is_object(value: &Value, others: Others) -> bool {
    value.is_object() || (others == Others::SeenInArrays && value.is_array())
}

fn members(value: &Value) -> Map<String, Value> {
    let numbered = |list: &Vec<Value>| {
        list.iter().enumerate().map(|(number, value)| (number.to_string(), value.clone())).collect()
    };
    value.as_object().cloned().or_else(|| value.as_array().map(numbered)).unwrap_or_default()
}

fn object(names: &Value, members: &Map<String, Value>, others: Others) -> Result<(), String> {
    let names = names.as_object().unwrap();
    for (listed, test) in names.iter().filter(|(listed, _)| *listed != "*") {
        let name = listed.trim_end_matches('?');
        let is_absent = test.get("absent").is_some();
        match members.get(name) {
            Some(value) if is_absent => return Err(format!("`{name}` is there: {value}")),
            Some(value) => {
                value_is(test, value, others).map_err(|why| format!("`{name}`: {why}"))?;
            }
            None if is_absent || listed.ends_with('?') => {}
            None => return Err(format!("`{name}` is missing")),
        }
    }
    let is_listed =
        |name: &String| names.contains_key(name) || names.contains_key(&format!("{name}?"));
    for (name, value) in members.iter().filter(|(name, _)| !is_listed(name)) {
        match names.get("*") {
            _ if others == Others::Dropped => {}
            Some(test) => {
                value_is(test, value, others).map_err(|why| format!("`{name}`: {why}"))?
            }
            None => return Err(format!("`{name}` is not listed")),
        }
    }
    Ok(())
}

fn value_is(test: &Value, value: &Value, others: Others) -> Result<(), String> {
    let words = match test {
        Value::Object(words) => words,
        Value::Array(list) => return is_one_of(list, value),
        scalar => return is_one_of(std::slice::from_ref(scalar), value),
    };
    for (word, argument) in words {
        let holds = match (word.as_str(), value) {
            ("each", Value::Array(list)) => {
                list.iter().try_for_each(|element| value_is(argument, element, others))?;
                true
            }
            ("object", value) if is_object(value, others) => {
                object(argument, &members(value), others)?;
                true
            }
            ("count", Value::Array(list)) => in_range(argument, list.len() as f64),
            ("min" | "max", Value::Number(number)) => {
                let number = number.as_f64().unwrap();
                number.fract() == 0.0 && in_range(test, number)
            }
            ("glob", Value::String(text)) => glob(argument.as_str().unwrap(), text),
            ("type", value) => of_type(argument, value),
            _ => false,
        };
        if !holds {
            return Err(format!("{value} is not {word} {argument}"));
        }
    }
    Ok(())
}

fn is_one_of(list: &[Value], value: &Value) -> Result<(), String> {
    let equal = |one: &Value| match (one, value) {
        (Value::Number(one), Value::Number(value)) => one.as_f64() == value.as_f64(),
        (one, value) => one == value,
    };
    if list.iter().any(equal) { Ok(()) } else { Err(format!("{value} is none of {list:?}")) }
}

fn in_range(ends: &Value, number: f64) -> bool {
    let end = |name: &str| ends.get(name).and_then(Value::as_f64);
    end("min").is_none_or(|least| least <= number) && end("max").is_none_or(|most| number <= most)
}

fn glob(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        None => glob == text,
        Some((before, behind)) => {
            assert!(!behind.contains('*'));
            text.len() >= before.len() + behind.len()
                && text.starts_with(before)
                && text.ends_with(behind)
                && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        }
    }
}

fn of_type(types: &Value, value: &Value) -> bool {
    let named = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Number(_) => "integer",
    };
    types == named || types.as_array().is_some_and(|types| types.iter().any(|one| one == named))
}

/// A parameter that a parser sees: the spellings of its name that mean the same to the parser, and
/// its text; `None` for an object or a list, whose parts follow.
#[derive(Debug)]
struct Seeing {
    names: Vec<String>,
    value: Option<String>,
}

impl Seeing {
    fn pair(name: &str, value: &str) -> Seeing {
        Seeing { names: vec![name.to_owned()], value: Some(value.to_owned()) }
    }
}

/// The leaves of nested parameters, with brackets in their names again.
fn flattened(nested: &Value) -> Vec<Seeing> {
    // PHP makes a list of parameters that are named 0, 1, 2.
    let members: Vec<(String, &Value)> = match nested {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(list) => {
            list.iter().enumerate().map(|(number, value)| (number.to_string(), value)).collect()
        }
        other => panic!("no parameters: {other}"),
    };
    let mut leaves = Vec::new();
    for (name, value) in members {
        flatten(vec![name], value, &mut leaves);
    }
    leaves
}

fn flatten(names: Vec<String>, value: &Value, leaves: &mut Vec<Seeing>) {
    let below = |keys: &[&str]| {
        names.iter().flat_map(|name| keys.iter().map(move |key| format!("{name}[{key}]"))).collect()
    };
    let mut leaf = |value: Option<String>| leaves.push(Seeing { names: names.clone(), value });
    match value {
        Value::Object(members) => {
            leaf(None);
            for (key, value) in members {
                flatten(below(&[key]), value, leaves);
            }
        }
        Value::Array(list) => {
            leaf(None);
            for (number, value) in list.iter().enumerate() {
                // A parameter that came twice is a list under the plain name.
                let plain: Vec<String> = below(&["", &number.to_string()]);
                flatten([names.clone(), plain].concat(), value, leaves);
            }
        }
        Value::String(text) => leaf(Some(text.clone())),
        Value::Null => leaf(Some(String::new())),
        other => panic!("a parameter is {other}"),
    }
}

fn parameters(names: &Map<String, Value>, seen: &[Seeing]) -> Result<(), String> {
    for (listed, test) in names.iter().filter(|(listed, _)| !is_mark(listed)) {
        let name = listed.trim_end_matches('?');
        let found = seen.iter().filter(|seeing| seeing.names.iter().any(|known| known == name));
        let repeats = test.get("each").is_some();
        let values: Vec<&str> = found
            .filter_map(|seeing| seeing.value.as_deref().or((!repeats).then_some("a container")))
            .collect();
        let is_absent = test.get("absent").is_some();
        if is_absent && !values.is_empty() {
            return Err(format!("`{name}` is there: {values:?}"));
        }
        if values.is_empty() && !is_absent && !listed.ends_with('?') {
            return Err(format!("`{name}` is missing"));
        }
        if values.len() > 1 && !repeats {
            return Err(format!("`{name}` is there several times: {values:?}"));
        }
        values
            .iter()
            .try_for_each(|value| text_is(test, value))
            .map_err(|why| format!("`{name}`: {why}"))?;
    }
    seen.iter().try_for_each(|seeing| beside(names, seeing))
}

fn is_mark(listed: &str) -> bool {
    listed == "*" || listed.ends_with("[*]")
}

/// A parameter that is not listed by its own name.
fn beside(names: &Map<String, Value>, seeing: &Seeing) -> Result<(), String> {
    let is_listed =
        |name: &String| names.contains_key(name) || names.contains_key(&format!("{name}?"));
    if seeing.names.iter().any(is_listed) {
        return Ok(());
    }
    let keyed = names.iter().find_map(|(listed, test)| {
        let root = listed.strip_suffix("[*]")?;
        let is = |name: &String| {
            name.strip_prefix(root).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        };
        seeing.names.iter().any(is).then_some(test)
    });
    let text = seeing.value.as_deref();
    match (text, keyed.or(names.get("*"))) {
        (None, _) => Ok(()),
        (Some(text), Some(test)) => {
            text_is(test, text).map_err(|why| format!("{:?}: {why}", seeing.names))
        }
        (Some(text), None) => Err(format!("{:?} is not listed: {text}", seeing.names)),
    }
}

fn text_is(test: &Value, text: &str) -> Result<(), String> {
    let holds = match test {
        Value::Object(words) => words.iter().all(|(word, argument)| match word.as_str() {
            "each" => text_is(argument, text).is_ok(),
            // A reader that takes one of several sees fewer.
            "count" => true,
            "glob" => glob(argument.as_str().unwrap(), text),
            "min" | "max" => text
                .parse::<i64>()
                .is_ok_and(|number| number.to_string() == text && in_range(test, number as f64)),
            other => panic!("no word for a text: {other}"),
        }),
        Value::Array(list) => list.iter().any(|one| is_text(one, text)),
        one => is_text(one, text),
    };
    if holds { Ok(()) } else { Err(format!("`{text}` is not {test}")) }
}

fn is_text(scalar: &Value, text: &str) -> bool {
    scalar.as_str().map_or_else(|| scalar.to_string().as_str() == text, |scalar| scalar == text)
}
