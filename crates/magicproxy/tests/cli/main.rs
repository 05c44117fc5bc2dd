//! The binary as its users see it: data files in `tests/cmd`, and the stories that need more than one command.
//!
//! Every output of every test is searched for the marked credential.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may stop where they stand"
)]

#[cfg(target_os = "linux")]
mod activation;
#[cfg(unix)]
mod admin;
#[cfg(unix)]
mod admin_reload;
mod asking;
#[cfg(unix)]
mod backup;
mod check;
mod command_notes;
mod doors;
mod env;
mod explained;
mod explained_git;
#[cfg(unix)]
mod faulty_file;
#[cfg(unix)]
mod file_owner;
#[cfg(unix)]
mod guides;
mod hostile;
mod key_room;
mod log_events;
#[cfg(unix)]
mod log_json;
mod log_targets;
mod minting;
mod owners;
#[cfg(feature = "plugins")]
mod plugin;
mod ports;
mod program;
#[cfg(unix)]
mod reload;
#[cfg(unix)]
mod reload_parts;
mod revoke;
mod revoke_reach;
mod revoked_keys;
#[cfg(unix)]
mod run;
mod sealed;
#[cfg(unix)]
mod secrets;
#[cfg(unix)]
mod serve;
mod tokens;
#[cfg(unix)]
mod told;
#[cfg(target_os = "linux")]
mod upgrade;
mod userinfo;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use program::{Place, SECRET};

#[test]
fn cases() {
    let mut failures = Vec::new();
    for file in ["usage", "config", "keys", "mint", "env", "run"] {
        let path = format!("{}/tests/cmd/{file}.toml", env!("CARGO_MANIFEST_DIR"));
        let table: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        for case in table["case"].as_array().unwrap() {
            if let Err(failure) = program::run_case(case) {
                failures.push(format!("{file}: {}: {failure}", case["name"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

/// Mints with the keys in `keys`.
fn mint(place: &Place, rules: &[&str]) -> String {
    let mut command = vec!["mint", "--credential-env", "SECRET"];
    rules.iter().for_each(|rule| command.extend(["--allow", rule]));
    let minted = place.program(&command).env("SECRET", SECRET).output();
    assert_eq!(minted.code, 0, "{minted:?}");
    minted.stdout.trim().to_owned()
}

/// What is hardly meant is minted with a warning, what is never true is refused.
#[test]
fn mint_looks_at_conditions() {
    let place = Place::with_keys();
    let mint = |rules: &[&str]| {
        let mut command = vec!["mint", "--credential-env", "SECRET"];
        rules.iter().for_each(|rule| command.extend(["--allow", rule]));
        place.program(&command).env("SECRET", SECRET).output()
    };
    let vain = mint(&["POST /repos/a/pulls json.base=main", "POST /repos/.+"]);
    let warning = "warning: the conditions of rule 1 ";
    assert!(vain.code == 0 && vain.stderr.contains(warning), "{vain:?}");
    let header = r#"{"method": "GET", "path": "/a", "headers": {"x-other": {"absent": true}}}"#;
    let header = mint(&[header]);
    let warning = "tests the header `x-other`, which is always absent";
    assert!(header.code == 0 && header.stderr.contains(warning), "{header:?}");
    let plain = mint(&["POST /repos/a/pulls json.base=main", "GET /repos/.+"]);
    assert!(plain.code == 0 && !plain.stderr.contains("in vain"), "{plain:?}");
    let empty = mint(&[r#"{"method": "GET", "path": "/a", "query": {"x": {"count": 0}}}"#]);
    assert!(empty.code == 2 && empty.stderr.contains("because of `query.x`"), "{empty:?}");
}

#[test]
fn mint_inspect_explain() {
    let place = Place::with_keys();
    let token = mint(&place, &["GET /repos/acme/[^/]+/issues"]);
    let shown = place.program(&["inspect", "-"]).stdin(&token).output();
    assert_eq!(shown.code, 0);
    for part in
        ["accepted   yes", "signature  valid", "github", "allows     GET /repos/acme/[^/]+/issues"]
    {
        assert!(shown.stdout.contains(part), "{part} in {shown:?}");
    }
    let json = place.program(&["inspect", "--json", "--token-env", "T"]).env("T", &token).output();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["accepted"], &json["signature"]), (&true.into(), &"valid".into()));

    place.write("token", &format!("{token}\n"));
    let explain =
        |method: &str, url: &str| place.program(&["explain", "@token", method, url]).output();
    let allowed = [
        "/repos/acme/x/issues",
        "https://api.github.com/repos/acme/x/issues?page=2",
        "http://127.0.0.1:9/repos/acme/x/issues",
    ];
    for url in allowed {
        let response = explain("GET", url);
        assert_eq!(response.code, 0, "{response:?}");
        assert!(
            response.stdout.contains("by the rule `GET /repos/acme/[^/]+/issues`"),
            "{response:?}"
        );
    }
    let refused = [
        (
            "GET",
            "/repos/acme/x.y/issues/1",
            "the token would need `GET /repos/acme/x\\.y/issues/1`",
        ),
        ("POST", "/repos/acme/x/issues", "the token would need `POST /repos/acme/x/issues`"),
        ("get", "/repos/acme/x/issues", "no rule can allow this: `get` is not an HTTP method"),
        ("TRACE", "/", "`TRACE` is never passed on"),
        ("GET", "/repos/acme/../x", "target_dot_segment"),
        ("GET", "/repos/acme/x%5Cy/issues", "target_backslash"),
        ("GET", "https://api.github.com//repos", "target_empty_segment"),
    ];
    for (method, url, reason) in refused {
        let response = explain(method, url);
        assert_eq!(response.code, 3, "{response:?}");
        assert!(response.stdout.contains(reason), "{reason} in {response:?}");
    }
}

#[test]
fn explain_knows_the_configuration() {
    let place = Place::with_keys();
    place.write(
        "magicproxy.toml",
        "upstream.ceiling = ['GET /user']\nupstream.encoded_slash = 'both'\n",
    );
    let token = mint(&place, &["GET /.*"]);
    let explain = |url: &str, more: &[&str]| {
        place.program(&[&["explain", &token, "GET", url], more].concat()).output()
    };
    assert_eq!(explain("/user", &[]).code, 0);
    let beyond = explain("/repos", &[]);
    assert!(
        beyond.stdout.contains("beyond_ceiling")
            && beyond.stdout.contains("the ceiling would need `GET /repos`"),
        "{beyond:?}"
    );
    let elsewhere = explain("/user", &["--api-root", "https://elsewhere.example", "--json"]);
    assert_eq!(elsewhere.code, 3);
    assert!(elsewhere.stdout.contains("wrong_upstream"), "{elsewhere:?}");
}

/// A path without a mount is for the upstream of the token; a URL may be the proxy's, the upstream's, or that of its preset.
#[test]
fn explain_finds_the_upstream() {
    let place = Place::with_keys();
    place.write(
        "magicproxy.toml",
        "public_access = 'https://proxy.example'\n[upstreams.github]\napi_root = 'http://127.0.0.1:1/base'\n\
         [upstreams.dns]\napi_root = 'https://dns.example'\nhosts = ['dns.proxy.example']\n",
    );
    let minted = |aud: &str| {
        let command = ["mint", "--credential-env", "SECRET", "--allow", "GET /user", "--aud", aud];
        let minted = place.program(&command).env("SECRET", SECRET).output();
        assert_eq!(minted.code, 0, "{minted:?}");
        minted.stdout.trim().to_owned()
    };
    let (github, dns) = (minted("github"), minted("dns"));
    for (token, url, upstream, code) in [
        (&github, "/user", "github", 0),
        (&dns, "/user", "dns", 0),
        (&dns, "/dns/user", "dns", 0),
        (&dns, "/user/x", "dns", 3),
        (&github, "/api/v3/user", "github", 0),
        (&github, "https://proxy.example/github/user", "github", 0),
        (&github, "http://localhost:9/github/user?x=1", "github", 0),
        (&github, "https://api.github.com/user", "github", 0),
        (&github, "http://127.0.0.1:1/base/user", "github", 0),
        (&dns, "https://dns.proxy.example/user", "dns", 0),
        (&dns, "https://dns.example/user", "dns", 0),
        (&dns, "/github/user", "github", 3),
        (&github, "https://dns.example/user", "dns", 3),
        (&dns, "https://api.github.com/user", "github", 3),
    ] {
        let told = place.program(&["explain", token, "GET", url, "--json"]).output();
        assert_eq!(told.code, code, "{url}: {told:?}");
        let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(
            (&told["upstream"], &told["plugins_asked"]),
            (&upstream.into(), &true.into()),
            "{url}: {told}"
        );
    }
    let nowhere =
        place.program(&["explain", &github, "GET", "https://proxy.example/user"]).output();
    assert!(
        nowhere.code == 2 && nowhere.stderr.contains("no upstream is found there"),
        "{nowhere:?}"
    );
}

#[test]
fn explain_says_which_headers_reach_the_api() {
    let place = Place::with_keys();
    place.write(
        "magicproxy.toml",
        "[upstream]\npreset = 'github'\npass_request_headers = ['X-Own', 'X-Both']\ndrop_request_headers = ['X-Both']\n",
    );
    let token = mint(&place, &["GET /.*"]);
    let explain = |headers: &[&str], more: &[&str]| {
        let headers: Vec<&str> = headers.iter().flat_map(|name| ["--header", name]).collect();
        place.program(&[&["explain", &token, "GET", "/user"], &headers[..], more].concat()).output()
    };
    let response = explain(
        &[
            "Accept",
            "X-GitHub-Api-Version",
            "X-Own",
            "X-Both",
            "Stripe-Account: hidden",
            "Cookie",
            "a b",
        ],
        &[],
    );
    assert_eq!(response.code, 0, "{response:?}");
    for line in [
        "header `accept` passes: every API gets it",
        "header `x-github-api-version` passes: the preset of this upstream lists it",
        "header `x-own` passes: `pass_request_headers` of this upstream lists it",
        "header `x-both` is dropped: `drop_request_headers` of this upstream drops it",
        "header `stripe-account` is dropped: it is not on the list: `pass_request_headers` of this upstream would let it pass",
        "header `cookie` is dropped: tokens and credentials stand in it",
        "header `a b` is dropped: expected the name of a header",
    ] {
        assert!(response.stdout.contains(line), "{line} in {response:?}");
    }
    assert!(!response.stdout.contains("hidden"), "{response:?}");
    let refused = explain(&["X-HTTP-Path-Override"], &["--json"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    let json: serde_json::Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(
        (&json["code"], &json["headers"][0]["rule"]),
        (&"override_header".into(), &"override".into())
    );
    let shown = place.program(&["config", "show"]).output().stdout;
    let list =
        &shown[shown.find("# request headers that pass to `github`, and no others:").unwrap()..];
    for name in ["accept,", "x-github-api-version,", "x-own,"] {
        assert!(list.contains(name), "{name} in {list}");
    }
    assert!(!list.contains("x-both") && !list.contains("stripe-account"), "{list}");
    let json = place.program(&["config", "show", "--json"]).output();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let entry = json
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["key"] == "request_headers.github")
        .unwrap();
    assert!(entry["value"].as_array().unwrap().contains(&"x-own".into()), "{entry}");
}

#[test]
fn keys_are_made_private_and_rotate_without_breaking_tokens() {
    let place = Place::new();
    assert_eq!(place.program(&["keys", "generate", "--keys", "keys"]).output().code, 0);
    let before = mint(&place, &["GET /user"]);
    let rotated = place.program(&["keys", "rotate"]).output();
    assert_eq!(rotated.code, 0, "{rotated:?}");
    let after = mint(&place, &["GET /user"]);
    assert_ne!(before.split('.').next(), after.split('.').next(), "the new key mints");
    for token in [&before, &after] {
        assert_eq!(place.program(&["explain", token, "GET", "/user"]).output().code, 0);
    }
    let list = place.program(&["keys", "list"]).output();
    // The signing keys, the sealing keys of both kinds, the key of the key set, and the owner secret.
    assert_eq!(list.stdout.lines().count(), 2 + 4 + 1 + 1, "{list:?}");
    assert!(list.stdout.contains("retired") && !list.stderr.contains("warning"), "{list:?}");
    let names = place.names("keys");
    assert!(
        names.iter().any(|name| name.starts_with("retired-"))
            && !names.iter().any(|name| name.ends_with(".new")),
        "{names:?}"
    );
    #[cfg(unix)]
    for name in names.iter().filter(|name| !name.starts_with("public")) {
        assert_eq!(place.mode(&format!("keys/{name}")), 0o600, "{name}");
    }
    #[cfg(unix)]
    assert_eq!(place.mode("keys"), 0o700);
}

#[test]
fn systemd_hands_keys_over() {
    let place = Place::with_keys();
    let folder = place.path("keys").display().to_string();
    let elsewhere = Place::new();
    let list = elsewhere.program(&["keys", "list"]).env("CREDENTIALS_DIRECTORY", &folder).output();
    assert_eq!((list.code, list.stdout.lines().count()), (0, 1 + 2 + 1 + 1), "{list:?}");
    assert_eq!(elsewhere.program(&["keys", "list"]).output().code, 78);
}

#[test]
fn interrupted_rotations_do_no_harm() {
    let place = Place::with_keys();
    let token = mint(&place, &["GET /user"]);
    let old = place.read("keys/private.pem");
    // Before the private key has changed: leftovers, and the old key under both names.
    place.write("keys/private.pem.new", "half");
    place.write("keys/retired-0.pem", &old);
    assert_eq!(place.program(&["keys", "list"]).output().stdout.lines().count(), 1 + 2 + 1 + 1);
    // After it has changed, and before the public files have.
    let public = place.read("keys/public.pem");
    assert_eq!(place.program(&["keys", "rotate"]).output().code, 0);
    place.write("keys/public.pem", &public);
    let list = place.program(&["keys", "list"]).output();
    assert_eq!(list.code, 0, "{list:?}");
    assert!(list.stderr.contains("interrupted rotation"), "{list:?}");
    assert_eq!(place.program(&["explain", &token, "GET", "/user"]).output().code, 0);
}

#[cfg(unix)]
#[test]
fn open_private_keys_are_pointed_out() {
    let place = Place::with_keys();
    place.set_mode("keys/private.pem", 0o644);
    let list = place.program(&["keys", "list"]).output();
    assert_eq!(list.code, 0);
    assert!(list.stderr.contains("is open to others (mode 0644)"), "{list:?}");
}

#[test]
fn the_demo_works_without_anything() {
    let shown = Place::new().program(&["demo", "--once"]).output();
    assert_eq!(shown.code, 0, "{shown:?}");
    for part in ["allowed: GET", "200 OK", "refused: DELETE", "403 Forbidden", "not_allowed"] {
        assert!(shown.stdout.contains(part), "{part} in {shown:?}");
    }
    assert_eq!(shown.stdout.lines().filter(|line| line.starts_with("curl -i ")).count(), 2);
}

#[test]
fn serve_from_nothing_to_a_token() {
    let place = Place::new();
    let port = ports::reserved_port();
    let address = format!("127.0.0.1:{port}");
    let serving = place
        .program(&[
            "serve",
            "--listen",
            &address,
            "--api-root",
            "http://127.0.0.1:1",
            "--keys",
            "k",
            "--log-level",
            "trace",
            "--log-format",
            "pretty",
        ])
        .spawn();
    let mint_request = format!(r#"{{"token": "{SECRET}", "allowed": ["GET /user"]}}"#);
    let headers = format!(
        "host: {address}\r\ncontent-type: application/json\r\ncontent-length: {}",
        mint_request.len()
    );
    let minted = exchange(
        &address,
        &format!(
            "POST /__magictoken HTTP/1.1\r\n{headers}\r\nconnection: close\r\n\r\n{mint_request}"
        ),
    );
    assert!(minted.starts_with("HTTP/1.1 200"), "{minted}");
    let token = minted.lines().last().unwrap_or_default();
    let refused = exchange(
        &address,
        &format!(
            "GET /x HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        ),
    );
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let url = format!("http://{address}");
    let again = place
        .program(&["mint", "--proxy", &url, "--credential-env", "S", "--allow", "GET /user"])
        .env("S", SECRET)
        .output();
    assert_eq!(again.code, 0, "{again:?}");
    let bad = place
        .program(&["mint", "--proxy", &url, "--credential-env", "S", "--allow", "GET user"])
        .env("S", SECRET)
        .output();
    assert_eq!((bad.code, bad.stdout.as_str()), (1, ""), "{bad:?}");
    assert!(
        bad.stderr.contains("the proxy answered 400")
            && bad.stderr.contains("path must start with `/`"),
        "{bad:?}"
    );
    let explained =
        place.program(&["explain", token, "GET", &format!("{url}/user"), "--keys", "k"]).output();
    assert_eq!(explained.code, 0, "{explained:?}");
    let asked =
        place.program(&["explain", token, "GET", &format!("{url}/user"), "--proxy", &url]).output();
    assert_eq!((asked.code, asked.stdout.contains("allowed: GET /user")), (0, true), "{asked:?}");
    let asked = place.program(&["explain", token, "DELETE", "/user", "--proxy", &url]).output();
    assert_eq!((asked.code, asked.stdout.contains("not_allowed")), (3, true), "{asked:?}");
    // No oracle: this token was not minted with `explain`.
    assert!(!asked.stdout.contains("would need"), "{asked:?}");
    let headers = ["--header", "Stripe-Account", "--header", "X-Rewrite-Path"];
    let ask = |token: &str, headers: &[&str]| {
        place
            .program(&[&["explain", token, "GET", "/user", "--proxy", &url], headers].concat())
            .output()
    };
    let silent = ask(token, &headers[..2]);
    assert_eq!(
        (silent.code, silent.stdout.contains("only for tokens that were minted with `--explain`")),
        (0, true),
        "{silent:?}"
    );
    assert!(!silent.stdout.contains("stripe-account"), "{silent:?}");
    let mint =
        ["mint", "--proxy", &url, "--credential-env", "S", "--allow", "GET /user", "--explain"];
    let explaining = place.program(&mint).env("S", SECRET).output();
    let told = ask(explaining.stdout.trim(), &headers[..2]);
    assert_eq!(
        (
            told.code,
            told.stdout.contains("header `stripe-account` is dropped: it is not on the list")
        ),
        (0, true),
        "{told:?}"
    );
    let refused = ask(explaining.stdout.trim(), &headers);
    assert_eq!(
        (refused.code, refused.stdout.contains("override_header")),
        (3, true),
        "{refused:?}"
    );
    let other = place.program(&["explain", "a.b.c", "GET", "/user", "--proxy", &url]).output();
    assert_eq!((other.code, other.stdout.contains("invalid_token")), (3, true), "{other:?}");
    let ended = serving.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in [
        "made a new signing key: k/private.pem",
        "minting is open",
        "curl -sSf",
        "listens on",
        "stopping",
    ] {
        assert!(ended.stderr.contains(part), "{part} in {ended:?}");
    }
    assert!(!ended.stderr.contains(token), "the log holds a token");
}

/// One request, answered to the end of the connection; waits until somebody listens.
fn exchange(address: &str, request: &str) -> String {
    let start = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(60), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
