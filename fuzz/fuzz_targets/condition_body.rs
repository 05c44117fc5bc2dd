//! Fuzzes JSON bodies before rules with conditions: the decision is the same however the body is
//! sliced, and what is allowed shows the constrained members with allowed values to another reader.
//!
//! Input: two bytes, which choose the rule and the length of the slices, and a body.
#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{
    Acceptance, AccessRequest, ContentView, Credential, Decision, DecisionSteps, FieldValue,
    HeaderView, PatternMode, Question, RawRule, RequestParts, RequestTarget, Rule, RuleSource,
    Scopes, TokenSpec, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
};
use magicproxy_fuzz::{ring, target};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime(1_800_000_000);

fuzz_target!(|data: &[u8]| {
    let [rule, slice, body @ ..] = data else { return };
    let tokens = tokens();
    let number = usize::from(*rule) % tokens.len();
    let token = &tokens[number];
    let allowed = is_allowed(token, body, usize::from(*slice));
    assert_eq!(allowed, is_allowed(token, body, 1 << 20), "slices make a difference");
    if allowed {
        // Where anything may stand, there may be a lone surrogate, or a number beyond all bounds.
        let Ok(value) = serde_json::from_slice(body) else { return };
        assert!(holds(number, &value), "rule {number} allows {value}");
    }
});

fn rules() -> [Value; 4] {
    [
        json!({"base": "main", "head": {"glob": "agent/*"}, "title": {}, "body?": {}}),
        json!({"model": ["m", "n"], "max_tokens": {"min": 1, "max": 4096}, "*": {}}),
        json!({"to": {"count": {"max": 2}, "each": {"object": {"email": {"pattern": "[a-z]+@a"}}}}}),
        json!({"draft": true, "cc": {"absent": true}, "*": {"type": ["string", "null"]}}),
    ]
}

/// True if a body that was read into a tree is as the rule with this number wants it.
fn holds(number: usize, body: &Value) -> bool {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let names = || body.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    match number {
        0 => {
            let known = ["base", "head", "title", "body"];
            text("base") == "main"
                && text("head").starts_with("agent/")
                && names().any(|name| name == "title")
                && names().all(|name| known.contains(&name))
        }
        1 => {
            let tokens = body["max_tokens"].as_u64();
            ["m", "n"].contains(&text("model")) && tokens.is_some_and(|t| (1..=4096).contains(&t))
        }
        2 => {
            let list = body["to"].as_array();
            let is_right = |entry: &Value| {
                entry["email"].as_str().is_some_and(|email| email.ends_with("@a"))
                    && entry.as_object().is_some_and(|members| members.len() == 1)
            };
            names().count() == 1
                && list.is_some_and(|list| list.len() <= 2 && list.iter().all(is_right))
        }
        _ => {
            let mut values = body.as_object().into_iter().flatten();
            body["draft"] == true
                && names().all(|name| !name.eq_ignore_ascii_case("cc"))
                && values
                    .all(|(name, value)| name == "draft" || value.is_string() || value.is_null())
        }
    }
}

/// Returns a token for each rule.
fn tokens() -> &'static [Arc<VerifiedToken>] {
    static TOKENS: OnceLock<Vec<Arc<VerifiedToken>>> = OnceLock::new();
    TOKENS.get_or_init(|| rules().into_iter().map(token).collect())
}

fn token(names: Value) -> Arc<VerifiedToken> {
    let rule = json!({"method": "POST", "path": "/", "json": names});
    let rule: RawRule = serde_json::from_value(rule).expect("this is a rule's form");
    let rules = Rule::parse_list(&[rule], PatternMode::Whole).expect("the rule is right");
    let credential = Credential::parse("ghp_0123456789abcdef".to_owned().into());
    let spec = TokenSpec {
        credential: credential.expect("this is a credential"),
        source: RuleSource::Rules(rules),
        upstream: Some(upstream()),
        unnamed: UnnamedTokens::Refuse,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3_600),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    let minted = ring().mint(&spec).expect("the token can be minted");
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    Arc::new(ring().verify(&minted.token, &context).expect("an own token is verified"))
}

fn upstream() -> UpstreamName {
    UpstreamName::parse("api").expect("this is a name")
}

/// One content type, of JSON.
#[derive(Debug)]
struct JsonHeaders;

impl HeaderView for JsonHeaders {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "content-type" => FieldValue::One(b"application/json"),
            _ => FieldValue::Absent,
        }
    }
}

/// Decides on a request with this body, which is judged in slices.
fn is_allowed(token: &Arc<VerifiedToken>, body: &[u8], slice: usize) -> bool {
    static TARGET: OnceLock<RequestTarget> = OnceLock::new();
    let (upstream, steps) = (upstream(), DecisionSteps::new());
    let access = AccessRequest {
        method: "POST",
        target: TARGET.get_or_init(|| target("/").expect("this is a target")),
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: None,
        now: NOW,
        parts: RequestParts {
            headers: &JsonHeaders,
            content: ContentView::Unread,
            ..RequestParts::default()
        },
        steps: &steps,
    };
    let Decision::Needs(Question::Body(question)) = token.decide(&access) else {
        panic!("the rule looks into the body");
    };
    let tests = question.tests(&access).expect("the steps suffice");
    let mut judge = tests.judge(body, &JsonHeaders, &[]);
    while !judge.advance(slice) {}
    let judged = judge.finish();
    let (steps, content) = (DecisionSteps::new(), ContentView::Judged(&judged));
    let parts = RequestParts { content, ..access.parts };
    let decision = question.decide(&AccessRequest { parts, steps: &steps, ..access });
    matches!(decision, Decision::Allowed(_))
}
