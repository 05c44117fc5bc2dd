//! A permit that takes something becomes no reservation without having taken it.

use std::sync::Arc;

use magicproxy_core::rule::HeldGrant;
use magicproxy_core::{
    Acceptance, AccessRequest, Credential, Decision, DecisionSteps, EncodedSlash, KeyRing,
    PatternMode, PrivateKey, Question, RawRule, RequestTarget, Rule, RuleSource, Scopes, TokenSpec,
    UnixTime, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;

const NOW: UnixTime = UnixTime(2_000_000_000);

/// A token of this rule, verified.
fn token(keys: &KeyRing, rule: &Value, limit: Option<&str>) -> Arc<VerifiedToken> {
    let raw: Vec<RawRule> = serde_json::from_value(json!([rule])).unwrap();
    let request = TokenSpec {
        credential: Credential::parse(Zeroizing::new("a-credential".to_owned())).unwrap(),
        source: RuleSource::Rules(Rule::parse_list(&raw, PatternMode::Whole).unwrap()),
        upstream: Some(UpstreamName::parse("api").unwrap()),
        unnamed: UnnamedTokens::Refuse,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 600),
        not_before: None,
        subject: None,
        explain: false,
        limit: limit.map(|limit| limit.parse().unwrap()),
    };
    let text = keys.mint(&request).unwrap().token;
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    Arc::new(keys.verify(&text, &context).unwrap())
}

/// What the token's permit for a request becomes at once.
fn plain(
    token: &Arc<VerifiedToken>,
    method: &str,
    permit: impl Fn(&Arc<VerifiedToken>, &AccessRequest<'_>) -> Permit,
) -> bool {
    let (target, name) = (
        RequestTarget::parse(b"/x", EncodedSlash::Refuse).unwrap(),
        UpstreamName::parse("api").unwrap(),
    );
    let steps = DecisionSteps::new();
    let access = AccessRequest {
        method,
        target: &target,
        upstream: &name,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: None,
        now: NOW,
        parts: magicproxy_core::RequestParts::default(),
        steps: &steps,
    };
    Reservation::empty(permit(token, &access), &Consultation::default()).is_ok()
}

#[test]
fn only_a_permit_that_takes_nothing_is_settled_at_once() {
    let keys = KeyRing::new(PrivateKey::generate(2048).unwrap(), Vec::new()).unwrap();
    let by_rule =
        |token: &Arc<VerifiedToken>, access: &AccessRequest<'_>| token.authorize(access).unwrap();
    assert!(plain(&token(&keys, &json!("GET /x"), None), "GET", by_rule));
    for limit in ["total=3", "concurrent=1"] {
        assert!(!plain(&token(&keys, &json!("GET /x"), Some(limit)), "GET", by_rule), "{limit}");
    }
    for state in [
        json!({ "method": "GET", "path": "/x", "limit": { "total": 3 } }),
        json!({ "method": "GET", "path": "/x", "limit": { "requests": 2, "per": "1h" } }),
        json!({ "method": "GET", "path": "/x", "grants": ["DELETE /x/{location}"] }),
    ] {
        assert!(!plain(&token(&keys, &state, None), "GET", by_rule), "{state}");
    }
    let other = token(
        &keys,
        &json!({ "method": "POST", "path": "/y", "grants": ["DELETE /x/{location}"] }),
        None,
    );
    let by_grant = |token: &Arc<VerifiedToken>, access: &AccessRequest<'_>| {
        let held = HeldGrant::from_store(token.owner(), "/x", b"DELETE").unwrap();
        let Decision::Needs(Question::Grants(question)) = token.decide(access) else {
            panic!("no grant is asked for")
        };
        let Ok(Decision::Allowed(permit)) = question.held(access, held, None) else {
            panic!("the grant does not allow it")
        };
        permit
    };
    assert!(!plain(&other, "DELETE", by_grant), "a grant that may be used up");
}
