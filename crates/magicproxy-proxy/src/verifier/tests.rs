use magicproxy_core::{KeyRing, PatternMode};

use super::*;
use crate::settings::Placing;
use crate::settings::fixture::upstream;

#[test]
fn every_shard_holds_the_largest_policy() {
    for mebibytes in [8, 64, 100, 1000] {
        let cache = cache(mebibytes * 1024 * 1024);
        assert!(cache.shard_capacity() >= SHARD_BYTES as u64, "{mebibytes}");
    }
    assert_eq!(cache(0).num_shards(), 1);
}

fn verifier_and_token() -> (Verifier, PresentedToken) {
    verifier_and_token_of(&["GET /user".to_owned()])
}

fn verifier_and_token_of(rules: &[String]) -> (Verifier, PresentedToken) {
    verifier_and_token_with("a-credential", rules)
}

fn verifier_and_token_with(credential: &str, rules: &[String]) -> (Verifier, PresentedToken) {
    let keys = KeyRing::new(magicproxy_core::PrivateKey::generate(2048).unwrap(), Vec::new()).unwrap();
    let rules: Vec<_> = rules.iter().cloned().map(magicproxy_core::RawRule::Text).collect();
    let now = clock::now();
    let minted = keys
        .mint(&magicproxy_core::MintRequest {
            credential: magicproxy_core::Credential::parse(Zeroizing::new(credential.to_owned())).unwrap(),
            grant: magicproxy_core::Grant::Allowed(magicproxy_core::Rule::parse_list(&rules, PatternMode::Whole).unwrap()),
            upstream: None,
            issued_at: now,
            expires_at: magicproxy_core::UnixTime(now.0 + 60),
            not_before: None,
            explain: false,
            limit: None,
        })
        .unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", *minted.token).parse().unwrap());
    let verifier = Verifier {
        inner: Arc::new(Inner {
            keys: Arc::new(SharedKeys::new(keys)),
            upstream: upstream("api", "https://api.example", Placing::default()),
            carriers: Carriers::default(),
        }),
        cache: cache(64 * 1024 * 1024),
        fingerprints: Fingerprints::new().unwrap(),
        shared: Shared { slots: Arc::new(Semaphore::new(1)), budget: Budget::new(&crate::settings::Limits::default()) },
    };
    (verifier, PresentedToken::from_headers(&headers, &crate::carriers::Carriers::default()).unwrap())
}

#[tokio::test]
async fn a_token_is_verified_once() {
    let (verifier, presented) = verifier_and_token();
    let (first, at_once) = tokio::join!(verifier.verify(&presented), verifier.verify(&presented));
    let (first, at_once) = (first.unwrap(), at_once.unwrap());
    // Nobody can verify any more, so what is given was kept.
    verifier.shared.slots.close();
    let later = verifier.verify(&presented).await.unwrap();
    assert!(Arc::ptr_eq(&first, &later) && Arc::ptr_eq(&first, &at_once));
}

#[tokio::test]
async fn what_is_not_genuine_is_not_kept() {
    let (verifier, presented) = verifier_and_token();
    let other = verifier_and_token().1;
    assert!(verifier.verify(&other).await.is_err());
    assert_eq!(verifier.cache.len(), 0);
    verifier.verify(&presented).await.unwrap();
    assert_eq!(verifier.cache.len(), 1);
}

/// Whoever could, would have any number of costly tokens verified at once.
#[tokio::test]
async fn a_caller_who_leaves_makes_no_room_before_the_work_is_done() {
    let costly: Vec<String> = (0..60).map(|number| format!("GET /{number}[ab]*a[ab]{{6}}c")).collect();
    let (verifier, presented) = verifier_and_token_of(&costly);
    let mut verifying = Box::pin(verifier.verify(&presented));
    let begun = std::future::poll_fn(|context| std::task::Poll::Ready(verifying.as_mut().poll(context))).await;
    assert!(begun.is_pending());
    drop(verifying);
    assert_eq!(verifier.shared.slots.available_permits(), 0);
    let done = tokio::time::timeout(Duration::from_secs(60), verifier.shared.slots.acquire()).await;
    assert!(done.is_ok());
}

/// Whoever mints chooses how long credentials are: the cache is to be no larger for that.
#[tokio::test]
async fn a_long_credential_weighs_what_it_takes() {
    for length in [100, 8192] {
        let (verifier, presented) = verifier_and_token_with(&"x".repeat(length), &["GET /user".to_owned()]);
        let entry = verifier.verify(&presented).await.unwrap();
        let weight = ByMemory.weight(&Fingerprint::default(), &entry);
        let least = 12 * length as u64;
        assert!((least..2 * least + 16 * 1024).contains(&weight), "{length}: {weight}");
    }
}
