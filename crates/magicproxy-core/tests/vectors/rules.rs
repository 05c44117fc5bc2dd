//! `rules.json`.

use magicproxy_core::{
    EncodedSlash, PathReading, PathSettings, Policy, RawRule, RequestTarget, Rule,
};
use serde::Deserialize;
use serde_json::Value;

use crate::files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    rules: Vec<RuleCase>,
    written: Vec<WrittenCase>,
    lists: Vec<ListCase>,
    decisions: Vec<Decisions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCase {
    rule: Value,
    mode: Option<String>,
    refused: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    rule: Value,
    mode: Option<String>,
    #[serde(default)]
    write: Vec<String>,
    in_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListCase {
    count: usize,
    rule: String,
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisions {
    rules: Vec<RawRule>,
    mode: Option<String>,
    encoded_slash: Option<String>,
    path_reading: Option<String>,
    allowed: Vec<String>,
    denied: Vec<String>,
}

/// The kinds of fault and what their messages have in common.
const KINDS: [(&str, &str); 14] = [
    ("form", "expected `METHOD /pattern`"),
    ("path_or_route", "exactly one of `path` and `route`"),
    ("no_method", "the list of methods is empty"),
    ("method", "is not an HTTP method"),
    ("method", "is never passed on"),
    ("empty", "the pattern is empty"),
    ("start", "path must start with `/`"),
    ("literal", "never occurs in a request path"),
    ("complex", "too complex"),
    ("foreign", "is not for rules: "),
    ("capture", "is not a capture"),
    ("capture_twice", "occurs twice"),
    ("segment", "segment `"),
    ("too_long", "longer than 4096 bytes"),
];

#[test]
fn rules() {
    let file: File = files::read("vectors/rules.json");
    let failures: Vec<String> = file.rules.iter().filter_map(|case| run(case).err()).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn run(case: &RuleCase) -> Result<(), String> {
    let (kind, message) = match outcome(case) {
        None => (None, String::new()),
        Some((kind, message)) => (Some(kind), message),
    };
    if kind != case.refused.as_deref()
        || !message.contains(case.message.as_deref().unwrap_or_default())
    {
        return Err(format!(
            "{}: {kind:?} {message:?}, expected {:?} {:?}",
            case.rule, case.refused, case.message
        ));
    }
    if message.contains('\n') {
        return Err(format!("{}: more than one line: {message:?}", case.rule));
    }
    Ok(())
}

#[test]
fn written() {
    let file: File = files::read("vectors/rules.json");
    let failures: Vec<String> =
        file.written.iter().filter_map(|case| run_written(case).err()).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn run_written(case: &WrittenCase) -> Result<(), String> {
    let in_token = RuleCase {
        rule: case.rule.clone(),
        mode: case.mode.clone(),
        refused: case.in_token.clone(),
        message: None,
    };
    run(&in_token).map_err(|error| format!("in a token: {error}"))?;
    let raw: RawRule =
        serde_json::from_value(case.rule.clone()).map_err(|error| error.to_string())?;
    let refused = Rule::parse_new_list(&[raw], files::pattern_mode(case.mode.as_deref())).err();
    let message = refused.map(|faults| faults[0].to_string());
    let (told, kept) = match &message {
        None => (case.write.is_empty(), true),
        Some(message) => (
            !case.write.is_empty()
                && case
                    .write
                    .iter()
                    .all(|right| message.contains(&format!("`{right}`")) || *right == ".*"),
            case.write
                .iter()
                .filter(|right| right.contains(" /") || right.contains(" route:"))
                .all(|right| is_accepted(right)),
        ),
    };
    if told && kept {
        Ok(())
    } else {
        Err(format!("{}: {message:?}, expected {:?}", case.rule, case.write))
    }
}

/// The right form is right.
fn is_accepted(rule: &str) -> bool {
    Rule::parse_new_list(&[RawRule::Text(rule.to_owned())], files::pattern_mode(None)).is_ok()
}

/// Nothing when the rule is accepted, else the kind of fault and the message.
fn outcome(case: &RuleCase) -> Option<(&'static str, String)> {
    let raw: RawRule = match serde_json::from_str(&case.rule.to_string()) {
        Ok(raw) => raw,
        Err(error) => return Some(("json", error.to_string())),
    };
    let message = Rule::parse(raw, files::pattern_mode(case.mode.as_deref())).err()?.to_string();
    let kind =
        KINDS.iter().find(|(_, part)| message.contains(part)).map_or("syntax", |(kind, _)| kind);
    Some((kind, message))
}

#[test]
fn lists() {
    let file: File = files::read("vectors/rules.json");
    for case in file.lists {
        let raw = vec![RawRule::Text(case.rule.clone()); case.count];
        let found = Rule::parse_list(&raw, files::pattern_mode(None));
        match (found, case.refused) {
            (Ok(_), None) => {}
            (Err(faults), Some(part)) => {
                assert!(faults[0].to_string().contains(&part), "{}: {faults:?}", case.rule)
            }
            (found, refused) => {
                panic!("{} × {}: {:?}, expected {refused:?}", case.count, case.rule, found.err())
            }
        }
    }
}

#[test]
fn decisions() {
    let file: File = files::read("vectors/rules.json");
    let failures: Vec<String> = file.decisions.iter().flat_map(decide).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn decide(case: &Decisions) -> Vec<String> {
    let rules = Rule::parse_list(&case.rules, files::pattern_mode(case.mode.as_deref()))
        .unwrap_or_else(|faults| panic!("{:?}: {faults:?}", case.rules));
    let policy = Policy::compile(&rules).unwrap();
    let mode = PathSettings {
        encoded_slash: case
            .encoded_slash
            .as_deref()
            .map_or(EncodedSlash::Refuse, files::encoded_slash),
        reading: case.path_reading.as_deref().map_or(PathReading::Strict, files::path_reading),
    };
    let is_allowed = |request: &String| {
        let (method, target) = request.split_once(' ').unwrap();
        RequestTarget::parse(target.as_bytes(), mode)
            .is_ok_and(|target| policy.allows(method, &target).is_some())
    };
    let not_allowed = case
        .allowed
        .iter()
        .filter(|request| !is_allowed(request))
        .map(|request| (request, "denied"));
    let not_denied = case
        .denied
        .iter()
        .filter(|request| is_allowed(request))
        .map(|request| (request, "allowed"));
    not_allowed
        .chain(not_denied)
        .map(|(request, got)| format!("{:?}: {request} was {got}", case.rules))
        .collect()
}
