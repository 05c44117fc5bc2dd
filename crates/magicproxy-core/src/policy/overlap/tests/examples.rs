//! Least requests of random rules, against the evaluator that decides.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::*;
use crate::condition::{BodyTests, ContentView, FieldValue, HeaderView, PlusReading, RequestParts};
use crate::policy::{DecisionSteps, PolicyDecision};
use crate::request::RequestView;
use crate::rule::ExampleRequest;
use crate::target::{PathSettings, RequestTarget};

/// The rules of one round, each of which meets each other one.
const RULES: usize = 40;

fn scalar(is_json: bool) -> BoxedStrategy<Value> {
    let mut scalars =
        vec![json!("a"), json!("b"), json!("ab"), json!("5"), json!(""), json!(5), json!(true)];
    if is_json {
        scalars.push(Value::Null);
    }
    prop::sample::select(scalars).boxed()
}

fn test(is_json: bool) -> BoxedStrategy<Value> {
    let texts = vec![
        json!({"glob": "a*"}),
        json!({"glob": ["*b", "5*"]}),
        json!({"pattern": "[ab]+"}),
        json!({"pattern": "[0-9]{2}", "glob": "*5*"}),
        json!({"glob": "a*", "pattern": "b.*"}),
        json!({"min": 3, "max": 7}),
        json!({"max": -2}),
        json!({"min": 8}),
        json!({"type": "string"}),
        json!({"type": ["integer", "boolean"]}),
        json!({}),
    ];
    let of_json = vec![
        json!({"type": ["number", "array"]}),
        json!({"type": ["null", "object"]}),
        json!({"count": {"max": 2}}),
    ];
    let words = if is_json { [texts, of_json].concat() } else { texts };
    let leaf = prop_oneof![
        3 => scalar(is_json),
        1 => prop::collection::vec(scalar(is_json), 1..4).prop_map(Value::Array),
        4 => prop::sample::select(words),
    ];
    if !is_json {
        return leaf.boxed();
    }
    let nested = leaf.prop_recursive(2, 8, 3, |inner| {
        let count =
            prop::sample::select(vec![json!(0), json!(1), json!({"min": 2}), json!({"max": 3})]);
        prop_oneof![
            (inner.clone(), count).prop_map(|(each, count)| json!({"each": each, "count": count})),
            inner.clone().prop_map(|each| json!({"each": each})),
            names_of(inner, vec!["a", "A", "b?", "*"]).prop_map(|names| json!({"object": names})),
        ]
    });
    nested.boxed()
}

/// Some of these names, each with a test.
fn names_of(
    test: impl Strategy<Value = Value> + 'static,
    names: Vec<&'static str>,
) -> BoxedStrategy<Value> {
    let number = names.len();
    let tests = prop::collection::vec(test, number);
    (prop::sample::subsequence(names, 0..=3), tests)
        .prop_map(|(names, tests)| {
            let members = names.into_iter().zip(tests);
            Value::Object(members.map(|(name, test)| (name.to_owned(), test)).collect())
        })
        .boxed()
}

fn pairs() -> BoxedStrategy<Value> {
    let repeated = test(false).prop_map(|each| json!({"each": each, "count": {"max": 2}}));
    let absent = Just(json!({"absent": true}));
    let test = prop_oneof![6 => test(false), 1 => repeated, 1 => absent];
    names_of(test, vec!["a", "A", "b?", "a\\[x]", "a[*]", "c.d", "*"])
}

fn rule() -> impl Strategy<Value = Value> {
    let target = prop::sample::select(vec![
        json!({"method": "POST", "route": "/r/{x}"}),
        json!({"method": ["PUT", "POST"], "path": "/r/.+"}),
        json!({"method": "POST", "path": "/r/(a|b)/?"}),
        json!({"method": "POST", "route": "/r/{x}", "captures": {"x": {"glob": "b*"}}}),
        json!({"method": "POST", "route": "/{y*}", "captures": {"y": ["r/a", "r/c"]}}),
        json!({"method": "POST", "route": "/{y*}/{x}", "captures": {"x": "a"}}),
    ]);
    let json_names = || names_of(test(true), vec!["a", "A", "b", "c?", "d?", "*"]);
    let body = prop_oneof![
        5 => json_names().prop_map(|names| json!({"json": names})),
        1 => (json_names(), test(true)).prop_map(|(names, each)| json!({"json": names, "json_each": each})),
        2 => pairs().prop_map(|names| json!({"form": names})),
        1 => (json_names(), pairs()).prop_map(|(json, form)| json!({"json": json, "form": form})),
        1 => json_names().prop_map(|names| json!({"json": names, "content_type": ["a/b", "application/json"]})),
        1 => Just(json!({"body": "any", "content_type": ["a/b", "application/json"]})),
        1 => Just(json!({"body": "none"})),
        2 => Just(json!({})),
    ];
    let query = prop_oneof![
        3 => Just(json!({})),
        2 => pairs().prop_map(|names| json!({"query": names})),
        1 => Just(json!({"query": "any"})),
    ];
    let field = prop_oneof![5 => test(false), 1 => Just(json!({"absent": true}))];
    let headers = prop_oneof![
        3 => Just(json!({})),
        1 => names_of(field, vec!["x-a", "x-b?", "x-c"]).prop_map(|names| json!({"headers": names})),
    ];
    (target, body, query, headers).prop_map(|(target, body, query, headers)| {
        let parts = [target, body, query, headers].into_iter().filter_map(|part| match part {
            Value::Object(members) => Some(members),
            _ => None,
        });
        Value::Object(parts.flatten().collect::<Map<String, Value>>())
    })
}

#[derive(Debug)]
struct Fields<'e>(&'e ExampleRequest);

impl HeaderView for Fields<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let ExampleRequest { headers, content_type, .. } = self.0;
        let listed = headers.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        let value = if name == "content-type" { content_type.as_ref() } else { listed };
        value.map_or(FieldValue::Absent, |value| FieldValue::One(value.as_bytes()))
    }
}

/// Asks the evaluator.
fn allows(policy: &Policy, example: &ExampleRequest) -> bool {
    let query = example.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{query}", example.path);
    let target = RequestTarget::parse(target.as_bytes(), PathSettings::LENIENT).unwrap();
    let (fields, steps) = (Fields(example), DecisionSteps::new());
    let body = example.body.as_deref().unwrap_or_default().as_bytes();
    let mut tests = BodyTests::default();
    let request = RequestView::unread(&example.method, &target);
    policy.gather_body_tests(&request, &steps, &mut tests).unwrap();
    let mut judge = tests.judge(body, &fields, &[]);
    while !judge.advance(usize::MAX) {}
    let judged = judge.finish();
    let content =
        if example.body.is_some() { ContentView::Judged(&judged) } else { ContentView::Empty };
    let parts = RequestParts {
        headers: &fields,
        content,
        plus: PlusReading::Both,
        ..RequestParts::default()
    };
    matches!(policy.decide(&request.with_parts(parts), &steps), Ok(PolicyDecision::Allowed(_)))
}

/// Random rules that can be written, each with its policy.
fn some_rules(runner: &mut TestRunner) -> Vec<(Rule, Policy)> {
    let mut rules = Vec::new();
    while rules.len() < RULES {
        let written = rule().new_tree(runner).unwrap().current();
        let raw: RawRule = serde_json::from_value(written).unwrap();
        if let Ok(rule) = Rule::parse(raw, PatternMode::Whole) {
            let policy = Policy::compile([&rule]).unwrap();
            rules.push((rule, policy));
        }
    }
    rules
}

/// The rules that allow each example decide what they have in common, and never are said to have
/// nothing.
#[test]
fn least_requests_are_allowed_and_rules_meet_in_them() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let rules = some_rules(&mut runner);
    let mut examples = Vec::new();
    for (rule, policy) in &rules {
        let Some(example) = rule.witness() else { continue };
        assert!(allows(policy, &example), "{rule}: {example:?}");
        examples.push(example);
    }
    let (mut shared, mut apart, mut unsure) = (0, 0, 0);
    for (at, (one, first)) in rules.iter().enumerate() {
        for (other, second) in rules.iter().skip(at) {
            let (there, back) = (one.meets(other), other.meets(one));
            assert_eq!(there, back, "{one} | {other}");
            match there {
                Some(true) => shared += 1,
                Some(false) => apart += 1,
                None => unsure += 1,
            }
            if let Some(example) = ExampleRequest::of(&[one, other]) {
                assert_ne!(there, Some(false), "{one} | {other}");
                assert!(allows(first, &example), "{one} | {other}: {example:?}");
                assert!(allows(second, &example), "{other} | {one}: {example:?}");
                examples.push(example);
            } else {
                assert_ne!(there, Some(true), "{one} | {other}");
            }
        }
    }
    examples.truncate(600);
    let allowing = |example: &ExampleRequest| {
        rules.iter().filter(|(_, policy)| allows(policy, example)).map(|(rule, _)| rule).collect()
    };
    for example in &examples {
        let allowing: Vec<&Rule> = allowing(example);
        for (at, one) in allowing.iter().enumerate() {
            for other in allowing.iter().skip(at) {
                assert_ne!(one.meets(other), Some(false), "{one} | {other}: {example:?}");
            }
        }
    }
    assert!(shared > 20 && apart > 200 && unsure < 60, "{shared} {apart} {unsure}");
    assert!(examples.len() > 40, "{}", examples.len());
}
