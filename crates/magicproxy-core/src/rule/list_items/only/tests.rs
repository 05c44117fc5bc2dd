use serde_json::json;

use super::*;
use crate::condition::{BodyTests, ContentView, FieldValue, HeaderView, RequestParts};
use crate::pattern::PatternMode;
use crate::policy::{DecisionSteps, Policy, PolicyDecision};
use crate::request::RequestView;
use crate::rule::ListItems;
use crate::target::{PathSettings, RequestTarget};

const PATTERNS: [&str; 14] = [
    "TXT",
    "txt.",
    "a.",
    "_a.*",
    "*.Example.com",
    "a*b*",
    "*",
    "**",
    "",
    "é*",
    "é",
    r"\*",
    "a-9",
    "A*.",
];
const VALUES: [&str; 20] = [
    "TXT",
    "txt",
    "Txt.",
    "txt..",
    "a",
    "a.",
    "_a.b",
    "_A.",
    "x.example.com",
    "X.EXAMPLE.COM.",
    "ab",
    "axbx",
    "",
    ".",
    "é1",
    "É",
    "é",
    r"\x",
    "A-9",
    "*",
];

#[derive(Debug)]
struct Json;

impl HeaderView for Json {
    fn field(&self, name: &str) -> FieldValue<'_> {
        if name == "content-type" {
            FieldValue::One(b"application/json")
        } else {
            FieldValue::Absent
        }
    }
}

fn policy(json: &Value) -> Policy {
    let raw = json!({ "method": "PATCH", "path": "/a", "json": json });
    let raw: RawRule = serde_json::from_value(raw).unwrap();
    let rule =
        Rule::parse(raw, PatternMode::Whole).unwrap_or_else(|error| panic!("{json}: {error}"));
    Policy::compile([&rule]).unwrap()
}

/// Asks the evaluator of conditions.
fn allows(policy: &Policy, body: &str) -> bool {
    let target = RequestTarget::parse(b"/a", PathSettings::LENIENT).unwrap();
    let (steps, mut tests) = (DecisionSteps::new(), BodyTests::default());
    let request = RequestView::unread("PATCH", &target);
    policy.gather_body_tests(&request, &steps, &mut tests).unwrap();
    let mut judge = tests.judge(body.as_bytes(), &Json, &[]);
    while !judge.advance(usize::MAX) {}
    let judged = judge.finish();
    let content = ContentView::Judged(&judged);
    let parts = RequestParts { headers: &Json, content, ..RequestParts::default() };
    matches!(policy.decide(&request.with_parts(parts), &steps), Ok(PolicyDecision::Allowed(_)))
}

/// All that `only` allows is true for what the analysis takes it for, and all that the condition in
/// the message allows was allowed by `only`.
#[test]
fn conditions_that_stand_for_only_agree_with_it() {
    let (mut wide, mut narrow, mut denied) = (0, 0, 0);
    for (at, pattern) in PATTERNS.iter().enumerate() {
        for member in ["name", "note"] {
            let second = PATTERNS.get(at + 3).filter(|_| at % 2 == 0);
            let patterns: Vec<&str> = [*pattern].into_iter().chain(second.copied()).collect();
            let mut written = json!({
                "list": "l", "key": "name", "creates": { "c": "R" }, "only": { member: patterns },
            });
            let object: ListItemsObject = serde_json::from_value(written.clone()).unwrap();
            let items = ListItems::parse(&object).unwrap();
            let implied = policy(&object.implied_json().unwrap());
            let replaced = policy(&object.condition_for_only().unwrap());
            written.as_object_mut().unwrap().remove("only");
            let open = ListItems::parse(&serde_json::from_value(written).unwrap()).unwrap();
            for value in VALUES {
                let mut item = json!({ "name": "n", "note": "n", "c": "R" });
                item[member] = value.into();
                let body = json!({ "l": [item] }).to_string();
                let is_allowed = items.read(body.as_bytes()).is_ok();
                assert!(!is_allowed || allows(&implied, &body), "{patterns:?} {body}");
                let is_open = open.read(body.as_bytes()).is_ok();
                let is_replaced = allows(&replaced, &body) && is_open;
                assert!(!is_replaced || is_allowed, "{patterns:?} {body}");
                wide += usize::from(is_allowed);
                narrow += usize::from(is_replaced);
                denied += usize::from(is_open && !allows(&implied, &body));
            }
        }
    }
    assert!(wide > narrow && narrow > 60 && denied > 100, "{wide} {narrow} {denied}");
}

#[test]
fn a_long_condition_is_not_shown() {
    let patterns: Vec<String> = (0..200).map(|number| format!("a-name-{number}")).collect();
    let raw = json!([{ "method": "PATCH", "path": "/a", "list_items":
        { "list": "l", "key": "name", "creates": {}, "only": { "name": patterns } } }]);
    let raw: Vec<RawRule> = serde_json::from_value(raw).unwrap();
    let faults = Rule::parse_new_list(&raw, PatternMode::Whole).unwrap_err();
    let text = faults[0].to_string();
    assert!(faults.len() == 1 && text.contains(r#"{…: {"each": {"object": …}}}"#), "{text}");
    assert!(text.len() < 500, "{text}");
}
