//! Narrowing never widens: what a token with caveats allows, every one of its ancestors allows.

use std::sync::Arc;

use magicproxy_core::{
    Acceptance, AccessRequest, Caveat, Credential, EncodedSlash, Kem, KeyRing, PatternMode,
    PrivateKey, RawRule, RequestTarget, Rule, RuleSource, Scopes, SealedTokenSpec, SealingKey,
    UnixTime, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use zeroize::Zeroizing;

pub(crate) const NOW: u64 = 1_790_000_000;
const CHAINS: u32 = 1_000;

/// What requests are made of; small, so that rules and requests meet often.
const METHODS: [&str; 4] = ["GET", "HEAD", "PUT", "DELETE"];
const PATHS: [&str; 10] =
    ["/", "/a", "/b", "/a/a", "/a/b", "/b/a", "/a/a/a", "/a/1", "/a/%C3%A9", "/a?b=c"];
const UPSTREAMS: [&str; 2] = ["api", "other"];
const SENDERS: [Option<&str>; 4] =
    [None, Some("192.0.2.1"), Some("198.51.100.1"), Some("2001:db8::1")];
const TIMES: [u64; 4] = [NOW, NOW + 50, NOW + 150, NOW + 3500];

fn rules() -> impl Strategy<Value = Vec<String>> {
    let method = prop::sample::select(vec!["GET", "PUT", "DELETE", "HEAD", "*"]);
    let pattern = prop::sample::select(vec![
        "/.*", "/a", "/a/.*", "/[^/]+", "/a/[^/]+", "/(a|b)", "/a(/a)*", "/b.*", "/[^/]+/a", "/",
    ]);
    prop::collection::vec(
        (method, pattern).prop_map(|(method, pattern)| format!("{method} {pattern}")),
        1..4,
    )
}

/// A caveat that says something, as JSON.
fn caveat() -> impl Strategy<Value = String> {
    let networks = prop::sample::subsequence(
        vec!["192.0.2.0/24", "198.51.100.0/24", "0.0.0.0/0", "2001:db8::/32"],
        1..3,
    );
    prop_oneof![
        4 => rules().prop_map(|allowed| json!({ "allowed": allowed })),
        1 => prop::sample::select(vec![NOW - 31, NOW + 20, NOW + 120, NOW + 9_999_999]).prop_map(|exp| json!({ "exp": exp })),
        1 => prop::sample::select(vec![NOW, NOW + 100, NOW + 1000]).prop_map(|nbf| json!({ "nbf": nbf })),
        1 => prop::sample::select(UPSTREAMS.to_vec()).prop_map(|aud| json!({ "aud": aud })),
        1 => networks.prop_map(|cidr| json!({ "sender": { "cidr": cidr } })),
        1 => Just(json!({ "sub": "somebody" })),
    ]
    .prop_map(|caveat| caveat.to_string())
}

/// Each token of a chain, the first without a caveat.
pub(crate) fn chain(
    ring: &KeyRing,
    allowed: &[RawRule],
    caveats: &[String],
) -> Vec<Arc<VerifiedToken>> {
    let minted = ring.published(UnixTime(NOW)).next().unwrap().mint(&SealedTokenSpec {
        credential: Credential::parse(Zeroizing::new("ghp_x".to_owned())).unwrap().into(),
        source: RuleSource::Rules(Rule::parse_list(allowed, PatternMode::Whole).unwrap()),
        upstream: UpstreamName::parse("api").unwrap(),
        issued_at: UnixTime(NOW),
        expires_at: UnixTime(NOW + 3000),
        not_before: None,
        subject: None,
        explain: false,
        minter: None,
    });
    let mut token = minted.unwrap().token;
    let acceptance = Acceptance::default();
    let scopes = Scopes::default();
    let context = VerifyContext {
        now: UnixTime(NOW),
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    let mut tokens = vec![Arc::new(ring.verify(&token, &context).unwrap())];
    for caveat in caveats {
        token = Caveat::from_json(caveat.as_bytes()).unwrap().append_to(&token).unwrap();
        tokens.push(Arc::new(ring.verify(&token, &context).unwrap()));
    }
    tokens
}

/// Over a million decisions: each chain is asked about every request there is.
#[test]
fn a_child_allows_nothing_that_its_parent_does_not() {
    let signing = PrivateKey::generate(2048).unwrap();
    let sealing = vec![SealingKey::generate(Kem::X25519, UnixTime(NOW)).unwrap()];
    let ring = KeyRing::new(signing, vec![]).unwrap().with_sealing(sealing).unwrap();
    let targets: Vec<RequestTarget> = PATHS
        .iter()
        .map(|path| RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse).unwrap())
        .collect();
    let upstreams = UPSTREAMS.map(|name| UpstreamName::parse(name).unwrap());
    let (mut decisions, mut narrowed) = (0_u64, 0_u64);
    let mut runner =
        TestRunner::new(Config { cases: CHAINS, failure_persistence: None, ..Config::default() });
    let mut check = |tokens: &[Arc<VerifiedToken>], access: &AccessRequest<'_>| {
        let allowed: Vec<bool> =
            tokens.iter().map(|token| token.authorize(access).is_ok()).collect();
        decisions += 1;
        narrowed += u64::from(allowed.first() != allowed.last());
        // Once refused, refused for good.
        assert!(allowed.windows(2).all(|pair| pair[0] || !pair[1]), "{allowed:?} {access:?}");
    };
    let cell = std::cell::RefCell::new(&mut check);
    runner
        .run(&(rules(), prop::collection::vec(caveat(), 1..5)), |(allowed, caveats)| {
            let allowed: Vec<RawRule> = allowed.into_iter().map(RawRule::Text).collect();
            let tokens = chain(&ring, &allowed, &caveats);
            for target in &targets {
                for (method, sender, now, upstream) in every_circumstance(&upstreams) {
                    let sender = sender.map(|address: &str| address.parse().unwrap());
                    let unnamed = UnnamedTokens::Refuse;
                    let access = AccessRequest {
                        method,
                        target,
                        upstream,
                        alias: None,
                        unnamed,
                        ceiling: None,
                        sender,
                        now: UnixTime(now),
                        parts: magicproxy_core::RequestParts::default(),
                        steps: &magicproxy_core::DecisionSteps::new(),
                    };
                    (cell.borrow_mut())(&tokens, &access);
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(
        decisions >= 1_000_000 && narrowed > 10_000,
        "{decisions} decisions, {narrowed} of them narrowed"
    );
}

fn every_circumstance(
    upstreams: &[UpstreamName; 2],
) -> impl Iterator<Item = (&'static str, Option<&'static str>, u64, &UpstreamName)> {
    METHODS.into_iter().flat_map(move |method| {
        SENDERS.into_iter().flat_map(move |sender| {
            TIMES.into_iter().flat_map(move |now| {
                upstreams.iter().map(move |upstream| (method, sender, now, upstream))
            })
        })
    })
}
