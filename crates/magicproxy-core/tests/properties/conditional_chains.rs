//! Narrowing never widens: of query, header fields and body, too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use magicproxy_core::{
    AccessRequest, ContentView, Decision, DecisionSteps, EncodedSlash, FieldValue, HeaderView, Kem,
    KeyRing, PlusReading, PrivateKey, Question, RawRule, RequestParts, RequestTarget, Rule,
    SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::chains::{NOW, chain};

/// The chains of an ordinary run. `MAGICPROXY_TEST_CHAINS` asks for another number.
const CHAINS: u32 = 300;

const TARGETS: [&str; 6] =
    ["/r/a", "/r/b?a=x", "/r/a?a=x&b=2", "/r/b?A=x", "/r/a?a=x&a=y", "/s?a=5"];
const BODIES: [(&str, &str); 17] = [
    ("", ""),
    ("application/json", r#"{}"#),
    ("application/json", r#"{"a":"x"}"#),
    ("application/json", r#"{"a":"xy","b":5}"#),
    ("application/json", r#"{"a":"y","b":{"c":1}}"#),
    ("application/json", r#"{"A":"x","a":"x"}"#),
    ("application/json", r#"{"a":"x","a":"y"}"#),
    ("application/json", r#"{"b":[1,2],"a":null}"#),
    ("application/json", r#"["x"]"#),
    ("application/json", r#"{"a":"x""#),
    ("application/x-www-form-urlencoded", "a=x"),
    ("application/x-www-form-urlencoded", "a=xy&b=5"),
    ("application/x-www-form-urlencoded", "a=x&a=y"),
    ("application/x-www-form-urlencoded", "a=x&b[c]=1"),
    ("application/x-www-form-urlencoded", "A=x"),
    ("text/plain", "a=x"),
    ("text/plain", ""),
];
const FIELDS: [Option<&str>; 3] = [None, Some("x"), Some("5")];

fn test() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("x"),
        json!(["x", "y"]),
        json!(5),
        json!({}),
        json!({"glob": "x*"}),
        json!({"pattern": "[xy]+"}),
        json!({"min": 1, "max": 5}),
        json!({"type": ["string", "integer"]}),
    ])
}

/// Some of these names, each with a test.
fn names(names: Vec<&'static str>, test: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let tests = prop::collection::vec(test, names.len());
    (prop::sample::subsequence(names, 0..4), tests)
        .prop_map(|(names, tests)| {
            let members = names.into_iter().zip(tests);
            Value::Object(members.map(|(name, test)| (name.to_owned(), test)).collect())
        })
        .boxed()
}

fn pairs() -> BoxedStrategy<Value> {
    let several = test().prop_map(|each| json!({"each": each, "count": {"max": 2}}));
    let test = prop_oneof![5 => test(), 1 => several, 1 => Just(json!({"absent": true}))];
    names(vec!["a", "b?", "b[*]", "*"], test.boxed())
}

fn members() -> BoxedStrategy<Value> {
    let open = Just(json!({"object": {"*": {}}}));
    let list = Just(json!({"each": {"min": 1}}));
    names(vec!["a", "a?", "b?", "*"], prop_oneof![5 => test(), 1 => open, 1 => list].boxed())
}

fn conditions() -> impl Strategy<Value = Value> {
    let body = prop_oneof![
        4 => members().prop_map(|names| json!({"json": names})),
        2 => pairs().prop_map(|names| json!({"form": names})),
        1 => (members(), pairs()).prop_map(|(json, form)| json!({"json": json, "form": form})),
        1 => test().prop_map(|each| json!({"json_each": each})),
        1 => Just(json!({"body": "any", "content_type": "text/plain"})),
        1 => Just(json!({"body": "none"})),
        3 => Just(json!({})),
    ];
    let query = prop_oneof![
        3 => Just(json!({"query": "any"})),
        2 => pairs().prop_map(|names| json!({"query": names})),
        1 => Just(json!({})),
    ];
    let field = prop_oneof![3 => test(), 1 => Just(json!({"absent": true}))];
    let headers = prop_oneof![
        3 => Just(json!({})),
        1 => field.prop_map(|test| json!({"headers": {"x-a": test}})),
    ];
    let captures = prop_oneof![
        3 => Just(json!({})),
        1 => test().prop_map(|test| json!({"captures": {"x": test}})),
        1 => Just(json!({"captures": {"x": "a"}})),
    ];
    (body, query, headers, captures).prop_map(|(body, query, headers, captures)| {
        let members = [body, query, headers, captures].into_iter();
        let members = members.filter_map(|part| part.as_object().cloned());
        Value::Object(members.flatten().collect::<Map<String, Value>>())
    })
}

/// Rules that can be written, one at least.
fn rules() -> impl Strategy<Value = Vec<Value>> {
    let plain = prop::sample::select(vec!["POST /.*", "POST /r/a", "POST /r/[^/]+", "* /s"]);
    let special = conditions().prop_filter_map("the rule cannot be written", |conditions| {
        let mut rule = json!({"method": "POST", "route": "/r/{x}"});
        rule.as_object_mut().unwrap().extend(conditions.as_object().unwrap().clone());
        let raw: RawRule = serde_json::from_value(rule.clone()).unwrap();
        Rule::parse_new_list(&[raw], Default::default()).ok().map(|_| rule)
    });
    let rule = prop_oneof![1 => plain.prop_map(Value::from), 5 => special];
    prop::collection::vec(rule, 1..4)
}

#[derive(Debug)]
struct Fields(BTreeMap<&'static str, &'static str>);

impl HeaderView for Fields {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let value = self.0.get(name);
        value.map_or(FieldValue::Absent, |value| FieldValue::One(value.as_bytes()))
    }
}

/// Asks a token, which may ask for the body.
fn allows(token: &Arc<VerifiedToken>, access: &AccessRequest<'_>, body: &str) -> bool {
    let content = if body.is_empty() { ContentView::Empty } else { ContentView::Unread };
    let parts = RequestParts { content, ..access.parts };
    let unread = AccessRequest { steps: &DecisionSteps::new(), parts, ..*access };
    let question = match token.decide(&unread) {
        Decision::Allowed(_) => return true,
        Decision::Needs(Question::Body(question)) => question,
        _ => return false,
    };
    let tests = question.tests(&unread).unwrap();
    let mut judge = tests.judge(body.as_bytes(), parts.headers, &[]);
    while !judge.advance(7) {}
    let judged = judge.finish();
    let parts = RequestParts { content: ContentView::Judged(&judged), ..parts };
    let read = AccessRequest { steps: &DecisionSteps::new(), parts, ..*access };
    matches!(question.decide(&read), Decision::Allowed(_))
}

#[test]
fn a_child_allows_no_body_that_its_parent_does_not() {
    let ring = KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![])
        .unwrap()
        .with_sealing(vec![SealingKey::generate(Kem::X25519, UnixTime(NOW)).unwrap()])
        .unwrap();
    let upstream = UpstreamName::parse("api").unwrap();
    let targets: Vec<RequestTarget> = TARGETS
        .iter()
        .map(|target| RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap())
        .collect();
    let chains = std::env::var("MAGICPROXY_TEST_CHAINS").ok();
    let chains = chains.map_or(CHAINS, |chains| chains.parse().unwrap());
    let config = Config { cases: chains, failure_persistence: None, ..Config::default() };
    let counts = RefCell::new((0_u64, 0_u64, 0_u64));
    let check = |rules: Vec<Value>, caveats: Vec<Vec<Value>>| {
        let allowed: Vec<RawRule> =
            rules.iter().map(|rule| serde_json::from_value(rule.clone()).unwrap()).collect();
        let caveats: Vec<String> =
            caveats.iter().map(|rules| json!({"allowed": rules}).to_string()).collect();
        let tokens = chain(&ring, &allowed, &caveats);
        for target in &targets {
            for (number, (content_type, body)) in BODIES.into_iter().enumerate() {
                // Each field with some of the bodies, and over all targets with each.
                let field = FIELDS[(number + target.path().len()) % FIELDS.len()];
                let typed = (!content_type.is_empty()).then_some(("content-type", content_type));
                let fields =
                    Fields(field.map(|value| ("x-a", value)).into_iter().chain(typed).collect());
                let steps = DecisionSteps::new();
                let access = AccessRequest {
                    method: "POST",
                    target,
                    upstream: &upstream,
                    alias: None,
                    unnamed: UnnamedTokens::Refuse,
                    ceiling: None,
                    sender: None,
                    now: UnixTime(NOW),
                    parts: RequestParts {
                        headers: &fields,
                        content: ContentView::Unread,
                        plus: PlusReading::Both,
                        ..RequestParts::default()
                    },
                    steps: &steps,
                };
                let allowed: Vec<bool> =
                    tokens.iter().map(|token| allows(token, &access, body)).collect();
                let mut counts = counts.borrow_mut();
                counts.0 += 1;
                counts.1 += u64::from(allowed[0] != allowed[allowed.len() - 1]);
                counts.2 += u64::from(allowed[allowed.len() - 1]);
                // Once refused, refused for good.
                assert!(
                    allowed.windows(2).all(|pair| pair[0] || !pair[1]),
                    "{allowed:?} {rules:?} {caveats:?} {target:?} {body}"
                );
            }
        }
    };
    TestRunner::new(config)
        .run(&(rules(), prop::collection::vec(rules(), 1..4)), |(rules, caveats)| {
            check(rules, caveats);
            Ok(())
        })
        .unwrap();
    let (decisions, narrowed, allowed) = counts.into_inner();
    let enough = u64::from(chains);
    assert!(decisions >= 100 * enough, "{decisions} decisions");
    assert!(narrowed > enough && allowed > enough, "{narrowed} narrowed, {allowed} allowed");
}
