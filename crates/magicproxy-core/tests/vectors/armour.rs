//! `token-v1-armour.json`, and what makes it: `cargo test -p magicproxy-core --test vectors -- --ignored write_armour_vectors`.

use magicproxy_core::{armoured, is_armoured, unarmoured};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::files;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    armoured: String,
    /// Absent where the spelling is refused.
    token: Option<String>,
}

#[test]
fn armour() {
    let file: File = files::read("vectors/token-v1-armour.json");
    assert!(file.cases.len() > 20);
    for Case { name, armoured: spelled, token } in &file.cases {
        assert_eq!(unarmoured(spelled).map(|text| text.to_string()), *token, "{name}");
        if let Some(token) = token {
            assert_eq!(armoured(token).unwrap().as_str(), spelled, "{name}");
            assert!(is_armoured(spelled) && !is_armoured(token), "{name}");
        }
    }
}

#[test]
#[ignore = "writes testdata/vectors/token-v1-armour.json"]
fn write_armour_vectors() {
    let good = [
        (
            "every character",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.".to_owned(),
        ),
        ("each escaped character before each digit", "z0z1z2-0-1-2_0_1_2z-_zz--__".to_owned()),
        ("a token of version 1", token()),
    ];
    let good = good.map(|(name, token)| {
        let spelled =
            format!("mt1_{}", token.replace('z', "z0").replace('-', "z1").replace('_', "z2"));
        json!({ "name": name, "armoured": spelled, "token": token })
    });
    let bad = [
        ("nothing behind the prefix", "mt1_"),
        ("a `z` at the end", "mt1_eyJ.ab.cz"),
        ("a `z` before a dot", "mt1_eyJz.ab.c"),
        ("a `z` before a letter", "mt1_eyJza.ab.c"),
        ("a `z` before `3`", "mt1_eyJz3.ab.c"),
        ("a `z` before a `z`", "mt1_eyJzz0.ab.c"),
        ("a `-`", "mt1_ey-J.ab.c"),
        ("a `_`", "mt1_ey_J.ab.c"),
        ("padding", "mt1_eyJ.ab.c="),
        ("standard base64", "mt1_ey+J.ab.c"),
        ("a blank", "mt1_eyJ.ab.c "),
        ("a line end", "mt1_eyJ.ab.c\n"),
        ("a character that is not ASCII", "mt1_eyJ.ab.\u{e9}"),
        ("the prefix in upper case", "MT1_eyJ.ab.c"),
        ("a dot for the mark", "mt1.eyJ.ab.c"),
        ("no prefix", "eyJ.ab.c"),
        ("a blank before", " mt1_eyJ.ab.c"),
        ("armour in armour", "mt1_mt1z2eyJ.ab.c"),
        ("a sealed token in armour", "mt1_mt2z2eyJ.ab.c"),
        ("another version", "mt3_eyJ.ab.c"),
    ];
    let bad = bad.map(|(name, spelled)| json!({ "name": name, "armoured": spelled }));
    let lines: Vec<String> = good.iter().chain(&bad).map(|case| format!("    {case}")).collect();
    let head = "{\n  \"specification\": \"docs/spec/token-v1.md, section 1.1\",\n  \"note\": \"Made by crates/magicproxy-core/tests/vectors/armour.rs. `token` is the text whose armoured spelling is `armoured`; where it is absent, the spelling is refused.\"";
    let text = format!("{head},\n  \"cases\": [\n{}\n  ]\n}}\n", lines.join(",\n"));
    std::fs::write(files::path("vectors/token-v1-armour.json"), text).unwrap();
}

/// One with `-`, `_` and `z` in it.
fn token() -> String {
    let file: Value = files::read("vectors/token-v1.json");
    let tokens =
        file["cases"].as_array().unwrap().iter().filter(|case| case.get("accepted").is_some());
    let mut tokens = tokens.map(|case| case["token"].as_str().unwrap().to_owned());
    tokens.find(|token| ['z', '-', '_'].iter().all(|character| token.contains(*character))).unwrap()
}
