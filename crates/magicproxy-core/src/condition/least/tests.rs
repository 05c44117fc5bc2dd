//! Places that no request can satisfy, and what two rules share.

use serde_json::{Value, json};

use crate::pattern::PatternMode;
use crate::rule::{RawRule, Rule};

fn raw(conditions: &Value) -> RawRule {
    let mut rule = json!({"method": "POST", "route": "/a/{id}/{rest*}"});
    rule.as_object_mut().unwrap().extend(conditions.as_object().unwrap().clone());
    serde_json::from_value(rule).unwrap()
}

/// Returns the message of the refusal of a rule that is written now.
fn refusal(conditions: &Value) -> Option<String> {
    let rules = [raw(conditions)];
    // A token may hold the rule all the same.
    Rule::parse_list(&rules, PatternMode::Whole).unwrap();
    let written = Rule::parse_new_list(&rules, PatternMode::Whole);
    written.err().map(|faults| faults.iter().map(ToString::to_string).collect())
}

#[test]
fn rules_without_any_request_are_refused() {
    let empty = json!({"glob": "a*", "pattern": "[b-z]+"});
    for (conditions, place) in [
        (json!({"json": {"x": empty}}), "json.x"),
        (json!({"json": {"x": {"object": {"y": empty}}}}), "json.x.y"),
        (json!({"json": {"x": {"each": empty, "count": 1}}}), "json.x.each"),
        (
            json!({"json": {"x": {"each": {"each": empty, "count": 2}, "count": {"min": 1}}}}),
            "json.x.each.each",
        ),
        (json!({"json": {"x": {"pattern": "é"}}}), "json.x"),
        (json!({"form": {"x": empty}}), "form.x"),
        (json!({"form": {"x": {"count": 0}}}), "form.x"),
        (json!({"form": {"x": {"count": 257}}}), "form.x"),
        (json!({"form": {"x": {"each": empty}}}), "form.x"),
        (json!({"form": {"x%41": "1"}}), "form.x%41"),
        (json!({"form": {"\\[x]": "1"}}), "form.[x]"),
        (json!({"form": {"x\\[": "1"}}), "form.x["),
        (json!({"form": {"x\\[a]": "1", "x\\[A]": "1"}}), "form."),
        (json!({"query": {"x": empty}}), "query.x"),
        (json!({"query": {"x\\[a]": "1", "x\\[a]\\[]": "1"}}), "query."),
        (json!({"headers": {"x-a": empty}}), "headers.x-a"),
        (json!({"headers": {"x-a": " x"}}), "headers.x-a"),
        (json!({"headers": {"x-a": {"glob": " *"}}}), "headers.x-a"),
        (json!({"captures": {"id": "a/b"}}), "captures"),
        (json!({"captures": {"id": {"glob": "a/*"}}}), "captures"),
        (json!({"captures": {"id": ""}}), "captures"),
        (json!({"captures": {"rest": {"pattern": "a b"}}}), "captures"),
        (
            json!({"json": {"x": 1}, "content_type": "application/x-www-form-urlencoded"}),
            "content_type",
        ),
    ] {
        let message = refusal(&conditions).unwrap_or_else(|| panic!("{conditions} is taken"));
        assert!(message.contains(&format!("`{place}")), "{conditions}: {message}");
    }
}

#[test]
fn rules_with_some_request_are_taken() {
    let empty = json!({"glob": "a*", "pattern": "[b-z]+"});
    for conditions in [
        json!({"json": {"x?": empty}}),
        json!({"json": {"x": {"each": empty}}}),
        json!({"json": {"x": {"each": empty, "count": {"max": 9}}}}),
        json!({"json": {"x": {"count": 0}}}),
        json!({"json": {"x": {"count": 100_000}}}),
        json!({"json": {"*": empty}}),
        json!({"json_each": empty}),
        json!({"json": {"x": empty}, "json_each": {}}),
        json!({"json": {"x": empty}, "form": {}}),
        json!({"json": {"x": {"glob": "a*", "pattern": ".*z"}}}),
        json!({"form": {"x?": empty, "x%41?": {}, "y[*]": empty}}),
        json!({"form": {"x\\[a]": "1", "x\\[b]": "1"}}),
        json!({"form": {"x": {"count": 256}}}),
        json!({"headers": {"x-a": {"absent": true}, "x-b?": empty}}),
        json!({"headers": {"x-a": {"glob": "* *"}}}),
        json!({"captures": {"id": {"min": 1}, "rest": {"glob": "docs/*"}}}),
        json!({"captures": {"id": {"type": "integer"}}}),
        json!({"body": "any", "content_type": "a/b"}),
        json!({"json": {}, "content_type": "a/b"}),
    ] {
        assert_eq!(refusal(&conditions), None, "{conditions}");
    }
}

#[test]
fn what_conditions_share() {
    for (one, other, shared) in [
        (json!({"json": {"a": "x"}}), json!({"json": {"a": "x"}}), true),
        (json!({"json": {"a": "x"}}), json!({"json": {"a": "y"}}), false),
        (json!({"json": {"a": "x"}}), json!({"json": {"a": ["z", "x"]}}), true),
        (json!({"json": {"a": "5"}}), json!({"json": {"a": 5}}), false),
        (json!({"form": {"a": "5"}}), json!({"form": {"a": 5}}), true),
        (json!({"json": {"a": "x"}}), json!({"json": {"b?": {}}}), false),
        (json!({"json": {"a?": "x"}}), json!({"json": {"b?": {}}}), true),
        (json!({"json": {"a": "x"}}), json!({"json": {"*": {}}}), true),
        (json!({"json": {"a": "x"}}), json!({"json": {"*": {"type": "integer"}}}), false),
        (json!({"json": {"a": "x", "*": {}}}), json!({"json": {"A": "x", "*": {}}}), false),
        (json!({"json": {"a": "x", "*": {}}}), json!({"json": {"A?": "x", "*": {}}}), false),
        (json!({"json": {"a": "x"}}), json!({"json": {"a": {"absent": true}, "*": {}}}), false),
        (json!({"json": {"a": {"min": 1, "max": 5}}}), json!({"json": {"a": {"min": 5}}}), true),
        (json!({"json": {"a": {"max": 4}}}), json!({"json": {"a": {"min": 5}}}), false),
        (json!({"json": {"a": {"min": 5}}}), json!({"json": {"a": {"type": "number"}}}), true),
        (json!({"json": {"a": {"glob": "a*"}}}), json!({"json": {"a": {"glob": "*b"}}}), true),
        (json!({"json": {"a": {"glob": "a*"}}}), json!({"json": {"a": {"pattern": "b.*"}}}), false),
        (json!({"json": {"a": {"glob": "a*"}}}), json!({"json": {"a": {"min": 1}}}), false),
        (json!({"form": {"a": {"glob": "1*"}}}), json!({"form": {"a": {"min": 20}}}), true),
        (
            json!({"form": {"a": {"glob": "1*"}}}),
            json!({"form": {"a": {"min": 20, "max": 99}}}),
            false,
        ),
        (json!({"json": {"a": {"count": 1}}}), json!({"json": {"a": {"count": 2}}}), false),
        (json!({"json": {"a": {"each": "x"}}}), json!({"json": {"a": {"each": "y"}}}), true),
        (
            json!({"json": {"a": {"each": "x", "count": 1}}}),
            json!({"json": {"a": {"each": "y"}}}),
            false,
        ),
        (json!({"json": {}}), json!({"json_each": {}}), false),
        (json!({"json": {}}), json!({"form": {}}), false),
        (json!({"json": {}, "json_each": {}}), json!({"json_each": "x"}), true),
        (json!({"json_each": "x"}), json!({"json_each": "y"}), true),
        (json!({"json": {}}), json!({"body": "none"}), false),
        (json!({"form": {}}), json!({"body": "none"}), true),
        (json!({"form": {"a": {}}}), json!({"body": "none"}), false),
        (json!({"json": {}}), json!({"body": "any"}), true),
        (json!({"json": {}}), json!({"body": "any", "content_type": "application/json"}), true),
        (json!({"json": {}}), json!({"body": "any", "content_type": "a/b"}), false),
        (json!({"json": {}, "content_type": "a/b"}), json!({"json": {}}), false),
        (json!({"json": {}, "content_type": "application/b+json"}), json!({"json": {}}), true),
        (json!({"json": {}}), json!({"query": {"a": {}}, "body": "any"}), false),
        (json!({"json": {}}), json!({"query": "any", "json": {}}), true),
        // A name that a server may take from the query or from the body.
        (
            json!({"query": "any", "json": {"a?": {}}}),
            json!({"query": {"A": {}}, "body": "any"}),
            false,
        ),
        (
            json!({"query": "any", "json": {"a?": {}}}),
            json!({"query": {"A?": {}}, "body": "any"}),
            true,
        ),
        (
            json!({"query": "any", "json": {"a?": {}}}),
            json!({"query": {"b": {}}, "body": "any"}),
            true,
        ),
        (json!({"query": {"a": {}}}), json!({"query": {"a[*]": {}}}), false),
        (json!({"query": {"a\\[x]": {}}}), json!({"query": {"a[*]": {}}}), true),
        (json!({"query": {"a\\[x]": "1"}}), json!({"query": {"a[*]": "2"}}), false),
        (json!({"query": {"a\\[x]": {}}}), json!({"query": {"a": {}, "*": {}}}), false),
        (json!({"query": {"a": {"each": "x", "count": 2}}}), json!({"query": {"a": "x"}}), false),
        (json!({"query": {"a": {"each": "x", "count": 2}}}), json!({"query": {"*": "x"}}), true),
        (json!({"headers": {"a": "x"}}), json!({"headers": {"b": "y"}}), true),
        (json!({"headers": {"a": "x"}}), json!({"headers": {"a": {"absent": true}}}), false),
        (json!({"headers": {"a": "x"}}), json!({"headers": {"a?": "y"}}), false),
        (json!({"captures": {"id": "x"}}), json!({"captures": {"id": "y"}}), false),
        (json!({"captures": {"id": "x"}}), json!({"captures": {"rest": {"glob": "y*"}}}), true),
        (json!({"captures": {"id": {"min": 7}}}), json!({"captures": {"id": {"max": 9}}}), true),
        (json!({"captures": {"id": {"min": 7}}}), json!({"captures": {"id": {"max": 6}}}), false),
    ] {
        let rule = |conditions: &Value| Rule::parse(raw(conditions), PatternMode::Whole).unwrap();
        let (first, second) = (rule(&one), rule(&other));
        assert_eq!(first.meets(&second), Some(shared), "{one} {other}");
        assert_eq!(second.meets(&first), Some(shared), "{other} {one}");
    }
}

#[test]
fn captures_meet_literals() {
    for (one, other, shared) in [
        (
            json!({"method": "GET", "route": "/r/{x}", "captures": {"x": "a"}}),
            json!("GET /r/a"),
            true,
        ),
        (
            json!({"method": "GET", "route": "/r/{x}", "captures": {"x": "a"}}),
            json!("GET /r/b"),
            false,
        ),
        (
            json!({"method": "GET", "route": "/r/{x}", "captures": {"x": "a"}}),
            json!("POST /r/a"),
            false,
        ),
        (
            json!({"method": "GET", "route": "/{x}/r", "captures": {"x": {"glob": "a*"}}}),
            json!("GET /[b-z]+/r"),
            false,
        ),
        (
            json!({"method": "GET", "route": "/{x*}", "captures": {"x": {"glob": "a/*"}}}),
            json!("GET /a/.+/c"),
            true,
        ),
        (
            json!({"method": "GET", "route": "/{x*}", "captures": {"x": {"glob": "a/*"}}}),
            json!("GET /b/.+"),
            false,
        ),
    ] {
        let rule = |rule: &Value| {
            Rule::parse(serde_json::from_value(rule.clone()).unwrap(), PatternMode::Whole).unwrap()
        };
        assert_eq!(rule(&one).meets(&rule(&other)), Some(shared), "{one} {other}");
    }
}
