//! `explain TOKEN git push REPOSITORY REF…`: what would become of a push, here and at a running
//! proxy.

use serde_json::Value;

use crate::ports::reserved_port;
use crate::program::{Place, SECRET};

const RULES: [&str; 3] = [
    "git fetch /acme/{repo}",
    "git push /acme/site refs/heads/agent/* create",
    "git push /acme/site refs/heads/main",
];

/// Words behind the token, exit code, and parts of what is said.
type Case = (&'static [&'static str], i32, &'static [&'static str]);

const CASES: [Case; 9] = [
    (&["git", "fetch", "/acme/x"], 0, &["allowed: POST /acme/x/git-upload-pack", "git fetch"]),
    (
        &["git", "push", "/acme/site.git", "create:refs/heads/agent/x"],
        0,
        &["allowed", "by the rule `git push /acme/site refs/heads/agent/* create`"],
    ),
    (&["git", "push", "/acme/site", "refs/heads/main"], 0, &["refs/heads/main`"]),
    (
        &["git", "push", "/acme/site", "force:refs/heads/main"],
        3,
        &[
            "git_not_fast_forward",
            "rule 3 `git push /acme/site refs/heads/main` would, but",
            "force of refs/heads/main is not in the rule, and this is not a proved fast-forward",
        ],
    ),
    (
        &["git", "push", "/acme/site", "delete:refs/heads/agent/x"],
        3,
        &["not_allowed", "delete of refs/heads/agent/x is not in the rule"],
    ),
    (
        &["git", "push", "/acme/site", "refs/heads/main", "create:refs/heads/agent/x"],
        3,
        &["not_allowed", "refs is \"refs/heads/main\"; must match"],
    ),
    (
        &["git", "push", "/acme/site", "refs/heads/main", "option:ci.skip"],
        3,
        &["options is \"ci.skip\"; is not named by the rule"],
    ),
    (&["git", "push", "/acme/other", "refs/heads/main"], 3, &["not_allowed"]),
    (
        &["POST", "/acme/site/git-receive-pack", "--header", TYPE],
        2,
        &["not decided", "explain TOKEN git push REPOSITORY REF…"],
    ),
];
const TYPE: &str = "Content-Type: application/x-git-receive-pack-request";

fn place() -> Place {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "[upstream]\npreset = 'github-git'\n");
    place
}

fn mint(place: &Place) -> String {
    let mut command = vec!["mint", "--explain", "--credential-env", "SECRET"];
    RULES.iter().for_each(|rule| command.extend(["--allow", rule]));
    let minted = place.program(&command).env("SECRET", SECRET).output();
    assert_eq!(minted.code, 0, "{minted:?}");
    assert!(minted.stderr.contains(r#"is the rule {"git":"push","#), "{minted:?}");
    minted.stdout.trim().to_owned()
}

#[track_caller]
fn check(place: &Place, token: &str, case: &Case, more: &[&str]) {
    let (words, code, parts) = case;
    let output = place.program(&[&["explain", token], *words, more].concat()).output();
    assert_eq!(output.code, *code, "{case:?}: {output:?}");
    for part in *parts {
        assert!(output.stdout.contains(part), "{part:?} of {case:?} in {output:?}");
    }
}

#[test]
fn a_push_is_explained_by_its_references() {
    let place = place();
    let token = mint(&place);
    for case in &CASES {
        check(&place, &token, case, &[]);
    }
    let narrowed =
        place.program(&["narrow", &token, "--allow", "git push /acme/site refs/heads/agent/1"]);
    let narrowed = narrowed.output();
    let narrowed = narrowed.stdout.trim();
    let cases: [Case; 3] = [
        (&["git", "push", "/acme/site", "refs/heads/agent/1"], 0, &[]),
        (&["git", "push", "/acme/site", "refs/heads/agent/2"], 3, &["rule 1 of a caveat"]),
        (&["git", "push", "/acme/site", "create:refs/heads/agent/1"], 3, &["beyond_caveat"]),
    ];
    for case in &cases {
        check(&place, narrowed, case, &[]);
    }
}

#[test]
fn a_proxy_says_the_same_of_a_push() {
    let place = place();
    let token = mint(&place);
    let address = format!("127.0.0.1:{}", reserved_port());
    let serving = place.program(&["serve", "--listen", &address]).spawn();
    while std::net::TcpStream::connect(&address).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let url = format!("http://{address}");
    for case in &CASES {
        check(&place, &token, case, &["--proxy", &url]);
    }
    serving.terminate();
}

#[test]
fn a_question_about_git_names_a_repository_and_references() {
    let place = place();
    let token = mint(&place);
    for (words, part) in [
        (&["git", "push"][..], "git push REPOSITORY REF"),
        (&["git", "push", "/acme/site"], "name one such as `refs/heads/main`"),
        (&["git", "push", "/acme/site", "main"], "expected a reference such as `refs/heads/main`"),
        (&["git", "fetch", "/acme/site", "main"], "reading is by repository"),
        (&["git", "merge", "/acme/site"], "expected `git push` or `git fetch`"),
        (&["GET", "/acme", "x"], "`x` is too much"),
    ] {
        let refused = place.program(&[&["explain", &token], words].concat()).output();
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(refused.stderr.contains(part), "{part} in {refused:?}");
    }
    let told =
        place.program(&["explain", &token, "git", "push", "/acme/site", "refs/tags/v1", "--json"]);
    let told: Value = serde_json::from_str(&told.output().stdout).unwrap();
    assert_eq!(told["unmet"][0]["findings"][0]["place"], "refs", "{told}");
}
