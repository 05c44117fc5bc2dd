use std::sync::atomic::Ordering;

use magicproxy_core::{
    Kem, KeyRing, PatternMode, PrivateKey, RawRule, Rule, SealedTokenSpec, SealingKey, UnixTime,
    UpstreamName,
};

use super::*;
use crate::admission::MinterTrust;
use crate::credential::carriers::Carriers;
use crate::settings::HttpMint;
use crate::settings::RouteSettings;
use crate::settings::fixture::upstream;

/// A proxy of one upstream, and whoever has tokens for it.
struct Fixture {
    verifier: Verifier,
    peer: Arc<Account>,
}

fn keys() -> KeyRing {
    let sealing = SealingKey::generate(Kem::X25519, clock::now()).unwrap();
    KeyRing::new(PrivateKey::generate(2048).unwrap(), Vec::new())
        .unwrap()
        .with_sealing(vec![sealing])
        .unwrap()
}

fn fixture(limits: &Limits, http_mint: HttpMint) -> Fixture {
    let mut upstream = upstream("api", "https://api.example", RouteSettings::default());
    Arc::get_mut(&mut upstream).unwrap().http_mint = http_mint;
    let keys = Arc::new(SharedKeys::new(keys()));
    let (basis, services) =
        (TokenBasis::of(&upstream, &Carriers::default()), Services::of_keys(keys));
    let shared = SharedWork::new(limits, &services);
    let verifier = Verifier::new(basis, limits.token_cache_bytes, &services, &shared).unwrap();
    Fixture { verifier, peer: Arc::default() }
}

fn checked(rules: &[String]) -> Vec<Rule> {
    let rules: Vec<_> = rules.iter().cloned().map(RawRule::Text).collect();
    Rule::parse_list(&rules, PatternMode::Whole).unwrap()
}

fn presented(token: &str) -> BearerToken {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    BearerToken::from_headers(&headers, &Carriers::default()).unwrap()
}

impl Fixture {
    /// A token of version 1.
    fn minted(&self, credential: &str, rules: &[String]) -> BearerToken {
        let now = clock::now();
        let request = magicproxy_core::TokenSpec {
            credential: magicproxy_core::Credential::parse(Zeroizing::new(credential.to_owned()))
                .unwrap(),
            source: magicproxy_core::RuleSource::Rules(checked(rules)),
            upstream: Some(UpstreamName::parse("api").unwrap()),
            unnamed: magicproxy_core::UnnamedTokens::Refuse,
            issued_at: now,
            expires_at: UnixTime(now.0 + 600),
            not_before: None,
            subject: None,
            explain: false,
            limit: None,
        };
        presented(&self.verifier.inner.keys.current().mint(&request).unwrap().token)
    }

    /// A token of version 2: whoever has the public key makes such.
    fn sealed(&self, rules: &[String]) -> BearerToken {
        let (keys, now) = (self.verifier.inner.keys.current(), clock::now());
        let request = SealedTokenSpec {
            credential: magicproxy_core::Credential::parse(Zeroizing::new(
                "a-credential".to_owned(),
            ))
            .unwrap()
            .into(),
            source: magicproxy_core::RuleSource::Rules(checked(rules)),
            upstream: UpstreamName::parse("api").unwrap(),
            issued_at: now,
            expires_at: UnixTime(now.0 + 600),
            not_before: None,
            subject: None,
            explain: false,
            minter: None,
        };
        presented(&keys.published(now).next().unwrap().mint(&request).unwrap().token)
    }

    async fn verify(&self, token: &BearerToken) -> Result<Arc<CachedToken>, Rejection> {
        self.verify_from(token, &self.peer).await
    }

    async fn verify_from(
        &self,
        token: &BearerToken,
        peer: &Arc<Account>,
    ) -> Result<Arc<CachedToken>, Rejection> {
        self.verifier.verify(token, || Arc::clone(peer)).await
    }

    /// The token with one more caveat, by the proxy.
    async fn narrowed(&self, token: &BearerToken, caveat: &str) -> BearerToken {
        let entry = self.verify(token).await.unwrap();
        let caveat = Box::new(Caveat::from_json(caveat.as_bytes()).unwrap());
        presented(&self.verifier.reissue(&entry, token, Reissue::Narrow(caveat)).await.unwrap())
    }

    fn compiled(&self) -> usize {
        self.verifier.inner.shared.rules.compiled.load(Ordering::Relaxed)
    }

    fn lanes(&self) -> &Lanes {
        &self.verifier.inner.shared.lanes
    }
}

fn simple() -> Vec<String> {
    vec!["GET /user".to_owned()]
}

/// Rules that take long to compile, other ones for each number.
fn costly(number: usize) -> Vec<String> {
    (0..8).map(|at| format!("GET /{number}/{at}[ab]*a[ab]{{7}}c")).collect()
}

#[tokio::test]
async fn a_token_is_verified_once() {
    let fixture = fixture(&Limits::default(), HttpMint::Open);
    let token = fixture.minted("a-credential", &simple());
    let (first, at_once) = tokio::join!(fixture.verify(&token), fixture.verify(&token));
    let later = fixture.verify(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first.unwrap(), &later) && Arc::ptr_eq(&at_once.unwrap(), &later));
    assert_eq!(fixture.lanes().authentication.counts(), (1, 0));
}

/// Forged tokens stop at the first lane.
#[tokio::test]
async fn what_is_not_genuine_is_not_kept_and_costs_no_more() {
    let (here, elsewhere) =
        (fixture(&Limits::default(), HttpMint::Open), fixture(&Limits::default(), HttpMint::Open));
    for token in [elsewhere.minted("a-credential", &costly(1)), elsewhere.sealed(&costly(1))] {
        assert!(here.verify(&token).await.is_err());
    }
    assert_eq!((here.verifier.cache.len(), here.lanes().authentication.counts().0), (0, 2));
    assert_eq!((here.lanes().quick.counts().0, here.compiled()), (0, 0));
    here.verify(&here.minted("a-credential", &simple())).await.unwrap();
    assert_eq!((here.verifier.cache.len(), here.lanes().quick.counts().0), (1, 1));
}

/// Whoever could, would have any number of costly tokens verified at once.
#[tokio::test]
async fn a_client_who_leaves_makes_no_room_before_the_work_is_done() {
    let fixture = fixture(&Limits::default(), HttpMint::Closed);
    let payer =
        Payer { owner: Some(Arc::default()), peer: Arc::default(), trust: MinterTrust::Known };
    let lane = fixture.lanes().costly(MinterTrust::Known);
    let mut slots = Vec::new();
    while lane.counts().0
        < std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(4))
    {
        slots.push(lane.enter(&payer).await.unwrap());
    }
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let mut working = Box::pin(slots.pop().unwrap().work(move || ended.recv().is_err()));
    let begun =
        std::future::poll_fn(|context| std::task::Poll::Ready(working.as_mut().poll(context)))
            .await;
    assert!(begun.is_pending());
    drop(working);
    let mut next = Box::pin(lane.enter(&payer));
    let next_begun =
        std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context))).await;
    assert!(next_begun.is_pending(), "the slot is not free while the work is not done");
    drop(end);
    assert!(next.await.is_ok());
}

/// Whoever mints chooses how long credentials are: the cache is to be no larger for that.
#[tokio::test]
async fn a_long_credential_weighs_what_it_takes() {
    let fixture = fixture(&Limits::default(), HttpMint::Open);
    for length in [100, 8192] {
        let entry = fixture.verify(&fixture.minted(&"x".repeat(length), &simple())).await.unwrap();
        let least = 12 * length;
        assert!(
            (least..2 * least + 16 * 1024).contains(&entry.weight()),
            "{length}: {}",
            entry.weight()
        );
    }
}

/// Costly tokens of strangers take their turns among themselves: nobody else waits for one of them to be compiled.
#[tokio::test]
async fn nobody_waits_for_the_costly_tokens_of_strangers() {
    let fixture = Arc::new(fixture(&Limits::default(), HttpMint::Open));
    let strangers = fixture.lanes().costly(MinterTrust::Stranger);
    // Its slots are taken for as long as the test wants.
    let payer = Payer::anonymous(Arc::default());
    let mut held = vec![strangers.enter(&payer).await.unwrap()];
    let mut attacks = Vec::new();
    for number in 0..12 {
        let (fixture, token) = (Arc::clone(&fixture), fixture.sealed(&costly(number)));
        let attacker = Arc::clone(&fixture.peer);
        attacks.push(tokio::spawn(async move { fixture.verify_from(&token, &attacker).await }));
    }
    for _ in 1..std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(4)) {
        held.push(strangers.enter_surely(&payer).await.unwrap());
    }
    let honest = Arc::default();
    for token in [fixture.sealed(&simple()), fixture.minted("a-credential", &simple())] {
        assert!(fixture.verify_from(&token, &honest).await.is_ok());
    }
    assert_eq!(fixture.compiled(), 1, "only what was simple was compiled, once for both");
    let waiting = strangers.counts().1;
    assert!(waiting <= attacks.len(), "{waiting}");
    attacks.iter().for_each(tokio::task::JoinHandle::abort);
    drop(held);
}

/// Narrowing compiles the caveat, once; its children, and other tokens of the same rules, compile nothing.
#[tokio::test]
async fn the_same_rules_are_compiled_once() {
    let fixture = fixture(&Limits::default(), HttpMint::Closed);
    let token = fixture.minted("a-credential", &costly(1));
    fixture.verify(&token).await.unwrap();
    assert_eq!(fixture.compiled(), 1);
    for child in 0..5 {
        let caveat = format!(r#"{{"allowed":["GET /1/.*x?y*"],"sub":"child{child}"}}"#);
        let child = fixture.narrowed(&token, &caveat).await;
        fixture.verify(&child).await.unwrap();
        assert_eq!(fixture.compiled(), 2);
    }
    for _ in 0..5 {
        fixture.verify(&fixture.minted("another", &costly(1))).await.unwrap();
        fixture.verify(&fixture.sealed(&costly(1))).await.unwrap();
    }
    assert_eq!(fixture.compiled(), 2);
    assert_eq!(
        fixture.lanes().costly(MinterTrust::Known).counts().0
            + fixture.lanes().costly(MinterTrust::Stranger).counts().0,
        1
    );
}

/// Has so many ask at a time, while nobody gets a turn in this lane: how many turns they needed together, and what came of it.
async fn many_at_once<T: Send + 'static>(
    lane: &lane::Lane,
    ask: impl Fn() -> std::pin::Pin<Box<dyn Future<Output = T> + Send>>,
) -> (usize, Vec<T>) {
    const MANY: usize = 50;
    let payer = Payer::anonymous(Arc::default());
    let mut held = Vec::new();
    for _ in 0..std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)) {
        held.push(lane.enter_surely(&payer).await.unwrap());
    }
    let (turns, begun) = (lane.counts().0, Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let (asking, begun) = (ask(), Arc::clone(&begun));
        all.spawn(async move {
            begun.fetch_add(1, Ordering::SeqCst);
            asking.await
        });
    }
    while begun.load(Ordering::SeqCst) < MANY {
        tokio::task::yield_now().await;
    }
    drop(held);
    let outcomes = all.join_all().await;
    (lane.counts().0 - turns, outcomes)
}

/// However many bring one forged token at a time, it is looked at once.
#[tokio::test]
async fn many_who_bring_one_forged_token_cost_one_verification() {
    let (here, elsewhere) = (
        Arc::new(fixture(&Limits::default(), HttpMint::Open)),
        fixture(&Limits::default(), HttpMint::Open),
    );
    let token = Arc::new(elsewhere.sealed(&simple()));
    let ask = || {
        let (here, token) = (Arc::clone(&here), Arc::clone(&token));
        Box::pin(async move { here.verify(&token).await }) as _
    };
    let (turns, outcomes) = many_at_once(&here.lanes().authentication, ask).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Rejection::Token(_)))));
    assert_eq!(turns, 1);
}

/// The same of a credential that cannot be bound to a named owner.
#[tokio::test]
async fn many_who_ask_for_one_binding_cost_one_opening() {
    let fixture = Arc::new(fixture(&Limits::default(), HttpMint::Closed));
    let entry = fixture.verify(&fixture.minted("a-credential", &simple())).await.unwrap();
    let ask = || {
        let (fixture, entry) = (Arc::clone(&fixture), Arc::clone(&entry));
        Box::pin(async move { fixture.verifier.binder(&entry).binding().await }) as _
    };
    let (turns, outcomes) = many_at_once(&fixture.lanes().quick, ask).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Rejection::NoOwnerSecret))));
    assert_eq!(turns, 1);
}

fn small() -> Limits {
    let quota =
        |total| Quota { total, per_owner: total / 4, per_peer: total / 4, reserved: total / 8 };
    Limits {
        token_cache_bytes: quota(256 * 1024),
        rule_cache_bytes: quota(256 * 1024),
        ..Limits::default()
    }
}

/// Each token that is kept is charged what it weighs, and once, whoever waits for it: what is charged is what is bounded.
#[tokio::test]
async fn what_is_kept_is_charged() {
    let fixture = fixture(&Limits::default(), HttpMint::Open);
    let mut weights = 0;
    for at in 0..6 {
        let token = fixture.sealed(&[format!("GET /{at}/[a-z]*x?y*")]);
        // By whoever had it verified, whether others waited for that or nobody.
        if at % 2 == 0 {
            fixture.verify(&token).await.unwrap();
        } else {
            let (first, at_once) = tokio::join!(fixture.verify(&token), fixture.verify(&token));
            assert!(Arc::ptr_eq(&first.unwrap(), &at_once.unwrap()));
        }
        weights += fixture.verify(&token).await.unwrap().weight();
        assert_eq!(
            (fixture.verifier.cache.len(), fixture.verifier.cache.weight()),
            (at + 1, weights)
        );
    }
}

/// With the public key alone: whatever a stranger sends, its own entries go.
#[tokio::test]
async fn a_strangers_flood_evicts_the_strangers_own() {
    let fixture = fixture(&small(), HttpMint::Open);
    let honest: Vec<(BearerToken, Arc<Account>)> = (0..4)
        .map(|at| (fixture.sealed(&[format!("GET /honest/{at}/[a-z]*x?y*")]), Arc::default()))
        .collect();
    let mut warm = Vec::new();
    for (token, peer) in &honest {
        warm.push(fixture.verify_from(token, peer).await.unwrap());
    }
    for at in 0..60 {
        fixture.verify(&fixture.sealed(&[format!("GET /flood/{at}/[a-z]*x?y*")])).await.unwrap();
    }
    assert!(fixture.verifier.cache.weight() <= 256 * 1024);
    let (lists, weight) = fixture.verifier.inner.shared.rules.counts();
    assert!(weight <= 256 * 1024 && lists < 64, "{lists} lists of {weight} bytes");
    let compiled = fixture.compiled();
    for ((token, peer), warm) in honest.iter().zip(&warm) {
        assert!(
            Arc::ptr_eq(&fixture.verify_from(token, peer).await.unwrap(), warm),
            "a warm token stays"
        );
    }
    // Nor did their rules go.
    for at in 0..4 {
        let again = fixture.sealed(&[format!("GET /honest/{at}/[a-z]*x?y*")]);
        fixture.verify_from(&again, &Arc::default()).await.unwrap();
    }
    assert_eq!(fixture.compiled(), compiled);
}

/// By `/narrow`, where minting is closed: the children are their owner's.
#[tokio::test]
async fn a_holders_flood_evicts_the_holders_own() {
    let fixture = fixture(&small(), HttpMint::Closed);
    let honest = fixture.minted("another", &simple());
    let warm = fixture.verify(&honest).await.unwrap();
    let parent = fixture.minted("a-credential", &simple());
    for child in 0..40 {
        let caveat = format!(r#"{{"allowed":["GET /{child}/[a-z]*x?y*"]}}"#);
        let child = fixture.narrowed(&parent, &caveat).await;
        fixture.verify(&child).await.unwrap();
    }
    assert!(fixture.verifier.cache.weight() <= 256 * 1024 / 4 + warm.weight());
    assert!(Arc::ptr_eq(&fixture.verify(&honest).await.unwrap(), &warm));
}

/// Keys that were replaced leave nothing behind.
#[tokio::test]
async fn what_was_verified_with_older_keys_is_forgotten() {
    let fixture = fixture(&Limits::default(), HttpMint::Open);
    let token = fixture.sealed(&simple());
    fixture.verify(&token).await.unwrap();
    fixture.verifier.inner.keys.replace(keys());
    assert!(fixture.verify(&token).await.is_err());
    assert_eq!((fixture.verifier.cache.len(), fixture.verifier.cache.weight()), (0, 0));
}

/// A verification may take a while, and the keys may change meanwhile: whoever comes then hears
/// what the new ones say.
#[tokio::test]
async fn nothing_is_shared_across_a_change_of_keys() {
    let fixture = fixture(&Limits::default(), HttpMint::Closed);
    let Fixture { verifier, peer } = &fixture;
    let token = fixture.minted("secret", &simple());
    let fingerprint = verifier.fingerprints.of(token.as_bytes()).unwrap();
    let made = verifier.verify_cold(&token, 0, Arc::clone(peer)).await.unwrap();
    verifier.inner.keys.replace(keys());
    let older = verifier.cache.get_or_verify(fingerprint, 0, async {
        tokio::task::yield_now().await;
        Ok(made)
    });
    let (older, newer) = tokio::join!(older, fixture.verify(&token));
    assert!(older.is_ok() && newer.is_err());
    assert!(fixture.verify(&token).await.is_err());
    assert_eq!((verifier.cache.len(), verifier.cache.weight()), (0, 0));

    let token = fixture.minted("secret", &simple());
    let fingerprint = verifier.fingerprints.of(token.as_bytes()).unwrap();
    let older = verifier.cache.get_or_verify(fingerprint, 0, async {
        tokio::task::yield_now().await;
        Err(magicproxy_core::VerifyError::Malformed.into())
    });
    let (older, newer) = tokio::join!(older, fixture.verify(&token));
    assert!(older.is_err() && newer.is_ok());
}

/// Of two verifications with keys of two generations the newer one stays, and is charged once.
#[tokio::test]
async fn what_was_verified_with_newer_keys_stays() {
    for newer_first in [false, true] {
        let fixture = fixture(&Limits::default(), HttpMint::Closed);
        let Fixture { verifier, peer } = &fixture;
        let token = fixture.minted("secret", &simple());
        let fingerprint = verifier.fingerprints.of(token.as_bytes()).unwrap();
        for generation in if newer_first { [1, 0] } else { [0, 1] } {
            let made =
                Arc::new(verifier.verify_cold(&token, generation, Arc::clone(peer)).await.unwrap());
            verifier.cache.add(fingerprint, &made);
            assert_eq!(
                (verifier.cache.len(), verifier.cache.weight()),
                (1, made.weight()),
                "{newer_first} {generation}"
            );
        }
        assert_eq!(verifier.cache.get(&fingerprint, 0).unwrap().generation, 1, "{newer_first}");
    }
}

/// Each upstream keeps its part of what all may keep, in every one of its bounds.
#[test]
fn upstreams_have_equal_parts_of_a_quota() {
    let quota = Quota { total: 12, per_owner: 9, per_peer: 7, reserved: 3 };
    let parts = [0, 1, 2, 3, 4].map(|upstreams| {
        let part = part(quota, upstreams);
        [part.total, part.per_owner, part.per_peer, part.reserved]
    });
    assert_eq!(parts, [[12, 9, 7, 3], [12, 9, 7, 3], [6, 4, 3, 1], [4, 3, 2, 1], [3, 2, 1, 0]]);
}

/// What stands in a log of a verifier says how much it keeps, and nothing of it.
#[tokio::test]
async fn a_verifier_is_shown_by_how_many_tokens_it_keeps() {
    let fixture = fixture(&Limits::default(), HttpMint::Open);
    assert_eq!(format!("{:?}", fixture.verifier), "Verifier { cached: 0, .. }");
    fixture.verify(&fixture.sealed(&simple())).await.unwrap();
    assert_eq!(format!("{:?}", fixture.verifier), "Verifier { cached: 1, .. }");
}
