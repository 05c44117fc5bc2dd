//! What a token is good for once it is verified, and mint requests.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::*;
use crate::credential::Credential;
use crate::pattern::PatternMode;
use crate::rule::{RawRule, Rule};
use crate::scope::{ScopeName, Scopes};
use crate::target::{EncodedSlash, RequestTarget};
use crate::{
    AccessRequest, Count, Denial, KeyRing, OwnerContext, OwnerSecret, PrivateKey, RuleCompiler,
};

mod hidden;

const NOW: UnixTime = UnixTime(1_790_000_000);

fn ring() -> KeyRing {
    KeyRing::new(
        PrivateKey::from_pem(include_str!("../../../../testdata/keys/test-only-first.pem"))
            .unwrap(),
        vec![],
    )
    .unwrap()
}

fn scopes() -> Scopes {
    let mut scopes = Scopes::default();
    let rule = Rule::parse(RawRule::Text("GET /user".to_owned()), PatternMode::Whole).unwrap();
    scopes.insert(ScopeName::parse("read").unwrap(), vec![rule].try_into().unwrap());
    scopes
}

fn upstream(name: &str) -> UpstreamName {
    UpstreamName::parse(name).unwrap()
}

/// For a minute, and for `api`.
fn request(source: RuleSource) -> TokenSpec {
    TokenSpec {
        credential: Credential::parse(Zeroizing::new("ghp_marked".to_owned())).unwrap(),
        source,
        upstream: Some(upstream("api")),
        unnamed: UnnamedTokens::Accept,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 60),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    }
}

/// A token that names these.
fn of_scopes(scopes: &Scopes, names: &[&str]) -> Arc<VerifiedToken> {
    let names = names.iter().map(|name| ScopeName::parse(name).unwrap()).collect();
    let minted = ring().mint(&request(RuleSource::Scopes(names))).unwrap();
    let context = VerifyContext {
        now: NOW,
        scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    Arc::new(ring().verify(&minted.token, &context).unwrap())
}

/// What may be requested for this upstream.
fn limits<'a>(upstream: &'a UpstreamName, scopes: &'a Scopes) -> MintLimits<'a> {
    MintLimits {
        require_sub: false,
        work: crate::policy::Work::unlimited(),
        upstream,
        unnamed: UnnamedTokens::Accept,
        scopes,
        patterns: PatternMode::Whole,
        default_lifetime: Duration::from_secs(60),
        alias: None,
        names: crate::KnownNames::Listed,
        max_lifetime: Duration::from_secs(3600),
    }
}

/// Reads a mint request, mints, verifies.
fn mint_request(json: &str) -> Result<Arc<VerifiedToken>, Vec<String>> {
    let (upstream, scopes) = (upstream("api"), scopes());
    let limits = limits(&upstream, &scopes);
    let mint_request = MintRequest::from_json(json.as_bytes())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let request = mint_request
        .check(&limits, NOW)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let minted = ring().mint(&request).map_err(|error| vec![error.to_string()])?;
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    Ok(Arc::new(ring().verify(&minted.token, &context).expect("what is minted is accepted")))
}

#[track_caller]
fn check_request(json: &str, faults: &[&str]) {
    let found = mint_request(json).map(|_| ()).err().unwrap_or_default();
    assert_eq!(found.len(), faults.len(), "{found:?}");
    for (found, part) in found.iter().zip(faults) {
        assert!(
            found.contains(part) && !found.contains("ghp_marked"),
            "{found:?}, expected {part:?}"
        );
    }
}

#[test]
fn orders_are_checked() {
    check_request(r#"{"token":"ghp_marked","allowed":["GET /user"]}"#, &[]);
    check_request(r#"{"token":"ghp_marked","scope":"read"}"#, &[]);
    check_request(r#"{"token":"ghp_marked","scopes":["read"],"expires_in":3600,"aud":"api"}"#, &[]);
    check_request(
        r#"{"token":"ghp_marked","allowed":["GET /user"],"scope":"read"}"#,
        &["exactly one of"],
    );
    check_request(r#"{"token":"ghp_marked"}"#, &["exactly one of"]);
    check_request(r#"{"token":"ghp_marked","scopes":[]}"#, &["scopes: the list is empty"]);
    check_request(r#"{"token":"ghp_marked","allowed":[]}"#, &["the list of rules is empty"]);
    check_request(
        r#"{"token":"ghp_marked","allowed":["GET user","POST *"]}"#,
        &["must start with", "rule 2"],
    );
    check_request(
        r#"{"token":"ghp_marked\u200b","scope":"no","expires_in":0,"aud":"other"}"#,
        &["not configured", "1 to 3600", "aud", "token:"],
    );
    check_request(r#"{"token":"\ufeffghp_marked\r\n","allowed":["GET /user"]}"#, &[]);
    check_request(
        r#"{"token":"\"ghp_marked\"","allowed":["GET /user"]}"#,
        &["token: the credential is not taken as it stands: it stands in quotes"],
    );
    check_request(r#"{"token":"ghp marked","allowed":["GET /user"]}"#, &["there is a blank"]);
    check_request(r#"{"token":"ghp_märked","allowed":["GET /user"]}"#, &["visible ASCII"]);
    check_request(r#"{"token":"ghp_marked","allowed":null}"#, &["expected"]);
    check_request(
        r#"{"token":"ghp_marked","allowed":"ghp_marked"}"#,
        &["expected `METHOD /pattern`"],
    );
    check_request(r#"{"token":["ghp_marked"],"allowed":["GET /user"]}"#, &["expected"]);
    check_request(r#"["ghp_marked",["GET /user"]]"#, &["expected a JSON object"]);
    check_request(r#"{"token":"ghp_marked","ghp":1}"#, &["not known"]);
    check_request(r#"{"token":"ghp_marked","token":"ghp_marked"}"#, &["it is there twice"]);
    check_request("", &["not valid JSON"]);
}

/// A rule with several methods is written once for each; what that makes too much is not minted.
#[test]
fn what_verification_would_refuse_is_not_minted() {
    let methods = r#"["GET","HEAD","PUT","POST","PATCH","DELETE","OPTIONS","QUERY","COPY","MOVE","LOCK","UNLOCK","LINK","UNLINK"]"#;
    let rules = |path: &dyn Fn(usize) -> String, count: usize| {
        let rules: Vec<String> = (0..count)
            .map(|number| format!(r#"{{"method":{methods},"path":"{}"}}"#, path(number)))
            .collect();
        format!(r#"{{"token":"ghp_marked","allowed":[{}]}}"#, rules.join(","))
    };
    check_request(&rules(&|number| format!("/a/{number}"), 20), &[]);
    check_request(&rules(&|number| format!("/{number}"), 72), &["at most 1000"]);
    check_request(&rules(&|number| format!("/{number}.*a.{{6}}"), 20), &["too complex"]);
}

#[test]
fn long_tokens_are_not_minted() {
    let rules: Vec<String> =
        (0..400).map(|number| format!("\"GET /repos/acme/widgets/{number}\"")).collect();
    check_request(
        &format!(r#"{{"token":"ghp_marked","allowed":[{}]}}"#, rules.join(",")),
        &["at most 16384"],
    );
}

#[test]
fn decisions() {
    #[track_caller]
    fn check(method: &str, path: &str, to: &str, now: u64, expected: Result<&str, Denial>) {
        let token =
            mint_request(r#"{"token":"ghp_marked","allowed":["GET /user","PUT /b"]}"#).unwrap();
        let target = RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse).unwrap();
        let ceiling = Policy::compile(&[Rule::parse(
            RawRule::Text("GET /.*".to_owned()),
            PatternMode::Whole,
        )
        .unwrap()])
        .unwrap();
        let access = AccessRequest {
            method,
            target: &target,
            upstream: &upstream(to),
            alias: None,
            unnamed: UnnamedTokens::Accept,
            ceiling: Some(&ceiling),
            sender: None,
            now: UnixTime(now),
            parts: crate::RequestParts::default(),
            steps: &crate::DecisionSteps::new(),
        };
        let found = token.authorize(&access).map(|permit| permit.rule().to_string());
        assert_eq!(found, expected.map(str::to_owned));
    }
    check("GET", "/user", "api", NOW.0, Ok("GET /user"));
    check("HEAD", "/user?a", "api", NOW.0, Ok("GET /user"));
    check("PUT", "/b", "api", NOW.0, Err(Denial::BeyondCeiling));
    check("GET", "/b", "api", NOW.0, Err(Denial::NotAllowed));
    check("GET", "/user", "API", NOW.0, Err(wrong_upstream(Some("api"), "API")));
    check("GET", "/user", "api.example", NOW.0, Err(wrong_upstream(Some("api"), "api.example")));
    check("GET", "/user", "api", NOW.0 + 60 + 29, Ok("GET /user"));
    check("GET", "/user", "api", NOW.0 + 60 + 30, Err(Denial::Expired));
    check("GET", "/user", "api", u64::MAX, Err(Denial::Expired));
}

#[test]
fn a_token_without_a_name_works_where_such_are_taken() {
    let scopes = scopes();
    let request = TokenSpec {
        upstream: None,
        ..request(RuleSource::Scopes(vec![ScopeName::parse("read").unwrap()]))
    };
    let minted = ring().mint(&request).unwrap();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    let token = Arc::new(ring().verify(&minted.token, &context).unwrap());
    let target = RequestTarget::parse(b"/user", EncodedSlash::Refuse).unwrap();
    let at = |unnamed| {
        let access = AccessRequest {
            method: "GET",
            target: &target,
            upstream: &upstream("api"),
            alias: None,
            unnamed,
            ceiling: None,
            sender: None,
            now: NOW,
            parts: crate::RequestParts::default(),
            steps: &crate::DecisionSteps::new(),
        };
        token.authorize(&access).map(|permit| permit.rule().to_string())
    };
    assert_eq!(at(UnnamedTokens::Accept).as_deref(), Ok("GET /user"));
    assert_eq!(at(UnnamedTokens::Refuse), Err(wrong_upstream(None, "api")));
}

fn wrong_upstream(named: Option<&str>, asked: &str) -> Denial {
    Denial::WrongUpstream { named: named.map(upstream), asked: upstream(asked) }
}

/// An upstream that got a better name is still what its older tokens call it; nothing else is.
#[test]
fn a_token_may_use_the_other_name_of_its_upstream() {
    let target = RequestTarget::parse(b"/user", EncodedSlash::Refuse).unwrap();
    let token = mint_request(r#"{"token":"ghp_marked","allowed":["GET /user"]}"#).unwrap();
    let at = |name: &str, alias: Option<&str>| {
        let alias = alias.map(upstream);
        let access = AccessRequest {
            method: "GET",
            target: &target,
            upstream: &upstream(name),
            alias: alias.as_ref(),
            unnamed: UnnamedTokens::Refuse,
            ceiling: None,
            sender: None,
            now: NOW,
            parts: crate::RequestParts::default(),
            steps: &crate::DecisionSteps::new(),
        };
        token.authorize(&access).map(drop)
    };
    assert_eq!(at("github", Some("api")), Ok(()));
    assert_eq!(at("github", Some("api.example")), Err(wrong_upstream(Some("api"), "github")));
    assert_eq!(at("github", None), Err(wrong_upstream(Some("api"), "github")));
}

#[test]
fn names() {
    for name in ["api", "a.b:443", "[::1]:8443", "A_b-c", &"a".repeat(255)] {
        assert!(UpstreamName::parse(name).is_some(), "{name}");
    }
    for name in ["", "a b", "a/b", "a\n", "é", "a,b", &"a".repeat(256)] {
        assert!(UpstreamName::parse(name).is_none(), "{name}");
    }
}

fn verify_in(ring: &KeyRing, text: &str) -> Arc<VerifiedToken> {
    let scopes = scopes();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    Arc::new(ring.verify(text, &context).unwrap())
}

fn minted(rules: &str, limit: Option<&str>) -> Zeroizing<String> {
    let raw: Vec<RawRule> = serde_json::from_str(rules).unwrap();
    let source = RuleSource::Rules(Rule::parse_list(&raw, PatternMode::Whole).unwrap());
    let limit = limit.map(|limit| limit.parse().unwrap());
    let request = TokenSpec { expires_at: UnixTime(NOW.0 + 3600), limit, ..request(source) };
    ring().mint(&request).unwrap().token
}

fn permitted(token: &Arc<VerifiedToken>, path: &str) -> crate::Permit {
    let target = RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse).unwrap();
    let to = upstream("api");
    let unnamed = UnnamedTokens::Refuse;
    let access = AccessRequest {
        method: "GET",
        target: &target,
        upstream: &to,
        alias: None,
        unnamed,
        ceiling: None,
        sender: None,
        now: NOW,
        parts: crate::RequestParts::default(),
        steps: &crate::DecisionSteps::new(),
    };
    token.authorize(&access).unwrap()
}

fn counted(token: &Arc<VerifiedToken>) -> Vec<Count> {
    permitted(token, "/a")
        .counts(OwnerContext { upstream: &upstream("api"), binding: None })
        .unwrap()
}

/// Caveats are anybody's to append, rules are not: each of those has a place that no caveat takes.
#[test]
fn limits_of_caveats_leave_room_for_those_of_rules() {
    let rules = r#"[{"method":"GET","path":"/a","limit":{"total":1}},{"method":"GET","path":"/b","limit":{"total":1}}]"#;
    let counts = counted(&verify_in(&ring(), &minted(rules, Some("total=3"))));
    assert_eq!(counts.iter().map(|count| count.room).collect::<Vec<_>>(), [64, 66]);
}

/// A child that lives for a second must not take its parent's counts with it.
#[test]
fn counts_outlive_the_children_of_a_token() {
    let parent = minted(r#"[{"method":"GET","path":"/a","limit":{"total":1}}]"#, Some("total=3"));
    let scopes = scopes();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    let caveat = Caveat { exp: Some(UnixTime(NOW.0 + 1)), ..Caveat::default() };
    let child = verify_in(
        &ring(),
        &ring().narrow(&parent, &caveat, &context, &RuleCompiler::default()).unwrap(),
    );
    let counts = counted(&child);
    assert_eq!(counts, counted(&verify_in(&ring(), &parent)));
    assert_eq!(counts.len(), 2);
    assert!(
        counts.iter().all(|count| count.expires_at == UnixTime(NOW.0 + 3600 + LEEWAY_SECONDS)),
        "{counts:?}"
    );
    assert_eq!(child.owner_ends_at(), UnixTime(NOW.0 + 3600 + LEEWAY_SECONDS));
    assert_eq!(child.refused_from(), UnixTime(NOW.0 + 1 + LEEWAY_SECONDS));
}

/// Scope after scope in the order of the token, each of them once, and none of their memory the token's.
#[test]
fn scopes_are_one_list() {
    #[track_caller]
    fn check(names: &[&str], path: &str, expected: &str) {
        let mut scopes = scopes();
        for (name, rules) in
            [("one", ["GET /a/.*", "GET /b"]), ("two", ["GET /b(/.*)?", "GET /a/b"])]
        {
            let raw = rules.map(|rule| RawRule::Text(rule.to_owned()));
            let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
            scopes.insert(ScopeName::parse(name).unwrap(), rules.try_into().unwrap());
        }
        let token = of_scopes(&scopes, names);
        assert_eq!(&**permitted(&token, path).rule(), expected);
        assert_eq!(token.policy().memory_bytes(), 0);
    }
    check(&["one", "two"], "/b", "GET /b");
    check(&["two", "one"], "/b", "GET /b(/.*)?");
    check(&["one", "two", "one"], "/a/b", "GET /a/.*");
    check(&["two", "one", "two"], "/a/b", "GET /a/b");
    check(&["two", "one"], "/a/c", "GET /a/.*");
}

/// What was counted for somebody whom the operator named is never forgotten: nobody's end is its end.
#[test]
fn counts_of_a_named_owner_do_not_end() {
    let mut scopes = scopes();
    let raw =
        serde_json::from_str(r#"{"method":"GET","path":"/a","limit":{"total":1},"owner":"all"}"#)
            .unwrap();
    scopes.insert(
        ScopeName::parse("shared").unwrap(),
        vec![Rule::parse(raw, PatternMode::Whole).unwrap()].try_into().unwrap(),
    );
    let token = of_scopes(&scopes, &["shared"]);
    let permit = permitted(&token, "/a");
    let upstream = upstream("api");
    assert_eq!(
        permit.counts(OwnerContext { upstream: &upstream, binding: None }),
        None,
        "whose it is must be known"
    );
    let binding = OwnerSecret::generate(NOW)
        .unwrap()
        .bind(&request(RuleSource::Rules(vec![])).credential.into());
    let counts =
        permit.counts(OwnerContext { upstream: &upstream, binding: Some(&binding) }).unwrap();
    let (ends, room): (Vec<_>, Vec<_>) =
        counts.iter().map(|count| (count.expires_at, count.room)).unzip();
    assert_eq!((ends, room), (vec![UnixTime(MAX_UNIX_TIME)], vec![u64::MAX]));
}

/// Each new seal would be a new owner, with nothing counted yet.
#[test]
fn what_is_counted_is_not_sealed_anew() {
    let second =
        PrivateKey::from_pem(include_str!("../../../../testdata/keys/test-only-second.pem"))
            .unwrap();
    let first = PrivateKey::from_pem(include_str!("../../../../testdata/keys/test-only-first.pem"))
        .unwrap();
    let rotated = KeyRing::new(second, vec![first]).unwrap();
    let scopes = scopes();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    let plain = minted(r#"["GET /a"]"#, None);
    assert_ne!(rotated.reseal(&plain, &context, &RuleCompiler::default()).unwrap(), plain);
    for counted in [
        minted(r#"["GET /a"]"#, Some("total=3")),
        minted(r#"[{"method":"GET","path":"/a","limit":{"total":3}}]"#, None),
        ring()
            .narrow(
                &plain,
                &Caveat { limit: Some("concurrent=1".parse().unwrap()), ..Caveat::default() },
                &context,
                &RuleCompiler::default(),
            )
            .unwrap(),
    ] {
        assert_eq!(
            rotated.reseal(&counted, &context, &RuleCompiler::default()).unwrap_err(),
            ReissueError::Limited
        );
        assert_eq!(
            ring().reseal(&counted, &context, &RuleCompiler::default()).unwrap(),
            counted,
            "it is sealed to the active key"
        );
    }
}

/// `rules.md` section 7: where a rule is written, it must mean what was typed; what a token holds means what it meant.
#[test]
fn what_a_token_holds_keeps_its_meaning() {
    let context = |scopes| VerifyContext {
        now: NOW,
        scopes,
        patterns: PatternMode::Whole,
        acceptance: &ACCEPTANCE,
    };
    static ACCEPTANCE: std::sync::LazyLock<Acceptance> =
        std::sync::LazyLock::new(Acceptance::default);
    let scopes = scopes();
    let (ring, compiler) = (ring(), RuleCompiler::default());
    let raw = [RawRule::Text("GET /repos/acme/*".to_owned())];
    let held = ring
        .mint(&request(RuleSource::Rules(Rule::parse_list(&raw, PatternMode::Whole).unwrap())))
        .unwrap()
        .token;
    let verified =
        Arc::new(ring.verify(&held, &context(&scopes)).expect("a token of an earlier version"));
    assert_eq!(&**permitted(&verified, "/repos/acme/").rule(), "GET /repos/acme/*");
    check_request(
        r#"{"token":"ghp_marked","allowed":["GET /repos/acme/*"]}"#,
        &["allowed: rule 1: `GET /repos/acme/*`: `*` and `+` repeat"],
    );
    let caveat = Caveat { allowed: Some(raw.to_vec()), ..Caveat::default() };
    let refused =
        ring.narrow(&held, &caveat, &context(&scopes), &compiler).unwrap_err().to_string();
    assert!(refused.contains("write `GET /repos/acme/.*`"), "{refused}");
}

/// The Python program reads `METHOD PATTERN` and nothing else, and so do earlier versions of this one.
#[test]
fn version_1_holds_one_method_and_a_pattern() {
    let token =
        mint_request(r#"{"token":"ghp_marked","allowed":["GET|PUT route:/a/{b}","GET|POST /c"]}"#)
            .unwrap();
    let held: Vec<String> = token.policy().rules().map(ToString::to_string).collect();
    assert_eq!(held, ["GET /a/[^/]+", "PUT /a/[^/]+", "GET /c", "POST /c"]);
    let ring = ring();
    let minted = ring
        .mint(&request(RuleSource::Scopes(vec![ScopeName::parse("read").unwrap()])))
        .unwrap()
        .token;
    let UnverifiedToken::V1(signed) = UnverifiedToken::parse(&minted).unwrap() else {
        panic!("not version 1")
    };
    for (rule, accepted) in [("GET /a", true), ("GET|PUT /a", false), ("GET route:/a", false)] {
        let mut claims = signed.claims().unwrap();
        (claims.scopes, claims.allowed) = (None, Some(vec![RawRule::Text(rule.to_owned())]));
        let token = ring.sign_token(claims, ring.active()).unwrap();
        let scopes = Scopes::default();
        let context = VerifyContext {
            now: NOW,
            scopes: &scopes,
            patterns: PatternMode::Whole,
            acceptance: &Acceptance::default(),
        };
        assert_eq!(ring.verify(&token, &context).is_ok(), accepted, "{rule}");
    }
}
