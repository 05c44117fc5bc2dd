//! Sealed credentials that need random numbers to make, and how each is made.

use super::*;

#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Opens,
    NotSealed,
    NoCredential,
}

/// A sealed credential that needs random numbers to make.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) secret: fn() -> Vec<u8>,
    pub(super) seal: fn(&[u8]) -> String,
    pub(super) outcome: Outcome,
}

pub(super) const RECIPES: [Recipe; 34] = {
    use Outcome::{NoCredential, NotSealed, Opens};
    const fn recipe(
        name: &'static str,
        secret: fn() -> Vec<u8>,
        seal: fn(&[u8]) -> String,
        outcome: Outcome,
    ) -> Recipe {
        Recipe { name, secret, seal, outcome }
    }
    [
        recipe("oaep", ordinary, oaep, Opens),
        recipe("oaep, one byte", || b"a".to_vec(), oaep, Opens),
        recipe("oaep, the longest", || vec![b'~'; 190], oaep, Opens),
        recipe("oaep, every character", || (0x21..=0x7e).collect(), oaep, Opens),
        recipe("oaep, empty", Vec::new, oaep, NoCredential),
        recipe("oaep, CR LF", || b"a\r\nX-Injected: b".to_vec(), oaep, NoCredential),
        recipe("oaep, a line end behind", || b"a\n".to_vec(), oaep, NoCredential),
        recipe("oaep, a NUL", || b"a\0b".to_vec(), oaep, NoCredential),
        recipe("oaep, a blank", || b"a b".to_vec(), oaep, NoCredential),
        recipe("oaep, not ASCII", || "é".into(), oaep, NoCredential),
        recipe("oaep, not UTF-8", || vec![0xff], oaep, NoCredential),
        recipe(
            "oaep with SHA-1",
            ordinary,
            |secret| STANDARD.encode(rsa("first", &OAEP_SHA1_MGF1SHA1, secret, None)),
            NotSealed,
        ),
        recipe(
            "oaep with a label",
            ordinary,
            |secret| STANDARD.encode(rsa("first", &OAEP_SHA256_MGF1SHA256, secret, Some(b"magic"))),
            NotSealed,
        ),
        recipe(
            "oaep to another key",
            ordinary,
            |secret| STANDARD.encode(rsa("second", &OAEP_SHA256_MGF1SHA256, secret, None)),
            NotSealed,
        ),
        recipe(
            "PKCS#1 v1.5 encryption",
            ordinary,
            |secret| STANDARD.encode(pkcs1(secret)),
            NotSealed,
        ),
        recipe("jwe", long, |secret| jwe(JWE_HEADER, secret), Opens),
        recipe("jwe, short", ordinary, |secret| jwe(JWE_HEADER, secret), Opens),
        recipe("jwe, the longest", || vec![b'~'; 8192], |secret| jwe(JWE_HEADER, secret), Opens),
        recipe(
            "jwe, members in the other order",
            long,
            |secret| jwe(r#"{"enc":"A256GCM","alg":"RSA-OAEP-256"}"#, secret),
            Opens,
        ),
        recipe(
            "jwe, white space in its header",
            long,
            |secret| jwe("{ \"alg\":\"RSA-OAEP-256\",\n\"enc\" : \"A256GCM\" }", secret),
            Opens,
        ),
        recipe(
            "jwe, a name in escapes in its header",
            long,
            |secret| jwe(r#"{"\u0061lg":"RSA-OAEP-256","enc":"A256GCM"}"#, secret),
            Opens,
        ),
        recipe(
            "jwe, a name twice in its header, once in escapes",
            long,
            |secret| {
                jwe(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","\u0061lg":"RSA-OAEP-256"}"#, secret)
            },
            NotSealed,
        ),
        recipe(
            "jwe, too long",
            || vec![b'~'; 8193],
            |secret| jwe(JWE_HEADER, secret),
            NoCredential,
        ),
        recipe("jwe, empty", Vec::new, |secret| jwe(JWE_HEADER, secret), NoCredential),
        recipe(
            "jwe, CR LF",
            || b"a\r\nX-Injected: b".to_vec(),
            |secret| jwe(JWE_HEADER, secret),
            NoCredential,
        ),
        recipe(
            "jwe, alg RSA-OAEP",
            long,
            |secret| jwe(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, secret),
            NotSealed,
        ),
        recipe(
            "jwe, alg dir",
            long,
            |secret| jwe(r#"{"alg":"dir","enc":"A256GCM"}"#, secret),
            NotSealed,
        ),
        recipe(
            "jwe, enc A128GCM",
            long,
            |secret| jwe_with(r#"{"alg":"RSA-OAEP-256","enc":"A128GCM"}"#, 16, secret),
            NotSealed,
        ),
        recipe(
            "jwe, a content key of 16 bytes",
            long,
            |secret| jwe_with(JWE_HEADER, 16, secret),
            NotSealed,
        ),
        recipe(
            "jwe, zip",
            long,
            |secret| jwe(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}"#, secret),
            NotSealed,
        ),
        recipe(
            "jwe, kid",
            long,
            |secret| jwe(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"a"}"#, secret),
            NotSealed,
        ),
        recipe(
            "jwe, alg twice",
            long,
            |secret| jwe(r#"{"alg":"RSA-OAEP-256","alg":"RSA-OAEP-256","enc":"A256GCM"}"#, secret),
            NotSealed,
        ),
        recipe(
            "jwe, the header a list",
            long,
            |secret| jwe(r#"["RSA-OAEP-256","A256GCM"]"#, secret),
            NotSealed,
        ),
        recipe(
            "jwe, enc missing",
            long,
            |secret| jwe(r#"{"alg":"RSA-OAEP-256"}"#, secret),
            NotSealed,
        ),
    ]
};

fn ordinary() -> Vec<u8> {
    b"ghp_ordinary".to_vec()
}

fn long() -> Vec<u8> {
    b"ghp_long.".repeat(40)
}

fn public(name: &str) -> PublicEncryptingKey {
    let pem = PrivateKey::from_pem(&pem(name)).unwrap().public().to_pem();
    PublicEncryptingKey::from_der(pem::parse(pem).unwrap().contents()).unwrap()
}

fn rsa(
    key: &str,
    algorithm: &'static OaepAlgorithm,
    secret: &[u8],
    label: Option<&[u8]>,
) -> Vec<u8> {
    let key = OaepPublicEncryptingKey::new(public(key)).unwrap();
    let mut output = vec![0; key.ciphertext_size()];
    key.encrypt(algorithm, secret, &mut output, label).unwrap().to_vec()
}

fn oaep(secret: &[u8]) -> String {
    STANDARD.encode(rsa("first", &OAEP_SHA256_MGF1SHA256, secret, None))
}

fn pkcs1(secret: &[u8]) -> Vec<u8> {
    let key = Pkcs1PublicEncryptingKey::new(public("first")).unwrap();
    let mut output = vec![0; key.ciphertext_size()];
    key.encrypt(secret, &mut output).unwrap().to_vec()
}

fn jwe(header: &str, secret: &[u8]) -> String {
    jwe_with(header, 32, secret)
}

fn jwe_with(header: &str, key_bytes: usize, secret: &[u8]) -> String {
    let mut content_key = vec![0; key_bytes];
    let mut nonce = [0; 12];
    rand::fill(&mut content_key).unwrap();
    rand::fill(&mut nonce).unwrap();
    let header = base64url(header);
    let cipher = if key_bytes == 32 { &AES_256_GCM } else { &AES_128_GCM };
    let cipher = LessSafeKey::new(UnboundKey::new(cipher, &content_key).unwrap());
    let mut text = secret.to_vec();
    let tag = cipher
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header.as_bytes()),
            &mut text,
        )
        .unwrap();
    let encrypted_key = rsa("first", &OAEP_SHA256_MGF1SHA256, &content_key, None);
    [header, base64url(encrypted_key), base64url(nonce), base64url(text), base64url(tag)].join(".")
}
