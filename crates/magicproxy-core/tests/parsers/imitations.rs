//! Lenient readers of JSON that no package is at hand of: blind to case, `_`, `-` and all behind
//! U+0000, as protobuf's JSON, .NET and readers in C are; of two members the first, or the last.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::naive_conditions::{Json, parse};
use crate::readers::Seen;
use crate::rules::{Kind, SampleRule};

/// Which of two members a reader takes.
#[derive(Debug, Clone, Copy)]
enum Takes {
    First,
    Last,
}

pub(crate) fn read(rule: &SampleRule, bytes: &[u8]) -> BTreeMap<String, Seen> {
    let parsed = if rule.kind == Kind::Json { parse(bytes) } else { None };
    let test = rule.rule.get("json").map(|names| serde_json::json!({ "object": names }));
    let each = rule.rule.get("json_each").map(|each| serde_json::json!({ "each": each }));
    let (Some(parsed), Some(test)) = (parsed, test.or(each)) else {
        return BTreeMap::new();
    };
    [("imitated, first", Takes::First), ("imitated, last", Takes::Last)]
        .map(|(name, takes)| (name.to_owned(), Seen::Json(taken(&test, &parsed, takes))))
        .into()
}

/// The value with the members that a structure with the names of the test would get.
fn taken(test: &Value, found: &Json, takes: Takes) -> Value {
    match (found, test.get("object"), test.get("each")) {
        (Json::Object(members), Some(names), _) => structure(names, members, takes),
        (Json::List(list), _, each) => {
            let each = each.unwrap_or(&Value::Null);
            list.iter().map(|element| taken(each, element, takes)).collect()
        }
        (Json::Object(members), None, _) => {
            let read = |(name, value): &(Option<String>, Json)| {
                (name.clone().unwrap_or_default(), taken(&Value::Null, value, takes))
            };
            Value::Object(members.iter().map(read).collect())
        }
        (Json::Null, ..) => Value::Null,
        (Json::Bool(known), ..) => Value::Bool(*known),
        (Json::Number(spelled), ..) => serde_json::from_str(spelled).unwrap_or(Value::Null),
        (Json::Text(text), ..) => Value::String(text.clone().unwrap_or_default()),
    }
}

fn structure(names: &Value, members: &[(Option<String>, Json)], takes: Takes) -> Value {
    let mut filled = Map::new();
    for (listed, test) in names.as_object().unwrap().iter().filter(|(listed, _)| *listed != "*") {
        let name = listed.trim_end_matches('?');
        let mut same = members
            .iter()
            .filter(|(known, _)| known.as_ref().is_some_and(|known| blind(known) == blind(name)));
        let found = match takes {
            Takes::First => same.next(),
            Takes::Last => same.next_back(),
        };
        if let Some((_, value)) = found {
            filled.insert(name.to_owned(), taken(test, value, takes));
        }
    }
    Value::Object(filled)
}

fn blind(name: &str) -> String {
    let read = name.split('\0').next().unwrap_or_default();
    read.to_uppercase().to_lowercase().replace(['_', '-'], "")
}
