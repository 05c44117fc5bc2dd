//! What an entry reaches, for how long, and what is said of that.

use serde_json::Value;

use super::mint;
use super::program::{Output, Place};
use super::revoke::{ALLOWED, Proxy, REVOKED, inspect, list, minted_id_of, ok, place};

const LEEWAY: u64 = 30;

fn entry(place: &Place, name: &str) -> Value {
    let list = list(place);
    list.as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["revoked"] == name)
        .unwrap_or_else(|| panic!("{name} in {list}"))
        .clone()
}

fn said(output: &Output, part: &str) -> bool {
    output.stderr.lines().any(|line| line.starts_with("note: ") && line.contains(part))
}

/// The token of a vector.
fn vector(file: &str, name: &str) -> String {
    let vectors = std::fs::read_to_string(format!(
        "{}/../../testdata/vectors/{file}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    let vectors: Value = serde_json::from_str(&vectors).unwrap();
    let case = vectors["cases"].as_array().unwrap().iter().find(|case| case["name"] == name);
    case.unwrap()["token"].as_str().unwrap().to_owned()
}

/// A moment that is later than a live token's `iat` can be would end tokens that are still to be made.
#[test]
fn before_now_means_tokens_of_clocks_that_are_ahead() {
    let place = place();
    let output = ok(&place, &["revoke", "--before", "now"]);
    let name = output.stdout.trim().trim_start_matches("revoked ").to_owned();
    let moment: u64 = name.trim_start_matches("before:").parse().unwrap();
    // A second may begin between the reading of the argument and the making of the entry.
    let revoked_at = entry(&place, &name)["revoked_at"].as_u64().unwrap();
    assert!((revoked_at + LEEWAY..=revoked_at + LEEWAY + 1).contains(&moment), "{moment}");
    assert!(
        said(&output, "means tokens that are minted until") && said(&output, "mint new ones in 3"),
        "{output:?}"
    );
    // The list is not rid of it before all tokens that it means have ended: ten years, where nothing else is configured.
    let ten_years = 3_660 * 86_400;
    assert!(
        entry(&place, &name)["expires_at"].as_u64().unwrap()
            > moment + ten_years + 30 * 86_400 + 2 * LEEWAY
    );
    ok(&place, &["revoke", "--undo", &name]);
    // A moment that is past is taken as it is.
    let output = ok(&place, &["revoke", "--before", "2026-11-26T10:00:00Z"]);
    assert!(
        output.stdout.contains("before:1795687200") && !said(&output, "minted until"),
        "{output:?}"
    );
    // An older version took any.
    let about = r#"{"revoked_at": 1790000000, "expires_at": 99000000000}"#;
    place.write(
        "keys/revocations.json",
        &format!(r#"{{"revocations": {{"before:4102444800": {about}}}}}"#),
    );
    assert_eq!(list(&place)[0]["revoked"], "before:4102444800");
    ok(&place, &["revoke", "--undo", "--before", "2100-01-01T00:00:00Z"]);
    assert_eq!(list(&place), serde_json::json!([]));
}

/// Whoever has the public key writes the day that he likes into a token; its key is what bounds it.
#[test]
fn before_says_what_it_does_not_reach_and_what_does() {
    let place = place();
    let active = || -> Vec<String> {
        let keys: Value =
            serde_json::from_str(&ok(&place, &["keys", "list", "--json"]).stdout).unwrap();
        let sealing = keys
            .as_array()
            .unwrap()
            .iter()
            .filter(|key| !key["kem"].is_null() && key["state"] == "active");
        sealing.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let output = ok(&place, &["revoke", "--before", "now"]);
    let in_use = active();
    assert!(!in_use.is_empty());
    for kid in &in_use {
        assert!(
            said(&output, "does not reach sealed tokens whose maker wrote a later `iat`")
                && said(&output, kid),
            "{output:?}"
        );
    }
    assert!(said(&output, "`magicproxy keys rotate`"), "{output:?}");
    ok(&place, &["keys", "rotate"]);
    let output = ok(&place, &["revoke", "--before", "now"]);
    for kid in &in_use {
        assert!(
            output.stderr.lines().any(|line| line
                .contains("means all sealed tokens of keys that were retired by then")
                && line.contains(kid)),
            "{output:?}"
        );
    }
    assert!(said(&output, "does not reach"), "of the new keys: {output:?}");
    // Where no sealed token is accepted there is nothing to say.
    place.write(
        "magicproxy.toml",
        &format!("{}\n[tokens]\naccept = ['v1']\n", place.read("magicproxy.toml")),
    );
    let output = ok(&place, &["revoke", "--before", "now"]);
    assert!(!said(&output, "sealed") && said(&output, "minted until"), "{output:?}");
}

/// Tokens of a key can be made as long as somebody has the key, and a name does not say when its tokens end, so these entries are for
/// good. One that is made from a token lasts as long as the token.
#[test]
fn no_token_outlives_its_entry() {
    let place = place();
    place.write(
        "magicproxy.toml",
        &format!("{}\n[tokens]\nmax_lifetime = '1h'\n", place.read("magicproxy.toml")),
    );
    let token = mint(&place, &["GET /user"]);
    let claims = inspect(&place, &token);
    let kid = claims["kid"].as_str().unwrap();
    ok(&place, &["revoke", "--key", kid]);
    ok(&place, &["revoke", "--undo", "--key", kid]);
    let name = |member: &str| claims[member].as_str().unwrap().to_owned();
    let by_name = [
        vec![format!("kid:{kid}")],
        vec![format!("chain:{}", name("chain"))],
        vec![format!("owner:{}", name("owner")), "--whole-family".to_owned()],
        vec![minted_id_of(&place, &token), "--whole-family".to_owned()],
        vec!["jti:of-a-stranger".to_owned(), "--ambiguous-id".to_owned()],
    ];
    for arguments in &by_name {
        let given: Vec<&str> = arguments.iter().map(String::as_str).collect();
        ok(&place, &[&["revoke"], &given[..]].concat());
        assert_eq!(
            entry(&place, &arguments[0])["expires_at"],
            100_000_000_000_u64,
            "{arguments:?}"
        );
        assert!(ok(&place, &["revoke", "--list"]).stdout.contains("until it is undone"));
        ok(&place, &["revoke", "--undo", &arguments[0]]);
    }
    // The proxy minted it, and may accept by its end what it does not today.
    place.write("short", &token);
    ok(&place, &["revoke", "--token", "@short"]);
    let since = entry(&place, &format!("chain:{}", name("chain")));
    let lasts = since["expires_at"].as_u64().unwrap() - since["revoked_at"].as_u64().unwrap();
    assert_eq!(lasts, 316_224_000 + 2 * LEEWAY + 1);
    // A token that was made for longer, or for a later time, than the proxy accepts today.
    let long = vector("token-v2.json", "the longest life");
    place.write("long", &long);
    ok(&place, &["revoke", "--token", "@long"]);
    let chain = format!("chain:{}", inspect(&place, &long)["chain"].as_str().unwrap());
    let end = inspect(&place, &long)["expires_at"].as_u64().unwrap();
    let entry = entry(&place, &chain);
    assert!(
        end > entry["revoked_at"].as_u64().unwrap() + 86_400
            && entry["expires_at"] == end + LEEWAY + 1,
        "{end}"
    );
}

/// Whatever is revoked after it, or by whichever of the family.
#[test]
fn no_entry_becomes_shorter_than_what_it_ends() {
    let place = place();
    place.write(
        "magicproxy.toml",
        &format!("{}\n[tokens]\nmax_lifetime = '1h'\n", place.read("magicproxy.toml")),
    );
    let long = vector("token-v2.json", "the longest life");
    place.write("long", &long);
    let claims = inspect(&place, &long);
    let (chain, end) = (
        format!("chain:{}", claims["chain"].as_str().unwrap()),
        claims["expires_at"].as_u64().unwrap(),
    );
    let expires_at = || entry(&place, &chain)["expires_at"].clone();
    // Its parent outlives the narrowed token by whose file the family is named.
    ok(&place, &["narrow", "@long", "--expires-in", "15m", "--out", "short"]);
    ok(&place, &["revoke", "--token", "@short", "--whole-family"]);
    assert_eq!(expires_at(), end + LEEWAY + 1);
    // A narrowed one that is over says nothing of its family.
    let over = magicproxy_core::Caveat::from_json(br#"{"exp":1790000000}"#)
        .unwrap()
        .append_to(&long)
        .unwrap();
    place.write("over", &over);
    assert!(!said(&ok(&place, &["revoke", "--token", "@over", "--whole-family"]), "ended at"));
    assert!(said(&ok(&place, &["revoke", "--token", "@over"]), "ended at"));
    // By its id nobody knows how long it lives: then it is for good, and stays so.
    ok(&place, &["revoke", &chain, "--reason", "again"]);
    assert_eq!(
        (expires_at(), entry(&place, &chain)["reason"].clone()),
        (100_000_000_000_u64.into(), "again".into())
    );
    ok(&place, &["revoke", "--token", "@long"]);
    assert_eq!(expires_at(), 100_000_000_000_u64);
    // An entry of an older version, which took the token for an id, and knew nothing of its end.
    for there in ["", &format!(r#", "{chain}": {{"revoked_at": 1, "expires_at": {}}}"#, end + 99)] {
        let idle =
            format!(r#""jti:{long}": {{"revoked_at": 1790000000, "expires_at": {}}}"#, end - 99);
        place.write("keys/revocations.json", &format!(r#"{{"revocations": {{{idle}{there}}}}}"#));
        ok(&place, &["revoke", "--repair"]);
        assert_eq!(expires_at(), if there.is_empty() { end + LEEWAY + 1 } else { end + 99 });
    }
}

/// A part of a second means the whole of it: a token says no more than the second that it was made in.
#[test]
fn before_means_the_second_that_has_begun() {
    let place = place();
    for (moment, seconds) in
        [("10:00:00Z", 0), ("10:00:00.000Z", 0), ("10:00:00.001Z", 1), ("10:00:00.999999999Z", 1)]
    {
        let output = ok(&place, &["revoke", "--before", &format!("2026-11-26T{moment}")]);
        assert_eq!(
            output.stdout.trim(),
            format!("revoked before:{}", 1_795_687_200 + seconds),
            "{moment}"
        );
    }
}

/// The Python program's tokens name no key, and `jti:v1:KID:ID` wants one.
#[test]
fn the_key_of_a_token_that_names_none_is_shown() {
    let place = place();
    let pem = format!("{}/../../testdata/keys/test-only-first.pem", env!("CARGO_MANIFEST_DIR"));
    place.write("theirs/private.pem", &std::fs::read_to_string(pem).unwrap());
    let token = vector("token-v1.json", "as the Python program writes it");
    let shown = |keys: &str| {
        let output = place
            .program(&["inspect", "--json", "--keys", keys, "--token-env", "T"])
            .env("T", &token)
            .output();
        serde_json::from_str::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))["kid"].clone()
    };
    assert_eq!(shown("keys"), Value::Null);
    let kid = shown("theirs").as_str().unwrap().to_owned();
    let listed = ok(&place, &["keys", "list", "--keys", "theirs"]).stdout;
    assert!(kid.len() == 43 && listed.starts_with(&kid), "{kid} {listed}");
}

/// An id is what its minter wrote. What names it in the log names who gave it as well.
#[test]
fn an_id_is_taken_with_who_gave_it() {
    let place = place();
    let proxy = Proxy::start(&place, "");
    let (token, other) = (mint(&place, &["GET /user"]), mint(&place, &["GET /user"]));
    proxy.time_until(&token, ALLOWED);
    let id = inspect(&place, &token)["id"].as_str().unwrap().to_owned();
    let named = minted_id_of(&place, &token);
    // The same id, given by others, means others: tokens of version 2, and of another key.
    let kid = inspect(&place, &token)["kid"].as_str().unwrap().to_owned();
    let strangers = [
        format!("jti:v2:{kid}:none:{id}"),
        format!("jti:v2:{kid}:{}:{id}", "m".repeat(43)),
        format!("jti:v1:{}:{id}", "k".repeat(43)),
    ];
    let strangers: Vec<&str> = strangers.iter().map(String::as_str).collect();
    ok(
        &place,
        &[&["revoke", "--whole-family", "--ambiguous-id", "--unknown-key"], strangers.as_slice()]
            .concat(),
    );
    ok(&place, &["revoke", "--whole-family", &minted_id_of(&place, &other)]);
    proxy.time_until(&other, REVOKED);
    proxy.responses(&token, ALLOWED);
    ok(&place, &["revoke", "--whole-family", &named]);
    proxy.time_until(&token, REVOKED);
    assert_eq!(inspect(&place, &token)["reason"], format!("revoked, `{named}`"));
    ok(&place, &["revoke", "--undo", &named]);
    proxy.time_until(&token, ALLOWED);
    // Alone it means all of them, and is said to.
    let refused = place.program(&["revoke", &format!("jti:{id}"), "--whole-family"]).output();
    for part in ["`--chain HEX`", "`--owner HEX`", "`jti:v1:KID:ID`", "`--ambiguous-id`"] {
        assert!(refused.code == 2 && refused.stderr.contains(part), "{part} in {refused:?}");
    }
    ok(&place, &["revoke", &format!("jti:{id}"), "--ambiguous-id"]);
    proxy.time_until(&token, REVOKED);
}

/// Each version has keys of its own: an entry with the other's would end nothing.
#[test]
fn an_id_is_taken_with_a_key_of_its_version() {
    let place = place();
    let keys: Value =
        serde_json::from_str(&ok(&place, &["keys", "list", "--json"]).stdout).unwrap();
    let of = |seals: bool| {
        let key = keys
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["kem"].is_null() != seals && !key["kid"].is_null());
        key.unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let (signs, seals, minter) = (of(false), of(true), "m".repeat(43));
    let refused = |name: &str, part: &str| {
        let output = place.program(&["revoke", "--whole-family", "--ambiguous-id", name]).output();
        assert!(output.code == 2 && output.stderr.contains(part), "{part} in {output:?}");
        assert_eq!(output.stderr.matches("error: ").count(), 1, "{output:?}");
        assert_eq!(list(&place), serde_json::json!([]));
    };
    let flags = |name: &str| place.program(&["revoke", "--whole-family", name]).output();
    assert!(
        flags(&format!("jti:v1:{seals}:a")).stderr.contains(&format!("`jti:v2:{seals}:MINTER:ID`"))
    );
    assert!(
        flags(&format!("jti:v2:{signs}:{minter}:a"))
            .stderr
            .contains(&format!("`jti:v1:{signs}:ID`"))
    );
    assert!(flags(&format!("jti:v1:{minter}:a")).stderr.contains("no such key"));
    // One fault is told once, and no other because of it.
    refused("jti:v1:a", "expected `jti:v1:KID:ID`");
    refused("a", "expected `chain:HEX`");
    let output = ok(&place, &["revoke", "--whole-family", &format!("jti:v2:{seals}:{minter}:a")]);
    assert!(said(&output, "no upstream here lists the minter"), "{output:?}");
    assert!(!said(
        &ok(&place, &["revoke", "--whole-family", &format!("jti:v1:{signs}:a")]),
        "effect"
    ));
}
