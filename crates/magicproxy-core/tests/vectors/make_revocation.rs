//! Makes `revocation.json`: `cargo test -p magicproxy-core --test vectors -- --ignored write_revocation_vectors` writes it anew.
//!
//! Ids are computed by hand here, from the specification and SHA-256. The tokens come from the other files of vectors, narrowed:
//! nothing in that is random.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use magicproxy_core::{
    Acceptance, Caveat, KeyRing, PatternMode, PrivateKey, RuleCompiler, Scopes, UnixTime,
    VerifyContext,
};
use serde_json::{Value, json};

use crate::files;

const NARROWINGS: [&str; 3] = [
    r#"{"sub":"one"}"#,
    r#"{"sub":"other"}"#,
    r#"{"allowed":["GET /user","GET /a/\\d+"],"exp":1790000060}"#,
];

#[test]
#[ignore = "writes testdata/vectors/revocation.json"]
fn write_revocation_vectors() {
    std::fs::write(files::path("vectors/revocation.json"), make()).unwrap();
}

#[test]
fn the_file_is_what_this_makes() {
    let file = std::fs::read_to_string(files::path("vectors/revocation.json")).unwrap();
    assert!(
        file == make(),
        "run: cargo test -p magicproxy-core --test vectors -- --ignored write_revocation_vectors"
    );
}

fn make() -> String {
    let mut tokens = version_1();
    tokens.extend(version_2());
    let head = json!({
        "specification": "docs/spec/state-store.md, sections 6 and 7",
        "note": "Made by crates/magicproxy-core/tests/vectors/make_revocation.rs. `ids` are C(0) to C(n) of `tokens`, then those of older chains that caveats name; `id` is C(n). An entry `chain:` of any of `ids` refuses the token, and so does any in `refused_by`; one of any other name in this file does not. `entries` are names and what they mean: a kind, `nothing` (warned of), or `fault` (the list is unreadable). `file` and `store` are one list, as either keeps it; `refused` are the names of the tokens that it refuses. `versions` says of a list in a store whether it came of an older one by `changes` (section 6.1).",
        "entries": entries(),
        "file": list(&tokens),
        "store": store(&tokens),
        "versions": versions(),
        "refused": ["v1, narrowed", "v1, narrowed twice", "v1, narrowed, and made of another", "v2, narrowed", "v2, narrowed twice", "v2, made of a narrowed one", "v2, made of a narrowed one, narrowed"],
    });
    let lines: Vec<String> =
        tokens.iter().map(|token| format!("    {}", token.to_json())).collect();
    let head = serde_json::to_string_pretty(&head).unwrap();
    format!("{},\n  \"tokens\": [\n{}\n  ]\n}}\n", head.trim_end_matches("\n}"), lines.join(",\n"))
}

struct Token {
    name: &'static str,
    text: String,
    own: Vec<String>,
    older: Vec<String>,
    /// Owners and keys of the tokens of which it was made, as caveats say.
    origins: Vec<(String, String)>,
}

impl Token {
    fn to_json(&self) -> Value {
        let ids: Vec<&String> = self.own.iter().chain(&self.older).collect();
        json!({ "name": self.name, "token": self.text, "id": self.own.last(), "ids": ids, "refused_by": self.refused_by() })
    }

    /// The entries of other kinds.
    fn refused_by(&self) -> Vec<String> {
        let is_signed = self.text.starts_with("eyJ");
        let claims = claims(&self.text);
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let (kid, ciphertext) = if is_signed {
            (first_key(), ciphertext(&claims))
        } else {
            (text("kid").unwrap(), String::new())
        };
        let jti = text("jti").unwrap_or_else(|| {
            URL_SAFE_NO_PAD.encode(&digest(&SHA256, ciphertext.as_bytes()).as_ref()[..16])
        });
        let minted = minted(&self.text);
        let own = if is_signed {
            owner(&[b"token", b"v1", ciphertext.as_bytes()])
        } else {
            owner(&[b"token", b"v2", minted.as_bytes()])
        };
        let mut names = vec![format!("jti:{jti}"), format!("owner:{own}"), format!("kid:{kid}")];
        names.push(match text("minter") {
            _ if is_signed => format!("jti:v1:{kid}:{jti}"),
            minter => format!("jti:v2:{kid}:{}:{jti}", minter.as_deref().unwrap_or("none")),
        });
        for (owner, kid) in &self.origins {
            names.extend([format!("owner:{owner}"), format!("kid:{kid}")]);
            names.push(if is_signed {
                format!("jti:v1:{kid}:{jti}")
            } else {
                format!("jti:v2:{kid}:none:{jti}")
            });
        }
        names
    }
}

/// `D` of the specification.
fn long_id(parts: &[&[u8]]) -> Vec<u8> {
    let bytes: Vec<u8> = parts
        .iter()
        .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
        .collect();
    digest(&SHA256, &bytes).as_ref().to_vec()
}

/// `E` of the specification.
fn id(parts: &[&[u8]]) -> Vec<u8> {
    long_id(parts)[..16].to_vec()
}

fn owner(parts: &[&[u8]]) -> String {
    hex(&long_id(parts))
}

/// What a version 2 token begins with, up to its seal.
fn minted(token: &str) -> String {
    token.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn claims(token: &str) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    let part =
        if token.starts_with("eyJ") { parts[1] } else { parts[0].trim_start_matches("mt2_") };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Of version 1, in whichever member it is.
fn ciphertext(claims: &Value) -> String {
    claims["token"].as_str().or(claims["sealed"].as_str()).unwrap().to_owned()
}

fn first_key() -> String {
    ring().active().public().id().to_string()
}

fn ring() -> KeyRing {
    let pem = std::fs::read_to_string(files::path("keys/test-only-first.pem")).unwrap();
    KeyRing::new(PrivateKey::from_pem(&pem).unwrap(), Vec::new()).unwrap()
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
    let ring = ring();
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: UnixTime(1_790_000_000),
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    let narrow = |token: &str, caveat: &str| {
        let caveat = Caveat::from_json(caveat.as_bytes()).unwrap();
        ring.narrow(token, &caveat, &context, &RuleCompiler::default()).unwrap().to_string()
    };
    let [one, other, further] = NARROWINGS;
    let mut tokens = Vec::new();
    let plain = token_of("vectors/token-v1.json", "oaep, one byte");
    let narrowed = narrow(&plain, one);
    let root = |token: &str| id(&[b"chain", b"v1", ciphertext(&claims(token)).as_bytes()]);
    // As the Python program writes them.
    let nameless = token_of("vectors/token-v1.json", "as the Python program writes it");
    let from = origin(
        &hex(&root(&nameless)),
        &owner(&[b"token", b"v1", ciphertext(&claims(&nameless)).as_bytes()]),
        &first_key(),
    );
    for (name, text, caveats) in [
        ("v1", plain.clone(), &[][..]),
        ("v1, narrowed", narrowed.clone(), &[one]),
        ("v1, narrowed otherwise", narrow(&plain, other), &[other]),
        ("v1, narrowed twice", narrow(&narrowed, further), &[one, further]),
        ("v1 without jti, narrowed", narrow(&nameless, one), &[one]),
        ("v1 without jti", nameless.clone(), &[]),
    ] {
        let own = ids(root(&text), caveats);
        tokens.push(Token { name, text, own, older: Vec::new(), origins: Vec::new() });
    }
    let text = WRITTEN.iter().fold(plain.clone(), |token, [ordered, _]| narrow(&token, ordered));
    let own = ids(root(&text), &WRITTEN.map(|[_, written]| written));
    tokens.push(Token {
        name: "v1, narrowed as others write it",
        text,
        own,
        older: Vec::new(),
        origins: Vec::new(),
    });
    // As the proxy makes it of a narrowed one, under another ciphertext; here by a caveat of the holder's.
    let made = narrow(&narrowed, &from.caveat);
    tokens.push(Token {
        name: "v1, narrowed, and made of another",
        own: ids(root(&made), &[one, &from.caveat]),
        text: made,
        older: ids(root(&nameless), &[one]),
        origins: vec![(from.owner, from.kid)],
    });
    tokens
}

/// Caveats as somebody asks for them, and as the proxy writes them into a version 1 token: `state-store.md` section 7. The second form
/// stays what it is, or chains that are revoked would live again.
const WRITTEN: [[&str; 2]; 3] = [
    [
        r#"{"sub": "a\/b", "nbf": 1, "exp": 1790000060, "allowed": [ "GET|POST /user", { "path": "/a\u002fb", "method": [ "PUT", "GET", "GET" ] } ]}"#,
        r#"{"allowed":["GET|POST /user",{"method":["PUT","GET","GET"],"path":"/a/b"}],"exp":1790000060,"nbf":1,"sub":"a/b"}"#,
    ],
    [
        r#"{"limit":{"per":"3600s","requests":5},"sender":{"cidr":["2001:0DB8:0::/32","192.0.2.0/24","::ABCD/128"]},"aud":"api"}"#,
        r#"{"aud":"api","sender":{"cidr":["2001:db8::/32","192.0.2.0/24","::abcd/128"]},"limit":{"requests":5,"per":"1h"}}"#,
    ],
    [
        r#"{"allowed":[{"route":"/caf\u00e9/{x}","method":"GET"},"* /user",{"method":"GET","path":"/\u0061\\.b"}]}"#,
        r#"{"allowed":[{"method":"GET","route":"/café/{x}"},"* /user",{"method":"GET","path":"/a\\.b"}]}"#,
    ],
];

struct Origin {
    caveat: String,
    owner: String,
    kid: String,
}

fn origin(chain: &str, owner: &str, kid: &str) -> Origin {
    let caveat = format!(r#"{{"from":{{"chain":"{chain}","owner":"{owner}","kid":"{kid}"}}}}"#);
    Origin { caveat, owner: owner.to_owned(), kid: kid.to_owned() }
}

/// Narrowed by their holders.
fn version_2() -> Vec<Token> {
    let narrow = |token: &str, caveat: &str| {
        Caveat::from_json(caveat.as_bytes()).unwrap().append_to(token).unwrap().to_string()
    };
    let [one, other, further] = NARROWINGS;
    let plain = token_of("vectors/token-v2.json", "plain");
    let signed = token_of("vectors/token-v2.json", "a listed minter");
    let root = |token: &str| id(&[b"chain", b"v2", minted(token).as_bytes()]);
    // What stands in the token, once more.
    let part = |caveat: &str| URL_SAFE_NO_PAD.encode(caveat);
    let own = |token: &str, caveats: &[&str]| {
        let parts: Vec<String> = caveats.iter().map(|caveat| part(caveat)).collect();
        ids(root(token), &parts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let narrowed = narrow(&plain, one);
    let mut tokens = vec![
        Token {
            name: "v2",
            text: plain.clone(),
            own: own(&plain, &[]),
            older: Vec::new(),
            origins: Vec::new(),
        },
        Token {
            name: "v2, narrowed",
            text: narrowed.clone(),
            own: own(&plain, &[one]),
            older: Vec::new(),
            origins: Vec::new(),
        },
        Token {
            name: "v2, narrowed otherwise",
            text: narrow(&plain, other),
            own: own(&plain, &[other]),
            older: Vec::new(),
            origins: Vec::new(),
        },
        Token {
            name: "v2, narrowed twice",
            text: narrow(&narrowed, further),
            own: own(&plain, &[one, further]),
            older: Vec::new(),
            origins: Vec::new(),
        },
        Token {
            name: "v2, signed by a minter",
            text: signed.clone(),
            own: own(&signed, &[]),
            older: Vec::new(),
            origins: Vec::new(),
        },
    ];
    // Another seal of the same claims, as a proxy makes it: with the caveats, and then the origin.
    let again = token_of("vectors/token-v2.json", "a retired key before its end");
    let kid = claims(&plain)["kid"].as_str().unwrap().to_owned();
    let from =
        origin(&hex(&root(&plain)), &owner(&[b"token", b"v2", minted(&plain).as_bytes()]), &kid);
    let (caveats, made) = ([one, &from.caveat], narrow(&narrow(&again, one), &from.caveat));
    let (older, origins) = (own(&plain, &[one]), vec![(from.owner.clone(), from.kid.clone())]);
    let later = narrow(&made, further);
    tokens.push(Token {
        name: "v2, made of a narrowed one",
        text: made,
        own: own(&again, &caveats),
        older: older.clone(),
        origins: origins.clone(),
    });
    tokens.push(Token {
        name: "v2, made of a narrowed one, narrowed",
        text: later,
        own: own(&again, &[one, &from.caveat, further]),
        older,
        origins,
    });
    // A label is no origin.
    let label = format!(r#"{{"sub":"from:{}"}}"#, hex(&root(&plain)));
    tokens.push(Token {
        name: "v2, with a label that looks like an origin",
        text: narrow(&again, &label),
        own: own(&again, &[&label]),
        older: Vec::new(),
        origins: Vec::new(),
    });
    tokens
}

fn entries() -> Value {
    let (hex, key) = ("00112233445566778899aabbccddeeff", "k".repeat(43));
    let entries = json!({
        format!("chain:{hex}"): "chain", "chain:": "fault", format!("chain:{hex}00"): "fault", "chain:0011": "fault",
        format!("chain:{}", "g".repeat(32)): "fault",
        "jti:test-1": "jti", format!("jti:{}", "j".repeat(128)): "jti", format!("jti:{}", "j".repeat(129)): "nothing",
        "jti:not a jti at all!": "nothing", "jti:a.b.c": "nothing", "jti:": "fault",
        format!("owner:{hex}{hex}"): "owner", format!("owner:{hex}"): "fault", "owner:x": "fault",
        format!("kid:{}", "k".repeat(43)): "kid", "kid:nosuchkey": "nothing", "kid:": "fault",
        "before:1790000000": "before", "before:yesterday": "fault", "before:-1": "fault",
        "who:me": "fault", "": "fault", "jti": "fault", "CHAIN:0": "fault",
    });
    let minted = json!({
        format!("jti:v1:{key}:test-1"): "minted", format!("jti:v2:{key}:none:test-1"): "minted", format!("jti:v2:{key}:{key}:test-1"): "minted",
        format!("jti:v1:{key}:{key}:test-1"): "fault", format!("jti:v2:{key}:test-1"): "fault", format!("jti:v2:{key}::test-1"): "fault",
        format!("jti:v1:{key}:"): "fault", "jti:v1:short:test-1": "fault", format!("jti:v2:{key}:short:test-1"): "fault",
        format!("jti:v1:{key}:not a jti at all!"): "fault", format!("jti:v3:{key}:test-1"): "fault", "jti:v12:": "fault", "jti:v1": "jti",
        "jti:vx:y": "nothing", "jti:v:y": "nothing",
    });
    [entries, minted].into_iter().flat_map(|entries| entries.as_object().unwrap().clone()).collect()
}

/// The chains of `v1, narrowed` and `v2, narrowed`, another, one that has ended, and one that means nothing.
fn listed(tokens: &[Token]) -> Vec<(String, Value)> {
    let chain = |name: &str| {
        let token = tokens.iter().find(|token| token.name == name).unwrap();
        format!("chain:{}", token.own.last().unwrap())
    };
    let about =
        json!({ "revoked_at": 1_790_000_000, "expires_at": 99_000_000_000_u64, "reason": "lost" });
    vec![
        (chain("v1, narrowed"), about.clone()),
        (chain("v2, narrowed"), about.clone()),
        ("chain:00112233445566778899aabbccddeeff".to_owned(), about.clone()),
        (
            chain("v2, signed by a minter"),
            json!({ "revoked_at": 1_780_000_000, "expires_at": 1_790_000_000 }),
        ),
        ("jti:not a jti at all!".to_owned(), about),
    ]
}

fn list(tokens: &[Token]) -> Value {
    json!({ "revocations": listed(tokens).into_iter().collect::<serde_json::Map<_, _>>() })
}

/// Versions of a list in a store, and whether the new one came of the old one by changes.
fn versions() -> Value {
    let [a, b, c] = ["00112233aabbccdd", "0123456789abcdef", "fedcba9876543210"];
    let most = (0..64).map(|mark| format!(".{mark:016x}")).collect::<String>();
    let version = |(old, new, changes): (String, String, bool)| json!({ "old": old, "new": new, "changes": changes });
    let all = [
        (format!("1.{a}"), format!("2.{b}.{a}"), true),
        (format!("1.{a}"), format!("3.{c}.{b}.{a}"), true),
        (format!("2.{b}.{a}"), format!("3.{c}.{b}.{a}"), true),
        // The same, older ones, and another list of as many changes or more.
        (format!("2.{b}.{a}"), format!("2.{b}.{a}"), false),
        (format!("2.{b}.{a}"), format!("1.{a}"), false),
        (format!("2.{b}.{a}"), format!("2.{c}.{a}"), false),
        (format!("2.{b}.{a}"), format!("3.{c}.{a}"), false),
        (format!("1.{a}"), format!("1.{b}"), false),
        (format!("1.{a}"), format!("2.{c}.{b}"), false),
        // More changes than there are marks.
        (format!("64{most}"), format!("65.{a}{}", &most[..63 * 17]), true),
        (format!("1.{a}"), format!("65{most}"), false),
        // Builds before the marks.
        ("1".to_owned(), "2".to_owned(), true),
        ("9".to_owned(), "10".to_owned(), true),
        ("2".to_owned(), "2".to_owned(), false),
        ("10".to_owned(), "9".to_owned(), false),
        ("1".to_owned(), format!("2.{a}"), true),
        ("2".to_owned(), format!("2.{a}"), false),
        (format!("2.{b}.{a}"), "3".to_owned(), false),
        (format!("2.{b}.{a}"), "1".to_owned(), false),
        // No versions.
        (String::new(), format!("1.{a}"), false),
        ("x".to_owned(), "y".to_owned(), false),
        ("1".to_owned(), "x".to_owned(), false),
        (format!("1.{a}"), "x".to_owned(), false),
    ];
    all.into_iter().map(version).collect()
}

fn store(tokens: &[Token]) -> Value {
    let entries = listed(tokens).into_iter();
    entries.map(|(name, about)| json!({ "name": name, "expires_at": about["expires_at"], "value": about.to_string() })).collect()
}
