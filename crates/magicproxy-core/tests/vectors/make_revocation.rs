//! Makes `revocation.json`: `cargo test -p magicproxy-core --test vectors -- --ignored write_revocation_vectors` writes it anew.
//!
//! Ids are computed by hand here, from the specification and SHA-256. The tokens come from the other files of vectors, narrowed:
//! nothing in that is random.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use magicproxy_core::{Acceptance, Caveat, KeyRing, PatternMode, PrivateKey, RuleCompiler, Scopes, UnixTime, VerifyContext};
use serde_json::{Value, json};

use crate::files;

const NARROWINGS: [&str; 3] =
    [r#"{"sub":"one"}"#, r#"{"sub":"other"}"#, r#"{"allowed":["GET /user","GET /a/\\d+"],"exp":1790000060}"#];

#[test]
#[ignore = "writes testdata/vectors/revocation.json"]
fn write_revocation_vectors() {
    std::fs::write(files::path("vectors/revocation.json"), make()).unwrap();
}

#[test]
fn the_file_is_what_this_makes() {
    let file = std::fs::read_to_string(files::path("vectors/revocation.json")).unwrap();
    assert!(file == make(), "run: cargo test -p magicproxy-core --test vectors -- --ignored write_revocation_vectors");
}

fn make() -> String {
    let mut tokens = version_1();
    tokens.extend(version_2());
    let head = json!({
        "specification": "docs/spec/state-store.md, sections 6 and 7",
        "note": "Made by crates/magicproxy-core/tests/vectors/make_revocation.rs. `ids` are C(0) to C(n) of `tokens`, then those of older chains that caveats name; `id` is C(n). An entry `chain:` of any of `ids` refuses the token, one of any other id in this file does not. `entries` are names and what they mean: a kind, `nothing` (warned of), or `fault` (the list is unreadable). `file` and `store` are one list, as either keeps it; `refused` are the names of the tokens that it refuses.",
        "entries": entries(),
        "file": list(&tokens),
        "store": store(&tokens),
        "refused": ["v1, narrowed", "v1, narrowed twice", "v2, narrowed", "v2, narrowed twice", "v2, made of a narrowed one", "v2, made of a narrowed one, narrowed"],
    });
    let lines: Vec<String> = tokens.iter().map(|token| format!("    {}", token.to_json())).collect();
    let head = serde_json::to_string_pretty(&head).unwrap();
    format!("{},\n  \"tokens\": [\n{}\n  ]\n}}\n", head.trim_end_matches("\n}"), lines.join(",\n"))
}

struct Token {
    name: &'static str,
    text: String,
    own: Vec<String>,
    older: Vec<String>,
}

impl Token {
    fn to_json(&self) -> Value {
        let ids: Vec<&String> = self.own.iter().chain(&self.older).collect();
        json!({ "name": self.name, "token": self.text, "id": self.own.last(), "ids": ids })
    }
}

/// `E` of the specification.
fn id(parts: &[&[u8]]) -> Vec<u8> {
    let bytes: Vec<u8> =
        parts.iter().flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied())).collect();
    digest(&SHA256, &bytes).as_ref()[..16].to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// C(0) to C(n).
fn ids(root: Vec<u8>, caveats: &[&str]) -> Vec<String> {
    let mut ids = vec![root];
    for caveat in caveats {
        ids.push(id(&[b"chain", b"caveat", &ids[ids.len() - 1], caveat.as_bytes()]));
    }
    ids.iter().map(|id| hex(id)).collect()
}

fn token_of(file: &str, name: &str) -> String {
    let file: Value = files::read(file);
    let cases = file["cases"].as_array().unwrap();
    cases.iter().find(|case| case["name"] == name).unwrap()["token"].as_str().unwrap().to_owned()
}

/// Narrowed by the proxy.
fn version_1() -> Vec<Token> {
    let pem = std::fs::read_to_string(files::path("keys/test-only-first.pem")).unwrap();
    let ring = KeyRing::new(PrivateKey::from_pem(&pem).unwrap(), Vec::new()).unwrap();
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context =
        VerifyContext { now: UnixTime(1_790_000_000), scopes: &scopes, patterns: PatternMode::Whole, acceptance: &acceptance };
    let narrow = |token: &str, caveat: &str| {
        let caveat = Caveat::from_json(caveat.as_bytes()).unwrap();
        ring.narrow(token, &caveat, &context, &RuleCompiler::default()).unwrap().to_string()
    };
    let [one, other, further] = NARROWINGS;
    let mut tokens = Vec::new();
    let plain = token_of("vectors/token-v1.json", "ordinary");
    let narrowed = narrow(&plain, one);
    for (name, text, caveats) in [
        ("v1", plain.clone(), &[][..]),
        ("v1, narrowed", narrowed.clone(), &[one]),
        ("v1, narrowed otherwise", narrow(&plain, other), &[other]),
        ("v1, narrowed twice", narrow(&narrowed, further), &[one, further]),
    ] {
        tokens.push(Token { name, text, own: ids(id(&[b"chain", b"v1", b"test-1"]), caveats), older: Vec::new() });
    }
    // As the Python program writes them.
    let nameless = token_of("vectors/token-v1.json", "as the Python program writes it");
    let called = URL_SAFE_NO_PAD.encode(&digest(&SHA256, nameless.as_bytes()).as_ref()[..16]);
    let root = || id(&[b"chain", b"v1", called.as_bytes()]);
    let narrowed = narrow(&nameless, one);
    tokens.push(Token { name: "v1 without jti", text: nameless, own: ids(root(), &[]), older: Vec::new() });
    tokens.push(Token { name: "v1 without jti, narrowed", text: narrowed, own: ids(root(), &[one]), older: Vec::new() });
    tokens
}

/// Narrowed by their holders.
fn version_2() -> Vec<Token> {
    let narrow = |token: &str, caveat: &str| Caveat::from_json(caveat.as_bytes()).unwrap().append_to(token).unwrap().to_string();
    let [one, other, further] = NARROWINGS;
    let plain = token_of("vectors/token-v2.json", "plain");
    let signed = token_of("vectors/token-v2.json", "a listed minter");
    let minted = |token: &str| token.split('.').take(2).collect::<Vec<_>>().join(".");
    let root = |token: &str| id(&[b"chain", b"v2", minted(token).as_bytes()]);
    // What stands in the token, once more.
    let part = |caveat: &str| URL_SAFE_NO_PAD.encode(caveat);
    let own = |token: &str, caveats: &[&str]| {
        let parts: Vec<String> = caveats.iter().map(|caveat| part(caveat)).collect();
        ids(root(token), &parts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let narrowed = narrow(&plain, one);
    let mut tokens = vec![
        Token { name: "v2", text: plain.clone(), own: own(&plain, &[]), older: Vec::new() },
        Token { name: "v2, narrowed", text: narrowed.clone(), own: own(&plain, &[one]), older: Vec::new() },
        Token { name: "v2, narrowed otherwise", text: narrow(&plain, other), own: own(&plain, &[other]), older: Vec::new() },
        Token {
            name: "v2, narrowed twice",
            text: narrow(&narrowed, further),
            own: own(&plain, &[one, further]),
            older: Vec::new(),
        },
        Token { name: "v2, signed by a minter", text: signed.clone(), own: own(&signed, &[]), older: Vec::new() },
    ];
    // Another seal of the same claims, as a proxy makes it: with the caveats, and then the origin.
    let again = token_of("vectors/token-v2.json", "a retired key before its end");
    let from = format!(r#"{{"sub":"from:{}"}}"#, hex(&root(&plain)));
    let (caveats, made) = ([one, &from], narrow(&narrow(&again, one), &from));
    let older = own(&plain, &[one]);
    let later = narrow(&made, further);
    tokens.push(Token { name: "v2, made of a narrowed one", text: made, own: own(&again, &caveats), older: older.clone() });
    tokens.push(Token {
        name: "v2, made of a narrowed one, narrowed",
        text: later,
        own: own(&again, &[one, &from, further]),
        older,
    });
    tokens
}

fn entries() -> Value {
    let hex = "00112233445566778899aabbccddeeff";
    json!({
        format!("chain:{hex}"): "chain", "chain:": "fault", format!("chain:{hex}00"): "fault", "chain:0011": "fault",
        format!("chain:{}", "g".repeat(32)): "fault",
        "jti:test-1": "jti", format!("jti:{}", "j".repeat(128)): "jti", format!("jti:{}", "j".repeat(129)): "nothing",
        "jti:not a jti at all!": "nothing", "jti:a.b.c": "nothing", "jti:": "fault",
        format!("owner:{hex}{hex}"): "owner", format!("owner:{hex}"): "fault", "owner:x": "fault",
        format!("kid:{}", "k".repeat(43)): "kid", "kid:nosuchkey": "nothing", "kid:": "fault",
        "before:1790000000": "before", "before:yesterday": "fault", "before:-1": "fault",
        "who:me": "fault", "": "fault", "jti": "fault", "CHAIN:0": "fault",
    })
}

/// The chains of `v1, narrowed` and `v2, narrowed`, another, one that has ended, and one that means nothing.
fn listed(tokens: &[Token]) -> Vec<(String, Value)> {
    let chain = |name: &str| {
        let token = tokens.iter().find(|token| token.name == name).unwrap();
        format!("chain:{}", token.own.last().unwrap())
    };
    let about = json!({ "revoked_at": 1_790_000_000, "expires_at": 99_000_000_000_u64, "reason": "lost" });
    vec![
        (chain("v1, narrowed"), about.clone()),
        (chain("v2, narrowed"), about.clone()),
        ("chain:00112233445566778899aabbccddeeff".to_owned(), about.clone()),
        (chain("v2, signed by a minter"), json!({ "revoked_at": 1_780_000_000, "expires_at": 1_790_000_000 })),
        ("jti:not a jti at all!".to_owned(), about),
    ]
}

fn list(tokens: &[Token]) -> Value {
    json!({ "revocations": listed(tokens).into_iter().collect::<serde_json::Map<_, _>>() })
}

fn store(tokens: &[Token]) -> Value {
    let entries = listed(tokens).into_iter();
    entries.map(|(name, about)| json!({ "name": name, "expires_at": about["expires_at"], "value": about.to_string() })).collect()
}
