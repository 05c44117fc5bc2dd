//! What commands say beside their results: by which name a new token is found and revoked, what was assumed, what is there
//! already.

use serde_json::Value;

use super::program::{Output, Place, SECRET};

/// Whoever has the line that a command prints can name the token in `revoke`, and find it in the log.
#[test]
fn a_new_token_is_named_by_its_chain_and_all_its_holders() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "upstream.api_root = 'https://api.github.com'\n");
    let run = |args: &[&str], token: &str| {
        let done = place.program(args).env("S", SECRET).env("T", token).output();
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        done
    };
    assert_eq!(place.program(&["keys", "export-public", "--jwks"]).output().code, 0);
    let set = run(&["keys", "export-public", "--jwks"], "").stdout;
    place.write("set.json", &set);
    for to in [&[][..], &["--to", "set.json", "--aud", "github"]] {
        let minting = ["mint", "--credential-env", "S", "--allow", "GET /.*", "--sub", "ci"];
        let minted = run(&[&minting, to].concat(), "");
        assert_named(&place, &minted, "minted", "ci");
        let narrowing = ["narrow", "env:T", "--allow", "GET /a", "--sub", "agent-7"];
        let token = minted.stdout.trim();
        if to.is_empty() {
            // A running proxy narrows it.
            let resealed = run(&["reseal", "env:T"], token);
            assert_named(&place, &resealed, "sealed anew", "ci");
            continue;
        }
        let narrowed = run(&narrowing, token);
        assert_named(&place, &narrowed, "narrowed", "ci>agent-7");
        assert_ne!(chain_of(&place, &narrowed), chain_of(&place, &minted));
        let quiet = run(&[&narrowing, &["--quiet"][..]].concat(), token);
        assert!(!quiet.stderr.contains("narrowed "), "{quiet:?}");
        // The printed chain is all that is needed.
        let chain = chain_of(&place, &narrowed);
        assert_eq!(run(&["revoke", "--chain", &chain], "").code, 0);
        let shown = place.program(&["inspect", "env:T"]).env("T", narrowed.stdout.trim()).output();
        assert!(shown.code == 1 && shown.stdout.contains("accepted   no: revoked"), "{shown:?}");
        let parent = place.program(&["inspect", "env:T"]).env("T", token).output();
        assert_eq!(parent.code, 0, "{parent:?}");
    }
}

fn chain_of(place: &Place, made: &Output) -> String {
    let shown =
        place.program(&["inspect", "--json", "env:T"]).env("T", made.stdout.trim()).output();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    shown["chain"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_named(place: &Place, made: &Output, verb: &str, holders: &str) {
    let line = made.stderr.lines().find(|line| line.starts_with(&format!("{verb} ")));
    let line = line.unwrap_or_else(|| panic!("{verb} in {made:?}"));
    let chain = format!(" (chain:{}): expires ", chain_of(place, made));
    for part in [chain.as_str(), &format!(", held by {holders}, allows "), ", for `github`"] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn an_api_that_nobody_named_is_told_calmly() {
    let place = Place::with_keys();
    let minted = place
        .program(&["mint", "--credential-env", "S", "--allow", "GET /a"])
        .env("S", SECRET)
        .output();
    let note = "no configuration names an API, so the default is used: `github` (https://api.github.com); `--config FILE` or \
                `--api-root URL` names another\n";
    assert!(minted.stderr.contains(note) && !minted.stderr.contains("not checked"), "{minted:?}");
    let named = place
        .program(&[
            "mint",
            "--credential-env",
            "S",
            "--allow",
            "GET /a",
            "--api-root",
            "https://a.test",
        ])
        .env("S", SECRET)
        .output();
    assert!(!named.stderr.contains("names an API"), "{named:?}");
}

#[test]
fn keys_that_are_all_there_are_said_to_be_there() {
    let place = Place::with_keys();
    let again = place.program(&["keys", "generate"]).output();
    assert_eq!(again.code, 1, "{again:?}");
    let said = "error: nothing is missing: `keys/private.pem` exists and is not overwritten: `magicproxy keys rotate` makes a new key \
                beside it\n";
    assert_eq!(again.said(), said, "{again:?}");
    // Where something is missing, that is made, and nothing else.
    place.write("k/public.pem", "x");
    let stray = place.program(&["keys", "generate", "--keys", "k"]).output();
    assert!(stray.code == 1 && !stray.stderr.contains("nothing is missing"), "{stray:?}");
}

#[test]
fn the_list_says_what_becomes_of_an_entry() {
    let place = Place::with_keys();
    let set = place.program(&["keys", "export-public", "--jwks"]).output().stdout;
    place.write("set.json", &set);
    let mint = |to: &[&str]| {
        let args = ["mint", "--credential-env", "S", "--allow", "GET /a", "--expires-in", "2h"];
        place.program(&[&args, to].concat()).env("S", SECRET).output().stdout
    };
    for token in [mint(&[]), mint(&["--to", "set.json", "--aud", "github"])] {
        let revoked =
            place.program(&["revoke", "--token", "env:T"]).env("T", token.trim()).output();
        assert_eq!(revoked.code, 0, "{revoked:?}");
    }
    let chain = "chain:5f1d2c3b4a69788796a5b4c3d2e1f001";
    assert_eq!(place.program(&["revoke", chain]).output().code, 0);
    let list = place.program(&["revoke", "--list"]).output();
    let lines: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{list:?}");
    for line in lines {
        let end = if line.starts_with(chain) {
            " until it is undone"
        } else {
            "Z, when its tokens have ended"
        };
        assert!(line.contains("  since 2") && line.ends_with(end), "{line}");
    }
}

#[test]
fn the_help_of_narrow_says_what_each_version_needs() {
    let place = Place::new();
    let help = place.program(&["narrow", "--help"]).output().stdout;
    let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "a token of version 2 needs no key and no proxy",
        "one of version 1 needs its proxy (--proxy)",
    ] {
        assert!(flat.contains(part), "{part} in {help}");
    }
}

#[cfg(unix)]
#[test]
fn the_demonstration_says_that_it_goes_on() {
    let place = Place::new();
    let mut running = place.program(&["demo"]).spawn();
    let shown = running.printed("press Ctrl-C to stop");
    assert!(shown.starts_with("this runs until you stop it with Ctrl-C\n"), "{shown}");
    assert_eq!(running.terminate().code, 0);
    let once = place.program(&["demo", "--once"]).output();
    assert!(!once.stdout.contains("Ctrl-C"), "{once:?}");
}

/// Words behind a rule stand for an object, in the token and on standard error alone.
#[test]
fn words_behind_a_rule_are_its_conditions() {
    let place = Place::with_keys();
    let rule = r#"{"method":"POST","path":"/pulls","json":{"base":"main","head":{"glob":"agent/*"},"title":{}}}"#;
    let words = "POST /pulls json.base=main json.head~agent/* json.title";
    let public = place.program(&["keys", "export-public", "--jwks"]).output().stdout;
    place.write("proxy.jwk", &public);
    for to in [&[][..], &["--to", "proxy.jwk", "--aud", "127.0.0.1:1"]] {
        let fixed = ["mint", "--credential-env", "SECRET", "--allow"];
        let mint = |allow: &str, more: &[&str]| {
            let arguments = [&fixed[..], &[allow], to, more].concat();
            place.program(&arguments).env("SECRET", SECRET).output()
        };
        let minted = mint(words, &[]);
        let told = format!("--allow `{words}` is the rule {rule}");
        assert!(minted.code == 0 && minted.stderr.contains(&told), "{minted:?}");
        assert_eq!(minted.stdout.lines().count(), 1, "{minted:?}");
        assert_allows(&place, minted.stdout.trim(), rule);
        let quiet = mint(words, &["--quiet"]);
        assert!(quiet.code == 0 && !quiet.stderr.contains("is the rule"), "{quiet:?}");
        assert!(!mint(rule, &[]).stderr.contains("is the rule"));
        for (wrong, part) in [
            ("POST /pulls json.base=m*", "write `~m*`"),
            ("POST /pulls base=main", "expected `MEMBER.NAME`"),
            ("GET /pulls json.base=main", "lists methods with content"),
            ("POST /pulls json.base=main body=any", "not both"),
        ] {
            let refused = mint(wrong, &[]);
            assert!(refused.code == 2 && refused.stderr.contains(part), "{wrong}: {refused:?}");
            assert!(refused.stdout.is_empty(), "{wrong}: {refused:?}");
        }
        if !to.is_empty() {
            let whole = mint("POST /pulls", &[]).stdout;
            let narrow = ["narrow", "env:T", "--allow", words];
            let narrowed = place.program(&narrow).env("T", whole.trim()).output();
            assert!(narrowed.code == 0 && narrowed.stderr.contains(&told), "{narrowed:?}");
            assert_allows(&place, narrowed.stdout.trim(), rule);
        }
    }
}

/// Checks that the last list of rules of a token is this one rule.
fn assert_allows(place: &Place, token: &str, rule: &str) {
    let shown = place.program(&["inspect", "env:T", "--json"]).env("T", token).output();
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let rule: serde_json::Value = serde_json::from_str(rule).unwrap();
    let own = shown["caveats"][0].get("allowed").unwrap_or(&shown["allowed"]);
    assert_eq!(*own, serde_json::json!([rule]), "{shown}");
}
