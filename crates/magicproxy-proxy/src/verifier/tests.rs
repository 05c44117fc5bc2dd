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
    let keys = KeyRing::new(magicproxy_core::PrivateKey::generate(2048).unwrap(), Vec::new()).unwrap();
    let rule = magicproxy_core::RawRule::Text("GET /user".to_owned());
    let now = clock::now();
    let minted = keys
        .mint(&magicproxy_core::MintRequest {
            credential: magicproxy_core::Credential::parse(Zeroizing::new("a credential".replace(' ', "-"))).unwrap(),
            grant: magicproxy_core::Grant::Allowed(magicproxy_core::Rule::parse_list(&[rule], PatternMode::Whole).unwrap()),
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
        slots: Arc::new(Semaphore::new(1)),
    };
    (verifier, PresentedToken::from_headers(&headers, &crate::carriers::Carriers::default()).unwrap())
}

#[tokio::test]
async fn a_token_is_verified_once() {
    let (verifier, presented) = verifier_and_token();
    let (first, at_once) = tokio::join!(verifier.verify(&presented), verifier.verify(&presented));
    let (first, at_once) = (first.unwrap(), at_once.unwrap());
    // Nobody can verify any more, so what is given was kept.
    verifier.slots.close();
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
