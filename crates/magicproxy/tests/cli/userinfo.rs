//! The user and password in a URL are in nothing that any command says, whichever argument or variable the URL was given to.

use crate::program::{Output, Place};

const PASSWORD: &str = "hunter2";

const URLS: [&str; 5] = [
    "https://me:hunter2@127.0.0.1:1",
    "https://hunter2@127.0.0.1:1/x",
    "ftp://me:hunter2@127.0.0.1:1",
    "https://me:hunter2/`?# @127.0.0.1:1",
    "me:hunter2@127.0.0.1:1",
];

/// Commands in which `URL` stands for a URL.
const COMMANDS: [&[&str]; 27] = [
    &["serve", "--api-root", "URL"],
    &["serve", "--listen", "URL"],
    &["serve", "--config", "URL"],
    &["serve", "--log-level", "URL"],
    &["serve", "--log-level=URL"],
    &["config", "check", "--api-root", "URL"],
    &["config", "check", "--json", "--api-root", "URL"],
    &["config", "show", "--api-root", "URL"],
    &["config", "show", "--json", "--api-root", "URL"],
    &["keys", "generate", "--bits", "URL"],
    &["mint", "--allow", "GET /user", "--credential-env", "SECRET", "--api-root", "URL"],
    &["mint", "--allow", "GET /user", "--credential-env", "SECRET", "--proxy", "URL"],
    &["mint", "--allow", "GET /user", "--credential-env", "SECRET", "--aud", "x", "--to", "URL"],
    &["mint", "--allow", "GET URL", "--credential-env", "SECRET"],
    &["mint", "--allow", "URL", "--credential-env", "SECRET"],
    &["mint", "URL"],
    &["narrow", "TOKEN", "--expires-in", "1m", "--proxy", "URL"],
    &["reseal", "TOKEN", "--proxy", "URL"],
    &["explain", "TOKEN", "GET", "URL"],
    &["explain", "TOKEN", "GET", "/user", "--proxy", "URL"],
    &["explain", "TOKEN", "GET", "/user", "--api-root", "URL"],
    &["env", "--proxy", "URL"],
    &["env", "--proxy", "github=URL"],
    &["env", "--proxy", "https://proxy.example", "--upstream", "URL"],
    &["completions", "URL"],
    &["--frobnicate=URL"],
    &["URL"],
];

#[track_caller]
fn check(what: &str, output: &Output) {
    assert_ne!(output.code, 0, "{what}: {output:?}");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(!said.contains(PASSWORD), "{what}: {said}");
}

#[test]
fn no_command_repeats_a_password() {
    let place = Place::with_keys();
    let token = crate::mint(&place, &["GET /user"]);
    for url in URLS {
        for command in COMMANDS {
            let word = |word: &&str| word.replace("URL", url).replace("TOKEN", &token);
            let words: Vec<String> = command.iter().map(word).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let output = place.program(&words).env("SECRET", "ghp_marked").output();
            check(&command.join(" "), &output);
        }
    }
}

#[test]
fn no_variable_is_repeated_with_a_password() {
    let place = Place::with_keys();
    let names = [
        "API_ROOT",
        "MAGICPROXY_API_ROOT",
        "MAGICPROXY_LISTEN",
        "MAGICPROXY_OUTBOUND_PROXY",
        "MAGICPROXY_STATE_PREFIX",
    ];
    for name in names.into_iter().chain([
        "MAGICPROXY_PUBLIC_ACCESS",
        "MAGICPROXY_ACME_DIRECTORY",
        "MAGICPROXY_CONFIG",
        "CONFIG_FILE",
    ]) {
        for url in URLS {
            for command in [
                &["serve"][..],
                &["config", "check"],
                &["config", "check", "--json"],
                &["config", "show"],
            ] {
                let program =
                    place.program(command).env(name, url).env("MAGICPROXY_LIMITS_WORKERS", "x");
                check(name, &program.output());
            }
        }
    }
}

#[test]
fn the_rest_of_a_url_is_said() {
    let place = Place::with_keys();
    let output =
        place.program(&["config", "check", "--api-root", "https://me:hunter2@api.test"]).output();
    assert!(output.stderr.contains("upstream.api_root `https://***@api.test`"), "{output:?}");
    let output = place.program(&["mint", "--frobnicate=https://me:hunter2@api.test"]).output();
    assert!(output.code == 2 && output.stderr.contains("--frobnicate"), "{output:?}");
}
