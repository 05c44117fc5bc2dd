//! `conditions.json`.

use magicproxy_core::{Caveat, RawRule, Rule};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::exact_rules::UNKNOWN_MEMBERS;
use crate::files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    rules: Vec<RuleCase>,
    texts: Vec<TextCase>,
    /// Read by `decisions.rs`.
    #[serde(rename = "decisions")]
    _decisions: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCase {
    conditions: Option<Value>,
    rule: Option<Value>,
    #[serde(default)]
    refused: Vec<String>,
    /// True where a client library cannot tell.
    #[serde(rename = "proxy", default)]
    _proxy: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextCase {
    rule: String,
    refused: Option<String>,
    /// True for a rule that some later version may know.
    #[serde(default)]
    unknown_member: bool,
}

#[test]
fn texts() {
    let file: File = files::read("vectors/conditions.json");
    assert!(file.texts.len() > 50);
    for case in file.texts {
        let kind = match serde_json::from_str(&case.rule) {
            Err(_) => Some("claims"),
            Ok(raw) => refusal(raw).map(|_| "rule"),
        };
        assert_eq!(kind, case.refused.as_deref(), "{}", case.rule);
    }
}

/// Whole tokens with these rules are in the vectors of both versions.
#[test]
fn rules_with_an_unknown_member_are_in_tokens_and_caveats() {
    let file: File = files::read("vectors/conditions.json");
    let texts: Vec<&str> = file
        .texts
        .iter()
        .filter(|case| case.unknown_member)
        .map(|case| case.rule.as_str())
        .collect();
    assert_eq!(texts, UNKNOWN_MEMBERS);
    for (version, beginnings) in [
        ("token-v1", vec!["unknown_member"]),
        ("token-v2", vec!["unknown_member", "unknown_member in a caveat"]),
    ] {
        let tokens: Value = files::read(&format!("vectors/{version}.json"));
        let cases = tokens["cases"].as_array().unwrap();
        for rule in UNKNOWN_MEMBERS {
            for begin in &beginnings {
                let name = format!("{begin} {rule}");
                let case = cases.iter().find(|case| case["name"] == name.as_str());
                let refused = &case.unwrap_or_else(|| panic!("{version}: no {name}"))["refused"];
                assert_eq!(refused, if name.contains("caveat") { "caveat" } else { "claims" });
            }
        }
    }
}

/// A caveat may hold every rule with conditions that has no effect.
#[test]
fn caveats() {
    let file: File = files::read("vectors/conditions.json");
    for case in file.texts.iter().filter(|case| case.refused.is_none()) {
        let caveat = format!(r#"{{"allowed":[{}]}}"#, case.rule);
        let caveat: Caveat = serde_json::from_str(&caveat).unwrap();
        assert!(caveat.check().is_ok(), "{}", case.rule);
    }
}

#[test]
fn rules() {
    let file: File = files::read("vectors/conditions.json");
    assert!(file.rules.len() > 150);
    let failures: Vec<String> = file.rules.iter().filter_map(|case| run(case).err()).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Every example of the guide is a rule.
#[test]
fn the_guides_examples_are_rules() {
    let guide = std::fs::read_to_string(files::path("../docs/guide/conditions.md")).unwrap();
    let examples: Vec<&str> = guide
        .split("```json\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap_or_default())
        .collect();
    assert!(examples.len() > 20, "{}", examples.len());
    for example in examples {
        let raw =
            serde_json::from_str(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(refusal(raw), None, "{example}");
    }
}

fn run(case: &RuleCase) -> Result<(), String> {
    let rule = whole_rule(case);
    let message = match serde_json::from_str(&rule.to_string()) {
        Ok(raw) => refusal(raw),
        Err(error) => Some(error.to_string()),
    };
    let is_right = match &message {
        None => case.refused.is_empty(),
        Some(message) => {
            !case.refused.is_empty() && case.refused.iter().all(|part| message.contains(part))
        }
    };
    if is_right { Ok(()) } else { Err(format!("{rule}: {message:?}, expected {:?}", case.refused)) }
}

fn refusal(raw: RawRule) -> Option<String> {
    Rule::parse(raw, files::pattern_mode(None)).err().map(|error| error.to_string())
}

fn whole_rule(case: &RuleCase) -> Value {
    if let Some(rule) = &case.rule {
        return rule.clone();
    }
    let mut rule = json!({"method": "POST", "route": "/a/{id}/{rest*}"});
    let conditions = case.conditions.as_ref().and_then(Value::as_object).unwrap();
    rule.as_object_mut().unwrap().extend(conditions.clone());
    rule
}
