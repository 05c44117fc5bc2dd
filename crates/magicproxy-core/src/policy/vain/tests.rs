use serde_json::{Value, json};

use super::*;
use crate::rule::RawRule;

fn vain(rules: &[Value]) -> Vec<(usize, usize, VainKind)> {
    let raw: Vec<RawRule> =
        rules.iter().map(|rule| serde_json::from_value(rule.clone()).unwrap()).collect();
    let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
    let found = Policy::vain(&rules).into_iter();
    found.map(|vain| (vain.rule.number, vain.wider.number, vain.kind)).collect()
}

#[test]
fn a_wider_rule_makes_conditions_vain() {
    let pulls = json!({"method": "POST", "route": "/repos/a/b/pulls", "json": {"base": "main"}});
    let counted = json!({
        "method": "POST", "route": "/repos/a/b/pulls", "json": {"base": "main"}, "limit": {"total": 3}
    });
    let limit = json!({"method": "POST", "path": "/repos/.+", "limit": {"total": 3}});
    let wide = || json!("POST /repos/.+");
    for (one, other, expected) in [
        (pulls.clone(), wide(), Some((1, 2, VainKind::Conditions))),
        (wide(), pulls.clone(), Some((2, 1, VainKind::NeverAsked))),
        (pulls.clone(), json!("* /.*"), Some((1, 2, VainKind::Conditions))),
        (
            pulls.clone(),
            json!("POST /repos/a/b/(pulls|issues)"),
            Some((1, 2, VainKind::Conditions)),
        ),
        // Another method, another path, or a part of the path.
        (pulls.clone(), json!("GET /repos/.+"), None),
        (pulls.clone(), json!("POST /repos/a/b/pulls/.+"), None),
        (pulls.clone(), json!("POST /repos/a/b/issues"), None),
        (json!({"method": "POST", "route": "/r/{x}", "json": {}}), json!("POST /r/[a-z]+"), None),
        (
            json!({"method": ["POST", "PUT"], "route": "/r/x", "json": {}}),
            json!("POST /r/.*"),
            None,
        ),
        (
            json!({"method": "HEAD", "path": "/r", "query": {}}),
            json!("GET /r"),
            Some((1, 2, VainKind::Conditions)),
        ),
        (json!({"method": "GET", "path": "/r", "query": {}}), json!("HEAD /r"), None),
        (json!({"method": "*", "path": "/r", "query": {}}), json!("GET /r"), None),
        // A limit before or behind.
        (counted.clone(), wide(), Some((1, 2, VainKind::Effects))),
        (wide(), counted.clone(), Some((2, 1, VainKind::NeverAsked))),
        (wide(), limit.clone(), Some((2, 1, VainKind::NeverAsked))),
        (limit.clone(), pulls.clone(), Some((2, 1, VainKind::NeverAsked))),
        // What is uncounted, and what is counted beyond: both mean something.
        (pulls.clone(), limit.clone(), None),
        (limit.clone(), wide(), None),
        (pulls.clone(), pulls.clone(), None),
        (wide(), json!("POST /repos/a"), None),
    ] {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(vain(&[one.clone(), other.clone()]), expected, "{one} {other}");
    }
}

#[test]
fn the_message_names_both_rules() {
    let raw = [
        json!({"method": "POST", "path": "/a/b", "query": {}, "body": "any"}),
        json!("POST /a/.*"),
    ];
    let raw: Vec<RawRule> =
        raw.iter().map(|rule| serde_json::from_value(rule.clone()).unwrap()).collect();
    let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
    let told: Vec<String> = Policy::vain(&rules).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "the conditions of rule 1 `POST /a/b query {} body \"any\"` are in vain: rule 2 `POST /a/.*` allows the requests that they refuse"
        ]
    );
}
