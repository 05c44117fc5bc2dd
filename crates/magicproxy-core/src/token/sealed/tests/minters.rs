//! SIGNATURE is judged by the key that `minter` names, not by its form. `token-v2.md` sections 1 and 4.

use super::*;
use crate::encoding::base32;
use crate::token::sealed::MAX_SEALED_TOKEN_BYTES;

/// Bytes of the signatures of FIPS 204, by the names that RFC 9964 gives their keys.
const POST_QUANTUM: [(&str, usize); 3] =
    [("ML-DSA-44", 2420), ("ML-DSA-65", 3309), ("ML-DSA-87", 4627)];

/// One rule and a credential of 40 characters.
fn typical(ring: &KeyRing, kem: Kem, signer: &MinterSigningKey) -> String {
    let credential = Credential::parse(Zeroizing::new(format!("ghp_{}", "x".repeat(36)))).unwrap();
    let request = SealedTokenSpec {
        credential: TypedCredential::Configured(credential),
        upstream: UpstreamName::parse("github").unwrap(),
        subject: None,
        minter: Some(signer),
        ..request(&["GET /repos/acme/site/issues"])
    };
    mint(ring, kem, &request)
}

/// The token with other bytes for its signature.
fn with_signature(token: &str, signature: &[u8]) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[2] = base32(signature);
    parts.join(".")
}

#[test]
fn a_signature_of_another_length_is_read_and_is_no_listed_minters() {
    let (ring, signer) = (ring(), MinterSigningKey::generate().unwrap());
    let listed = MinterKey::from_json(&signer.to_public_jwk().to_string()).unwrap();
    assert_eq!(listed.algorithm().signature_bytes(), 64);
    let acceptance = Acceptance { minters: vec![listed], ..Acceptance::default() };
    let token = narrowed(&typical(&ring, Kem::X25519, &signer), r#"{"sub":"agent"}"#);
    assert!(verify_as(&ring, &token, &acceptance).is_ok());
    let signature = part_of(&token, 2);
    for length in
        (1..=200).filter(|length| *length != 64).chain(POST_QUANTUM.map(|(_, length)| length))
    {
        let other: Vec<u8> = signature.iter().copied().cycle().take(length).collect();
        let token = with_signature(&token, &other);
        let parsed = SealedToken::parse(&token).unwrap();
        assert_eq!(
            (parsed.caveats.len(), parsed.signature.as_deref()),
            (1, Some(&other[..])),
            "{length}"
        );
        assert_eq!(
            verify_as(&ring, &token, &acceptance).err(),
            Some(VerifyError::Minter),
            "{length}"
        );
    }
}

/// What stands behind the seal is a signature or a caveat by the claims alone, and never both.
#[test]
fn no_part_is_a_signature_and_a_caveat() {
    let (ring, signer) = (ring(), MinterSigningKey::generate().unwrap());
    let signed = narrowed(&typical(&ring, Kem::X25519, &signer), r#"{"sub":"agent"}"#);
    let parts: Vec<&str> = signed.split('.').collect();
    let [head, seal, signature, caveat, tag] = parts.as_slice() else { panic!("{signed}") };
    for without in [
        [*head, seal, tag].join("."),
        [*head, seal, caveat, tag].join("."),
        [*head, seal, caveat, signature, tag].join("."),
        [*head, seal, "", caveat, tag].join("."),
    ] {
        assert_eq!(SealedToken::parse(&without).err(), Some(VerifyError::Malformed), "{without}");
    }
}

/// The numbers of the specification: no third version is needed for a minter whom a quantum computer cannot imitate.
#[test]
fn post_quantum_signatures_fit_as_the_specification_says() {
    let specification = include_str!("../../../../../../docs/spec/token-v2.md");
    let (ring, signer) = (ring(), MinterSigningKey::generate().unwrap());
    let tokens = [Kem::X25519, Kem::XWing].map(|kem| typical(&ring, kem, &signer));
    for (name, bytes) in [("Ed25519", 64)].into_iter().chain(POST_QUANTUM) {
        let signature = vec![7; bytes];
        let lengths = tokens.clone().map(|token| with_signature(&token, &signature).len());
        let [with_x25519, with_x_wing] = lengths.map(|length| {
            if length <= MAX_SEALED_TOKEN_BYTES { thousands(length) } else { "too long".to_owned() }
        });
        let (characters, unit) = (
            thousands(base32(&signature).len()),
            if name == "Ed25519" { [" characters", " bytes"] } else { ["", ""] },
        );
        let line = format!(
            "| {name} | {characters}{} | {with_x25519}{} | {with_x_wing} |",
            unit[0], unit[1]
        );
        assert!(specification.contains(&line), "{line}");
    }
}

/// As the specification writes numbers.
fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

fn part_of(token: &str, at: usize) -> Vec<u8> {
    crate::encoding::from_base32(token.split('.').nth(at).unwrap()).unwrap()
}
