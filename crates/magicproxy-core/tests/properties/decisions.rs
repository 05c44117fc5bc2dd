//! Decisions agree with a naive second implementation: rules in their order, then held grants, then plugins, and what a rule
//! finds in a body; which rule is named, and which denial comes first.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use magicproxy_core::plugin::{PluginName, Verdict};
use magicproxy_core::rule::{EffectInput, EffectInputFault, HeldGrant};
use magicproxy_core::{
    Acceptance, AccessRequest, Caveat, Credential, Decision, DecisionSteps, Denial, EncodedSlash,
    GrantQuestion, Kem, KeyRing, Part, PatternMode, Permit, Policy, PrivateKey, Question, RawRule,
    RequestTarget, RequestView, Rule, RuleSource, Scope, ScopeName, Scopes, SealedTokenSpec,
    SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use regex::bytes::Regex;
use serde_json::{Value, json};
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime(1_790_000_000);
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "TRACE", "DELETE"];
const PATHS: [&str; 7] = ["/a", "/b", "/a/b", "/a%2Fb", "/z", "/z%2Fa", "/g/1"];
const PLUGINS: [&str; 2] = ["first", "second"];

static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let sealing = vec![SealingKey::generate(Kem::X25519, NOW).unwrap()];
    KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![])
        .unwrap()
        .with_sealing(sealing)
        .unwrap()
});

/// A scope: rules as JSON, and plugins.
type Written = (Vec<Value>, Vec<&'static str>);

#[derive(Debug, Clone)]
struct World {
    scopes: Vec<Written>,
    caveat: Option<Vec<String>>,
    ceiling: Option<Vec<String>>,
    /// For each path that the owner holds a grant of, the methods.
    held: BTreeMap<&'static str, &'static str>,
    /// What each plugin says.
    said: BTreeMap<&'static str, &'static str>,
    body: &'static str,
}

fn plain_rule() -> impl Strategy<Value = String> {
    let pattern = prop::sample::select(vec![
        "/.*",
        "/a",
        "/a/.*",
        "/[^/]+",
        "/(a|b)",
        "/z.*",
        "/z",
        "/g/[0-9]+",
    ]);
    (prop::sample::select(vec!["GET", "POST", "*", "HEAD", "PATCH"]), pattern)
        .prop_map(|(method, path)| format!("{method} {path}"))
}

fn rule() -> impl Strategy<Value = Value> {
    let method = prop::sample::select(vec!["GET", "POST", "PATCH", "*"]);
    let path = prop::sample::select(vec!["/a", "/z", "/a/.*", "/.*"]);
    let member = prop::sample::select(vec![
        json!({ "limit": { "total": 3 } }),
        json!({ "grants": "GET|DELETE /g/{response.id}" }),
        json!({ "grants": "GET /g/{request.id}" }),
        json!({ "grants": "GET /g/{response.id}", "receipt": true }),
        json!({ "list_items": { "list": "e", "key": "name", "creates": { "do": "make" }, "deletes": { "do": "break" } } }),
    ]);
    let stateful = (method, path, member).prop_map(|(method, path, mut rule)| {
        rule["method"] = json!(method);
        rule["path"] = json!(path);
        rule
    });
    prop_oneof![3 => plain_rule().prop_map(Value::String), 2 => stateful]
}

fn world() -> impl Strategy<Value = World> {
    let scope =
        (prop::collection::vec(rule(), 1..4), prop::sample::subsequence(PLUGINS.to_vec(), 0..=1));
    let grant = (
        prop::sample::select(PATHS.to_vec()),
        prop::sample::select(vec!["GET", "DELETE|GET", "POST"]),
    );
    let verdict = || prop::sample::select(vec!["abstain", "abstain", "allow", "deny"]);
    let said = (verdict(), verdict())
        .prop_map(|(one, other)| [(PLUGINS[0], one), (PLUGINS[1], other)].into());
    let bodies = vec![
        r#"{"e":[{"name":"x","do":"make"}]}"#,
        r#"{"e":[{"name":"x","do":"else"}]}"#,
        r#"{"e":[]}"#,
        r#"{"id":7}"#,
        r#"{"id":7,"ID":8}"#,
        r#"{"id":7"#,
        "",
    ];
    let optional = || proptest::option::of(prop::collection::vec(plain_rule(), 1..3));
    let parts = (
        prop::collection::vec(scope, 1..3),
        optional(),
        optional(),
        prop::collection::btree_map(grant.0, grant.1, 0..4),
        said,
        prop::sample::select(bodies),
    );
    parts.prop_map(|(scopes, caveat, ceiling, held, said, body)| World {
        scopes,
        caveat,
        ceiling,
        held,
        said,
        body,
    })
}

fn parsed(rules: &[Value]) -> Vec<Rule> {
    let raw: Vec<RawRule> =
        rules.iter().map(|rule| serde_json::from_value(rule.clone()).unwrap()).collect();
    Rule::parse_list(&raw, PatternMode::Whole).unwrap()
}

fn policy(rules: &[String]) -> Policy {
    Policy::compile(&parsed(&rules.iter().cloned().map(Value::String).collect::<Vec<_>>())).unwrap()
}

fn token(world: &World) -> Arc<VerifiedToken> {
    let (mut scopes, mut names) = (Scopes::default(), Vec::new());
    for (number, (rules, plugins)) in world.scopes.iter().enumerate() {
        let name = ScopeName::parse(&format!("s{number}")).unwrap();
        let plugins = plugins.iter().map(|name| PluginName::parse(name).unwrap()).collect();
        scopes.insert(name.clone(), Scope::new(&parsed(rules), plugins).unwrap());
        names.push(name);
    }
    let minted = RING.published(NOW).next().unwrap().mint(&SealedTokenSpec {
        credential: Credential::parse(Zeroizing::new("ghp_x".to_owned())).unwrap().into(),
        source: RuleSource::Scopes(names),
        upstream: UpstreamName::parse("api").unwrap(),
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3000),
        not_before: None,
        subject: None,
        explain: false,
        minter: None,
    });
    let mut token = minted.unwrap().token;
    if let Some(caveat) = &world.caveat {
        token = Caveat::from_json(json!({ "allowed": caveat }).to_string().as_bytes())
            .unwrap()
            .append_to(&token)
            .unwrap();
    }
    let acceptance = Acceptance::default();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    Arc::new(RING.verify(&token, &context).unwrap())
}

/// What whoever asks does: answers each question, and asks again.
fn judged(
    world: &World,
    token: &Arc<VerifiedToken>,
    access: &AccessRequest<'_>,
) -> Result<Permit, String> {
    let mut decision = token.decide(access);
    loop {
        decision = match decision {
            Decision::Allowed(permit) => return Ok(permit),
            Decision::Denied(denial) => return Err(format!("{denial:?}")),
            Decision::Needs(Question::Body(_) | Question::Push(_)) => {
                return Err("no rule here looks into bodies".into());
            }
            Decision::Needs(Question::Grants(question)) => with_grants(world, question, access),
            Decision::Needs(Question::Plugins(question)) => {
                let said = question
                    .plugins()
                    .iter()
                    .map(|plugin| (plugin.clone(), verdict(world.said[plugin.as_str()])));
                let said: Vec<(PluginName, Verdict)> = said.collect();
                question.with_verdicts(access, &said)
            }
        };
    }
}

fn with_grants(world: &World, mut question: GrantQuestion, access: &AccessRequest<'_>) -> Decision {
    assert!(!question.asks_named_owners(access).unwrap());
    let path = access.target.path();
    for owner in question.owners(access, None).unwrap() {
        let Some(methods) = world.held.get(path) else { continue };
        let held = HeldGrant::from_store(owner, path, methods.as_bytes()).unwrap();
        question = match question.held(access, held, None) {
            Ok(decision) => return decision,
            Err(question) => question,
        };
    }
    question.nothing_held(access)
}

fn verdict(said: &str) -> Verdict {
    match said {
        "allow" => Verdict::Allow,
        "deny" => Verdict::Deny("no".to_owned()),
        _ => Verdict::Abstain,
    }
}

fn naive_method(word: &str, method: &str) -> bool {
    method != "TRACE" && (word == "*" || word == method || (word == "GET" && method == "HEAD"))
}

fn naive_match(rule: &Value, method: &str, path: &str) -> bool {
    let (word, pattern) = match rule {
        Value::String(text) => text.split_once(' ').unwrap(),
        object => (object["method"].as_str().unwrap(), object["path"].as_str().unwrap()),
    };
    naive_method(word, method)
        && Regex::new(&format!(r"(?-u)\A(?:{pattern})\z")).unwrap().is_match(path.as_bytes())
}

fn naive_readings(path: &str) -> Vec<String> {
    if path.contains("%2F") {
        vec![path.to_owned(), path.replace("%2F", "/")]
    } else {
        vec![path.to_owned()]
    }
}

/// Why a request is not allowed that something allows.
fn naive_confine(world: &World, method: &str, path: &str) -> Result<(), Denial> {
    let all = |rules: &Vec<String>| {
        let any =
            |reading: &String| rules.iter().any(|rule| naive_match(&json!(rule), method, reading));
        naive_readings(path).iter().all(any)
    };
    if world.caveat.as_ref().is_some_and(|rules| !all(rules)) {
        return Err(Denial::BeyondCaveat);
    }
    if world.ceiling.as_ref().is_some_and(|rules| !all(rules)) {
        return Err(Denial::BeyondCeiling);
    }
    Ok(())
}

/// `rules.md` and `state.md` section 2: the first rule of all that matches each reading.
fn naive_rules<'w>(world: &'w World, method: &str, path: &str) -> Result<&'w Value, Denial> {
    let readings = naive_readings(path);
    let mut named = None;
    for reading in &readings {
        let mut all = world.scopes.iter().flat_map(|(rules, _)| rules);
        let first =
            all.find(|rule| naive_match(rule, method, reading)).ok_or(Denial::NotAllowed)?;
        if first.is_object() && readings.len() > 1 {
            return Err(Denial::NotAllowed);
        }
        named.get_or_insert(first);
    }
    naive_confine(world, method, path)?;
    Ok(named.unwrap())
}

/// `state.md` section 3.7.
fn naive_grant(world: &World, method: &str, path: &str) -> Result<(), Denial> {
    let records = |rule: &Value| rule.get("grants").is_some() && rule.get("receipt").is_none();
    let anybody = world.scopes.iter().flat_map(|(rules, _)| rules).any(records);
    let holds = |methods: &&str| methods.split('|').any(|held| naive_method(held, method));
    if !(anybody && naive_readings(path).len() == 1 && world.held.get(path).is_some_and(holds)) {
        return Err(Denial::NotAllowed);
    }
    naive_confine(world, method, path)
}

/// The rule that is named, or the denial.
fn naive(world: &World, method: &str, path: &str) -> Result<String, String> {
    let named = |rule: &Value| {
        rule.as_str()
            .map_or_else(|| parsed(std::slice::from_ref(rule))[0].to_string(), str::to_owned)
    };
    let mut decided = naive_rules(world, method, path).map(named);
    if decided == Err(Denial::NotAllowed) {
        decided = naive_grant(world, method, path).map(|()| "a grant that it holds".to_owned());
    }
    let mut plugins = Vec::new();
    for plugin in world.scopes.iter().flat_map(|(_, plugins)| plugins) {
        if !plugins.contains(plugin) {
            plugins.push(*plugin);
        }
    }
    if matches!(decided, Ok(_) | Err(Denial::NotAllowed)) {
        if plugins.iter().any(|plugin| world.said[plugin] == "deny") {
            return Err(format!("{:?}", Denial::NotAllowed));
        }
        let consenting = plugins.iter().find(|plugin| world.said[*plugin] == "allow");
        if let (Err(_), Some(plugin)) = (&decided, consenting.filter(|_| method != "TRACE")) {
            decided = naive_confine(world, method, path).map(|()| format!("plugin {plugin}"));
        }
    }
    decided.map_err(|denial| format!("{denial:?}"))
}

/// What the rule finds in the body.
fn naive_find(rule: &Value, body: &str) -> Result<&'static str, EffectInputFault> {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    if rule.get("list_items").is_some() {
        return match parsed.as_ref().and_then(|body| body.get("e")?.as_array()) {
            Some(list) if list.is_empty() => Err(EffectInputFault::Unreadable),
            Some(list) if list[0]["do"] == "make" => Ok("list_items"),
            Some(_) => Err(EffectInputFault::NotAllowed),
            None => Err(EffectInputFault::Unreadable),
        };
    }
    if rule.get("grants").is_some_and(|grants| grants.to_string().contains("request.")) {
        let ambiguous = body.contains("ID");
        return if parsed.is_some() && !ambiguous {
            Ok("values")
        } else {
            Err(EffectInputFault::Unreadable)
        };
    }
    Ok("nothing")
}

/// A part is asked for by the rule that needs it and by no other; with it the rule says what it finds.
fn check_body(
    world: &World,
    rule: &Value,
    permit: &Permit,
    request: RequestView<'_>,
) -> &'static str {
    let expected = naive_find(rule, world.body);
    let found = |found: EffectInput| match found {
        EffectInput::Nothing => "nothing",
        EffectInput::Values => "values",
        EffectInput::Items(_) => "list_items",
    };
    let Some(state) = permit.state() else {
        assert!(rule.is_string());
        return "plain";
    };
    let unread = state.find(&request).map(found);
    if expected == Ok("nothing") {
        assert_eq!(unread, Ok("nothing"));
        return "nothing";
    }
    assert_eq!(unread, Err(EffectInputFault::Needs(Part::Body)));
    assert_eq!(
        state.find(&request.with_body(world.body.as_bytes())).map(found),
        expected,
        "{rule} {}",
        world.body
    );
    expected.unwrap_or("no")
}

#[test]
fn decisions_are_what_the_specification_says() {
    let upstream = UpstreamName::parse("api").unwrap();
    let seen = RefCell::new(BTreeSet::new());
    let mut runner =
        TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
    let check = |world: World| {
        let (token, ceiling) = (token(&world), world.ceiling.as_ref().map(|rules| policy(rules)));
        for (method, path) in METHODS.iter().flat_map(|method| PATHS.map(|path| (*method, path))) {
            let target = RequestTarget::parse(path.as_bytes(), EncodedSlash::Both).unwrap();
            let steps = DecisionSteps::new();
            let access = AccessRequest {
                method,
                target: &target,
                upstream: &upstream,
                alias: None,
                unnamed: UnnamedTokens::Refuse,
                ceiling: ceiling.as_ref(),
                sender: None,
                now: NOW,
                parts: magicproxy_core::RequestParts::default(),
                steps: &steps,
            };
            let permit = judged(&world, &token, &access);
            let expected = naive(&world, method, path);
            let found =
                permit.as_ref().map(|permit| permit.rule().to_string()).map_err(Clone::clone);
            assert_eq!(found, expected, "{method} {path} {world:?}");
            // Whoever only asks hears what the rules alone say.
            let by_rules = naive_rules(&world, method, path);
            let told = token
                .decide(&AccessRequest { steps: &DecisionSteps::new(), ..access })
                .by_rules()
                .map(|prospect| prospect.rule().to_string());
            assert_eq!(told.as_ref().err(), by_rules.as_ref().err());
            let kind = match (&permit, &by_rules) {
                (Ok(permit), Ok(rule)) => {
                    check_body(&world, rule, permit, RequestView::unread(method, &target))
                        .to_owned()
                }
                (Ok(permit), Err(_)) => permit.rule().split(' ').next().unwrap().to_owned(),
                (Err(denial), _) => denial.clone(),
            };
            seen.borrow_mut().insert(kind);
        }
        Ok(())
    };
    runner.run(&world(), check).unwrap();
    let kinds = [
        "plain",
        "nothing",
        "values",
        "list_items",
        "no",
        "a",
        "plugin",
        "NotAllowed",
        "BeyondCaveat",
        "BeyondCeiling",
    ];
    assert_eq!(seen.into_inner(), kinds.map(str::to_owned).into());
}

/// A plugin of whom nothing is said might have denied.
#[test]
fn nobody_is_passed_over() {
    let world = World {
        scopes: vec![(vec![json!("GET /a")], PLUGINS.to_vec())],
        caveat: None,
        ceiling: None,
        held: BTreeMap::new(),
        said: BTreeMap::new(),
        body: "",
    };
    let (token, upstream) = (token(&world), UpstreamName::parse("api").unwrap());
    let target = RequestTarget::parse(b"/a", EncodedSlash::Refuse).unwrap();
    let access = AccessRequest {
        method: "GET",
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: None,
        now: NOW,
        parts: magicproxy_core::RequestParts::default(),
        steps: &DecisionSteps::new(),
    };
    let with_verdicts = |said: &[(&str, Verdict)]| {
        let said: Vec<_> = said
            .iter()
            .map(|(name, verdict)| (PluginName::parse(name).unwrap(), verdict.clone()))
            .collect();
        match token.decide(&access) {
            Decision::Needs(Question::Plugins(question)) => {
                matches!(question.with_verdicts(&access, &said), Decision::Allowed(_))
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(with_verdicts(&[("first", Verdict::Abstain), ("second", Verdict::Abstain)]));
    for others in [
        &[][..],
        &[("first", Verdict::Allow)],
        &[("first", Verdict::Allow), ("first", Verdict::Allow)],
        &[("first", Verdict::Abstain), ("stranger", Verdict::Allow)],
        &[("first", Verdict::Abstain), ("second", Verdict::Allow), ("second", Verdict::Allow)],
        &[("first", Verdict::Allow), ("second", Verdict::Deny("no".to_owned()))],
    ] {
        assert!(!with_verdicts(others), "{others:?}");
    }
    // By the rules alone nothing is allowed.
    assert_eq!(token.authorize(&access).map(drop), Err(Denial::NotAllowed));
}
