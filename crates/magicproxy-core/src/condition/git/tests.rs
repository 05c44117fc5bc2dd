//! What rules for git share.

use serde_json::{Value, json};

use crate::pattern::PatternMode;
use crate::rule::{RawRule, Rule};

fn rule(written: &Value) -> Rule {
    let raw: RawRule = serde_json::from_value(written.clone()).unwrap();
    Rule::parse(raw, PatternMode::Whole).unwrap()
}

#[track_caller]
fn check(one: &Value, other: &Value, shared: Option<bool>) {
    let (one, other) = (rule(one), rule(other));
    assert_eq!(one.meets(&other), shared, "{one} and {other}");
    assert_eq!(other.meets(&one), shared, "{other} and {one}");
}

fn push(refs: Value) -> Value {
    json!({"git": "push", "repository": "/acme/site", "refs": refs})
}

fn with(mut rule: Value, member: &str, value: Value) -> Value {
    rule.as_object_mut().unwrap().insert(member.to_owned(), value);
    rule
}

#[test]
fn pushes_share_references() {
    let all = push(json!({}));
    let agent = push(json!({"glob": "refs/heads/agent/*"}));
    let tags = with(push(json!({"glob": "refs/tags/*"})), "create", json!(true));
    check(&all, &agent, Some(true));
    check(&agent, &agent, Some(true));
    check(&agent, &push(json!("refs/heads/agent/x")), Some(true));
    check(&agent, &push(json!({"pattern": "refs/heads/[a-z]+/x"})), Some(true));
    check(&agent, &push(json!(["refs/heads/main", "refs/heads/é"])), Some(false));
    check(&agent, &push(json!({"glob": "refs/heads/a"})), Some(false));
    check(&push(json!("refs/heads/é")), &push(json!(["refs/heads/é", "refs/heads/a"])), Some(true));
    check(&push(json!("refs/heads/é")), &push(json!({"glob": "refs/*"})), Some(false));
    check(&agent, &tags, Some(false));
    check(&tags, &tags, Some(true));
    // A tag is moved by `create`, `delete` or `force` only, and both must say it.
    check(&tags, &with(push(json!("refs/tags/a")), "delete", json!(true)), Some(false));
    check(&tags, &with(push(json!("refs/tags/a")), "create", json!(true)), Some(true));
    check(&tags, &all, Some(false));
}

#[test]
fn repositories_and_kinds_part_rules() {
    let fetch = |repository: &str| json!({"git": "fetch", "repository": repository});
    let lfs = |operations: Value| json!({"git": "lfs", "repository": "/acme/site", "operations": operations});
    check(&fetch("/acme/site"), &fetch("/acme/{repo}"), Some(true));
    check(&fetch("/acme/site"), &fetch("/acme/other"), Some(false));
    check(&fetch("/acme/site"), &push(json!({})), Some(false));
    check(&fetch("/{x*}"), &lfs(json!("download")), Some(false));
    check(&lfs(json!("download")), &lfs(json!("upload")), Some(false));
    check(&lfs(json!("download")), &lfs(json!(["upload", "download"])), Some(true));
    let plain = json!({"method": ["GET", "POST"], "path": "/acme/.*"});
    check(&plain, &push(json!({})), Some(true));
    check(&json!({"method": "GET", "path": "/b/.*"}), &push(json!({})), Some(false));
    // Nobody looks whether a push could be JSON.
    check(&json!({"method": "POST", "path": "/acme/.*", "json": {}}), &push(json!({})), None);
}

/// A rule is printed as it is typed.
#[test]
fn a_rule_is_printed_in_its_short_form() {
    for (written, printed) in [
        (
            json!({"git": "push", "repository": "/acme/site", "refs": {"glob": "refs/heads/agent/*"}, "create": true, "force": false}),
            "git push /acme/site refs/heads/agent/* create",
        ),
        (
            with(push(json!(["refs/heads/a", "refs/heads/b"])), "limit", json!({"total": 3})),
            "git push /acme/site refs/heads/a refs/heads/b limit total=3",
        ),
        (
            with(push(json!({"pattern": "refs/.*"})), "max_commands", json!(3)),
            "git push /acme/site refs {\"pattern\":\"refs/.*\"} max_commands=3",
        ),
        (json!({"git": "fetch", "repository": "/acme/{repo}"}), "git fetch /acme/{repo}"),
        (
            json!({"git": "lfs", "repository": "/a", "operations": "download", "locks": true}),
            "git lfs /a download locks",
        ),
    ] {
        assert_eq!(rule(&written).to_string(), printed);
    }
}
