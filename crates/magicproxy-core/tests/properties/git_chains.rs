//! Narrowing never widens what may be pushed, and a naive reading of rules for git comes to the same
//! decisions.

use std::cell::RefCell;
use std::sync::Arc;

use magicproxy_core::{
    AccessRequest, ContentView, Decision, DecisionSteps, EncodedSlash, FieldValue, HeaderView, Kem,
    KeyRing, PrivateKey, Push, PushPart, PushView, Question, RawRule, RequestParts, RequestTarget,
    SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use regex::Regex;
use serde_json::{Value, json};

use crate::chains::{NOW, chain};

/// The chains of an ordinary run. `MAGICPROXY_TEST_CHAINS` asks for another number.
const CHAINS: u32 = 300;
const TARGETS: [&str; 4] =
    ["/a/b/git-receive-pack", "/a/b.git/git-receive-pack", "/a/c/git-receive-pack", "/a/b/x"];
const REFS: [&str; 6] = [
    "refs/heads/main",
    "refs/heads/a/x",
    "refs/heads/a/y",
    "refs/tags/a",
    "refs/heads/é",
    "refs/notes/n",
];
const WORDS: [&str; 4] = ["", "create:", "delete:", "force:"];

fn refs() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!("refs/heads/main"),
        json!(["refs/heads/a/x", "refs/heads/é", "refs/tags/a"]),
        json!({"glob": "refs/heads/*"}),
        json!({"glob": ["refs/heads/a/*", "refs/tags/*"]}),
        json!({"pattern": "refs/heads/[^/]+(?:/x)?"}),
        json!({"glob": "refs/*/*", "pattern": ".*[xan]"}),
    ])
}

fn push_rule() -> impl Strategy<Value = Value> {
    let repository = prop::sample::select(vec!["/a/b", "/a/{repo}", "/{all*}", "/a/c"]);
    let flags = prop::array::uniform3(prop::bool::weighted(0.6));
    let options = prop::option::weighted(0.4, prop::sample::select(vec![json!("o"), json!({})]));
    let max_commands = prop::option::weighted(0.2, 1..3_u64);
    (repository, refs(), flags, options, max_commands).prop_map(
        |(repository, refs, [create, delete, force], options, max_commands)| {
            let mut rule = json!({
                "git": "push", "repository": repository, "refs": refs,
                "create": create, "delete": delete, "force": force,
            });
            let members = rule.as_object_mut().unwrap();
            members.extend(options.map(|options| ("options".to_owned(), options)));
            members.extend(max_commands.map(|most| ("max_commands".to_owned(), json!(most))));
            rule
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<Value>> {
    let other = prop::sample::select(vec![
        json!("POST /a/c/.*"),
        json!({"git": "fetch", "repository": "/a/{x}"}),
        json!({"git": "lfs", "repository": "/a/b", "locks": true}),
    ]);
    let rule = prop_oneof![6 => push_rule(), 1 => other];
    prop::collection::vec(rule, 1..4)
}

/// The words of pushes: each reference once, and perhaps an option.
fn pushes() -> Vec<Vec<String>> {
    let one = |name: usize, word: usize| format!("{}{}", WORDS[word], REFS[name]);
    let mut pushes = vec![Vec::new()];
    for name in 0..REFS.len() {
        for word in 0..WORDS.len() {
            pushes.push(vec![one(name, word)]);
            pushes.push(vec![one(name, word), "option:o".to_owned()]);
            pushes.push(vec![one(name, word), one((name + 1) % REFS.len(), (word + name) % 4)]);
        }
    }
    pushes.push((0..REFS.len()).map(|name| one(name, 1)).collect());
    pushes
}

#[derive(Debug)]
struct PushFields;

impl HeaderView for PushFields {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "content-type" => FieldValue::One(b"application/x-git-receive-pack-request"),
            _ => FieldValue::Absent,
        }
    }
}

/// Asks a token, which asks for the parts of the push one after the other.
fn allows(token: &Arc<VerifiedToken>, target: &RequestTarget, words: &[String]) -> bool {
    let whole = Push::of_words(words.iter().map(String::as_str)).unwrap();
    let listed = Push::new(whole.list().clone());
    let (upstream, mut view) = (UpstreamName::parse("api").unwrap(), PushView::Unread);
    let mut question = None;
    loop {
        let steps = DecisionSteps::new();
        let parts = RequestParts {
            headers: &PushFields,
            content: ContentView::Unread,
            push: view,
            ..RequestParts::default()
        };
        let access = AccessRequest {
            method: "POST",
            target,
            upstream: &upstream,
            alias: None,
            unnamed: UnnamedTokens::Refuse,
            ceiling: None,
            sender: None,
            now: UnixTime(NOW),
            parts,
            steps: &steps,
        };
        let decision = match question.take() {
            None => token.decide(&access),
            Some(question) => magicproxy_core::PushQuestion::decide(question, &access),
        };
        match decision {
            Decision::Allowed(_) => return true,
            Decision::Denied(_) => return false,
            Decision::Needs(Question::Push(next)) => {
                view = match next.part() {
                    PushPart::Commands => PushView::Listed(&listed),
                    PushPart::FastForwards => PushView::Listed(&whole),
                };
                question = Some(next);
            }
            Decision::Needs(other) => panic!("{other:?}"),
        }
    }
}

/// Decides by one rule as a reader of the specification would who does not care for speed.
fn naive_rule(rule: &Value, path: &str, words: &[String]) -> bool {
    if let Some(text) = rule.as_str() {
        return text.starts_with("POST") && path.starts_with("/a/c/");
    }
    if rule["git"] != "push" {
        return false;
    }
    let Some(repository) = path.strip_suffix("/git-receive-pack") else { return false };
    let repository = repository.strip_suffix(".git").unwrap_or(repository);
    let is_ours = match rule["repository"].as_str().unwrap() {
        "/a/{repo}" => repository.starts_with("/a/"),
        "/{all*}" => true,
        literal => literal == repository,
    };
    let (options, commands): (Vec<&str>, Vec<&str>) =
        words.iter().map(String::as_str).partition(|word| word.starts_with("option:"));
    if commands.is_empty() && options.is_empty() {
        return is_ours;
    }
    let most = rule["max_commands"].as_u64().unwrap_or(1_000) as usize;
    let has_options = options.is_empty() || rule.get("options").is_some();
    is_ours
        && has_options
        && commands.len() <= most
        && commands.iter().all(|command| naive_command(rule, command))
}

fn naive_command(rule: &Value, command: &str) -> bool {
    let (word, name) = command.split_once(':').unwrap_or(("", command));
    let is = |flag: &str| rule[flag] == true;
    let changes = match word {
        "create" => is("create"),
        "delete" => is("delete"),
        "force" => is("force"),
        _ => is("force") || !name.starts_with("refs/tags/"),
    };
    changes && naive_text(&rule["refs"], name)
}

fn naive_text(test: &Value, name: &str) -> bool {
    let several = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        value => vec![value.clone()],
    };
    let Some(words) = test.as_object() else {
        return several(test).iter().any(|value| value == name);
    };
    words.iter().all(|(word, value)| {
        several(value).iter().any(|text| {
            let pattern = match word.as_str() {
                "glob" => regex::escape(text.as_str().unwrap()).replace("\\*", "[ -~]*"),
                _ => text.as_str().unwrap().to_owned(),
            };
            name.is_ascii() && Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(name)
        })
    })
}

#[test]
fn a_child_pushes_nothing_that_its_parent_does_not() {
    let ring = KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![])
        .unwrap()
        .with_sealing(vec![SealingKey::generate(Kem::X25519, UnixTime(NOW)).unwrap()])
        .unwrap();
    let targets: Vec<RequestTarget> = TARGETS
        .iter()
        .map(|target| RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap())
        .collect();
    let chains = std::env::var("MAGICPROXY_TEST_CHAINS").ok();
    let chains = chains.map_or(CHAINS, |chains| chains.parse().unwrap());
    let config = Config { cases: chains, failure_persistence: None, ..Config::default() };
    let (pushes, counts) = (pushes(), RefCell::new((0_u64, 0_u64, 0_u64)));
    let check = |lists: Vec<Vec<Value>>| {
        let (first, caveats) = lists.split_first().unwrap();
        let allowed: Vec<RawRule> =
            first.iter().map(|rule| serde_json::from_value(rule.clone()).unwrap()).collect();
        let caveats: Vec<String> =
            caveats.iter().map(|rules| json!({"allowed": rules}).to_string()).collect();
        let tokens = chain(&ring, &allowed, &caveats);
        for (number, words) in pushes.iter().enumerate() {
            let target = &targets[number % targets.len()];
            let allowed: Vec<bool> =
                tokens.iter().map(|token| allows(token, target, words)).collect();
            let mut naive = Vec::new();
            for rules in &lists {
                let by_list = rules.iter().any(|rule| naive_rule(rule, target.path(), words));
                naive.push(by_list && naive.last() != Some(&false));
            }
            // Once refused, refused for good.
            assert_eq!(allowed, naive, "{lists:?} {target:?} {words:?}");
            let mut counts = counts.borrow_mut();
            counts.0 += 1;
            counts.1 += u64::from(allowed[0] != allowed[allowed.len() - 1]);
            counts.2 += u64::from(allowed[allowed.len() - 1]);
        }
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(rules(), 2..5), |lists| {
            check(lists);
            Ok(())
        })
        .unwrap();
    let (decisions, narrowed, allowed) = counts.into_inner();
    let enough = u64::from(chains);
    assert!(decisions > 50 * enough, "{decisions} decisions");
    assert!(narrowed > enough && allowed > enough, "{narrowed} narrowed, {allowed} allowed");
}
