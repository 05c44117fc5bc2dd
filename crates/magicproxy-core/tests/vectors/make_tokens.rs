//! Makes `token-v1.json`. `cargo test -p magicproxy-core --test vectors -- --ignored write_token_vectors` writes it anew.
//!
//! Signatures are deterministic; sealed credentials are not, so those are kept in `sealed.json` and reused.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use magicproxy_core::PrivateKey;
use magicproxy_core::state::Partition;
use serde_json::{Value, json};

use crate::files;

#[path = "exact_tokens.rs"]
mod exact_tokens;

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
    std::fs::write(files::path("vectors/sealed.json"), serde_json::to_string_pretty(&sealed.0).unwrap() + "\n").unwrap();
    std::fs::write(files::path("vectors/token-v1.json"), make(&sealed)).unwrap();
}

#[test]
fn the_file_is_what_this_makes() {
    let file = std::fs::read_to_string(files::path("vectors/token-v1.json")).unwrap();
    assert!(file == make(&Sealed::load()), "run: cargo test -p magicproxy-core --test vectors -- --ignored write_token_vectors");
}

fn make(sealed: &Sealed) -> String {
    let maker = Maker { first: key("first"), second: key("second"), sealed };
    let cases: Vec<Value> =
        [maker.accepted(), maker.serialisation(), maker.headers(), maker.claims(), maker.exact(), maker.credentials()].concat();
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
        self.0.iter_mut().filter(|(member, _)| *member == "token").for_each(|(member, _)| *member = "sealed");
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
        let members: Vec<String> = self.0.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
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

    fn signed(&self, key: &KeyPair, encoding: &'static dyn RsaEncoding, header: &str, claims: &str) -> String {
        let text = format!("{}.{}", base64url(header), base64url(claims));
        let signature = sign(key, encoding, &text);
        format!("{text}.{signature}")
    }

    fn token(&self, header: &str, claims: &Claims) -> String {
        self.signed(&self.first, &RSA_PKCS1_SHA256, header, &claims.json())
    }

    fn accepted_case(&self, name: &str, header: &str, claims: &Claims, more: Value) -> Value {
        let mut case = json!({
            "name": name, "token": self.token(header, claims), "accepted": {"id": "test-1", "issued_at": NOW - 10, "expires_at": NOW + 3600,
            "not_before": null, "upstream": "api", "explain": false, "rules": ["GET /user"]}, "credential": "ghp_ordinary",
        });
        for (member, value) in more.as_object().unwrap() {
            let is_accepted = ["labels", "owner"].contains(&member.as_str()) || case["accepted"].get(member).is_some();
            let place = if is_accepted { &mut case["accepted"] } else { &mut case };
            place[member] = value.clone();
        }
        case
    }

    fn accepted(&self) -> Vec<Value> {
        let kid = format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{}"}}"#, thumbprint("first"));
        let plain = self.ordinary();
        let python = plain.clone().without("jti").without("aud");
        let python_scopes = python.clone().without("allowed").with("scopes", r#"["read","issues"]"#);
        let owner = Partition::of(&[b"token", b"v1", self.sealed.text("oaep").as_bytes()]).to_string();
        let all = json!(["GET /user", "GET /repos/.+/issues", "POST /repos/.+/issues"]);
        let ok = |name: &str, claims: Claims, more: Value| self.accepted_case(name, HEADER, &claims, more);
        vec![
            ok("ordinary", plain.clone(), json!({})),
            self.accepted_case("with kid", &kid, &plain, json!({})),
            self.accepted_case("blanks in the header's JSON", "{ \"typ\" : \"JWT\",\n\"alg\" : \"RS256\" }\n", &plain, json!({})),
            self.accepted_case("escapes in the header's JSON", r#"{"t\u0079p":"J\u0057T","alg":"RS256"}"#, &plain, json!({})),
            ok("as the Python program writes it", python, json!({"id": null, "upstream": null})),
            ok("scopes, as the Python program writes them", python_scopes, json!({"id": null, "upstream": null, "rules": all})),
            ok(
                "a scope twice",
                plain.clone().without("allowed").with("scopes", r#"["read","read"]"#),
                json!({"rules": ["GET /user"]}),
            ),
            ok("scopes absent", plain.clone().without("scopes"), json!({})),
            ok("scopes empty beside allowed", plain.clone().with("scopes", "[]"), json!({})),
            ok("explain", plain.clone().with("explain", "true"), json!({"explain": true})),
            ok("sub", plain.clone().with("sub", r#""ci/agent-7""#), json!({"labels": ["ci/agent-7"]})),
            ok("sub where one is wanted", plain.clone().with("sub", r#""ci""#), json!({"labels": ["ci"], "require_sub": true})),
            ok("explain false", plain.clone().with("explain", "false"), json!({})),
            ok("nbf in the past", plain.clone().with("nbf", NOW - 5), json!({"not_before": NOW - 5})),
            ok("nbf within the leeway", plain.clone().with("nbf", NOW + 30), json!({"not_before": NOW + 30})),
            ok("iat within the leeway", plain.clone().with("iat", NOW + 30), json!({"issued_at": NOW + 30})),
            ok("exp within the leeway", plain.clone().with("exp", NOW - 9), json!({"expires_at": NOW - 9})),
            ok(
                "exp in the last second",
                plain.clone().with("iat", NOW - 40).with("exp", NOW - 29),
                json!({"issued_at": NOW - 40, "expires_at": NOW - 29}),
            ),
            ok("lives 3660 days", plain.clone().with("exp", NOW - 10 + LONGEST), json!({"expires_at": NOW - 10 + LONGEST})),
            ok(
                "lived nearly 3660 days",
                plain.clone().with("iat", NOW + 3600 - LONGEST),
                json!({"issued_at": NOW + 3600 - LONGEST}),
            ),
            ok("as long as the operator accepts", plain.clone(), json!({"max_lifetime": 3610})),
            ok("sealed", plain.clone().hidden(), json!({"owner": owner})),
            ok("token, of the same owner as sealed", plain.clone(), json!({"owner": owner})),
            ok(
                "sealed, as a narrowed token has it",
                plain.clone().hidden().with("caveats", r#"[{"sub":"agent"}]"#),
                json!({"owner": owner, "labels": ["agent"]}),
            ),
            ok("sealed with nbf", plain.clone().hidden().with("nbf", NOW - 5), json!({"owner": owner, "not_before": NOW - 5})),
            ok(
                "sealed without aud and jti",
                plain.clone().hidden().without("jti").without("aud"),
                json!({"owner": owner, "id": null, "upstream": null}),
            ),
            // No writer may, and every reader must: nothing that is read here restricts less for it.
            ok(
                "token beside caveats",
                plain.clone().with("caveats", r#"[{"sub":"agent"}]"#),
                json!({"owner": owner, "labels": ["agent"]}),
            ),
            ok("jti of 128 characters", plain.clone().with("jti", json!("-".repeat(128))), json!({"id": "-".repeat(128)})),
        ]
    }

    fn serialisation(&self) -> Vec<Value> {
        let good = self.token(HEADER, &self.ordinary());
        let parts: Vec<&str> = good.split('.').collect();
        let (header, payload, signature) = (parts[0], parts[1], parts[2]);
        let join = |parts: &[&str]| parts.join(".");
        // 256 bytes are 342 characters: four bits of the last are not used. `Q`, `g` and `w` end in zeroes.
        let (body, last) = signature.split_at(signature.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap() + 1;
        let trailing = format!("{body}{}", &alphabet[at..=at]);
        let padded_claims = self.ordinary().with("jti", json!("x".repeat(16_384)));
        let json_form = json!({"payload": payload, "protected": header, "signature": signature}).to_string();
        let m = |name: &str, token: &str| refused(name, token, "malformed");
        vec![
            m("nothing", ""),
            m("one part", header),
            m("two parts", &join(&[header, payload])),
            m("two parts and a dot at the start", &format!(".{payload}.{signature}.")),
            refused("no signature", &join(&[header, payload, ""]), "signature"),
            refused("no header", &join(&["", payload, signature]), "header"),
            refused("no payload", &join(&[header, "", signature]), "signature"),
            refused("only dots", "..", "header"),
            m("four parts", &join(&[header, payload, signature, "AA"])),
            m("four parts, the last empty", &format!("{good}.")),
            m("five parts", &join(&[header, payload, signature, "AA", "AA"])),
            m("a dot before", &format!(".{good}")),
            m("a blank before", &format!(" {good}")),
            m("a blank after", &format!("{good} ")),
            m("a line end after", &format!("{good}\n")),
            m("a line end inside", &format!("{header}.{payload}.{}\n{}", &signature[..64], &signature[64..])),
            refused(
                "a blank in the payload",
                &join(&[header, &format!("{} {}", &payload[..64], &payload[64..]), signature]),
                "signature",
            ),
            m("a NUL after", &format!("{good}\0")),
            m("padding on the signature", &format!("{good}==")),
            m("padding on the header", &join(&[&format!("{header}="), payload, signature])),
            refused("padding on the payload", &join(&[header, &format!("{payload}="), signature]), "signature"),
            m("trailing bits in the signature", &join(&[header, payload, &trailing])),
            refused("a character too many in the signature", &format!("{good}A"), "signature"),
            m("the other alphabet", &join(&[header, payload, &STANDARD.encode([0xff; 256])])),
            m("percent-encoded dots", &good.replace('.', "%2E")),
            m("the JSON serialisation", &json_form),
            m("quoted", &format!("\"{good}\"")),
            m("Bearer", &format!("Bearer {good}")),
            refused("too long", &self.token(HEADER, &padded_claims), "too_long"),
            refused("too long and no token", &"a".repeat(16_385), "too_long"),
            m("as long as may be and no token", &"a".repeat(16_384)),
            refused("payload not base64url, signed", &self.signed_text(&format!("{header}.!!!!")), "malformed"),
            refused(
                "payload with padding, signed",
                &self.signed_text(&format!("{header}.{}=", base64url(self.ordinary().json() + " "))),
                "malformed",
            ),
            refused("payload with trailing bits, signed", &self.signed_text(&format!("{header}.e31")), "malformed"),
            refused("payload with a character behind its object, signed", &self.signed_text(&format!("{header}.e30x")), "claims"),
        ]
    }

    fn signed_text(&self, text: &str) -> String {
        format!("{text}.{}", sign(&self.first, &RSA_PKCS1_SHA256, text))
    }

    fn headers(&self) -> Vec<Value> {
        let claims = self.ordinary();
        let h = |name: &str, header: &str| refused(name, &self.token(header, &claims), "header");
        let first = thumbprint("first");
        let with = |member: &str| format!(r#"{{"typ":"JWT","alg":"RS256",{member}}}"#);
        let none = format!("{}.{}.", base64url(r#"{"typ":"JWT","alg":"none"}"#), base64url(claims.json()));
        let public = PrivateKey::from_pem(&pem("first")).unwrap().public().to_pem();
        let stranger = |header: &str| self.signed(&self.second, &RSA_PKCS1_SHA256, header, &claims.json());
        vec![
            refused("alg none", &none, "header"),
            h("alg none, signed", r#"{"typ":"JWT","alg":"none"}"#),
            h("alg NONE", r#"{"typ":"JWT","alg":"NONE"}"#),
            refused("alg HS256 by the public key's PEM", &Self::hmac(&public, &claims), "header"),
            refused(
                "alg RS512",
                &self.signed(&self.first, &RSA_PKCS1_SHA512, r#"{"typ":"JWT","alg":"RS512"}"#, &claims.json()),
                "header",
            ),
            refused("alg PS256", &self.pss(PS256_HEADER), "header"),
            refused("PS256's signature", &self.pss(HEADER), "signature"),
            h("alg PS256, signed by RS256", r#"{"typ":"JWT","alg":"PS256"}"#),
            h("alg rs256", r#"{"typ":"JWT","alg":"rs256"}"#),
            h("alg with a blank", r#"{"typ":"JWT","alg":"RS256 "}"#),
            h("alg empty", r#"{"typ":"JWT","alg":""}"#),
            h("alg null", r#"{"typ":"JWT","alg":null}"#),
            h("alg a list", r#"{"typ":"JWT","alg":["RS256"]}"#),
            h("alg missing", r#"{"typ":"JWT"}"#),
            h("alg twice", r#"{"typ":"JWT","alg":"RS256","alg":"none"}"#),
            h("alg twice, escaped", r#"{"typ":"JWT","alg":"RS256","al\u0067":"RS256"}"#),
            h("Alg", r#"{"typ":"JWT","alg":"RS256","Alg":"none"}"#),
            h("typ missing", r#"{"alg":"RS256"}"#),
            h("typ null", r#"{"typ":null,"alg":"RS256"}"#),
            h("typ jwt", r#"{"typ":"jwt","alg":"RS256"}"#),
            h("typ at+jwt", r#"{"typ":"at+jwt","alg":"RS256"}"#),
            h("typ twice", r#"{"typ":"JWT","alg":"RS256","typ":"JWT"}"#),
            h("crit", &with(r#""crit":["exp"]"#)),
            h("crit empty", &with(r#""crit":[]"#)),
            h("b64", &with(r#""b64":false,"crit":["b64"]"#)),
            h("b64 true", &with(r#""b64":true"#)),
            h("jku", &with(r#""jku":"https://evil.example/jwks.json""#)),
            h("jwk", &with(r#""jwk":{"kty":"RSA","e":"AQAB","n":"AQ"}"#)),
            h("x5u", &with(r#""x5u":"https://evil.example/x""#)),
            h("x5c", &with(r#""x5c":["AA=="]"#)),
            h("x5t", &with(r#""x5t":"AA""#)),
            h("zip", &with(r#""zip":"DEF""#)),
            h("cty", &with(r#""cty":"JWT""#)),
            h("unknown member", &with(r#""x":1"#)),
            h("unknown member null", &with(r#""x":null"#)),
            h("kid null", &with(r#""kid":null"#)),
            h("kid a number", &with(r#""kid":1"#)),
            h("kid twice", &with(&format!(r#""kid":"{first}","kid":"{first}""#))),
            refused("kid unknown", &self.token(&with(r#""kid":"AAAA""#), &claims), "unknown_key"),
            refused("kid empty", &self.token(&with(r#""kid":"""#), &claims), "unknown_key"),
            refused("kid a file", &self.token(&with(r#""kid":"../../../../dev/null""#), &claims), "unknown_key"),
            refused("kid with padding", &self.token(&with(&format!(r#""kid":"{first}=""#)), &claims), "unknown_key"),
            refused("kid of another key", &stranger(&with(&format!(r#""kid":"{}""#, thumbprint("second")))), "unknown_key"),
            refused("our kid, another's signature", &stranger(&with(&format!(r#""kid":"{first}""#))), "signature"),
            refused("another's signature", &stranger(HEADER), "signature"),
            refused("RS512's signature", &self.signed(&self.first, &RSA_PKCS1_SHA512, HEADER, &claims.json()), "signature"),
            refused("signature of zeroes", &self.forged(&[0; 256]), "signature"),
            refused("signature of ones", &self.forged(&[0xff; 256]), "signature"),
            refused("signature of one byte", &self.forged(&[0]), "signature"),
            refused("signature one byte too long", &self.forged(&[0; 257]), "signature"),
            refused("claims changed", &self.with_other_claims(), "signature"),
            h("not JSON", "typ"),
            h("empty object", "{}"),
            h("a list", r#"["JWT","RS256"]"#),
            h("a string", r#""RS256""#),
            h("null", "null"),
            h("JSON twice", &format!("{HEADER}{HEADER}")),
            h("a comma too many", r#"{"typ":"JWT","alg":"RS256",}"#),
            h("byte order mark", &format!("\u{feff}{HEADER}")),
            h("a comment", r#"{"typ":"JWT","alg":"RS256"}//"#),
            h("single quotes", "{'typ':'JWT','alg':'RS256'}"),
        ]
    }

    /// Such signatures are salted, so they are kept in `sealed.json` as well.
    fn pss(&self, header: &str) -> String {
        format!("{}.{}.{}", base64url(header), base64url(self.ordinary().json()), self.sealed.text(header))
    }

    fn hmac(secret: &str, claims: &Claims) -> String {
        let text = format!("{}.{}", base64url(r#"{"typ":"JWT","alg":"HS256"}"#), base64url(claims.json()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
        format!("{text}.{}", base64url(tag))
    }

    fn forged(&self, signature: &[u8]) -> String {
        format!("{}.{}.{}", base64url(HEADER), base64url(self.ordinary().json()), base64url(signature))
    }

    fn with_other_claims(&self) -> String {
        let good = self.token(HEADER, &self.ordinary());
        let signature = good.rsplit('.').next().unwrap();
        format!("{}.{}.{signature}", base64url(HEADER), base64url(self.ordinary().with("allowed", r#"["* /.*"]"#).json()))
    }

    #[expect(clippy::too_many_lines, reason = "one table")]
    fn claims(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let case = |name: &str, claims: Claims, kind: &str| refused(name, &self.token(HEADER, &claims), kind);
        let c = |name: &str, claims: Claims| case(name, claims, "claims");
        let raw = |name: &str, json: &str| refused(name, &self.signed(&self.first, &RSA_PKCS1_SHA256, HEADER, json), "claims");
        let short = |name: &str| {
            let mut value = refused(name, &self.token(HEADER, &plain()), "lifetime");
            value["max_lifetime"] = json!(3609);
            value
        };
        let sealed = json!(self.sealed.text("oaep"));
        let (iat, exp) = (NOW - 10, NOW + 3600);
        vec![
            case("expired", plain().with("iat", NOW - 100).with("exp", NOW - 50), "expired"),
            case("expired as the leeway ends", plain().with("iat", NOW - 100).with("exp", NOW - 30), "expired"),
            case("nbf future", plain().with("nbf", NOW + 31), "not_yet_valid"),
            case("iat future", plain().with("iat", NOW + 31), "not_yet_valid"),
            c("nbf at the end of u64", plain().with("nbf", u64::MAX)),
            short("lives longer than the operator accepts"),
            c("exp before iat", plain().with("exp", NOW - 11)),
            c("exp is iat", plain().with("exp", iat)),
            c("exp beyond the year 9999", plain().with("exp", 253_402_300_800_u64)),
            c("exp at the end of u64", plain().with("exp", u64::MAX)),
            c("exp beyond u64", plain().with("exp", "18446744073709551616")),
            c("exp string", plain().with("exp", format!("\"{exp}\""))),
            c("exp float", plain().with("exp", format!("{exp}.0"))),
            c("exp exponent", plain().with("exp", "2e9")),
            c("exp 1e999", plain().with("exp", "1e999")),
            c("exp null", plain().with("exp", "null")),
            c("exp negative", plain().with("exp", "-1")),
            c("exp true", plain().with("exp", "true")),
            c("exp a list", plain().with("exp", format!("[{exp}]"))),
            c("exp missing", plain().without("exp")),
            c("exp twice", plain().and_again("exp", exp + 1)),
            c("exp with a leading zero", plain().with("exp", format!("0{exp}"))),
            c("exp with a plus", plain().with("exp", format!("+{exp}"))),
            c("exp NaN", plain().with("exp", "NaN")),
            c("iat missing", plain().without("iat")),
            c("iat null", plain().with("iat", "null")),
            c("iat string", plain().with("iat", format!("\"{iat}\""))),
            c("iat float", plain().with("iat", format!("{iat}.5"))),
            c("iat negative", plain().with("iat", "-1")),
            c("iat minus zero", plain().with("iat", "-0")),
            c("nbf null", plain().with("nbf", "null")),
            c("nbf string", plain().with("nbf", "\"9999\"")),
            c("nbf float", plain().with("nbf", "1.0")),
            c("nbf twice", plain().with("nbf", 1).and_again("nbf", 2)),
            c("token missing", plain().without("token")),
            c("token null", plain().with("token", "null")),
            c("token a number", plain().with("token", 1)),
            c("token null beside sealed", plain().with("sealed", &sealed).with("token", "null")),
            c("sealed null beside token", plain().with("sealed", "null")),
            c("sealed null", plain().without("token").with("sealed", "null")),
            c("sealed a number", plain().without("token").with("sealed", 1)),
            c("sealed a list", plain().without("token").with("sealed", format!("[{sealed}]"))),
            c("sealed twice", plain().hidden().and_again("sealed", &sealed)),
            c("token and sealed", plain().with("sealed", &sealed)),
            c("token and sealed, which differ", plain().with("sealed", json!(self.sealed.text("oaep, one byte")))),
            c("token empty beside sealed", plain().hidden().with("token", r#""""#)),
            c("sealed empty beside token", plain().with("sealed", r#""""#)),
            c("Sealed", plain().without("token").with("Sealed", &sealed)),
            c("token twice", plain().and_again("token", &sealed)),
            c("allowed and scopes", plain().with("scopes", r#"["read"]"#)),
            c("neither allowed nor scopes", plain().without("allowed")),
            c("neither, scopes empty", plain().without("allowed").with("scopes", "[]")),
            c("neither member", plain().without("allowed").without("scopes")),
            c("allowed null beside scopes", plain().with("allowed", "null").with("scopes", r#"["read"]"#)),
            c("allowed a string", plain().with("allowed", r#""GET /user""#)),
            c("allowed an object", plain().with("allowed", r#"{"GET":"/user"}"#)),
            c("allowed holds null", plain().with("allowed", "[null]")),
            c("allowed holds a number", plain().with("allowed", "[1]")),
            c("allowed holds a list", plain().with("allowed", r#"[["GET","/user"]]"#)),
            c("allowed twice", plain().and_again("allowed", r#"["GET /b"]"#)),
            c("a rule as an object", plain().with("allowed", r#"[{"method":"GET","path":"/user"}]"#)),
            case("lives a second longer than 3660 days", plain().with("exp", iat + LONGEST + 1), "lifetime"),
            case("exp at the end of time", plain().with("exp", 253_402_300_799_u64), "lifetime"),
            case("iat zero", plain().with("iat", 0), "lifetime"),
            c("a rule with a member twice", plain().with("allowed", r#"[{"method":"GET","path":"/a","path":"/b"}]"#)),
            c("a rule with an unknown member", plain().with("allowed", r#"[{"method":"GET","path":"/a","query":"b"}]"#)),
            c("a rule with null", plain().with("allowed", r#"[{"method":"GET","path":null,"route":"/a"}]"#)),
            case("allowed empty", plain().with("allowed", "[]"), "rule"),
            case("allowed empty beside scopes", plain().with("allowed", "[]").with("scopes", r#"["read"]"#), "claims"),
            case("a rule that would not be minted", plain().with("allowed", r#"["GET /user","GET user"]"#), "rule"),
            case("a rule in lower case", plain().with("allowed", r#"["get /user"]"#), "rule"),
            case("a rule with CONNECT", plain().with("allowed", r#"["CONNECT /user"]"#), "rule"),
            case("a pattern too complex", plain().with("allowed", r#"["GET /[ab]*a[ab]{20}c"]"#), "rule"),
            case("more than 1000 rules", plain().with("allowed", json!(vec!["* /a"; 1001])), "rule"),
            case("scope unknown", plain().without("allowed").with("scopes", r#"["read","write"]"#), "unknown_scope"),
            case("scope empty", plain().without("allowed").with("scopes", r#"[""]"#), "unknown_scope"),
            c("scopes a string", plain().without("allowed").with("scopes", r#""read""#)),
            c("scopes holds null", plain().without("allowed").with("scopes", "[null]")),
            c("scopes twice", plain().and_again("scopes", "null")),
            c("jti null", plain().with("jti", "null")),
            c("jti empty", plain().with("jti", r#""""#)),
            c("jti too long", plain().with("jti", json!("a".repeat(129)))),
            c("jti with a dot", plain().with("jti", r#""a.b""#)),
            c("jti with a line end", plain().with("jti", r#""a\nb""#)),
            c("jti a number", plain().with("jti", 1)),
            c("jti not ASCII", plain().with("jti", "\"é\"")),
            c("aud null", plain().with("aud", "null")),
            c("aud a list", plain().with("aud", r#"["api"]"#)),
            c("aud empty", plain().with("aud", r#""""#)),
            c("aud with a blank", plain().with("aud", r#""a b""#)),
            c("aud twice", plain().and_again("aud", r#""api""#)),
            c("sub null", plain().with("sub", "null")),
            c("sub a dash", plain().with("sub", json!("-"))),
            c("sub empty", plain().with("sub", json!(""))),
            c("sub with a comma", plain().with("sub", json!("a,b"))),
            c("sub with a blank", plain().with("sub", json!("a b"))),
            c("sub a number", plain().with("sub", 1)),
            c("sub of 129 characters", plain().with("sub", json!("a".repeat(129)))),
            c("sub twice", plain().with("sub", json!("a")).and_again("sub", json!("b"))),
            c("explain null", plain().with("explain", "null")),
            c("explain a number", plain().with("explain", 1)),
            c("explain a string", plain().with("explain", r#""true""#)),
            c("unknown claim", plain().with("iss", r#""me""#)),
            c("unknown claim null", plain().with("iss", "null")),
            c("Exp", plain().with("Exp", exp)),
            c("scope", plain().with("scope", r#""read""#)),
            c("the empty claim", plain().with("", "1")),
            c("exp twice, escaped", plain().and_again(r"e\u0078p", exp)),
            raw("not JSON", "iat"),
            raw("empty", ""),
            raw("empty object", "{}"),
            raw("null", "null"),
            raw("a list", &format!(r#"[{iat},{exp},1,{sealed},["GET /user"],null,"test-1","api",false]"#)),
            raw(
                "a list of as many as there are",
                &format!(r#"[{iat},{exp},{iat},{sealed},["GET /user"],null,"test-1","api",false]"#),
            ),
            raw("a string", r#""iat""#),
            raw("JSON twice", &format!("{0}{0}", plain().json())),
            raw("a comma too many", &plain().json().replace('}', ",}")),
            raw("byte order mark", &format!("\u{feff}{}", plain().json())),
            raw("cut off", plain().json().trim_end_matches('}')),
            raw("a lone surrogate", &plain().with("jti", r#""\ud800""#).json()),
            raw("a NUL behind", &format!("{}\0", plain().json())),
            raw("nested deep", &plain().with("x", "[".repeat(2000) + &"]".repeat(2000)).json()),
            refused(
                "not UTF-8",
                &self.signed_text(&format!(
                    "{}.{}",
                    base64url(HEADER),
                    base64url([plain().json().trim_end_matches('}').as_bytes(), b",\"x\":\"\xff\"}"].concat())
                )),
                "claims",
            ),
        ]
    }

    fn credentials(&self) -> Vec<Value> {
        let with = |name: &str, sealed: &str, outcome: Value| {
            let mut case = self.accepted_case(name, HEADER, &self.ordinary().with("token", json!(sealed)), json!({}));
            case.as_object_mut().unwrap().remove("credential");
            for (member, value) in outcome.as_object().unwrap() {
                case[member] = value.clone();
            }
            case
        };
        let mut cases = Vec::new();
        for recipe in RECIPES {
            let outcome = match recipe.outcome {
                Outcome::Opens => json!({"credential": String::from_utf8((recipe.secret)()).unwrap()}),
                Outcome::NotSealed => json!({"open": "sealed"}),
                Outcome::NoCredential => json!({"open": "credential"}),
            };
            cases.push(with(recipe.name, self.sealed.text(recipe.name), outcome));
        }
        let closed = |name: &str, text: &str| with(name, text, json!({"open": "sealed"}));
        let oaep = self.sealed.text("oaep");
        let jwe: Vec<&str> = self.sealed.text("jwe").split('.').collect();
        let join = |parts: &[&str]| parts.join(".");
        let other_header = base64url(r#"{"enc":"A256GCM","alg":"RSA-OAEP-256"}"#);
        let changed = |part: &str| {
            let first = if part.starts_with('A') { 'B' } else { 'A' };
            format!("{first}{}", &part[1..])
        };
        cases.extend([
            closed("sealed: nothing", ""),
            closed("sealed: in plain text", "ghp_ordinary"),
            closed("sealed: in base64", &STANDARD.encode("ghp_ordinary")),
            closed("sealed: base64url", &base64url(STANDARD.decode(oaep).unwrap())),
            closed("sealed: without padding", oaep.trim_end_matches('=')),
            closed("sealed: with a line end", &format!("{oaep}\n")),
            closed("sealed: too much padding", &format!("{oaep}=")),
            closed("sealed: cut short", &STANDARD.encode(&STANDARD.decode(oaep).unwrap()[..255])),
            closed("sealed: one byte too many", &STANDARD.encode([&[0], STANDARD.decode(oaep).unwrap().as_slice()].concat())),
            closed("sealed: changed", &changed(oaep)),
            closed("sealed: zeroes", &STANDARD.encode([0; 256])),
            closed("sealed: ones", &STANDARD.encode([0xff; 256])),
            closed("JWE: four parts", &join(&jwe[..4])),
            closed("JWE: six parts", &join(&[&jwe[..], &["AA"]].concat())),
            closed("JWE: only dots", "...."),
            closed("JWE: one dot", "."),
            closed(
                "JWE: header in another order than it was sealed with",
                &join(&[&other_header, jwe[1], jwe[2], jwe[3], jwe[4]]),
            ),
            closed("JWE: key changed", &join(&[jwe[0], &changed(jwe[1]), jwe[2], jwe[3], jwe[4]])),
            closed("JWE: nonce changed", &join(&[jwe[0], jwe[1], &changed(jwe[2]), jwe[3], jwe[4]])),
            closed("JWE: text changed", &join(&[jwe[0], jwe[1], jwe[2], &changed(jwe[3]), jwe[4]])),
            closed("JWE: tag changed", &join(&[jwe[0], jwe[1], jwe[2], jwe[3], &changed(jwe[4])])),
            closed("JWE: tag cut to 12 bytes", &join(&[jwe[0], jwe[1], jwe[2], jwe[3], &jwe[4][..16]])),
            closed("JWE: no tag", &join(&[jwe[0], jwe[1], jwe[2], jwe[3], ""])),
            closed("JWE: no key, direct", &join(&[jwe[0], "", jwe[2], jwe[3], jwe[4]])),
            closed(
                "JWE: tag moved into the text",
                &join(&[
                    jwe[0],
                    jwe[1],
                    jwe[2],
                    &base64url([URL_SAFE_NO_PAD.decode(jwe[3]).unwrap(), URL_SAFE_NO_PAD.decode(jwe[4]).unwrap()].concat()),
                    "",
                ]),
            ),
            closed("JWE: padding", &format!("{}==", join(&jwe))),
            closed("JWE: a blank", &format!(" {}", join(&jwe))),
        ]);
        cases
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Opens,
    NotSealed,
    NoCredential,
}

/// A sealed credential that needs random numbers to make.
struct Recipe {
    name: &'static str,
    secret: fn() -> Vec<u8>,
    seal: fn(&[u8]) -> String,
    outcome: Outcome,
}

const RECIPES: [Recipe; 34] = {
    use Outcome::{NoCredential, NotSealed, Opens};
    const fn recipe(name: &'static str, secret: fn() -> Vec<u8>, seal: fn(&[u8]) -> String, outcome: Outcome) -> Recipe {
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
        recipe("oaep with SHA-1", ordinary, |secret| STANDARD.encode(rsa("first", &OAEP_SHA1_MGF1SHA1, secret, None)), NotSealed),
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
        recipe("PKCS#1 v1.5 encryption", ordinary, |secret| STANDARD.encode(pkcs1(secret)), NotSealed),
        recipe("jwe", long, |secret| jwe(JWE_HEADER, secret), Opens),
        recipe("jwe, short", ordinary, |secret| jwe(JWE_HEADER, secret), Opens),
        recipe("jwe, the longest", || vec![b'~'; 8192], |secret| jwe(JWE_HEADER, secret), Opens),
        recipe("jwe, members in the other order", long, |secret| jwe(r#"{"enc":"A256GCM","alg":"RSA-OAEP-256"}"#, secret), Opens),
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
            |secret| jwe(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","\u0061lg":"RSA-OAEP-256"}"#, secret),
            NotSealed,
        ),
        recipe("jwe, too long", || vec![b'~'; 8193], |secret| jwe(JWE_HEADER, secret), NoCredential),
        recipe("jwe, empty", Vec::new, |secret| jwe(JWE_HEADER, secret), NoCredential),
        recipe("jwe, CR LF", || b"a\r\nX-Injected: b".to_vec(), |secret| jwe(JWE_HEADER, secret), NoCredential),
        recipe("jwe, alg RSA-OAEP", long, |secret| jwe(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, secret), NotSealed),
        recipe("jwe, alg dir", long, |secret| jwe(r#"{"alg":"dir","enc":"A256GCM"}"#, secret), NotSealed),
        recipe("jwe, enc A128GCM", long, |secret| jwe_with(r#"{"alg":"RSA-OAEP-256","enc":"A128GCM"}"#, 16, secret), NotSealed),
        recipe("jwe, a content key of 16 bytes", long, |secret| jwe_with(JWE_HEADER, 16, secret), NotSealed),
        recipe("jwe, zip", long, |secret| jwe(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}"#, secret), NotSealed),
        recipe("jwe, kid", long, |secret| jwe(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"a"}"#, secret), NotSealed),
        recipe(
            "jwe, alg twice",
            long,
            |secret| jwe(r#"{"alg":"RSA-OAEP-256","alg":"RSA-OAEP-256","enc":"A256GCM"}"#, secret),
            NotSealed,
        ),
        recipe("jwe, the header a list", long, |secret| jwe(r#"["RSA-OAEP-256","A256GCM"]"#, secret), NotSealed),
        recipe("jwe, enc missing", long, |secret| jwe(r#"{"alg":"RSA-OAEP-256"}"#, secret), NotSealed),
    ]
};

fn ordinary() -> Vec<u8> {
    b"ghp_ordinary".to_vec()
}

fn long() -> Vec<u8> {
    b"ghp_long.".repeat(40)
}

struct Sealed(BTreeMap<String, String>);

impl Sealed {
    /// What is in the file, and what its recipe makes of the rest.
    fn load() -> Self {
        let text = std::fs::read_to_string(files::path("vectors/sealed.json")).unwrap_or_else(|_| "{}".to_owned());
        let mut kept: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        for recipe in RECIPES {
            kept.entry(recipe.name.to_owned()).or_insert_with(|| (recipe.seal)(&(recipe.secret)()));
        }
        let mut sealed = Self(kept);
        for header in [HEADER, PS256_HEADER] {
            let text = format!("{}.{}", base64url(header), base64url(Claims::ordinary(&sealed).json()));
            sealed.0.entry(header.to_owned()).or_insert_with(|| sign(&key("first"), &RSA_PSS_SHA256, &text));
        }
        sealed
    }

    fn text(&self, name: &str) -> &str {
        &self.0[name]
    }
}

fn public(name: &str) -> PublicEncryptingKey {
    let pem = PrivateKey::from_pem(&pem(name)).unwrap().public().to_pem();
    PublicEncryptingKey::from_der(pem::parse(pem).unwrap().contents()).unwrap()
}

fn rsa(key: &str, algorithm: &'static OaepAlgorithm, secret: &[u8], label: Option<&[u8]>) -> Vec<u8> {
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
    let tag =
        cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header.as_bytes()), &mut text).unwrap();
    let encrypted_key = rsa("first", &OAEP_SHA256_MGF1SHA256, &content_key, None);
    [header, base64url(encrypted_key), base64url(nonce), base64url(text), base64url(tag)].join(".")
}
