//! Who may mint: every combination of minters, versions and policy. The same over HTTP is in the engine's tests.

use magicproxy_core::{AcceptedTokens, Kem, MinterSigningKey, TokenVersion};
use magicproxy_proxy::settings::UpstreamSettings;

use super::*;
use crate::config::accepted;

/// A folder with the public keys of two minters.
struct Minters(tempfile::TempDir);

impl Minters {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one.jwk", "two.jwk"] {
            let key = MinterSigningKey::generate().unwrap();
            std::fs::write(folder.path().join(name), key.to_public_jwk().to_string()).unwrap();
        }
        Self(folder)
    }

    /// The text, in which `ONE` and `TWO` are lists of a minter each.
    fn layers(&self, text: &str) -> Layers {
        let list = |name: &str| format!("['{}']", self.0.path().join(name).display());
        native(&text.replace("ONE", &list("one.jwk")).replace("TWO", &list("two.jwk")))
    }
}

/// The versions in short, and whether the mint over HTTP is open.
fn told(upstream: &UpstreamSettings) -> String {
    let versions: Vec<&str> =
        upstream.acceptance.versions.iter().map(|version| version.as_str()).collect();
    let mint = if upstream.mints_over_http() { "open" } else { "closed" };
    let minters = upstream.acceptance.minters.len();
    format!("{} {mint} {minters}", versions.join("+"))
}

const VAIN: &str = "mint.policy `open`";

#[test]
fn listed_minters_close_the_mint_and_version_1_unless_both_are_asked_for() {
    let minters = Minters::new();
    // Minters, versions, policy; what comes of it.
    let table = [
        ("", "", "", "v1+v2 open 0"),
        ("", "", "open", "v1+v2 open 0"),
        ("", "", "closed", "v1 closed 0"),
        ("", "'v1'", "", "v1 open 0"),
        ("", "'v1'", "open", "v1 open 0"),
        ("", "'v1'", "closed", "v1 closed 0"),
        ("", "'v2'", "", "v2 closed 0"),
        ("", "'v2'", "open", VAIN),
        ("", "'v2'", "closed", "v2 closed 0"),
        ("", "'v1', 'v2'", "", "v1+v2 open 0"),
        ("", "'v1', 'v2'", "open", "v1+v2 open 0"),
        ("", "'v1', 'v2'", "closed", "v1+v2 closed 0"),
        ("ONE", "", "", "v2 closed 1"),
        ("ONE", "", "open", VAIN),
        ("ONE", "", "closed", "v2 closed 1"),
        ("ONE", "'v1'", "", "v1 closed 1"),
        ("ONE", "'v1'", "open", "v1 open 1"),
        ("ONE", "'v1'", "closed", "v1 closed 1"),
        ("ONE", "'v2'", "", "v2 closed 1"),
        ("ONE", "'v2'", "open", VAIN),
        ("ONE", "'v2'", "closed", "v2 closed 1"),
        ("ONE", "'v1', 'v2'", "", "v1+v2 closed 1"),
        ("ONE", "'v1', 'v2'", "open", "v1+v2 open 1"),
        ("ONE", "'v1', 'v2'", "closed", "v1+v2 closed 1"),
    ];
    // Said for all, for the upstream, and each for one of them.
    for (of_minters, of_accept) in [
        ("tokens", "tokens"),
        ("upstream", "upstream"),
        ("tokens", "upstream"),
        ("upstream", "tokens"),
    ] {
        for (listed, accept, policy, expected) in table {
            let line = |key: &str, value: String| {
                if value.is_empty() { value } else { format!("{key} = {value}\n") }
            };
            let listed = line(&format!("{of_minters}.minters"), listed.to_owned());
            let accept = if accept.is_empty() { String::new() } else { format!("[{accept}]") };
            let policy = if policy.is_empty() { String::new() } else { format!("'{policy}'") };
            let text =
                [listed, line(&format!("{of_accept}.accept"), accept), line("mint.policy", policy)]
                    .concat();
            match minters.layers(&text).check() {
                Ok(config) => assert_eq!(told(&config.upstreams[0]), expected, "{text}"),
                Err(faults) => assert!(
                    expected == VAIN && faults.summary().contains(VAIN),
                    "{text}: {}",
                    faults.summary()
                ),
            }
        }
    }
}

#[test]
fn each_upstream_has_its_own_mint() {
    let minters = Minters::new();
    let upstreams = |text: &str| -> Result<Vec<String>, String> {
        let config = minters.layers(text).check().map_err(|faults| faults.summary())?;
        Ok(config.upstreams.iter().map(|upstream| told(upstream)).collect())
    };
    let two = |all: &str, a: &str, b: &str| {
        format!(
            "{all}\n[upstreams.a]\napi_root = 'https://a.example'\n{a}\n[upstreams.b]\napi_root = 'https://b.example'\n{b}"
        )
    };
    let check = |text: String, expected: [&str; 2]| {
        assert_eq!(upstreams(&text).unwrap(), expected, "{text}")
    };
    check(two("", "minters = ONE", ""), ["v2 closed 1", "v1+v2 open 0"]);
    check(
        two("tokens.minters = ONE", "", "accept = ['v1', 'v2']"),
        ["v2 closed 1", "v1+v2 closed 1"],
    );
    check(two("tokens.minters = ONE", "minters = TWO", ""), ["v2 closed 1", "v2 closed 1"]);
    check(
        two("tokens.accept = ['v1', 'v2']", "minters = ONE", ""),
        ["v1+v2 closed 1", "v1+v2 open 0"],
    );
    let both = "accept = ['v1', 'v2']";
    check(
        two("mint.policy = 'open'", &format!("minters = ONE\n{both}"), ""),
        ["v1+v2 open 1", "v1+v2 open 0"],
    );
    // What is written for all is written for the one that it cannot be true of.
    let fault = upstreams(&two("mint.policy = 'open'", "minters = ONE", "")).unwrap_err();
    assert!(
        fault.contains(VAIN) && fault.contains("`upstreams.a`") && !fault.contains("`upstreams.b`"),
        "{fault}"
    );
    // A default upstream beside others.
    let beside = "upstream.api_root = 'https://d.example'\nupstream.minters = ONE\n";
    check(
        format!("{beside}[upstreams.a]\napi_root = 'https://a.example'"),
        ["v2 closed 1", "v1+v2 open 0"],
    );
}

/// Its own files list no minters; a file beside them does.
#[test]
fn the_python_programs_configuration_stays_open_until_minters_are_listed() {
    let minters = Minters::new();
    let (layers, _) = python(r#"{"api_root": "https://api.example"}"#);
    assert_eq!(told(&layers.check().unwrap().upstreams[0]), "v1+v2 open 0");
    let beside = |text: &str| {
        let native = minters.layers(text);
        let (python, _) = python(r#"{"api_root": "https://api.example"}"#);
        let raw = native.raw.or(python.raw);
        Layers { raw, ..native }.check()
    };
    assert_eq!(told(&beside("tokens.minters = ONE").unwrap().upstreams[0]), "v2 closed 1");
    assert_eq!(
        told(&beside("tokens.minters = ONE\ntokens.accept = ['v1', 'v2']").unwrap().upstreams[0]),
        "v1+v2 closed 1"
    );
    // A variable is as good as a line.
    let environment =
        environment(&[("MAGICPROXY_MINT_POLICY", "open"), ("API_ROOT", "https://api.example")]);
    let layers = Layers::gather(Flags::default(), &environment);
    let raw = layers.raw.clone().or(minters.layers("tokens.minters = ONE").raw);
    assert!(Layers { raw, ..layers }.check().unwrap_err().summary().contains(VAIN));
}

#[test]
fn what_is_accepted_is_told_in_words_and_for_programs() {
    let minters = Minters::new();
    let words = |text: &str| accepted::in_words(&minters.layers(text).check().unwrap());
    let v1 = "accepts version 1: minting is";
    let open = format!("{v1} open, who brings a credential may have a token (POST /__magictoken)");
    let closed = format!("{v1} closed, tokens come from `magicproxy mint` beside the keys");
    let sealed = "accepts version 2: who has the public key may seal a token";
    assert_eq!(words(""), [open.as_str(), sealed]);
    assert_eq!(
        words("mint.policy = 'closed'"),
        [closed.as_str(), "accepts no version 2 (sealed tokens)"]
    );
    let x_wing = format!("{sealed}, with x-wing alone");
    let no_v1 = "accepts no version 1: minting is closed";
    assert_eq!(words("tokens.accept = ['v2']\ntokens.kems = ['x-wing']"), [no_v1, &x_wing]);
    let listed = words("tokens.minters = ONE");
    assert!(
        listed[0] == no_v1
            && listed[1]
                .starts_with("accepts version 2: only the listed minter may seal a token ("),
        "{listed:?}"
    );
    let two = "[upstreams.a]\napi_root = 'https://a.example'\nminters = ONE\n[upstreams.b]\napi_root = 'https://b.example'";
    let differing = words(two);
    assert!(
        differing.len() == 4
            && differing[0] == format!("`a` {no_v1}")
            && differing[2] == format!("`b` {open}"),
        "{differing:?}"
    );
    // Of a start, a line is short: at most 120 columns.
    assert!(
        differing.iter().chain(&listed).chain(&words("")).all(|line| line.chars().count() < 116)
    );
    let json = accepted::to_json(&minters.layers(two).check().unwrap());
    assert_eq!(
        (&json[0]["upstream"], &json[0]["http_mint"], &json[1]["http_mint"]),
        (&"a".into(), &"closed".into(), &"open".into())
    );
    assert_eq!(json[0]["accepts"]["versions"], serde_json::json!(["v2"]));
    assert_eq!(
        (
            json[0]["accepts"]["minters"].as_array().unwrap().len(),
            json[1]["accepts"].get("minters")
        ),
        (1, None)
    );
}

#[test]
fn what_the_key_set_says_is_what_some_upstream_accepts() {
    let minters = Minters::new();
    let accepts = |text: &str| minters.layers(text).check().unwrap().accepts();
    let days = |days: u64| days * 24 * 60 * 60;
    let AcceptedTokens { versions, kems, minters: listed, max_lifetime } = accepts("");
    assert_eq!(
        (versions, kems, listed, max_lifetime),
        (TokenVersion::ALL.into(), Kem::ALL.into(), None, days(366))
    );
    let two = "[upstreams.a]\napi_root = 'https://a.example'\nminters = ONE\n[upstreams.b]\napi_root = 'https://b.example'\n";
    assert_eq!(accepts(two).minters, None, "one needs none");
    assert_eq!(accepts(&format!("{two}minters = TWO")).minters.unwrap().len(), 2);
    assert_eq!(
        accepts(&format!("{two}accept = ['v1']")).minters.unwrap().len(),
        1,
        "the other takes no sealed ones"
    );
    assert_eq!(
        accepts("tokens.max_lifetime = '2d'\ntokens.kems = ['x-wing']").max_lifetime,
        days(2)
    );
    let closed = accepts("mint.policy = 'closed'");
    assert_eq!((closed.versions, closed.kems), (vec![TokenVersion::V1], Kem::ALL.into()));
}

#[test]
fn minters_that_sign_what_nobody_accepts_are_warned_of_and_kems_are_names() {
    let minters = Minters::new();
    let layers = minters.layers("tokens.minters = ONE\ntokens.accept = ['v1']");
    let raw = layers.raw.clone();
    let warnings = lint::warnings(&raw, &layers.check().unwrap(), None);
    assert!(
        warnings.len() == 1 && warnings[0].contains("minters are listed for `github`"),
        "{warnings:?}"
    );
    check("tokens.kems = []", &["tokens.kems: expected `x25519`, `x-wing` or both"]);
    check("tokens.kems = ['x448']", &["`x448`"]);
}

/// The warnings of private APIs, where there is no fault.
fn private_apis(layers: Layers) -> Option<Vec<String>> {
    let raw = layers.raw.clone();
    let warnings = lint::warnings(&raw, &layers.check().ok()?, None);
    Some(warnings.into_iter().filter(|warning| warning.contains("is a private address")).collect())
}

/// Each of the ways out that a warning names is one.
#[test]
fn whoever_does_what_the_warning_of_a_private_api_says_is_warned_no_more() {
    let minters = Minters::new();
    let told =
        |policy: &str, accept: &str, listed: &str| {
            private_apis(minters.layers(
                &["upstream.api_root = 'https://10.1.2.3'", policy, accept, listed].join("\n"),
            ))
        };
    let (closed, only_v1, listing) =
        ("mint.policy = 'closed'", "tokens.accept = ['v1']", "tokens.minters = ONE");
    let mut seen = 0;
    for policy in ["", "mint.policy = 'open'", closed] {
        for accept in ["", only_v1, "tokens.accept = ['v2']", "tokens.accept = ['v1', 'v2']"] {
            for listed in ["", listing] {
                let Some(warning) =
                    told(policy, accept, listed).and_then(|mut warnings| warnings.pop())
                else {
                    continue;
                };
                seen += 1;
                let without_open = if policy == closed { closed } else { "" };
                let ways = [
                    ("list `minters`", told(without_open, accept, listing)),
                    (
                        "close minting (`mint.policy = \"closed\"`), unless",
                        told(closed, accept, listed),
                    ),
                    ("closed\"`) and accept `v1` alone", told(closed, only_v1, listed)),
                ];
                let named: Vec<_> =
                    ways.iter().filter(|(words, _)| warning.contains(words)).collect();
                assert!(!named.is_empty(), "{warning}");
                for (words, after) in named {
                    assert_eq!(
                        after.as_deref(),
                        Some([].as_slice()),
                        "{policy} {accept} {listed}: {words}"
                    );
                }
            }
        }
    }
    assert!(seen >= 8, "{seen}");
}

/// The quick start, and whatever strangers cannot mint for, is not warned of.
#[test]
fn an_open_mint_for_a_private_api_is_warned_of() {
    let minters = Minters::new();
    let warned = |text: &str| private_apis(minters.layers(text)).unwrap().len();
    let private = "upstream.api_root = 'https://10.1.2.3'\n";
    for (text, count) in [
        ("", 0),
        ("mint.policy = 'open'", 0),
        (private, 1),
        ("upstream.api_root = 'http://localhost:8081'", 1),
        (
            "upstream.api_root = 'https://api.example'\nupstream.paths = { '/x' = 'https://files.internal' }",
            1,
        ),
        (
            "[upstreams.a]\napi_root = 'https://a.internal'\n[upstreams.b]\napi_root = 'https://b.lan'",
            2,
        ),
    ] {
        assert_eq!(warned(text), count, "{text}");
    }
    for (more, count) in [
        ("mint.policy = 'closed'", 0),
        ("tokens.minters = ONE", 0),
        ("tokens.minters = ONE\ntokens.accept = ['v1', 'v2']", 0),
        ("tokens.minters = ONE\ntokens.accept = ['v1', 'v2']\nmint.policy = 'open'", 1),
        // An unsigned token of version 2 is as good as a mint request.
        ("tokens.accept = ['v2']", 1),
        ("mint.policy = 'closed'\ntokens.accept = ['v1', 'v2']", 1),
    ] {
        assert_eq!(warned(&format!("{private}{more}")), count, "{more}");
    }
}
