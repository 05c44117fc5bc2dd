use magicproxy_core::{Acceptance, KeyRing, KeySetKey, PrivateKey, SealingKey, UnixTime};

use super::*;

/// A set of the same version that was signed some seconds before the pinned one is right, and the pin stays where it is: it would
/// go back by any time, in enough steps.
#[test]
fn a_pin_does_not_go_back_in_steps() {
    let now = clock::now();
    let before = |seconds: u64| UnixTime(now.0 - seconds);
    let made = before(10_000);
    let signing =
        PrivateKey::from_pem(include_str!("../../../../../testdata/keys/test-only-first.pem"))
            .unwrap();
    let ring = KeyRing::new(signing, vec![]).unwrap();
    let ring = ring.with_sealing(vec![SealingKey::generate(Kem::X25519, made).unwrap()]).unwrap();
    let ring = ring.with_key_set(vec![KeySetKey::generate(made).unwrap()]).unwrap();
    let shown = |at: UnixTime| {
        ring.key_set_document(at, &AcceptedTokens::any_of([&Acceptance::default()]), &[])
            .to_string()
    };
    let (folder, url) = (tempfile::tempdir().unwrap(), "https://proxy.example");
    let path = folder.path().join("proxy.jwks");
    Pin::first(shown(before(1_000))).unwrap().keep(None, &path, url).unwrap();
    for (signed, kept) in [(1_200, 1_000), (1_300, 1_000), (700, 700), (900, 700)] {
        let pinned = Pin::read(&path).unwrap().unwrap();
        pinned.followed_by(shown(before(signed))).unwrap().keep(Some(&pinned), &path, url).unwrap();
        assert!(
            std::fs::read_to_string(&path).unwrap() == shown(before(kept)),
            "{signed} seconds ago"
        );
    }
    let pinned = Pin::read(&path).unwrap().unwrap();
    assert_eq!(
        pinned.followed_by(shown(before(1_001))).err(),
        Some(PinFault::Set(KeySetError::RolledBack))
    );
}
