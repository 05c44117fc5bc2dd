//! Fuzzes signed tokens: nobody forges a token, and a genuine token is believed only within the
//! limits of the specification.
//!
//! Input: either a token, or a header, a line end and claims, which are then signed.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{
    Acceptance, AccessRequest, KeyRing, PatternMode, Scopes, UnixTime, UnnamedTokens, UpstreamName,
    VerifiedToken, VerifyContext, VerifyError, armoured, unarmoured,
};
use magicproxy_fuzz::{ring, signed, target};
use serde_json::Value;

const NOW: u64 = 1_800_000_000;

fuzz_target!(|data: &str| {
    assert!(verify(ring(), data).is_err(), "a token that nobody signed was accepted");
    armour_is_undone(data);
    let Some((header, claims)) = data.split_once('\n') else { return };
    let kid = ring().active().public().id().as_str();
    let token = signed(header.replace("KID", kid).as_bytes(), claims.as_bytes());
    if let Ok(verified) = verify(ring(), &token) {
        header_is_ours(header);
        claims_are_known(claims, &verified);
        altered_is_refused(&token);
        rules_hold(verified);
    }
});

/// Checks that each JWT has one armoured spelling, and that each armoured spelling stands for one
/// JWT.
fn armour_is_undone(data: &str) {
    if let Some(jwt) = unarmoured(data) {
        assert_eq!(armoured(&jwt).expect("what was undone has an armour").as_str(), data);
    }
    if let Some(text) = armoured(data) {
        assert!(unarmoured(data).is_none(), "armour in armour");
        assert_eq!(unarmoured(&text).expect("armour is undone").as_str(), data);
    }
}

fn verify(ring: &KeyRing, text: &str) -> Result<VerifiedToken, VerifyError> {
    let scopes = Scopes::default();
    let acceptance = Acceptance::default();
    let context = VerifyContext {
        now: UnixTime(NOW),
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    ring.verify(text, &context)
}

fn header_is_ours(header: &str) {
    let header: Value = serde_json::from_str(header).expect("an accepted header is JSON");
    let members = header.as_object().expect("an accepted header is an object");
    assert_eq!(members.get("alg").and_then(Value::as_str), Some("RS256"));
    assert_eq!(members.get("typ").and_then(Value::as_str), Some("JWT"));
    assert!(members.keys().all(|name| ["alg", "typ", "kid"].contains(&name.as_str())), "{header}");
}

fn claims_are_known(claims: &str, verified: &VerifiedToken) {
    let claims: Value = serde_json::from_str(claims).expect("accepted claims are JSON");
    let members = claims.as_object().expect("accepted claims are an object");
    let known = [
        "iat", "exp", "nbf", "token", "sealed", "allowed", "scopes", "jti", "aud", "sub",
        "explain", "caveats",
    ];
    assert!(members.keys().all(|name| known.contains(&name.as_str())), "{claims}");
    assert_eq!(
        ["token", "sealed"].iter().filter(|name| members.contains_key(**name)).count(),
        1,
        "{claims}"
    );
    let number = |name: &str| members.get(name).and_then(Value::as_u64);
    // A caveat may end the token earlier.
    let exp = number("exp").expect("an accepted token ends");
    assert!(
        verified.expires_at().0 <= exp
            && (verified.caveats() > 0 || verified.expires_at().0 == exp)
    );
    assert!(exp + magicproxy_core::token::LEEWAY_SECONDS > NOW, "it had expired");
    assert!(
        number("nbf").is_none_or(|start| start <= NOW + magicproxy_core::token::LEEWAY_SECONDS),
        "it was too early"
    );
    assert!(verified.policy().rules().next().is_some(), "a token that allows nothing");
}

fn altered_is_refused(token: &str) {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    assert!(verify(ring(), &format!("{signed}.{flipped}{}", &signature[1..])).is_err());
    assert!(verify(ring(), &format!("{signed}.")).is_err());
    assert!(verify(ring(), &format!("{token} ")).is_err());
    assert!(verify(ring(), &format!("{token}.")).is_err());
}

/// Checks that a permit is given only by a rule of the token, for the token's own upstream and
/// within the token's time.
fn rules_hold(verified: VerifiedToken) {
    let (Some(target), Some(other)) = (target("/user"), UpstreamName::parse("other")) else {
        return;
    };
    let token = Arc::new(verified);
    let upstream = token.upstream().cloned().unwrap_or_else(|| other.clone());
    let access = AccessRequest {
        method: "GET",
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Accept,
        ceiling: None,
        sender: None,
        now: UnixTime(NOW),
        parts: magicproxy_core::RequestParts::default(),
        steps: &magicproxy_core::DecisionSteps::new(),
    };
    if let Ok(permit) = token.authorize(&access) {
        assert!(token.policy().rules().any(|rule| rule == permit.rule()));
        assert!(ring().open(&permit).is_err(), "a credential that nobody sealed was opened");
    }
    let late =
        UnixTime(token.expires_at().0.saturating_add(magicproxy_core::token::LEEWAY_SECONDS));
    assert!(
        token
            .authorize(&AccessRequest {
                now: late,
                steps: &magicproxy_core::DecisionSteps::new(),
                ..access
            })
            .is_err(),
        "it never expires"
    );
    if upstream != other {
        assert!(
            token
                .authorize(&AccessRequest {
                    upstream: &other,
                    steps: &magicproxy_core::DecisionSteps::new(),
                    ..access
                })
                .is_err(),
            "it works elsewhere"
        );
    }
}
