//! What the pieces cost: `cargo bench -p magicproxy-core`. A cold token is one that is not in the proxy's cache.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::sync::{Arc, LazyLock};

use divan::{Bencher, black_box};
use magicproxy_core::{
    Acceptance, Access, Caveat, Credential, EncodedSlash, Grant, Kem, KeyRing, MintRequest, PatternMode, Policy, PrivateKey,
    RawRule, RequestTarget, Rule, Scopes, SealRequest, SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifyContext,
};
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime(1_790_000_000);

static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let sealing = Kem::ALL.map(|kem| SealingKey::generate(kem, NOW).unwrap());
    KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![]).unwrap().with_sealing(sealing.into()).unwrap()
});
static SCOPES: LazyLock<Scopes> = LazyLock::new(Scopes::default);
static ACCEPTANCE: LazyLock<Acceptance> = LazyLock::new(Acceptance::default);

fn main() {
    divan::main();
}

fn rules(count: usize) -> Vec<Rule> {
    let raw: Vec<RawRule> = (0..count).map(|at| RawRule::Text(format!("GET /repos/acme/project-{at}/issues/[0-9]+"))).collect();
    Rule::parse_list(&raw, PatternMode::Whole).unwrap()
}

fn credential() -> Credential {
    Credential::parse(Zeroizing::new("ghp_0123456789abcdefghijklmnopqrstuvwxyz".to_owned())).unwrap()
}

fn upstream() -> UpstreamName {
    UpstreamName::parse("api").unwrap()
}

fn signed(count: usize) -> Zeroizing<String> {
    let request = MintRequest {
        credential: credential(),
        grant: Grant::Allowed(rules(count)),
        upstream: Some(upstream()),
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3600),
        not_before: None,
        explain: false,
        limit: None,
    };
    RING.mint(&request).unwrap().token
}

fn sealed(kem: Kem, count: usize, caveats: usize) -> Zeroizing<String> {
    let key = RING.published(NOW).find(|key| key.kem() == kem).unwrap();
    let minted = key.mint(&SealRequest {
        credential: credential().into(),
        grant: Grant::Allowed(rules(count)),
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
    let context = VerifyContext { now: NOW, scopes: &SCOPES, patterns: PatternMode::Whole, acceptance: &ACCEPTANCE };
    Arc::new(RING.verify(token, &context).unwrap())
}

/// Verified, asked about one request, opened: all that a token costs that nobody has seen.
fn cold(token: &str, target: &RequestTarget, upstream: &UpstreamName) {
    let access = access(target, upstream);
    let permit = verify(token).authorize(&access).unwrap();
    black_box(RING.open(&permit).unwrap());
}

fn access<'a>(target: &'a RequestTarget, upstream: &'a UpstreamName) -> Access<'a> {
    Access { method: "GET", target, upstream, unnamed: UnnamedTokens::Refuse, ceiling: None, sender: None, now: NOW }
}

fn bench_cold(bencher: Bencher<'_, '_>, token: &str) {
    let target = RequestTarget::parse(b"/repos/acme/project-0/issues/7", EncodedSlash::Refuse).unwrap();
    let upstream = upstream();
    bencher.bench_local(|| cold(token, &target, &upstream));
}

#[divan::bench]
fn cold_v1(bencher: Bencher<'_, '_>) {
    bench_cold(bencher, &signed(1));
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
    let (token, caveat) = (sealed(Kem::X25519, 1, 0), Caveat::from_json(br#"{"exp":1790000600}"#).unwrap());
    bencher.bench_local(|| caveat.append_to(&token).unwrap());
}

#[divan::bench(args = [1, 100])]
fn compile_rules(bencher: Bencher<'_, '_>, count: usize) {
    let rules = rules(count);
    bencher.bench_local(|| Policy::compile(&rules).unwrap());
}

#[divan::bench(args = [1, 100])]
fn hot_decision(bencher: Bencher<'_, '_>, count: usize) {
    let token = verify(&signed(count));
    let target = RequestTarget::parse(b"/repos/acme/project-0/issues/7", EncodedSlash::Refuse).unwrap();
    let upstream = upstream();
    bencher.bench_local(|| token.authorize(&access(&target, &upstream)).unwrap());
}
