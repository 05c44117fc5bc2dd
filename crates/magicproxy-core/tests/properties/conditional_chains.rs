//! Narrowing never widens: of query, header fields and body, too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use magicproxy_core::{
    AccessRequest, ContentView, Decision, DecisionSteps, EncodedSlash, FieldValue, HeaderView, Kem,
    KeyRing, PlusReading, PrivateKey, Question, RawRule, RequestParts, RequestTarget, Rule,
    SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::chains::{NOW, chain};

/// The chains of an ordinary run. `MAGICPROXY_TEST_CHAINS` asks for another number, as the stage
/// `chains-million` does.
const CHAINS: u32 = 300;
/// The chains of a thread after which its count is told.
const CHAINS_BETWEEN_LINES: u64 = 10_000;

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

/// The counts of a run, so that a run that tests nothing is seen.
#[derive(Debug, Default)]
struct Counts {
    chains: u64,
    requests: u64,
    /// Requests that the first token of a chain allows, and the last does not.
    narrowed: u64,
    /// Requests that the last token of a chain allows.
    allowed: u64,
}

impl Counts {
    /// Says at times how far a thread is: a long run without output counts as hanging.
    fn tell(&self) {
        if self.chains.is_multiple_of(CHAINS_BETWEEN_LINES) {
            println!("{} chains of this thread", self.chains);
        }
    }
}

#[test]
fn a_child_allows_no_body_that_its_parent_does_not() {
    let ring = KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![])
        .unwrap()
        .with_sealing(vec![SealingKey::generate(Kem::X25519, UnixTime(NOW)).unwrap()])
        .unwrap();
    let chains = std::env::var("MAGICPROXY_TEST_CHAINS").ok();
    let chains = chains.map_or(CHAINS, |chains| chains.parse().unwrap());
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = chains.div_ceil(u32::try_from(threads).unwrap());
    let counts: Vec<Counts> = thread::scope(|scope| {
        let running: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| check_chains(&ring, share))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |count: fn(&Counts) -> u64| counts.iter().map(count).sum::<u64>();
    let (checked, requests) = (sum(|counts| counts.chains), sum(|counts| counts.requests));
    let (narrowed, allowed) = (sum(|counts| counts.narrowed), sum(|counts| counts.allowed));
    println!(
        "{checked} chains, {requests} requests, {narrowed} narrowed, {allowed} allowed, 0 widened"
    );
    assert!(checked >= u64::from(chains) && requests >= 100 * checked, "{counts:?}");
    assert!(narrowed > checked && allowed > checked, "{counts:?}");
}

fn check_chains(ring: &KeyRing, chains: u32) -> Counts {
    let targets: Vec<RequestTarget> = TARGETS
        .iter()
        .map(|target| RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap())
        .collect();
    // Of the rules that are drawn many cannot be written, however long the run is.
    let max_local_rejects = u32::MAX;
    let config =
        Config { cases: chains, failure_persistence: None, max_local_rejects, ..Config::default() };
    let counts = RefCell::new(Counts::default());
    TestRunner::new(config)
        .run(&(rules(), prop::collection::vec(rules(), 1..4)), |(rules, caveats)| {
            let mut counts = counts.borrow_mut();
            check_chain(ring, &targets, (&rules, &caveats), &mut counts);
            counts.tell();
            Ok(())
        })
        .unwrap();
    counts.into_inner()
}

fn check_chain(
    ring: &KeyRing,
    targets: &[RequestTarget],
    (rules, caveats): (&[Value], &[Vec<Value>]),
    counts: &mut Counts,
) {
    let upstream = UpstreamName::parse("api").unwrap();
    let allowed: Vec<RawRule> =
        rules.iter().map(|rule| serde_json::from_value(rule.clone()).unwrap()).collect();
    let written: Vec<String> =
        caveats.iter().map(|rules| json!({"allowed": rules}).to_string()).collect();
    let tokens = chain(ring, &allowed, &written);
    counts.chains += 1;
    for target in targets {
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
            counts.requests += 1;
            counts.narrowed += u64::from(allowed[0] != allowed[allowed.len() - 1]);
            counts.allowed += u64::from(allowed[allowed.len() - 1]);
            // Once refused, refused for good.
            assert!(
                allowed.windows(2).all(|pair| pair[0] || !pair[1]),
                "{allowed:?} {rules:?} {caveats:?} {target:?} {body}"
            );
        }
    }
}
