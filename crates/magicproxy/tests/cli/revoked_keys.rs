//! A revoked or denied key, at every command: none makes a token with it or for it, none gives it
//! out, and none takes its tokens for good ones. Beside the keys, and at a running proxy.

use super::program::{Place, SECRET};
use super::revoke::{ALLOWED, Proxy, REVOKED, both_versions, inspect, ok, place};

/// Commands that neither make nor judge a token, nor give a key out. A command that is in neither
/// list makes the test fail: whoever adds one decides.
const UNCONCERNED: [&str; 16] = [
    "serve",
    "health",
    "demo",
    "revoke",
    "env",
    "run",
    "backup",
    "restore",
    "plugin",
    "config",
    "reload",
    "completions",
    "man",
    "version",
    "help",
    // Takes what the operator has named for a key that lives, and says in its help that it checks
    // nothing else.
    "narrow",
];

/// A run of a command, and what is expected of it.
struct Case<'a> {
    args: Vec<&'a str>,
    code: i32,
    part: &'a str,
}

const MINT: [&str; 5] = ["mint", "--credential-env", "SECRET", "--allow", "GET /.*"];

#[track_caller]
fn check(place: &Place, cases: &[Case<'_>]) {
    let mut failures = Vec::new();
    for Case { args, code, part } in cases {
        let output = place.program(args).env("SECRET", SECRET).output();
        let shown = format!("{}{}", output.stdout, output.stderr);
        let makes = matches!(args[0], "mint" | "reseal" | "narrow");
        let gives_nothing = *code == 0 || !makes || output.stdout.is_empty();
        if output.code != *code || !shown.contains(part) || !gives_nothing {
            failures.push(format!("{args:?}: {code} and `{part}`, not {output:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The ids of the keys that make tokens now.
fn active_keys(place: &Place) -> Vec<String> {
    let listed = ok(place, &["keys", "list", "--json"]).stdout;
    let keys: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    let makes = |key: &&serde_json::Value| key["state"] == "active" && key.get("use").is_none();
    keys.iter().filter(makes).map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Revokes keys at once, so that a proxy that knows of one knows of all.
fn revoke(place: &Place, kids: &[String]) {
    let keys = kids.iter().flat_map(|kid| ["--key", kid]);
    ok(place, &["revoke"].into_iter().chain(keys).collect::<Vec<_>>());
}

/// Commands at the keys and at the proxy, for a token that lives, while no active key is accepted.
fn nothing_is_made<'a>(tokens: [&'a str; 2], url: &'a str, reason: &'a str) -> Vec<Case<'a>> {
    let case = |args: Vec<&'a str>, part: &'a str| Case { args, code: 1, part };
    let mut cases = vec![
        case([&MINT[..], &["--proxy", url]].concat(), "minting_suspended"),
        case(
            [&MINT[..], &["--to", url, "--aud", "api"]].concat(),
            "the proxy publishes no key to seal to",
        ),
    ];
    for token in tokens {
        cases.push(case(vec!["reseal", token], reason));
        cases.push(case(vec!["reseal", token, "--proxy", url], "minting_suspended"));
    }
    cases
}

#[test]
fn no_command_makes_a_token_for_a_revoked_key_or_gives_the_key_out() {
    let place = place();
    let old = both_versions(&place);
    ok(&place, &["keys", "rotate"]);
    let new = both_versions(&place);
    let proxy = Proxy::start(&place, "");
    let url = proxy.url();
    let active = active_keys(&place);
    assert_eq!(active.len(), 3);
    revoke(&place, &active);
    for token in &new {
        proxy.time_until(token, REVOKED);
    }
    let [sealed, signed] = &old;
    proxy.responses(sealed, ALLOWED);
    proxy.responses(signed, ALLOWED);
    let reason = "is revoked, and all of its tokens are refused: `magicproxy keys rotate`";
    let mut cases = nothing_is_made([sealed, signed], &url, reason);
    cases.extend([
        Case { args: MINT.to_vec(), code: 1, part: reason },
        Case { args: vec!["keys", "export-public"], code: 1, part: reason },
        Case {
            args: vec!["keys", "export-public", "--jwks"],
            code: 1,
            part: "neither denied nor revoked",
        },
        Case { args: vec!["keys", "list"], code: 0, part: "revoked" },
    ]);
    check(&place, &cases);
    assert_eq!(active_keys(&place), Vec::<String>::new(), "`keys list` knows of revocations");
    // The remedy that is named.
    ok(&place, &["keys", "rotate"]);
    let made = [
        MINT.to_vec(),
        vec!["reseal", sealed],
        vec!["reseal", signed],
        vec!["keys", "export-public"],
        vec!["keys", "export-public", "--jwks"],
    ];
    check(&place, &made.map(|args| Case { args, code: 0, part: "" }));
}

#[test]
fn no_command_takes_a_token_of_a_revoked_key() {
    let place = place();
    let dead = both_versions(&place);
    let revoked = active_keys(&place);
    ok(&place, &["keys", "rotate"]);
    let proxy = Proxy::start(&place, "");
    let url = proxy.url();
    revoke(&place, &revoked);
    for token in &dead {
        proxy.time_until(token, REVOKED);
        let narrow = ["narrow", token, "--expires-in", "1m"];
        check(
            &place,
            &[
                Case { args: vec!["reseal", token], code: 1, part: "it has been revoked" },
                Case { args: vec!["reseal", token, "--proxy", &url], code: 1, part: REVOKED },
                Case { args: [&narrow[..], &["--proxy", &url]].concat(), code: 1, part: REVOKED },
                Case { args: vec!["explain", token, "GET", "/user"], code: 3, part: REVOKED },
                Case {
                    args: vec!["explain", token, "GET", "/user", "--proxy", &url],
                    code: 3,
                    part: REVOKED,
                },
                Case { args: vec!["inspect", token], code: 1, part: "revoked, `kid:" },
            ],
        );
    }
    // A holder narrows a sealed token without the list: what is made is as dead.
    let narrowed = ok(&place, &["narrow", &dead[0], "--expires-in", "1m"]).stdout;
    assert_eq!(inspect(&place, narrowed.trim())["accepted"], false);
}

#[test]
fn no_command_makes_a_token_for_a_denied_key() {
    let place = place();
    let old = both_versions(&place);
    ok(&place, &["keys", "rotate"]);
    let denied = active_keys(&place);
    let config = format!("{}tokens.deny_kid = {denied:?}\n", place.read("magicproxy.toml"));
    place.write("magicproxy.toml", &config);
    let proxy = Proxy::start(&place, "");
    let url = proxy.url();
    let [sealed, signed] = &old;
    proxy.time_until(sealed, ALLOWED);
    let mut cases = nothing_is_made([sealed, signed], &url, "are denied here");
    cases.push(Case { args: MINT.to_vec(), code: 2, part: "(`deny_kid`)" });
    check(&place, &cases);
}

#[test]
fn every_command_is_thought_of() {
    let concerned = ["mint", "reseal", "inspect", "explain", "keys"];
    let help = Place::new().program(&["--help"]).output().stdout;
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let name = |line: &str| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned);
    let names: Vec<String> =
        commands.lines().filter_map(name).filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 15, "{help}");
    for name in &names {
        let known = concerned.contains(&name.as_str()) || UNCONCERNED.contains(&name.as_str());
        assert!(known, "`{name}`: what does it do with a revoked key?");
    }
}
