//! The JSON Schema of rules agrees with those who read rules, as far as a schema can say.

use magicproxy_core::json::form::{FormFault, FormFaultKind, FormFaults, ValueFault};
use magicproxy_core::{PatternMode, RawRule, Rule};
use proptest::prelude::*;
use regex::Regex;
use serde_json::{Map, Value, json};

/// A validator of the words that the schema uses; of others it knows nothing, and says so.
fn is_valid(schema: &Value, value: &Value) -> bool {
    let words = match schema {
        Value::Bool(anything) => return *anything,
        Value::Object(words) => words,
        other => panic!("{other}"),
    };
    words.iter().all(|(word, says)| match word.as_str() {
        "description" => true,
        "type" => is_of_type(says.as_str().unwrap(), value),
        "const" => says == value,
        "pattern" => value
            .as_str()
            .is_none_or(|text| Regex::new(says.as_str().unwrap()).unwrap().is_match(text)),
        "minimum" => value.as_u64().is_none_or(|number| number >= says.as_u64().unwrap()),
        "maximum" => value.as_u64().is_none_or(|number| number <= says.as_u64().unwrap()),
        "items" => {
            value.as_array().is_none_or(|list| list.iter().all(|element| is_valid(says, element)))
        }
        "minItems" => {
            value.as_array().is_none_or(|list| list.len() as u64 >= says.as_u64().unwrap())
        }
        "maxItems" => {
            value.as_array().is_none_or(|list| list.len() as u64 <= says.as_u64().unwrap())
        }
        "required" => value.as_object().is_none_or(|members| {
            says.as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|members| {
            says.as_object()
                .unwrap()
                .iter()
                .all(|(name, schema)| members.get(name).is_none_or(|value| is_valid(schema, value)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|members| {
            let named = |name: &String| {
                words.get("properties").is_some_and(|named| named.get(name).is_some())
            };
            members.iter().all(|(name, value)| named(name) || is_valid(says, value))
        }),
        "anyOf" => says.as_array().unwrap().iter().any(|schema| is_valid(schema, value)),
        "oneOf" => {
            says.as_array().unwrap().iter().filter(|schema| is_valid(schema, value)).count() == 1
        }
        other => panic!("the validator does not know `{other}`"),
    })
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("the validator does not know the type `{other}`"),
    }
}

/// Right values of the members of each kind of object, by their names.
fn right(name: &str) -> Vec<Value> {
    match name {
        "method" => vec![json!("GET"), json!("GET|POST"), json!("*"), json!(["GET", "PUT"])],
        "path" => vec![json!("/a"), json!("/a/.*")],
        "route" => vec![json!("/a/{id}"), json!("/a")],
        "grants" => vec![
            json!("GET /a/{response.id}"),
            json!(["GET /a/{response.id}", "DELETE /a/{response.id}"]),
        ],
        "receipt" => vec![json!(true)],
        "limit" => vec![
            json!({ "requests": 1, "per": "1h" }),
            json!({ "requests": 1_000_000_000, "per": "31d" }),
            json!({ "total": 3 }),
            json!({ "concurrent": 2 }),
        ],
        "list_items" => vec![
            json!({ "list": "items", "key": "name", "creates": { "kind": "new" } }),
            json!({
                "list": "items", "key": ["name", "type"], "creates": { "kind": "new" }, "deletes": { "kind": "old" },
                "deletes_if_empty": "records", "only": { "name": "x*", "type": ["A", "B"] }, "lookup": "?name={name}",
            }),
        ],
        "owner" => vec![json!("team"), json!("a.b-c_1")],
        "git" => vec![json!("push"), json!("fetch")],
        "repository" => vec![json!("/acme/site"), json!("/acme/{repo}")],
        "refs" | "options" => vec![json!("refs/heads/a"), json!({ "glob": "refs/heads/*" })],
        "create" | "delete" | "force" | "locks" => vec![json!(true), json!(false)],
        "max_commands" => vec![json!(1), json!(1_000)],
        "operations" => vec![json!("download"), json!(["download", "upload"])],
        "plugin" => vec![json!("asks"), json!("a-1_b")],
        _ => vec![json!("x")],
    }
}

/// What is wrong in most places, and right in some.
fn odd() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(7),
        json!(1_000_000_001),
        json!(""),
        json!("x"),
        json!("X Y"),
        json!("99d"),
        json!([]),
        json!([[]]),
        json!(["x"]),
        json!(["x", 7]),
        json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"]),
        json!({}),
        json!({ "x": "y" }),
        json!({ "total": 1, "concurrent": 1 }),
        json!({ "requests": 1 }),
        json!({ "per": "1h" }),
        json!({ "requests": 1, "per": "0h" }),
        json!({ "requests": 1, "per": "1h", "total": 1 }),
        json!({ "total": null }),
        json!({ "list": "a" }),
        json!({ "list": "a", "key": [], "creates": {} }),
        json!({ "list": "a", "key": "b", "creates": {}, "only": { "b": 7 } }),
        json!({ "list": "a", "key": "b", "creates": { "b": null } }),
        json!({ "list": "a", "key": "b", "creates": {}, "lookup": null }),
        json!({ "list": "a", "key": "b", "creates": {}, "other": 1 }),
    ]
}

const MEMBERS: [&str; 20] = [
    "method",
    "path",
    "route",
    "grants",
    "receipt",
    "limit",
    "list_items",
    "owner",
    "plugin",
    "other",
    "git",
    "repository",
    "refs",
    "create",
    "delete",
    "force",
    "options",
    "max_commands",
    "operations",
    "locks",
];

fn member() -> impl Strategy<Value = (String, Value)> {
    prop::sample::select(MEMBERS.to_vec()).prop_flat_map(|name| {
        prop_oneof![4 => prop::sample::select(right(name)), 1 => prop::sample::select(odd())]
            .prop_map(move |value| (name.to_owned(), value))
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let lines = [
        "GET /a",
        "GET|PUT /a/.*",
        "* route:/a/{b}",
        "GET",
        "/a",
        "",
        "GET  /a",
        " GET /a",
        "FOO /x",
        "GET a",
    ];
    let base = prop::sample::select(vec![
        json!({}),
        json!({ "method": "GET" }),
        json!({ "method": "GET", "route": "/a/{id}" }),
        json!({ "git": "push", "repository": "/a", "refs": {} }),
    ]);
    let object = (base, prop::collection::vec(member(), 0..4)).prop_map(|(base, members)| {
        let mut object: Map<String, Value> = base.as_object().unwrap().clone();
        object.extend(members);
        Value::Object(object)
    });
    prop_oneof![
        8 => object,
        1 => prop::sample::select(lines.to_vec()).prop_map(Value::from),
        1 => prop::sample::select(odd()),
    ]
}

/// May this stand in a scope? Plugins are no rules.
fn may_stand(raw: RawRule) -> bool {
    let is_plugin = matches!(raw, RawRule::Plugin(_));
    is_plugin
        || [PatternMode::Whole, PatternMode::DangerPrefix]
            .into_iter()
            .any(|mode| Rule::parse(raw.clone(), mode).is_ok())
}

/// Is it the only fault of a text that has the right form, that a stretch of time is too long? No schema adds up.
fn is_too_long(faults: &FormFaults) -> bool {
    let kinds: Vec<_> = faults.iter().map(FormFault::kind).collect();
    matches!(kinds.as_slice(), [FormFaultKind::Value(ValueFault::LimitPeriod)])
}

#[track_caller]
fn check(schema: &Value, rule: &Value) {
    let valid = is_valid(schema, rule);
    match RawRule::from_json(&rule.to_string()) {
        // What is read and valid may still be no rule: what a pattern, a template or a grant says is beyond a schema.
        Ok(raw) if may_stand(raw.clone()) => assert!(valid, "the schema refuses a rule: {rule}"),
        Ok(_) => {}
        Err(faults) => assert!(
            !valid || is_too_long(&faults),
            "the schema takes what is not read: {rule}: {faults:?}"
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn the_schema_agrees_with_the_reader(rule in rule()) {
        check(&magicproxy_core::rule::schema(), &rule);
    }
}

/// Each member with each value, right and wrong, beside what makes a rule of it.
#[test]
fn each_member_with_each_value() {
    let schema = magicproxy_core::rule::schema();
    let mut rules = 0;
    for name in MEMBERS {
        for value in right(name).into_iter().chain(odd()) {
            for base in [
                json!({}),
                json!({ "method": "GET" }),
                json!({ "method": "GET", "route": "/a/{id}" }),
                json!({ "path": "/a" }),
                json!({ "git": "push", "repository": "/a", "refs": {} }),
                json!({ "git": "lfs", "repository": "/a", "locks": true }),
            ] {
                let mut rule = base;
                rule[name] = value.clone();
                check(&schema, &rule);
                rules += usize::from(RawRule::from_json(&rule.to_string()).is_ok_and(may_stand));
            }
        }
    }
    assert!(rules > 45, "{rules}");
}

/// What the schema does say, that reading alone does not.
#[test]
fn faults_of_a_rule_that_an_editor_shows() {
    let schema = magicproxy_core::rule::schema();
    for wrong in [
        json!({ "method": "GET" }),
        json!({ "method": "GET", "path": "/a", "route": "/a" }),
        json!({ "method": "GET", "path": "/a", "grants": [] }),
        json!({ "method": "GET", "path": "/a", "owner": "two words" }),
        json!({ "plugin": "asks", "method": "GET" }),
        json!("GET"),
    ] {
        assert!(!is_valid(&schema, &wrong), "{wrong}");
    }
}
