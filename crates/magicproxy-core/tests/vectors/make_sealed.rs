//! Makes `token-v2.json`: `cargo test -p magicproxy-core --test vectors -- --ignored write_sealed_vectors` writes it anew.
//!
//! Tokens are put together by hand here, from the specification and the primitives, so that every wrong one can be made. Seals
//! and keys are random: the file is made once, and read by every implementation.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::BASE32_NOPAD;
use magicproxy_core::{Kem, KeyLifetime, MinterSigningKey, SealingKey, UnixTime};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{Hpke as _, HpkePublicKey};
use serde_json::{Value, json};

use crate::files;

#[path = "make_sealed/caveats.rs"]
mod caveats;
#[path = "make_sealed/claims.rs"]
mod claims;
#[path = "exact_sealed.rs"]
mod exact_sealed;
#[path = "make_sealed/keys.rs"]
mod keys;

const NOW: u64 = 1_790_000_000;
pub(crate) const ROOT_KEY: [u8; 32] = [7; 32];
pub(crate) const CREDENTIAL: &str = r#"{"secret":"ghp_ordinary"}"#;

#[test]
#[ignore = "writes testdata/vectors/token-v2.json"]
fn write_sealed_vectors() {
    let maker = Maker::new();
    let cases: Vec<Value> = [
        maker.accepted(),
        maker.credentials(),
        maker.serialisation(),
        maker.alphabet(),
        maker.signatures(),
        maker.claims(),
        maker.keys_and_chains(),
        maker.caveats(),
        maker.exact(),
    ]
    .concat();
    let head = json!({
        "specification": "docs/spec/token-v2.md",
        "note": "Made by crates/magicproxy-core/tests/vectors/make_sealed.rs. `now` is the time of verification, `keys` are the ring, `scopes` all that the proxy knows. `refused` names the refusal as the specification does. Of `accepted`, `claims`, `caveats` and `credential` are JSON values: member order, and the case of a header's name, say nothing. `context` is what differs for a case: `now`; `accept`, the versions; `deny_kid`; `minters_required`, the operator lists `minters` (else none); `require_sub`; `max_lifetime` in seconds. `labels` are those that are there, in order, `label` is what the log shows of them. `decisions` are asked of an accepted token, each at its own `now`; a `sender` of null is unknown. `narrowings`: `token` with `caveat` is `narrowed`. `seals`: `sealed_part` opens with `keys[key]` under `claims_part`.",
        "now": NOW,
        "keys": [maker.key.1, maker.xwing.1, maker.retired.1, maker.long_retired.1],
        "minters": [maker.minter.to_public_jwk()],
        "minter_keys": [serde_json::from_str::<Value>(&maker.minter.to_json()).unwrap()],
        "scopes": {"read": ["GET /user"]},
        "narrowings": maker.narrowings(),
        "seals": maker.seals(),
    });
    let lines: Vec<String> = cases.iter().map(|case| format!("    {case}")).collect();
    let head = serde_json::to_string_pretty(&head).unwrap();
    let text = format!(
        "{},\n  \"cases\": [\n{}\n  ]\n}}\n",
        head.trim_end_matches("\n}"),
        lines.join(",\n")
    );
    std::fs::write(files::path("vectors/token-v2.json"), text).unwrap();
}

/// Keys of other tokens.
const KID: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
const OTHER_KID: &str = "LDWp2PCLPq6jekUFwVsqAodO3YgqNrUHSlwNjVot4Ik";

/// A caveat that names a token.
fn from(owner: &str, kid: &str) -> String {
    let chain = "00112233445566778899aabbccddeeff";
    format!(r#"{{"from":{{"chain":"{chain}","owner":"{owner}","kid":"{kid}"}}}}"#)
}

/// Caveats that name none.
fn bad_origins() -> Vec<String> {
    let owner = "a7".repeat(32);
    let good = from(&owner, KID);
    let changed = |part: &str, other: &str| good.replacen(part, other, 1);
    vec![
        r#"{"from":{}}"#.to_owned(),
        r#"{"from":null}"#.to_owned(),
        r#"{"from":"00112233445566778899aabbccddeeff"}"#.to_owned(),
        format!(r#"{{"from":["00112233445566778899aabbccddeeff","{owner}","{KID}"]}}"#),
        changed("\"from\":{", "\"from\":{\"jti\":\"a\","),
        changed("\"chain\":\"00112233445566778899aabbccddeeff\",", ""),
        changed(&format!("\"owner\":\"{owner}\","), ""),
        changed(&format!(",\"kid\":\"{KID}\""), ""),
        changed("aabbccddeeff", "AABBCCDDEEFF"),
        changed("aabbccddeeff", "aabbccddeef"),
        changed("aabbccddeeff", "aabbccddeeff00"),
        changed("a7a7", "A7A7"),
        changed("a7a7", "a7a"),
        changed("a7a7", "g7a7"),
        changed(KID, &KID[1..]),
        changed(KID, &format!("{KID}A")),
        changed("NzbL", "Nzb+"),
        changed("NzbL", "Nzb="),
        changed(&format!("\"{KID}\""), "1"),
    ]
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A part of JSON, with an escape for each character that could bring `-` or `_` into it.
pub(crate) fn part(json: &str) -> String {
    let escaped = |character: char| match character {
        '>' | '?' | '~' | '\u{7f}' | '\u{80}'.. => character
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect(),
        other => other.to_string(),
    };
    base64url(json.chars().map(escaped).collect::<String>())
}

/// In lower case, without padding.
pub(crate) fn base32(bytes: impl AsRef<[u8]>) -> String {
    BASE32_NOPAD.encode(bytes.as_ref()).to_lowercase()
}

pub(crate) fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Claims as raw JSON members, to be bent.
#[derive(Clone)]
pub(crate) struct Claims(Vec<(String, String)>);

impl Claims {
    pub(crate) fn with(mut self, name: &str, raw: impl ToString) -> Self {
        match self.0.iter_mut().find(|(member, _)| member == name) {
            Some((_, value)) => *value = raw.to_string(),
            None => self.0.push((name.to_owned(), raw.to_string())),
        }
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(member, _)| member != name);
        self
    }

    fn and_again(mut self, name: &str, raw: &str) -> Self {
        self.0.push((name.to_owned(), raw.to_owned()));
        self
    }

    pub(crate) fn json(&self) -> String {
        let members: Vec<String> =
            self.0.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

pub(crate) struct Maker {
    pub(crate) key: (SealingKey, Value),
    xwing: (SealingKey, Value),
    retired: (SealingKey, Value),
    /// So that a token of the ordinary `iat` is one second too young.
    long_retired: (SealingKey, Value),
    pub(crate) minter: MinterSigningKey,
}

impl Maker {
    fn new() -> Self {
        let key = |kem, lifetime: KeyLifetime| {
            let key =
                SealingKey::generate(kem, UnixTime(NOW - 1000)).unwrap().with_lifetime(lifetime);
            let json = serde_json::from_str(&key.to_json()).unwrap();
            (key, json)
        };
        let made = KeyLifetime { created: Some(UnixTime(NOW - 1000)), ..KeyLifetime::default() };
        let retired = KeyLifetime {
            retired: Some(UnixTime(NOW - 10)),
            not_after: Some(UnixTime(NOW + 100)),
            ..made
        };
        Self {
            key: key(Kem::X25519, made),
            xwing: key(Kem::XWing, made),
            retired: key(Kem::X25519, retired),
            long_retired: key(
                Kem::X25519,
                KeyLifetime {
                    retired: Some(UnixTime(NOW - 10 - 30 * 86_400 - 31)),
                    ..KeyLifetime::default()
                },
            ),
            minter: MinterSigningKey::generate().unwrap(),
        }
    }

    pub(crate) fn ordinary(&self) -> Claims {
        let members = [
            ("kid", json!(self.key.0.public().id().as_str()).to_string()),
            ("kem", r#""x25519""#.to_owned()),
            ("jti", r#""test-1""#.to_owned()),
            ("iat", (NOW - 10).to_string()),
            ("exp", (NOW + 3600).to_string()),
            ("aud", r#""api""#.to_owned()),
            ("allowed", r#"["GET /user"]"#.to_owned()),
        ];
        Claims(members.map(|(name, raw)| (name.to_owned(), raw)).into())
    }

    pub(crate) fn seal(key: &SealingKey, bound: &str, info: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let jwk = key.public().to_jwk();
        match key.public().kem() {
            Kem::X25519 => {
                let public =
                    HpkePublicKey(URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap());
                let (enc, ciphertext) = DH_KEM_X25519_HKDF_SHA256_AES_256
                    .seal(info, bound.as_bytes(), plaintext, &public)
                    .unwrap();
                [enc.0, ciphertext].concat()
            }
            Kem::XWing => {
                use hpke::{Deserializable as _, Serializable as _};
                type Public = <hpke::kem::XWing as hpke::Kem>::PublicKey;
                let public = Public::from_bytes(
                    &URL_SAFE_NO_PAD.decode(jwk["pub"].as_str().unwrap()).unwrap(),
                )
                .unwrap();
                let (enc, ciphertext) =
                    hpke::single_shot_seal::<
                        hpke::aead::AesGcm256,
                        hpke::kdf::HkdfSha256,
                        hpke::kem::XWing,
                    >(
                        &hpke::OpModeS::Base, &public, info, plaintext, bound.as_bytes()
                    )
                    .unwrap();
                [enc.to_bytes().as_slice(), &ciphertext].concat()
            }
        }
    }

    pub(crate) fn assemble(
        &self,
        key: &SealingKey,
        claims: &str,
        credential: &str,
        signed: bool,
        caveats: &[&str],
    ) -> String {
        let minted = self.minted(key, &part(claims), credential);
        let token =
            if signed { format!("{minted}.{}", base32(self.sign(&minted))) } else { minted };
        self.finish(token, caveats)
    }

    /// Everything up to SEALED.
    pub(crate) fn minted(&self, key: &SealingKey, claims_part: &str, credential: &str) -> String {
        let bound = format!("mt2_{claims_part}");
        let plaintext = [&ROOT_KEY[..], credential.as_bytes()].concat();
        format!("{bound}.{}", base32(Self::seal(key, &bound, b"magic-api-proxy/v2", &plaintext)))
    }

    pub(crate) fn finish(&self, token: String, caveats: &[&str]) -> String {
        self.finish_parts(token, &caveats.iter().map(|caveat| part(caveat)).collect::<Vec<_>>())
    }

    pub(crate) fn finish_parts(&self, token: String, parts: &[String]) -> String {
        let mut tag = mac(&ROOT_KEY, &token);
        let mut token = token;
        for part in parts {
            tag = mac(&tag, part);
            token = format!("{token}.{part}");
        }
        format!("{token}.{}", base32(tag))
    }

    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        let jwk: Value = serde_json::from_str(&self.minter.to_json()).unwrap();
        let seed = URL_SAFE_NO_PAD.decode(jwk["d"].as_str().unwrap()).unwrap();
        aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&seed)
            .unwrap()
            .sign(text.as_bytes())
            .as_ref()
            .to_vec()
    }

    pub(crate) fn token(&self, claims: &Claims, caveats: &[&str]) -> String {
        self.assemble(&self.key.0, &claims.json(), CREDENTIAL, false, caveats)
    }

    pub(crate) fn ok(&self, name: &str, token: String, more: Value) -> Value {
        let parts: Vec<&str> = token.split('.').collect();
        let read = |part: &str| {
            serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let claims = read(parts[0].strip_prefix("mt2_").unwrap());
        let first = if claims.get("minter").is_some() { 3 } else { 2 };
        let caveats: Vec<Value> =
            parts[first..parts.len() - 1].iter().map(|part| read(part)).collect();
        let labels: Vec<Value> = std::iter::once(&claims)
            .chain(&caveats)
            .filter_map(|object| object.get("sub").cloned())
            .collect();
        let mut case = json!({"name": name, "token": token});
        let credential = more
            .get("credential")
            .cloned()
            .unwrap_or_else(|| serde_json::from_str(CREDENTIAL).unwrap());
        let named: Vec<&str> = labels.iter().map(|label| label.as_str().unwrap()).collect();
        let first = if claims.get("sub").is_some() || named.is_empty() { "" } else { "->" };
        let label = (!named.is_empty()).then(|| format!("{first}{}", named.join(">")));
        case["accepted"] = json!({"claims": claims, "caveats": caveats, "labels": labels, "label": label, "credential": credential});
        for member in ["context", "decisions"] {
            if let Some(value) = more.get(member) {
                case[member] = value.clone();
            }
        }
        case
    }

    fn accepted(&self) -> Vec<Value> {
        let plain = self.ordinary();
        let decisions = |list: &[(&str, &str, u64, &str)]| -> Value {
            let one = |(line, sender, after, decision): &(&str, &str, u64, &str)| {
                let (method, target) = line.split_once(' ').unwrap();
                let sender = (!sender.is_empty()).then_some(*sender);
                json!({"method": method, "target": target, "upstream": "api", "sender": sender, "now": NOW + after, "decision": decision})
            };
            json!({"decisions": list.iter().map(one).collect::<Vec<_>>()})
        };
        let wide = plain
            .clone()
            .with("allowed", r#"["GET /a/.*",{"method":["PUT","POST"],"route":"/b/{x}"}]"#);
        let minter = json!(self.minter.id().as_str());
        let kid = |key: &SealingKey| json!(key.public().id().as_str());
        vec![
            self.ok("plain", self.token(&plain, &[]), decisions(&[("GET /user", "", 0, "allowed"), ("HEAD /user", "", 0, "allowed"), ("GET /user/", "", 0, "not_allowed"), ("PUT /user", "", 0, "not_allowed"), ("GET /user", "", 3629, "allowed"), ("GET /user", "", 3630, "expired")])),
            self.ok("not before, in the past", self.token(&plain.clone().with("nbf", NOW + 30), &[]), json!({})),
            self.ok("minted a little in the future", self.token(&plain.clone().with("iat", NOW + 30), &[]), json!({})),
            self.ok("expired within the leeway", self.token(&plain.clone().with("exp", NOW - 1), &[]), json!({})),
            self.ok("a label", self.token(&plain.clone().with("sub", r#""ci@example.com/build:7""#), &[]), json!({})),
            self.ok("explains", self.token(&plain.clone().with("explain", "true"), &[]), json!({})),
            self.ok("a scope", self.token(&plain.clone().without("allowed").with("scopes", r#"["read"]"#), &[]), decisions(&[("GET /user", "", 0, "allowed"), ("GET /users", "", 0, "not_allowed")])),
            self.ok("rules of both forms", self.token(&wide, &[]), decisions(&[("GET /a/1", "", 0, "allowed"), ("POST /b/1", "", 0, "allowed"), ("PUT /b/1/2", "", 0, "not_allowed")])),
            self.ok("the longest life", self.token(&plain.clone().with("exp", NOW - 10 + 316_224_000), &[]), json!({"context": {"max_lifetime": 316_224_000}})),
            self.ok("as long as the operator accepts", self.token(&plain, &[]), json!({"context": {"max_lifetime": 3610}})),
            self.ok("a label of two dashes", self.token(&plain.clone().with("sub", r#""--""#), &[r#"{"sub":"-"}"#]), json!({})),
            self.ok("labels of holders alone", self.token(&plain, &[r#"{"sub":"admin"}"#, r#"{"exp":1790000060}"#, r#"{"sub":"-"}"#]), json!({})),
            self.ok("a label where one is wanted", self.token(&plain.clone().with("sub", r#""ci""#), &[]), json!({"context": {"require_sub": true}})),
            self.ok("a listed minter", self.assemble(&self.key.0, &plain.clone().with("minter", &minter).json(), CREDENTIAL, true, &[]), json!({"context": {"minters_required": true}})),
            self.ok("a listed minter and a caveat", self.assemble(&self.key.0, &plain.clone().with("minter", &minter).json(), CREDENTIAL, true, &[r#"{"sub":"a"}"#]), json!({"context": {"minters_required": true}})),
            self.ok("x-wing", self.assemble(&self.xwing.0, &plain.clone().with("kem", r#""x-wing""#).with("kid", kid(&self.xwing.0)).json(), CREDENTIAL, false, &[]), decisions(&[("GET /user", "", 0, "allowed")])),
            self.ok("x-wing, where nothing else is accepted", self.assemble(&self.xwing.0, &plain.clone().with("kem", r#""x-wing""#).with("kid", kid(&self.xwing.0)).json(), CREDENTIAL, false, &[]), json!({"context": {"kems": ["x-wing"]}})),
            self.ok("x-wing and a caveat", self.assemble(&self.xwing.0, &plain.clone().with("kem", r#""x-wing""#).with("kid", kid(&self.xwing.0)).json(), CREDENTIAL, false, &[r#"{"exp":1790000060}"#]), json!({})),
            self.ok("a retired key before its end", self.assemble(&self.retired.0, &plain.clone().with("kid", kid(&self.retired.0)).json(), CREDENTIAL, false, &[]), json!({})),
            self.ok("a key that was retired 30 days and the leeway before", self.assemble(&self.long_retired.0, &plain.clone().with("kid", kid(&self.long_retired.0)).with("iat", NOW - 11).json(), CREDENTIAL, false, &[]), json!({})),
            self.ok("caveat: from", self.token(&plain.clone().with("sub", r#""ci""#), &[&from(&"a7".repeat(32), KID), r#"{"sub":"agent"}"#]), json!({"context": {"deny_kid": ["another_KeyIsDenied-AAAAAAAAAAAAAAAAAAAAAAA"]}, "decisions": []})),
            self.ok("caveat: from, twice, and beside others", self.token(&plain, &[&from(&"a7".repeat(32), KID), &from(&"00".repeat(32), KID).replace(r#"{"from""#, r#"{"sub":"agent","from""#)]), decisions(&[("GET /user", "", 0, "allowed")])),
            self.ok("caveat: allowed", self.token(&wide, &[r#"{"allowed":["GET /a/1"]}"#]), decisions(&[("GET /a/1", "", 0, "allowed"), ("GET /a/2", "", 0, "beyond_caveat"), ("PUT /b/1", "", 0, "beyond_caveat"), ("GET /c", "", 0, "not_allowed")])),
            self.ok("caveat: allowed gives nothing", self.token(&wide, &[r#"{"allowed":["* /.*"]}"#]), decisions(&[("GET /a/1", "", 0, "allowed"), ("GET /c", "", 0, "not_allowed")])),
            self.ok("caveat: exp", self.token(&plain, &[r#"{"exp":1790000060}"#]), decisions(&[("GET /user", "", 89, "allowed"), ("GET /user", "", 90, "expired")])),
            self.ok("caveat: exp in the past", self.token(&plain, &[r#"{"exp":1}"#]), decisions(&[("GET /user", "", 0, "expired")])),
            self.ok("caveat: exp gives nothing", self.token(&plain, &[r#"{"exp":253402300799}"#]), decisions(&[("GET /user", "", 3630, "expired")])),
            self.ok("caveat: nbf", self.token(&plain, &[r#"{"nbf":1790000031}"#]), decisions(&[("GET /user", "", 0, "not_yet_valid"), ("GET /user", "", 1, "allowed")])),
            self.ok("caveat: aud, the same", self.token(&plain, &[r#"{"aud":"api"}"#]), decisions(&[("GET /user", "", 0, "allowed")])),
            self.ok("caveat: aud, another", self.token(&plain, &[r#"{"aud":"other"}"#]), decisions(&[("GET /user", "", 0, "wrong_upstream")])),
            self.ok("caveat: sub", self.token(&plain.clone().with("sub", r#""ci""#), &[r#"{"sub":"agent"}"#, r#"{"sub":"sub-agent"}"#]), decisions(&[("GET /user", "", 0, "allowed")])),
            self.ok("caveat: sender", self.token(&plain, &[r#"{"sender":{"cidr":["192.0.2.0/24","2001:db8::/32"]}}"#]), decisions(&[("GET /user", "192.0.2.255", 0, "allowed"), ("GET /user", "::ffff:192.0.2.1", 0, "allowed"), ("GET /user", "2001:db8::1", 0, "allowed"), ("GET /user", "192.0.3.0", 0, "wrong_sender"), ("GET /user", "", 0, "wrong_sender")])),
            self.ok("caveat: all at once, member order and escapes free", self.token(&wide, &[r#"{"sub":"a","nbf":0,"exp":1790000060,"aud":"api","sender":{"cidr":["0.0.0.0/0"]},"allowed":["GET \/a\/1"]}"#]), decisions(&[("GET /a/1", "192.0.2.1", 0, "allowed"), ("GET /a/1", "2001:db8::1", 0, "wrong_sender")])),
            self.ok("16 caveats", self.token(&plain, &[r#"{"sub":"a"}"#; 16]), decisions(&[("GET /user", "", 0, "allowed")])),
            self.ok("white space inside the claims", self.assemble(&self.key.0, &plain.json().replace(",\"", " , \""), CREDENTIAL, false, &[]), json!({})),
        ]
    }

    fn credentials(&self) -> Vec<Value> {
        let good = [
            r#"{"secret":"a\"b\\c"}"#,
            r#"{"bearer":"ghp_x"}"#,
            r#"{"basic":["user","p:w"]}"#,
            r#"{"basic":["","pw"]}"#,
            r#"{"basic":["key",""]}"#,
            r#"{"header":["X-API-Key","k"]}"#,
            r#"{"several":[{"header":["x-auth-key","k"]},{"header":["x-auth-email","a@b"]}]}"#,
        ];
        let bad = [
            "{}",
            "{\"secret\":\"a\"} ",
            " {\"secret\":\"a\"}",
            r#"{"secret":""}"#,
            r#"{"secret":"a b"}"#,
            r#"{"secret":"é"}"#,
            r#"{"secret":null}"#,
            r#"{"secret":1}"#,
            r#"{"secret":"a","bearer":"b"}"#,
            r#"{"secret":"a","secret":"a"}"#,
            r#"{"password":"a"}"#,
            r#"["a"]"#,
            r#""a""#,
            r#"{"basic":["us:er","p"]}"#,
            r#"{"basic":["",""]}"#,
            r#"{"basic":["user"]}"#,
            r#"{"basic":["a","b","c"]}"#,
            r#"{"header":["a b","c"]}"#,
            r#"{"header":["","c"]}"#,
            r#"{"several":[]}"#,
            r#"{"several":[{"bearer":"a"}]}"#,
            r#"{"several":[{"bearer":"a"},{"basic":["b","c"]}]}"#,
            r#"{"several":[{"header":["X-A","b"]},{"header":["x-a","c"]}]}"#,
            r#"{"several":[{"secret":"a"},{"bearer":"b"}]}"#,
            r#"{"several":[{"several":[]},{"bearer":"b"}]}"#,
        ];
        let claims = self.ordinary().json();
        let make = |credential: &str| self.assemble(&self.key.0, &claims, credential, false, &[]);
        let good = good.map(|json| {
            self.ok(
                &format!("credential {json}"),
                make(json),
                json!({"credential": serde_json::from_str::<Value>(json).unwrap()}),
            )
        });
        let bad = bad.map(|json| refused(&format!("credential {json}"), make(json), "credential"));
        good.into_iter().chain(bad).collect()
    }

    fn keys_and_chains(&self) -> Vec<Value> {
        [self.keys(), self.terms_of_the_operator(), self.seals_and_chains()].concat()
    }
}

pub(crate) fn refused(name: &str, token: String, kind: &str) -> Value {
    json!({"name": name, "token": token, "refused": kind})
}

/// A refusal under settings of the operator, or at a moment, of its own.
fn in_context(name: &str, token: &str, kind: &str, context: Value) -> Value {
    let mut case = refused(name, token.to_owned(), kind);
    case["context"] = context;
    case
}
