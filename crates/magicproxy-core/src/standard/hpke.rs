//! HPKE (RFC 9180) and X-Wing.

use std::convert::Infallible;

use ::hpke::rand_core::{TryCryptoRng, TryRng};
use ::hpke::{Deserializable as _, Serializable as _};
use aws_lc_rs::agreement;

use super::key_schedule::{AES_256_GCM_ID, KeySchedule, x25519_secret};
use super::{hex, read, sealing_key};
use crate::key::{Kem, SealingKey};

const X25519_ID: u16 = 0x0020;
const X_WING_ID: u16 = 0x647a;

#[test]
fn hpke_known_answers() {
    let file = read("hpke.json");
    let mut suites = Vec::new();
    for case in file["cases"].as_array().unwrap() {
        let number = |member: &str| u16::try_from(case[member].as_u64().unwrap()).unwrap();
        let (kem, aead) = (number("kem_id"), number("aead_id"));
        assert_eq!((number("mode"), number("kdf_id")), (0, 1));
        suites.push((kem, aead));
        let (info, enc) = (hex(case, "info"), hex(case, "enc"));
        let key = sealing_key(kind(kem), &hex(case, "skRm"), &hex(case, "pkRm"));
        let schedule = KeySchedule::new(kem, aead, &hex(case, "shared_secret"), &info);
        assert_eq!(
            (schedule.key, schedule.base_nonce),
            (hex(case, "key"), hex(case, "base_nonce"))
        );
        // If the file has another AEAD, its shared secret is the same as for our AEAD.
        let ours = KeySchedule::new(kem, AES_256_GCM_ID, &hex(case, "shared_secret"), &info);
        opens(
            &key,
            &info,
            b"aad",
            &[enc.clone(), ours.seal(b"aad", b"plaintext")].concat(),
            b"plaintext",
        );
        for (at, message) in case["encryptions"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .filter(|_| aead == AES_256_GCM_ID)
        {
            let sealed = [enc.clone(), hex(message, "ct")].concat();
            if at == 0 {
                opens(&key, &info, &hex(message, "aad"), &sealed, &hex(message, "pt"));
            } else {
                // Later messages of a context: a single-shot seal is the first.
                assert!(
                    key.open_for(&info, &hex(message, "aad"), &sealed).is_none(),
                    "message {at}"
                );
            }
        }
    }
    assert_eq!(suites, [(X25519_ID, 2), (X_WING_ID, 3)]);
}

#[test]
fn x_wing_known_answers() {
    let file = read("x-wing.json");
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let (info, enc, secret) = (b"info", hex(case, "ct"), hex(case, "ss"));
        assert_eq!(hex(case, "seed"), hex(case, "sk"));
        // The key pair of a seed.
        let key = sealing_key(Kem::XWing, &hex(case, "seed"), &hex(case, "pk"));
        // Decapsulation, by way of the key schedule.
        let sealed =
            KeySchedule::new(X_WING_ID, AES_256_GCM_ID, &secret, info).seal(b"aad", b"plaintext");
        opens(&key, info, b"aad", &[enc.clone(), sealed.clone()].concat(), b"plaintext");
        // Encapsulation with the randomness that the draft names: the same ciphertext comes out.
        let public =
            <::hpke::kem::XWing as ::hpke::Kem>::PublicKey::from_bytes(&hex(case, "pk")).unwrap();
        let (ours, ciphertext) = ::hpke::single_shot_seal_with_rng::<
            ::hpke::aead::AesGcm256,
            ::hpke::kdf::HkdfSha256,
            ::hpke::kem::XWing,
        >(
            &::hpke::OpModeS::Base,
            &public,
            info,
            b"plaintext",
            b"aad",
            &mut Known(hex(case, "eseed")),
        )
        .unwrap();
        assert_eq!((ours.to_bytes().as_slice(), ciphertext), (enc.as_slice(), sealed));
    }
}

/// Seals are random: each is opened by the key schedule of the RFC, written down in this test.
#[test]
fn what_is_sealed_opens_by_the_letter_of_the_rfc() {
    let file = read("hpke.json");
    let (secret, public) = (hex(&file["cases"][0], "skRm"), hex(&file["cases"][0], "pkRm"));
    let key = sealing_key(Kem::X25519, &secret, &public);
    for plaintext in [&b""[..], b"p", &[7; 1000]] {
        let sealed = key.public().seal_for(b"info", b"aad", plaintext).unwrap();
        let (enc, ciphertext) = sealed.split_at(32);
        let private = agreement::PrivateKey::from_private_key(&agreement::X25519, &secret).unwrap();
        let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, enc);
        let dh = agreement::agree(&private, peer, (), |dh| Ok(dh.to_vec())).unwrap();
        let shared = x25519_secret(&dh, enc, &public);
        let opened =
            KeySchedule::new(X25519_ID, AES_256_GCM_ID, &shared, b"info").open(b"aad", ciphertext);
        assert_eq!(opened, plaintext);
        opens(&key, b"info", b"aad", &sealed, plaintext);
    }
}

/// Checks that the sealed text opens to this plaintext, and does not open after any change.
#[track_caller]
fn opens(key: &SealingKey, info: &[u8], aad: &[u8], sealed: &[u8], plaintext: &[u8]) {
    assert_eq!(key.open_for(info, aad, sealed).unwrap().as_slice(), plaintext);
    for at in [0, sealed.len() / 2, sealed.len() - 1] {
        let mut other = sealed.to_vec();
        other[at] ^= 1;
        assert!(key.open_for(info, aad, &other).is_none(), "byte {at}");
    }
    assert!(
        key.open_for(b"other", aad, sealed).is_none()
            && key.open_for(info, b"other", sealed).is_none()
    );
    assert!(key.open_for(info, aad, &sealed[..sealed.len() - 1]).is_none());
    assert!(key.open_for(info, aad, &[sealed, &[0]].concat()).is_none());
}

fn kind(id: u16) -> Kem {
    match id {
        X25519_ID => Kem::X25519,
        X_WING_ID => Kem::XWing,
        other => panic!("{other:#x}"),
    }
}

/// A source of known randomness.
struct Known(Vec<u8>);

impl TryRng for Known {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("bytes are asked for")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("bytes are asked for")
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.copy_from_slice(&self.0.drain(..to.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl TryCryptoRng for Known {}
