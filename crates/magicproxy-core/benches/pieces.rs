//! What the pieces cost: `cargo bench -p magicproxy-core`. A cold token is one that is not in the proxy's cache.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use divan::{Bencher, black_box};
use magicproxy_core::{
    Acceptance, AccessRequest, Caveat, Credential, DecisionSteps, EncodedSlash, Kem, KeyRing,
    PatternMode, Policy, PrivateKey, RawRule, RequestTarget, Rule, RuleSource, Scopes,
    SealedTokenSpec, SealingKey, TokenSpec, UnixTime, UnnamedTokens, UpstreamName, VerifyContext,
};
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime(1_790_000_000);

static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let sealing = Kem::ALL.map(|kem| SealingKey::generate(kem, NOW).unwrap());
    KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![])
        .unwrap()
        .with_sealing(sealing.into())
        .unwrap()
});
static SCOPES: LazyLock<Scopes> = LazyLock::new(Scopes::default);
static ACCEPTANCE: LazyLock<Acceptance> = LazyLock::new(Acceptance::default);

fn main() {
    divan::main();
}

fn rules(count: usize) -> Vec<Rule> {
    rules_of(count, |at| format!("GET /repos/acme/project-{at}/issues/[0-9]+"))
}

/// More than one list may hold, as several scopes together give a token.
fn rules_of(count: usize, rule: impl Fn(usize) -> String) -> Vec<Rule> {
    let raw: Vec<RawRule> = (0..count).map(|at| RawRule::Text(rule(at))).collect();
    raw.chunks(1000).flat_map(|list| Rule::parse_list(list, PatternMode::Whole).unwrap()).collect()
}

fn credential() -> Credential {
    Credential::parse(Zeroizing::new("ghp_0123456789abcdefghijklmnopqrstuvwxyz".to_owned()))
        .unwrap()
}

fn upstream() -> UpstreamName {
    UpstreamName::parse("api").unwrap()
}

fn signed(count: usize) -> Zeroizing<String> {
    let request = TokenSpec {
        credential: credential(),
        source: RuleSource::Rules(rules(count)),
        upstream: Some(upstream()),
        unnamed: magicproxy_core::UnnamedTokens::Accept,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3600),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    RING.mint(&request).unwrap().token
}

fn sealed(kem: Kem, count: usize, caveats: usize) -> Zeroizing<String> {
    let key = RING.published(NOW).find(|key| key.kem() == kem).unwrap();
    let minted = key.mint(&SealedTokenSpec {
        credential: credential().into(),
        source: RuleSource::Rules(rules(count)),
        upstream: upstream(),
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3600),
        not_before: None,
        subject: None,
        explain: false,
        minter: None,
    });
    let caveat = Caveat::from_json(br#"{"exp":1790000600,"sub":"agent"}"#).unwrap();
    (0..caveats).fold(minted.unwrap().token, |token, _| caveat.append_to(&token).unwrap())
}

fn verify(token: &str) -> Arc<magicproxy_core::VerifiedToken> {
    let context = VerifyContext {
        now: NOW,
        scopes: &SCOPES,
        patterns: PatternMode::Whole,
        acceptance: &ACCEPTANCE,
    };
    Arc::new(RING.verify(token, &context).unwrap())
}

/// Verified, asked about one request, opened: all that a token costs that nobody has seen.
fn cold(token: &str, target: &RequestTarget, upstream: &UpstreamName) {
    let steps = DecisionSteps::new();
    let access = access(target, upstream, &steps);
    let permit = verify(token).authorize(&access).unwrap();
    black_box(RING.open(&permit).unwrap());
}

fn access<'a>(
    target: &'a RequestTarget,
    upstream: &'a UpstreamName,
    steps: &'a DecisionSteps,
) -> AccessRequest<'a> {
    AccessRequest {
        method: "GET",
        target,
        upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: None,
        now: NOW,
        parts: magicproxy_core::RequestParts::default(),
        steps,
    }
}

fn bench_cold(bencher: Bencher<'_, '_>, token: &str) {
    let target =
        RequestTarget::parse(b"/repos/acme/project-0/issues/7", EncodedSlash::Refuse).unwrap();
    let upstream = upstream();
    bencher.bench_local(|| cold(token, &target, &upstream));
}

#[divan::bench]
fn cold_v1(bencher: Bencher<'_, '_>) {
    bench_cold(bencher, &signed(1));
}

/// What a cold token of version 1 cannot do without: a signature verified, a credential opened, by a key of the same size.
#[divan::bench]
fn cold_v1_cryptography_alone(bencher: Bencher<'_, '_>) {
    let (pair, mut signature) = (KeyPair::generate(KeySize::Rsa2048).unwrap(), vec![0; 256]);
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &[7; 900], &mut signature).unwrap();
    let public =
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()).unwrap();
    let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let sealing = OaepPublicEncryptingKey::new(private.public_key()).unwrap();
    let opening = OaepPrivateDecryptingKey::new(private).unwrap();
    let (mut sealed, mut opened) = (vec![0; 256], vec![0; 256]);
    sealing.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 40], &mut sealed, None).unwrap();
    bencher.bench_local(|| {
        public.verify_sig(&[7; 900], &signature).unwrap();
        black_box(opening.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed, &mut opened, None).unwrap());
    });
}

#[divan::bench]
fn cold_v2_x25519(bencher: Bencher<'_, '_>) {
    bench_cold(bencher, &sealed(Kem::X25519, 1, 0));
}

#[divan::bench]
fn cold_v2_x25519_three_caveats(bencher: Bencher<'_, '_>) {
    bench_cold(bencher, &sealed(Kem::X25519, 1, 3));
}

#[divan::bench]
fn cold_v2_x_wing(bencher: Bencher<'_, '_>) {
    bench_cold(bencher, &sealed(Kem::XWing, 1, 0));
}

#[divan::bench]
fn narrow(bencher: Bencher<'_, '_>) {
    let (token, caveat) =
        (sealed(Kem::X25519, 1, 0), Caveat::from_json(br#"{"exp":1790000600}"#).unwrap());
    bencher.bench_local(|| caveat.append_to(&token).unwrap());
}

#[divan::bench(args = [1, 4, 100, 1000, 10_000])]
fn compile_rules(bencher: Bencher<'_, '_>, count: usize) {
    let rules = rules(count);
    bencher.bench_local(|| Policy::compile(&rules).unwrap());
}

#[divan::bench(args = [1, 4, 100])]
fn hot_decision(bencher: Bencher<'_, '_>, count: usize) {
    let token = verify(&signed(count));
    let target =
        RequestTarget::parse(b"/repos/acme/project-0/issues/7", EncodedSlash::Refuse).unwrap();
    let upstream = upstream();
    bencher.bench_local(|| {
        token.authorize(&access(&target, &upstream, &DecisionSteps::new())).unwrap()
    });
}

/// By the last rule of a list.
#[divan::bench(args = [1, 4, 100, 1000, 10_000])]
fn match_rules(bencher: Bencher<'_, '_>, count: usize) {
    bench_match(bencher, &rules(count), &format!("/repos/acme/project-{}/issues/7", count - 1));
}

/// Each with a part of its own where others have a class, by the last.
#[divan::bench(args = [100, 1000, 10_000])]
fn match_rules_of_many_owners(bencher: Bencher<'_, '_>, count: usize) {
    let rules = rules_of(count, |at| format!("GET /repos/org{at}/[^/]+/res{at}/[0-9]+"));
    bench_match(
        bencher,
        &rules,
        &format!("/repos/org{last}/rocket/res{last}/12345", last = count - 1),
    );
}

/// With alternatives, by the last.
#[divan::bench(args = [100, 1000])]
fn match_rules_with_alternatives(bencher: Bencher<'_, '_>, count: usize) {
    let rules = rules_of(count, |at| format!("GET /repos/acme/project-{at}/(issues|pulls)/[0-9]+"));
    bench_match(bencher, &rules, &format!("/repos/acme/project-{}/pulls/7", count - 1));
}

/// By the last rule of a list of which none is simple.
#[divan::bench(args = [100, 1000])]
fn match_rules_of_automata(bencher: Bencher<'_, '_>, count: usize) {
    let rules = rules_of(count, |at| format!("GET /p{at}/[^/]+(/[^/]+)*"));
    bench_match(bencher, &rules, &format!("/p{}/pulls/7", count - 1));
}

fn bench_match(bencher: Bencher<'_, '_>, rules: &[Rule], path: &str) {
    let policy = Policy::compile(rules).unwrap();
    let target = RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse).unwrap();
    bencher.bench_local(|| policy.allows("GET", black_box(&target)).unwrap());
}

/// The costliest decisions that a request may be: lists that are accepted, and the longest path for which the steps suffice.
mod worst_decisions {
    use super::*;

    /// Many small automata.
    #[divan::bench]
    fn many_automata(bencher: Bencher<'_, '_>) {
        bench_worst(bencher, &listed(800, |at| format!("/.*[a-m]{at}(b|c)*")), 6);
    }

    /// Automata that are as large as may be, and a path that goes all over their tables: more than a processor's nearest memory.
    #[divan::bench(args = [5, 7, 9])]
    fn large_automata(bencher: Bencher<'_, '_>, size: usize) {
        bench_worst(
            bencher,
            &listed(60, |at| {
                format!("/[ab]*a[ab]{{{size}}}c?{}", char::from(b'A' + (at % 26) as u8))
            }),
            2,
        );
    }

    /// Trees in which a path must try as many classes as may be.
    #[divan::bench]
    fn classes(bencher: Bencher<'_, '_>) {
        let methods = [
            "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ACL", "BIND", "COPY", "LOCK", "MERGE",
            "MOVE", "SEARCH",
        ];
        let rules = methods.iter().flat_map(|method| {
            (0..20).filter_map(move |at| {
                let path = format!("/[a-f%/0-9A-{}]*", char::from(b'G' + at));
                let rule = format!(r#"{{"method":["GET","{method}"],"path":"{path}"}}"#);
                Rule::parse(serde_json::from_str(&rule).unwrap(), PatternMode::Whole).ok()
            })
        });
        bench_worst(bencher, &rules.collect::<Vec<_>>(), 6);
    }

    /// A tree of many nodes.
    #[divan::bench]
    fn nodes(bencher: Bencher<'_, '_>) {
        let rules =
            listed(400, |at| format!("/{}(b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q)", "a".repeat(at / 4)));
        bench_worst(bencher, &rules, 1);
    }

    fn listed(count: usize, pattern: impl Fn(usize) -> String) -> Vec<Rule> {
        (0..count)
            .filter_map(|at| {
                Rule::parse(RawRule::Text(format!("GET {}", pattern(at))), PatternMode::Whole).ok()
            })
            .collect()
    }

    /// In as many readings as may be, each nearly as long as the path.
    fn target(bytes: usize, letters: u32) -> RequestTarget {
        // Of letters that no automaton foresees.
        let mut random: u32 = 1;
        let text = (0..bytes).map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + u8::try_from((random >> 24) % letters).unwrap())
        });
        let text =
            format!("/{}%2Fa%3Fa%23a%EF%BC%9Fa%EF%BC%83a%EF%BC%9B", text.collect::<String>());
        RequestTarget::parse(text.as_bytes(), EncodedSlash::Both).unwrap()
    }

    fn bench_worst(bencher: Bencher<'_, '_>, rules: &[Rule], letters: u32) {
        // As many of them as a list may be made of; whatever else, the last rule allows every reading.
        let all = Rule::parse(RawRule::Text("GET /(.|a)*".to_owned()), PatternMode::Whole).unwrap();
        let policy = |count: usize| Policy::compile(rules.iter().take(count).chain([&all]));
        let policy = (1..=rules.len()).rev().find_map(|count| policy(count).ok()).unwrap();
        let taken = |target: &RequestTarget| {
            let steps = DecisionSteps::new();
            policy.allows_within("GET", target, &steps).map(|_| steps.taken())
        };
        let (target, steps) = (1..4_000)
            .rev()
            .map(|bytes| target(bytes, letters))
            .find_map(|target| Some((taken(&target)?, target)))
            .map(|(steps, t)| (t, steps))
            .unwrap();
        eprintln!(
            "{} rules, {} KiB: {steps} steps, {} bytes in {} readings",
            policy.rules().count(),
            policy.memory_bytes() / 1024,
            target.path().len(),
            target.readings().count()
        );
        bencher.bench_local(|| policy.allows("GET", black_box(&target)).unwrap());
    }
}
