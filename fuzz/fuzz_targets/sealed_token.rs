//! Fuzzes sealed tokens: nobody forges a sealed token, and a caveat appended to a genuine token
//! only takes away.
//!
//! Input: either a token, or lines; each line is appended to a genuine token as the bytes of a
//! caveat.
#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{
    Acceptance, AccessRequest, Caveat, Credential, Kem, KeyRing, MinterKey, PatternMode,
    PrivateKey, RawRule, Rule, RuleSource, Scopes, SealedToken, SealedTokenSpec, SealingKey,
    TypedCredential, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
    VerifyError,
};
use magicproxy_fuzz::target;

const NOW: UnixTime = UnixTime(1_800_000_000);

fuzz_target!(|data: &str| {
    assert!(verify(data).is_err(), "a token that nobody sealed was accepted");
    if let Ok(parsed) = SealedToken::parse(data) {
        let of_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        assert!(
            data.strip_prefix("mt2_").is_some_and(|behind| behind.bytes().all(of_token)),
            "a second spelling"
        );
        // A token that parses can be narrowed, and is still not genuine.
        if let Ok(narrowed) =
            Caveat::from_json(br#"{"sub":"a"}"#).expect("this is a caveat").append_to(data)
        {
            assert!(verify(&narrowed).is_err());
            assert_eq!(
                SealedToken::parse(&narrowed).expect("a narrowed token is one").claims().jti,
                parsed.claims().jti
            );
        }
    }
    let _ = (
        TypedCredential::from_json(data.as_bytes()),
        MinterKey::from_json(data),
        SealingKey::from_json(data),
    );
    caveats_take(data);
});

fn caveats_take(data: &str) {
    let mut token = genuine().to_owned();
    let mut parent = Arc::new(verify(&token).expect("a genuine token is accepted"));
    for line in data.lines().take(3) {
        let Ok(caveat) = Caveat::from_json(line.as_bytes()) else { return };
        assert_eq!(
            Caveat::from_json(caveat.to_json().as_bytes()).as_ref(),
            Ok(&caveat),
            "what is written is read"
        );
        let Ok(narrowed) = caveat.append_to(&token) else { return };
        token = narrowed.to_string();
        let child = match verify(&token) {
            Ok(child) => Arc::new(child),
            // Several sets of rules may be too much together.
            Err(VerifyError::Rule(_) | VerifyError::Policy(_)) => return,
            Err(error) => panic!("what was narrowed is refused: {error}"),
        };
        assert!(
            child.expires_at() <= parent.expires_at() && child.not_before() >= parent.not_before()
        );
        for path in ["/user", "/a", "/a/b"] {
            for sender in [None, Some("192.0.2.1".parse().expect("an address"))] {
                assert!(!allows(&child, path, sender) || allows(&parent, path, sender), "{data}");
            }
        }
        parent = child;
    }
}

fn allows(token: &Arc<VerifiedToken>, path: &str, sender: Option<std::net::IpAddr>) -> bool {
    let (target, upstream) =
        (target(path).expect("a target"), UpstreamName::parse("api").expect("a name"));
    let unnamed = UnnamedTokens::Refuse;
    let access = AccessRequest {
        method: "GET",
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed,
        ceiling: None,
        sender,
        now: NOW,
        parts: magicproxy_core::RequestParts::default(),
        steps: &magicproxy_core::DecisionSteps::new(),
    };
    token.authorize(&access).is_ok()
}

fn verify(text: &str) -> Result<VerifiedToken, VerifyError> {
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    ring().verify(text, &context)
}

fn ring() -> &'static KeyRing {
    static RING: OnceLock<KeyRing> = OnceLock::new();
    RING.get_or_init(|| {
        let sealing =
            Kem::ALL.map(|kem| SealingKey::generate(kem, NOW).expect("a key can be made"));
        let signing = PrivateKey::generate(2048).expect("a key can be made");
        KeyRing::new(signing, Vec::new())
            .and_then(|ring| ring.with_sealing(sealing.into()))
            .expect("a ring")
    })
}

fn genuine() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let credential = Credential::parse("ghp_fuzzed".to_owned().into()).expect("a credential");
        let rules = ["GET /user", "GET /a/.*"].map(|rule| {
            Rule::parse(RawRule::Text(rule.to_owned()), PatternMode::Whole).expect("a rule")
        });
        let minted = ring().published(NOW).next().expect("a key").mint(&SealedTokenSpec {
            credential: credential.into(),
            source: RuleSource::Rules(rules.into()),
            upstream: UpstreamName::parse("api").expect("a name"),
            issued_at: NOW,
            expires_at: UnixTime(NOW.0 + 3600),
            not_before: None,
            subject: None,
            explain: false,
            minter: None,
        });
        minted.expect("a token").token.to_string()
    })
}
