use super::*;
use crate::{Acceptance, Kem, PrivateKey};

const NOW: UnixTime = UnixTime(1_790_000_000);

fn later(seconds: u64) -> UnixTime {
    UnixTime(NOW.0 + seconds)
}

fn ring(sealing: Vec<SealingKey>, key_set: Vec<KeySetKey>) -> KeyRing {
    let signing =
        PrivateKey::from_pem(include_str!("../../../../../testdata/keys/test-only-first.pem"))
            .unwrap();
    KeyRing::new(signing, vec![])
        .unwrap()
        .with_sealing(sealing)
        .unwrap()
        .with_key_set(key_set)
        .unwrap()
}

fn sealing(now: UnixTime) -> SealingKey {
    SealingKey::generate(Kem::X25519, now).unwrap()
}

fn copy(key: &KeySetKey) -> KeySetKey {
    KeySetKey::from_json(&key.to_json()).unwrap()
}

fn retired(key: &KeySetKey, at: UnixTime, not_after: Option<UnixTime>) -> KeySetKey {
    let lifetime = KeyLifetime { retired: Some(at), not_after, ..key.lifetime() };
    copy(key).with_lifetime(lifetime)
}

fn shown(ring: &KeyRing, now: UnixTime) -> String {
    ring.key_set_document(now, &AcceptedTokens::any_of([&Acceptance::default()]), &[]).to_string()
}

#[test]
fn what_is_published_follows_what_was_pinned_through_rotations_and_never_back() {
    let (first, second) =
        (KeySetKey::generate(NOW).unwrap(), KeySetKey::generate(later(20)).unwrap());
    let old = shown(&ring(vec![sealing(NOW)], vec![copy(&first)]), later(1));
    let pin = SignedKeySet::first(&old).unwrap();
    pin.ensure_current(later(1)).unwrap();
    assert_eq!((pin.version(), pin.signer().id()), (NOW, first.id()));
    // New sealing keys, then a new key for the set, which the old one announces.
    let rotated = ring(vec![sealing(later(10))], vec![copy(&first)]);
    let pin = SignedKeySet::following(&shown(&rotated, later(11)), &pin.pin()).unwrap();
    let succeeded = ring(
        vec![sealing(later(10))],
        vec![copy(&second), retired(&first, later(20), Some(later(100)))],
    );
    let pin = SignedKeySet::following(&shown(&succeeded, later(21)), &pin.pin()).unwrap();
    assert_eq!((pin.version(), pin.signer().id()), (later(20), second.id()));
    // A replica that has not heard of it signs with a key that is pinned no more; one that has it back signs an older set.
    assert!(matches!(SignedKeySet::following(&old, &pin.pin()), Err(KeySetError::Untrusted)));
    let behind = shown(
        &ring(
            vec![sealing(NOW)],
            vec![KeySetKey { pair: copy(&second).pair, lifetime: KeyLifetime::default() }],
        ),
        later(30),
    );
    assert!(matches!(SignedKeySet::following(&behind, &pin.pin()), Err(KeySetError::RolledBack)));
    // Whoever still has the first pin is led on until the old key's end.
    let first = SignedKeySet::first(&old).unwrap();
    assert!(SignedKeySet::following(&shown(&succeeded, later(99)), &first.pin()).is_ok());
    let after = SignedKeySet::following(&shown(&succeeded, later(100)), &first.pin());
    assert!(matches!(after, Err(KeySetError::Untrusted)));
}

#[test]
fn a_set_is_for_thirty_days() {
    let ring = ring(vec![sealing(NOW)], vec![KeySetKey::generate(NOW).unwrap()]);
    let set = SignedKeySet::first(&shown(&ring, NOW)).unwrap();
    assert_eq!(set.ensure_current(later(KEY_SET_LIFETIME_SECONDS - 1)), Ok(()));
    assert_eq!(set.ensure_current(later(KEY_SET_LIFETIME_SECONDS)), Err(KeySetError::Expired));
    assert_eq!(set.ensure_current(UnixTime(NOW.0 - 301)), Err(KeySetError::NotYetValid));
}

#[test]
fn a_ring_without_an_active_key_does_not_sign() {
    let key = KeySetKey::generate(NOW).unwrap();
    for keys in [vec![], vec![retired(&key, NOW, None)]] {
        let document = shown(&ring(vec![sealing(NOW)], keys), NOW);
        assert!(matches!(SignedKeySet::first(&document), Err(KeySetError::Unsigned)), "{document}");
    }
}

/// No bit of a signed set means nothing.
#[test]
fn no_bit_of_a_signed_set_can_be_changed() {
    let ring = ring(vec![sealing(NOW)], vec![KeySetKey::generate(NOW).unwrap()]);
    let document =
        ring.key_set_document(NOW, &AcceptedTokens::any_of([&Acceptance::default()]), &[]);
    let jws = document["signed"][0].as_str().unwrap();
    let pin = SignedKeySet::first(&document.to_string()).unwrap();
    for at in 0..jws.len() {
        let mut bytes = jws.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed =
            serde_json::json!({ "signed": [String::from_utf8(bytes).unwrap()] }).to_string();
        assert!(SignedKeySet::following(&changed, &pin.pin()).is_err(), "{at}");
    }
}

#[test]
fn a_key_survives_its_file_and_shows_nothing() {
    let key = retired(&KeySetKey::generate(NOW).unwrap(), later(1), Some(later(2)));
    let again = copy(&key);
    assert_eq!((again.id(), again.lifetime()), (key.id(), key.lifetime()));
    let json: serde_json::Value = serde_json::from_str(&key.to_json()).unwrap();
    let secret = json["d"].as_str().unwrap();
    let document = shown(&ring(vec![sealing(NOW)], vec![key]), NOW);
    assert!(!format!("{again:?}{document}").contains(secret));
}

/// What is passed over is JSON all the same, and nothing but objects are keys.
#[test]
fn what_is_passed_over_is_read_to_the_letter() {
    let signer = KeySetKey::generate(NOW).unwrap();
    let ring = ring(vec![sealing(NOW)], vec![copy(&signer)]);
    let jwk = ring.published(NOW).next().unwrap().to_jwk();
    let read = |keys: &str, own: &str, more: &str| {
        let payload = format!(
            r#"{{"keys":{keys},"signer":{own},"version":1,"iat":{},"exp":{}{more}}}"#,
            NOW.0,
            NOW.0 + 9
        );
        SignedKeySet::first(&serde_json::json!({ "signed": [signer.sign(&payload)] }).to_string())
            .map(|set| set.keys().len())
    };
    let (own, one) = (signer.pair.to_public_jwk().to_string(), format!("[{jwk}]"));
    let list = format!(r#"["OKP","X25519",null,{}]"#, jwk["x"]);
    let deep = "[".repeat(14) + &"]".repeat(14);
    for (keys, more) in [
        (one.clone(), String::new()),
        (one.clone(), r#","later":[null,-1,1.5,1e3,true,{"a":{"b":"\ud83d\ude00"}}]"#.to_owned()),
        (one.clone(), format!(r#","later":{deep}"#)),
        (
            format!(
                r#"[{list},"a",1,null,{{}},{{"kty":1}},{{"kty":"OKP","crv":"X25519","x":"AA"}},{{"kty":"OKP","crv":"X25519","x":1}},{jwk}]"#
            ),
            String::new(),
        ),
    ] {
        assert_eq!(read(&keys, &own, &more), Ok(1), "{keys} {more}");
    }
    let signer_as_list = format!(r#"["OKP","Ed25519",null,{}]"#, signer.pair.to_public_jwk()["x"]);
    for (keys, own, more) in [
        (one.as_str(), own.as_str(), r#","later":{"a":1,"a":1}"#),
        (&one, &own, r#","later":{"a":1,"\u0061":1}"#),
        (&one, &own, r#","later":"\ud800""#),
        (&one, &own, r#","\udfff":1"#),
        (&format!("[{list}]"), &own, ""),
        (&one, &signer_as_list, ""),
        (&one, r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#, ""),
    ] {
        assert_eq!(read(keys, own, more), Err(KeySetError::Malformed), "{keys} {own} {more}");
    }
}

/// A key that is denied is none that new tokens may be sealed to; and no set from before it was denied is taken again, though the version
/// is the same.
#[test]
fn a_denied_key_is_not_published_and_does_not_come_back() {
    let ring = ring(vec![sealing(NOW), sealing(NOW)], vec![KeySetKey::generate(NOW).unwrap()]);
    let accepts = AcceptedTokens::any_of([&Acceptance::default()]);
    let denied = vec![ring.sealing()[0].public().id().to_string()];
    let shown = |seconds: u64, denied: &[String]| {
        ring.key_set_document(later(seconds), &accepts, denied).to_string()
    };
    let ids = |set: &SignedKeySet| -> Vec<String> {
        set.keys().iter().map(|key| key.id().to_string()).collect()
    };
    let before = SignedKeySet::first(&shown(1, &[])).unwrap();
    let after = SignedKeySet::following(&shown(600, &denied), &before.pin()).unwrap();
    assert_eq!(
        (ids(&before).len(), ids(&after)),
        (2, vec![ring.sealing()[1].public().id().to_string()])
    );
    assert_eq!(before.version(), after.version());
    let played_again = SignedKeySet::following(&shown(299, &[]), &after.pin());
    assert!(matches!(played_again, Err(KeySetError::RolledBack)));
    // Replicas' clocks may be so far apart.
    assert!(SignedKeySet::following(&shown(300, &denied), &after.pin()).is_ok());
}
