//! Makes `token-v1.json`. `cargo test -p magicproxy-core --test vectors -- --ignored write_token_vectors` writes it anew.
//!
//! Signatures are deterministic; sealed credentials are not, so those are kept in `sealed.json` and reused.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey,
    Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use magicproxy_core::PrivateKey;
use magicproxy_core::state::Partition;
use serde_json::{Value, json};

use crate::files;

#[path = "make_tokens/accepted.rs"]
mod accepted;
#[path = "make_tokens/claims.rs"]
mod claims;
#[path = "make_tokens/credentials.rs"]
mod credentials;
#[path = "exact_tokens.rs"]
mod exact_tokens;
#[path = "make_tokens/headers.rs"]
mod headers;
#[path = "make_tokens/recipes.rs"]
mod recipes;
#[path = "make_tokens/serialisation.rs"]
mod serialisation;

use recipes::{Outcome, RECIPES};

pub(crate) const NOW: u64 = 1_790_000_000;
/// 3660 days.
const LONGEST: u64 = 316_224_000;
const HEADER: &str = r#"{"typ":"JWT","alg":"RS256"}"#;
const PS256_HEADER: &str = r#"{"typ":"JWT","alg":"PS256"}"#;
const JWE_HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;

#[test]
#[ignore = "writes testdata/vectors/token-v1.json"]
fn write_token_vectors() {
    let sealed = Sealed::load();
    std::fs::write(
        files::path("vectors/sealed.json"),
        serde_json::to_string_pretty(&sealed.0).unwrap() + "\n",
    )
    .unwrap();
    std::fs::write(files::path("vectors/token-v1.json"), make(&sealed)).unwrap();
}

#[test]
fn the_file_is_what_this_makes() {
    let file = std::fs::read_to_string(files::path("vectors/token-v1.json")).unwrap();
    assert!(
        file == make(&Sealed::load()),
        "run: cargo test -p magicproxy-core --test vectors -- --ignored write_token_vectors"
    );
}

fn make(sealed: &Sealed) -> String {
    let maker = Maker { first: key("first"), second: key("second"), sealed };
    let cases: Vec<Value> = [
        maker.accepted(),
        maker.serialisation(),
        maker.headers(),
        maker.claims(),
        maker.exact(),
        maker.credentials(),
    ]
    .concat();
    let head = json!({
        "specification": "docs/spec/token-v1.md",
        "note": "Made by crates/magicproxy-core/tests/vectors/make_tokens.rs. `now` is the time of verification; the ring holds `keys`, which are `jwks`, private halves included: for tests alone. Accepted tokens are asked for `GET /user` at the upstream `api`; then `credential` is what opens, or `open` why nothing does. `refused` is the kind of VerifyError.",
        "now": NOW, "keys": ["keys/test-only-first.pem"], "jwks": [files::read::<Value>("keys/test-only-first.jwk")], "scopes": {"read": ["GET /user"], "issues": ["GET /repos/.+/issues", "POST /repos/.+/issues"]},
    });
    let lines: Vec<String> = cases.iter().map(|case| format!("    {case}")).collect();
    let head = serde_json::to_string_pretty(&head).unwrap();
    format!("{},\n  \"cases\": [\n{}\n  ]\n}}\n", head.trim_end_matches("\n}"), lines.join(",\n"))
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(files::path(&format!("keys/test-only-{name}.pem"))).unwrap()
}

fn key(name: &str) -> KeyPair {
    KeyPair::from_pkcs8(pem::parse(pem(name)).unwrap().contents()).unwrap()
}

fn thumbprint(name: &str) -> String {
    PrivateKey::from_pem(&pem(name)).unwrap().public().id().to_string()
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sign(key: &KeyPair, encoding: &'static dyn RsaEncoding, text: &str) -> String {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &rand::SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    base64url(signature)
}

fn refused(name: &str, token: &str, kind: &str) -> Value {
    json!({"name": name, "token": token, "refused": kind})
}

/// The claims of an ordinary token as raw JSON, to be bent.
#[derive(Clone)]
struct Claims(Vec<(&'static str, String)>);

impl Claims {
    fn ordinary(sealed: &Sealed) -> Self {
        Self(vec![
            ("iat", (NOW - 10).to_string()),
            ("exp", (NOW + 3600).to_string()),
            ("token", json!(sealed.text("oaep")).to_string()),
            ("allowed", r#"["GET /user"]"#.to_owned()),
            ("scopes", "null".to_owned()),
            ("jti", r#""test-1""#.to_owned()),
            ("aud", r#""api""#.to_owned()),
        ])
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(member, _)| *member != name);
        self
    }

    /// With the ciphertext in `sealed`, at its old place.
    fn hidden(mut self) -> Self {
        self.0
            .iter_mut()
            .filter(|(member, _)| *member == "token")
            .for_each(|(member, _)| *member = "sealed");
        self
    }

    /// In its old place where the member is there, else at the end.
    fn with(mut self, name: &'static str, raw: impl ToString) -> Self {
        match self.0.iter_mut().find(|(member, _)| *member == name) {
            Some((_, value)) => *value = raw.to_string(),
            None => self.0.push((name, raw.to_string())),
        }
        self
    }

    fn and_again(mut self, name: &'static str, raw: impl ToString) -> Self {
        self.0.push((name, raw.to_string()));
        self
    }

    fn json(&self) -> String {
        let members: Vec<String> =
            self.0.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

struct Maker<'s> {
    first: KeyPair,
    second: KeyPair,
    sealed: &'s Sealed,
}

impl Maker<'_> {
    fn ordinary(&self) -> Claims {
        Claims::ordinary(self.sealed)
    }

    fn signed(
        &self,
        key: &KeyPair,
        encoding: &'static dyn RsaEncoding,
        header: &str,
        claims: &str,
    ) -> String {
        let text = format!("{}.{}", base64url(header), base64url(claims));
        let signature = sign(key, encoding, &text);
        format!("{text}.{signature}")
    }

    fn token(&self, header: &str, claims: &Claims) -> String {
        self.signed(&self.first, &RSA_PKCS1_SHA256, header, &claims.json())
    }

    fn signed_text(&self, text: &str) -> String {
        format!("{text}.{}", sign(&self.first, &RSA_PKCS1_SHA256, text))
    }
}

struct Sealed(BTreeMap<String, String>);

impl Sealed {
    /// What is in the file, and what its recipe makes of the rest.
    fn load() -> Self {
        let text = std::fs::read_to_string(files::path("vectors/sealed.json"))
            .unwrap_or_else(|_| "{}".to_owned());
        let mut kept: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        for recipe in RECIPES {
            kept.entry(recipe.name.to_owned()).or_insert_with(|| (recipe.seal)(&(recipe.secret)()));
        }
        let mut sealed = Self(kept);
        for header in [HEADER, PS256_HEADER] {
            let text =
                format!("{}.{}", base64url(header), base64url(Claims::ordinary(&sealed).json()));
            sealed
                .0
                .entry(header.to_owned())
                .or_insert_with(|| sign(&key("first"), &RSA_PSS_SHA256, &text));
        }
        sealed
    }

    fn text(&self, name: &str) -> &str {
        &self.0[name]
    }
}
