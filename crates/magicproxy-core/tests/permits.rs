//! What a permit says of its request, and to whom grants and plugins give one: `state.md`, `plugin.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

use std::sync::Arc;

use magicproxy_core::plugin::{Consent, PluginName, Verdict};
use magicproxy_core::rule::HeldGrant;
use magicproxy_core::state::Partition;
use magicproxy_core::{
    Acceptance, AccessRequest, Basis, Caveat, Credential, CredentialBinding, Decision,
    DecisionSteps, Denial, EncodedSlash, KeyRing, OwnerContext, OwnerSecret, PatternMode, Permit,
    Policy, PrivateKey, Question, RawRule, RequestTarget, Rule, RuleCompiler, RuleSource, Scope,
    ScopeName, Scopes, TokenSpec, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken,
    VerifyContext,
};

const NOW: UnixTime = UnixTime(1_790_000_000);
const DAY: u64 = 24 * 60 * 60;

fn ring() -> KeyRing {
    let signing =
        PrivateKey::from_pem(include_str!("../../../testdata/keys/test-only-first.pem")).unwrap();
    KeyRing::new(signing, vec![])
        .unwrap()
        .with_owner_secret(Some(OwnerSecret::generate(NOW).unwrap()))
}

fn upstream() -> UpstreamName {
    UpstreamName::parse("api").unwrap()
}

fn plugin(name: &str) -> PluginName {
    PluginName::parse(name).unwrap()
}

/// A token of a scope of these rules and plugins, for an hour, whose requests are counted as the limit says.
fn token(ring: &KeyRing, rules: &str, plugins: &[&str], limit: Option<&str>) -> Arc<VerifiedToken> {
    narrowed(ring, rules, plugins, limit, &[])
}

/// The same, with these caveats.
fn narrowed(
    ring: &KeyRing,
    rules: &str,
    plugins: &[&str],
    limit: Option<&str>,
    caveats: &[&str],
) -> Arc<VerifiedToken> {
    let raw: Vec<RawRule> = serde_json::from_str(rules).unwrap();
    let rules = if raw.is_empty() {
        Vec::new()
    } else {
        Rule::parse_list(&raw, PatternMode::Whole).unwrap()
    };
    let scope = Scope::new(&rules, plugins.iter().map(|name| plugin(name)).collect()).unwrap();
    let mut scopes = Scopes::default();
    scopes.insert(ScopeName::parse("s").unwrap(), scope);
    let request = TokenSpec {
        credential: Credential::parse("ghp_ordinary".to_owned().into()).unwrap(),
        source: RuleSource::GuardedScopes(vec![ScopeName::parse("s").unwrap()]),
        upstream: Some(upstream()),
        unnamed: UnnamedTokens::Refuse,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3_600),
        not_before: None,
        subject: None,
        explain: false,
        limit: limit.map(|limit| limit.parse().unwrap()),
    };
    let minted = ring.mint(&request).unwrap();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    let mut text = minted.token;
    for caveat in caveats {
        let caveat = Caveat::from_json(caveat.as_bytes()).unwrap();
        text = ring.narrow(&text, &caveat, &context, &RuleCompiler::default()).unwrap();
    }
    Arc::new(ring.verify(&text, &context).unwrap())
}

/// Asks with as many steps as there are, within a ceiling of `GET` and `PUT`; gives what is decided, and what that took.
fn ask<T>(
    method: &str,
    path: &str,
    decide: impl Fn(&AccessRequest<'_>) -> Result<T, Denial>,
) -> (Result<T, Denial>, usize) {
    let raw = ["GET /.*", "PUT /.*"].map(|text| RawRule::Text(text.to_owned()));
    let ceiling = Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap();
    let (target, steps) =
        (RequestTarget::parse(path.as_bytes(), EncodedSlash::Both).unwrap(), DecisionSteps::new());
    let upstream = upstream();
    let access = AccessRequest {
        method,
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: Some(&ceiling),
        sender: None,
        now: NOW,
        parts: magicproxy_core::RequestParts::default(),
        steps: &steps,
    };
    (decide(&access), steps.taken())
}

fn permit(token: &Arc<VerifiedToken>, path: &str) -> Permit {
    ask("GET", path, |access| token.authorize(access)).0.unwrap()
}

const RULES: &str = r#"[
    {"method":"GET","path":"/plain"},
    {"method":"GET","path":"/counted","limit":{"total":1}},
    {"method":"GET","path":"/grants","grants":["GET /a/{response.id}"]},
    {"method":"GET","path":"/asks","grants":["GET /a/{request.id}"]},
    {"method":"GET","path":"/place","grants":["GET /a/{location}"]},
    {"method":"GET","path":"/receipt","grants":["GET /a/{response.id}"],"receipt":true},
    {"method":"GET","path":"/named","owner":"all","grants":["PUT /a/{response.id}"]},
    {"method":"GET","path":"/elements",
     "list_items":{"list":"a","key":"b","creates":{"c":"d"}}}
]"#;

/// Whatever must be asked of a store or done with the response, the engine asks the permit for it.
#[test]
fn a_permit_says_what_is_to_be_done() {
    let ring = ring();
    let token = token(&ring, RULES, &[], None);
    for (path, stateful, rows, records, receipt, request, response) in [
        ("/plain", false, false, false, false, false, false),
        ("/counted", true, true, false, false, false, false),
        ("/grants", true, true, true, false, false, true),
        ("/asks", true, true, true, false, true, false),
        ("/place", true, true, true, false, false, false),
        ("/receipt", true, false, false, true, false, true),
        ("/named", true, true, true, false, false, true),
        ("/elements", true, true, false, false, false, false),
    ] {
        let permit = permit(&token, path);
        let state = permit.state();
        let says = |what: fn(&magicproxy_core::rule::RuleEffects) -> bool| {
            state.is_some_and(|state| what(state))
        };
        assert_eq!((permit.is_stateful(), permit.keeps_rows()), (stateful, rows), "{path}");
        assert_eq!(
            (says(|state| state.records()), says(|state| state.gives_receipt())),
            (records, receipt),
            "{path}"
        );
        assert_eq!(
            (says(|state| state.reads_request()), says(|state| state.reads_response())),
            (request, response),
            "{path}"
        );
        assert_eq!(permit.named_owner().is_some(), path == "/named");
    }
    let counted = self::token(&ring, RULES, &[], Some("total=3"));
    let permit = permit(&counted, "/plain");
    assert!(permit.is_stateful() && permit.keeps_rows() && permit.state().is_none());
}

/// What a named owner's rule made is its own for 30 days, anybody else's for as long as the token is taken.
#[test]
fn an_owner_is_the_tokens_or_the_one_that_is_named() {
    let ring = ring();
    let token = token(&ring, RULES, &[], None);
    let (upstream, binding) = (upstream(), ring.bind(&token).unwrap());
    let owner = |path: &str, binding: Option<&CredentialBinding>| {
        permit(&token, path).owner(OwnerContext { upstream: &upstream, binding }, NOW)
    };
    assert_eq!(owner("/grants", None), Some((token.owner(), UnixTime(NOW.0 + 3_600 + 30))));
    assert_eq!(owner("/named", None), None);
    let (named, ends_at) = owner("/named", Some(&binding)).unwrap();
    assert!(named != token.owner() && ends_at == UnixTime(NOW.0 + 30 * DAY));
}

/// The token's own owner first, each named one for the credential that is known, and nobody else's grants.
#[test]
fn grants_are_those_of_owners_whose_rules_record_any() {
    let ring = ring();
    let owners = |rules: &str, bound: bool| {
        let token = token(&ring, rules, &[], None);
        let binding = bound.then(|| ring.bind(&token).unwrap());
        let (owners, taken) =
            ask("PUT", "/a/1", |access| token.grant_owners(access, binding.as_ref()));
        let named = ask("PUT", "/a/1", |access| token.has_named_grants(access)).0.unwrap();
        let own = owners.as_ref().unwrap().contains(&token.owner());
        (owners.unwrap().len(), own, named, taken)
    };
    let rule = |path: &str, more: &str| format!(r#"{{"method":"GET","path":"{path}"{more}}}"#);
    let (plain, counted) = (rule("/p", ""), rule("/c", r#","limit":{"total":1}"#));
    let (grants, receipt) = (
        rule("/g", r#","grants":["PUT /a/{response.id}"]"#),
        rule("/r", r#","grants":["PUT /a/{response.id}"],"receipt":true"#),
    );
    let named = |owner: &str| {
        rule("/n", &format!(r#","owner":"{owner}","grants":["PUT /a/{{response.id}}"]"#))
    };
    for (rules, bound, expected) in [
        (vec![&plain], true, (0, false, false, 0)),
        (vec![&counted], true, (0, false, false, 1)),
        (vec![&receipt], true, (0, false, false, 1)),
        (vec![&grants], true, (1, true, false, 1)),
        (vec![&grants, &counted], false, (1, true, false, 1 + 2)),
        // Telling a named owner costs what a digest does.
        (vec![&named("one")], true, (1, false, true, 1 + 256)),
        (vec![&named("one")], false, (0, false, true, 1)),
        (
            vec![&named("one"), &named("two"), &named("one")],
            true,
            (2, false, true, 1 + 2 + 3 + 3 * 256),
        ),
        (vec![&grants, &named("one")], true, (2, true, true, 1 + 2 + 256)),
    ] {
        let list = rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join(",");
        assert_eq!(owners(&format!("[{list}]"), bound), expected, "{list} {bound}");
    }
}

/// What becomes of a request that no rule allows, by this grant.
fn by_grant(
    token: &Arc<VerifiedToken>,
    access: &AccessRequest<'_>,
    held: HeldGrant,
    binding: Option<&CredentialBinding>,
) -> Result<Permit, Denial> {
    match token.decide(access) {
        Decision::Needs(Question::Grants(question)) => {
            question.held(access, held, binding).map_or(Err(Denial::NotAllowed), decided)
        }
        other => panic!("{other:?}"),
    }
}

/// The same, by a plugin's word.
fn by_plugin(
    token: &Arc<VerifiedToken>,
    access: &AccessRequest<'_>,
    said: (PluginName, Verdict),
) -> Result<Permit, Denial> {
    match token.decide(access) {
        Decision::Needs(Question::Plugins(question)) => {
            decided(question.with_verdicts(access, &[said]))
        }
        other => panic!("{other:?}"),
    }
}

fn decided(decision: Decision) -> Result<Permit, Denial> {
    match decision {
        Decision::Allowed(permit) => Ok(permit),
        Decision::Denied(denial) => Err(denial),
        Decision::Needs(question) => panic!("{question:?}"),
    }
}

#[test]
fn a_grant_admits_its_owners_requests_for_its_path() {
    let ring = ring();
    let token = token(&ring, RULES, &[], None);
    let binding = ring.bind(&token).unwrap();
    let held = |owner: Partition, path: &str, methods: &[u8]| {
        HeldGrant::from_store(owner, path, methods).unwrap()
    };
    let decide =
        |method: &str, path: &str, held: HeldGrant, binding: Option<&CredentialBinding>| {
            let held = |access: &AccessRequest<'_>| by_grant(&token, access, held.clone(), binding);
            ask(method, path, held).0.map(|permit| {
                assert!(
                    matches!(permit.basis(), Basis::Grant(_))
                        && permit.is_stateful()
                        && permit.state().is_none()
                );
                permit.rule().to_string()
            })
        };
    let own = || held(token.owner(), "/a/1", b"PUT|DELETE");
    assert_eq!(decide("PUT", "/a/1", own(), None).as_deref(), Ok("a grant that it holds"));
    assert_eq!(decide("PUT", "/a/2", own(), None), Err(Denial::NotAllowed));
    assert_eq!(decide("GET", "/a/1", own(), None), Err(Denial::NotAllowed));
    assert_eq!(decide("DELETE", "/a/1", own(), None), Err(Denial::BeyondCeiling));
    // A path of several readings, in one of which the grant is for it.
    assert_eq!(
        decide("PUT", "/a%2F1", held(token.owner(), "/a%2F1", b"PUT"), None),
        Err(Denial::NotAllowed)
    );
    let stranger = Partition::of(&[b"somebody else"]);
    assert_eq!(
        decide("PUT", "/a/1", held(stranger, "/a/1", b"PUT"), Some(&binding)),
        Err(Denial::NotAllowed)
    );
    let place = OwnerContext { upstream: &upstream(), binding: Some(&binding) };
    let named = permit(&token, "/named").owner(place, NOW).unwrap().0;
    assert_eq!(
        decide("PUT", "/a/1", held(named, "/a/1", b"PUT"), Some(&binding)).as_deref(),
        Ok("a grant that it holds")
    );
    assert_eq!(decide("PUT", "/a/1", held(named, "/a/1", b"PUT"), None), Err(Denial::NotAllowed));
}

/// Its yes is worth as much as a rule, where the token names it, and no more: methods that nobody admits and the ceiling stay.
#[test]
fn a_plugin_admits_what_a_rule_could() {
    let ring = ring();
    let token = token(&ring, "[]", &["judge"], None);
    let decide = |method: &str, name: &str| {
        let decided =
            ask(method, "/a", |access| by_plugin(&token, access, (plugin(name), Verdict::Allow))).0;
        decided.map(|permit| {
            assert!(
                matches!(permit.basis(), Basis::Plugin(name) if *name == plugin("judge"))
                    && permit.is_stateful()
            );
            permit.rule().to_string()
        })
    };
    assert_eq!(decide("GET", "judge").as_deref(), Ok("plugin judge"));
    assert_eq!(decide("GET", "stranger"), Err(Denial::NotAllowed));
    for method in ["TRACE", "CONNECT"] {
        assert_eq!(decide(method, "judge"), Err(Denial::NotAllowed), "{method}");
        assert_eq!(decide(method, "stranger"), Err(Denial::NotAllowed), "{method}");
    }
    assert_eq!(decide("POST", "judge"), Err(Denial::BeyondCeiling));
    for verdict in [Verdict::Deny("no".to_owned()), Verdict::Abstain] {
        assert!(Consent::of(&plugin("judge"), &verdict).is_none());
    }
}

/// A plugin is asked of what a rule allows, and of what none does; nobody is asked of what would not be sent whatever they said.
#[test]
fn nobody_is_asked_of_what_is_denied_in_any_case() {
    let ring = ring();
    let get = r#"["GET /.*","POST /.*"]"#;
    let free = narrowed(&ring, get, &[], None, &[]);
    let caveat = r#"{"allowed":["GET /narrow","POST /.*"]}"#;
    let guarded = narrowed(&ring, get, &["judge"], None, &[caveat]);
    let elsewhere = narrowed(&ring, get, &["judge"], None, &[r#"{"aud":"other"}"#]);
    let sender =
        narrowed(&ring, get, &["judge"], None, &[r#"{"sender":{"cidr":["192.0.2.0/24"]}}"#]);
    let judged = |token: &Arc<VerifiedToken>, method: &str, path: &str| {
        let told = |access: &AccessRequest<'_>| {
            Ok(match token.decide(access) {
                Decision::Allowed(_) => "allowed".to_owned(),
                Decision::Denied(denial) => denial.code().to_owned(),
                Decision::Needs(Question::Body(_)) => "body".to_owned(),
                Decision::Needs(Question::Push(_)) => "push".to_owned(),
                Decision::Needs(Question::Grants(_)) => "grants".to_owned(),
                Decision::Needs(Question::Plugins(question)) => {
                    assert_eq!(question.plugins(), [plugin("judge")]);
                    "plugins".to_owned()
                }
            })
        };
        ask(method, path, told).0.unwrap()
    };
    for (token, method, path, expected) in [
        (&free, "GET", "/a", "allowed"),
        (&guarded, "GET", "/narrow", "plugins"),
        (&guarded, "PUT", "/narrow", "plugins"),
        (&guarded, "GET", "/wide", "beyond_caveat"),
        (&guarded, "POST", "/narrow", "beyond_ceiling"),
        (&elsewhere, "GET", "/a", "wrong_upstream"),
        (&sender, "GET", "/a", "wrong_sender"),
    ] {
        assert_eq!(judged(token, method, path), expected, "{method} {path}");
    }
}

/// A look into the store is work, too: a request may cause as many as its steps allow.
#[test]
fn looks_into_a_store_are_counted() {
    let (looked, taken) = ask("GET", "/a", |access| access.take_look_up());
    assert!(looked.is_ok() && taken > 0);
    let (looked, _) =
        ask("GET", "/a", |access| (0..1_000_000).try_for_each(|_| access.take_look_up()));
    assert_eq!(looked, Err(Denial::TooCostly));
}

/// A rule's counter finds a place beside 64 of caveats and those of the token's other rules that count: others take none, and what
/// counts for a named owner takes its own.
#[test]
fn only_rules_that_count_have_counters() {
    let ring = ring();
    for (others, room) in [
        ("", 65),
        (r#", "GET /plain""#, 65),
        (r#", { "method": "POST", "path": "/b", "grants": ["DELETE /b/{location}"] }"#, 65),
        (r#", { "method": "GET", "path": "/c", "limit": { "total": 3 } }"#, 66),
        (r#", { "method": "GET", "path": "/d", "owner": "team", "limit": { "total": 3 } }"#, 65),
        (
            r#", { "method": "POST", "path": "/e", "owner": "team", "grants": ["DELETE /e/{location}"] }"#,
            65,
        ),
    ] {
        let rules =
            format!(r#"[{{ "method": "GET", "path": "/a", "limit": {{ "total": 3 }} }}{others}]"#);
        let token = token(&ring, &rules, &[], None);
        let permit = ask("GET", "/a", |access| token.authorize(access)).0.unwrap();
        let place = OwnerContext { upstream: &upstream(), binding: None };
        let counts = permit.counts(place).unwrap();
        assert_eq!(counts.iter().map(|count| count.room).collect::<Vec<_>>(), [room], "{others}");
    }
}
