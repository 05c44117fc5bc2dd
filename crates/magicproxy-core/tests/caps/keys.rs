//! Caps of keys and of key sets: `token-v2.md` section 7.

use magicproxy_core::{
    Acceptance, AcceptedTokens, Kem, KeyError, KeyRing, KeySetError, KeySetKey, PrivateKey,
    SealingKey, SignedKeySet, UnixTime,
};

use crate::at_most;

const NOW: UnixTime = UnixTime(1_790_000_000);

fn signing() -> PrivateKey {
    PrivateKey::from_pem(include_str!("../../../../testdata/keys/test-only-first.pem")).unwrap()
}

fn key_set(count: usize) -> Vec<KeySetKey> {
    (0..count).map(|_| KeySetKey::generate(NOW).unwrap()).collect()
}

fn ring(key_set: Vec<KeySetKey>) -> Result<KeyRing, KeyError> {
    let sealing = vec![SealingKey::generate(Kem::X25519, NOW).unwrap()];
    KeyRing::new(signing(), vec![])?.with_sealing(sealing)?.with_key_set(key_set)
}

#[test]
fn keys_of_a_ring() {
    // The same key over and over: so many are no fault of their number.
    let others = |count: usize| {
        KeyRing::new(signing(), (1..count).map(|_| signing()).collect()).unwrap_err()
    };
    assert!(matches!(others(16), KeyError::Twice(_)));
    assert_eq!(others(17), KeyError::TooMany);
    let sealing = |count: usize| {
        (0..count).map(|_| SealingKey::generate(Kem::X25519, NOW).unwrap()).collect()
    };
    at_most(16, "sealing keys", |count| {
        KeyRing::new(signing(), vec![]).unwrap().with_sealing(sealing(count)).is_ok()
    });
    at_most(16, "keys of the set", |count| ring(key_set(count)).is_ok());
}

/// What is published has as many signatures as a reader takes, the active key's among them.
#[test]
fn signatures_of_a_key_set() {
    let ring = ring(key_set(6)).unwrap();
    let document =
        ring.key_set_document(NOW, &AcceptedTokens::any_of([&Acceptance::default()]), &[]);
    let signed = document["signed"].as_array().unwrap();
    assert_eq!(signed.len(), 4);
    assert_eq!(
        SignedKeySet::first(&document.to_string()).unwrap().signer().id(),
        ring.key_set()[0].id()
    );
    let read = |count: usize| {
        let signed: Vec<_> = signed.iter().cycle().take(count).collect();
        SignedKeySet::first(&serde_json::json!({ "signed": signed }).to_string()).map(drop)
    };
    at_most(4, "signatures", |count| read(count).is_ok());
    assert_eq!((read(0), read(5)), (Err(KeySetError::Malformed), Err(KeySetError::Malformed)));
}

/// Of an object that is read without being kept, the names are remembered until its end.
#[test]
fn members_of_an_object_that_is_passed_over() {
    let ring = ring(key_set(1)).unwrap();
    let document =
        ring.key_set_document(NOW, &AcceptedTokens::any_of([&Acceptance::default()]), &[]);
    at_most(1_024, "members", |count| {
        let later: serde_json::Map<_, _> =
            (0..count).map(|number| (format!("m{number}"), number.into())).collect();
        let document = serde_json::json!({ "signed": document["signed"], "later": later });
        SignedKeySet::first(&document.to_string()).is_ok()
    });
}

/// Whoever cannot ask for a newer set uses one for 30 days; clocks may be five minutes apart.
#[test]
fn seconds_of_a_key_set() {
    let document = ring(key_set(1)).unwrap().key_set_document(
        NOW,
        &AcceptedTokens::any_of([&Acceptance::default()]),
        &[],
    );
    let set = SignedKeySet::first(&document.to_string()).unwrap();
    assert_eq!(set.expires_at(), UnixTime(NOW.0 + 2_592_000));
    for (now, expected) in [
        (NOW.0 - 301, Err(KeySetError::NotYetValid)),
        (NOW.0 - 300, Ok(())),
        (NOW.0 + 2_591_999, Ok(())),
        (NOW.0 + 2_592_000, Err(KeySetError::Expired)),
    ] {
        assert_eq!(set.ensure_current(UnixTime(now)), expected, "{now}");
    }
}
