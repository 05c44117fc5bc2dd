//! A reader of JSON reads everything that `serve` says: from the first byte to the last, however it begins and ends.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use super::exchange;
use super::program::{Output, Place, Running, SECRET};

/// Every line of both streams as JSON, each with the members of every line.
#[track_caller]
fn lines(ended: &Output) -> Vec<Value> {
    assert_eq!(ended.stdout, "", "{ended:?}");
    assert!(ended.stderr.is_empty() || ended.stderr.ends_with('\n'), "{ended:?}");
    let parse = |line: &str| {
        let json: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}\nin {ended:?}"));
        for name in ["timestamp", "level", "target", "event", "message"] {
            assert!(json[name].is_string(), "{name} in {line}");
        }
        let time = json["timestamp"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
        json
    };
    ended.stderr.lines().map(parse).collect()
}

/// The lines of an event.
fn of<'l>(lines: &'l [Value], event: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[track_caller]
fn one<'l>(lines: &'l [Value], event: &str) -> &'l Value {
    let found = of(lines, event);
    assert_eq!(found.len(), 1, "{event} in {lines:#?}");
    found[0]
}

/// A proxy that serves with lines of JSON, and its address.
fn serving(place: &Place, args: &[&str]) -> (Running, String) {
    let args = [&["serve", "--log-format", "json", "--listen", "127.0.0.1:0"], args].concat();
    let mut running = place.program(&args).spawn();
    let line = running.line("listens on http://");
    let address = line.split("http://").nth(1).unwrap();
    let address: String =
        address.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    (running, address)
}

/// A request with a token, answered; `Connection: close`.
fn ask(address: &str, line: &str, token: &str, body: &str) -> String {
    let fields = format!(
        "Host: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close",
        body.len()
    );
    exchange(address, &format!("{line} HTTP/1.1\r\n{fields}\r\n\r\n{body}"))
}

#[test]
fn a_start_that_goes_well_and_what_follows() {
    let place = Place::with_keys();
    place.write(
        "magicproxy.toml",
        "upstream.api_root = 'http://127.0.0.1:1'\nstate.store = 'memory'\n",
    );
    let (mut running, address) = serving(&place, &["--keys", "keys"]);
    let minted = place
        .program(&[
            "mint",
            "--credential-env",
            "S",
            "--allow",
            "GET /a",
            "--sub",
            "ci",
            "--limit",
            "total=1",
        ])
        .env("S", SECRET)
        .output();
    let token = minted.stdout.trim().to_owned();
    let body = format!(r#"{{"token":"{SECRET}","allowed":["GET /b"],"sub":"job"}}"#);
    assert!(ask(&address, "POST /__magictoken", "", &body).starts_with("HTTP/1.1 200"));
    let narrow = r#"{"caveat":{"sub":"agent-7"}}"#;
    assert!(ask(&address, "POST /__magictoken/narrow", &token, narrow).starts_with("HTTP/1.1 200"));
    assert!(ask(&address, "GET /a?secret=1", &token, "").starts_with("HTTP/1.1 502"));
    assert!(ask(&address, "GET /a", &token, "").starts_with("HTTP/1.1 403"));
    let revoked = place.program(&["revoke", "--token", "env:T"]).env("T", &token).output();
    assert_eq!(revoked.code, 0, "{revoked:?}");
    running.line("revocations_changed");
    assert!(ask(&address, "GET /a", &token, "").starts_with("HTTP/1.1 401"));
    assert_eq!(place.program(&["keys", "rotate"]).output().code, 0);
    running.line("keys_changed");
    let ended = running.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines = lines(&ended);

    let config = one(&lines, "config_loaded");
    assert!(config["files"].as_str().unwrap().ends_with("/magicproxy.toml"), "{config}");
    assert_eq!(
        (&config["occasion"], config["sha256"].as_str().map(str::len)),
        (&"start".into(), Some(64))
    );
    assert!(one(&lines, "listening")["message"].as_str().unwrap().contains(&address));
    let (minted, narrowed) = (one(&lines, "token_minted"), one(&lines, "token_narrowed"));
    assert_eq!(
        (&minted["sub"], &minted["allows"], &minted["peer"]),
        (&"job".into(), &"GET /b".into(), &"127.0.0.1".into())
    );
    assert_eq!((&narrowed["sub"], &narrowed["peer"]), (&"ci>agent-7".into(), &"127.0.0.1".into()));
    let requests = of(&lines, "request");
    let decisions: Vec<&str> =
        requests.iter().filter_map(|line| line["decision"].as_str()).collect();
    assert_eq!(
        decisions,
        ["control", "control", "upstream_unreachable", "total_used_up", "revoked_token"]
    );
    assert_eq!(requests[2]["limits"], serde_json::json!([{ "limit": "total=1", "left": 0 }]));
    assert_eq!((&requests[2]["sub"], &requests[2]["rule"]), (&"ci".into(), &"GET /a".into()));
    assert_eq!(requests[3]["chain"], narrowed["parent"]);
    let revocations = one(&lines, "revocations_changed");
    assert_eq!(revocations["added"], format!("chain:{}", requests[3]["chain"].as_str().unwrap()));
    let keys = one(&lines, "keys_changed");
    assert!(keys["added"].as_str().unwrap().contains(keys["active"].as_str().unwrap()), "{keys}");
    assert_eq!(lines.last().unwrap()["event"], "stopped");
    assert!(!ended.stderr.contains("secret=1") && !ended.stderr.contains(&token), "{ended:?}");
    // Nothing is quoted twice: no line holds a command to be pasted, whose quotes JSON would escape.
    assert!(!ended.stderr.contains("\\\\"), "{ended:?}");
    ask_the_log(&place, &ended.stderr, requests[2]["chain"].as_str().unwrap());
}

/// The questions of the guide, asked of this log: each has an answer. Without `jq` on this machine nobody is asked.
fn ask_the_log(place: &Place, log: &str, chain: &str) {
    if std::process::Command::new("jq").arg("--version").output().is_err() {
        return;
    }
    place.write("proxy.log", log);
    let guide = include_str!("../../../../docs/guide/operate.md");
    let blocks = guide.split("```sh no-run\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let questions: Vec<&str> =
        blocks.map(|(block, _)| block).filter(|block| block.contains("proxy.log")).collect();
    assert!(questions.len() >= 5, "{questions:?}");
    for question in questions {
        let question = question.replace("7686e490f5bae33eea8a769cea7300ee", chain);
        let script = format!("PATH=/usr/local/bin:/usr/bin:/bin\n{question}");
        let answer = place.shell(&script).output();
        assert!(answer.code == 0 && answer.stdout.lines().count() > 0, "{question}: {answer:?}");
    }
}

#[test]
fn a_first_start_makes_keys_and_prints_no_shell() {
    let place = Place::new();
    let (running, _) = serving(&place, &["--keys", "keys", "--api-root", "http://127.0.0.1:1"]);
    let ended = running.terminate();
    let lines = lines(&ended);
    let made = one(&lines, "key_made")["message"].as_str().unwrap();
    assert!(made.contains("keys/private.pem"), "{made}");
    for part in ["curl", "$CREDENTIAL", "printf"] {
        assert!(!ended.stderr.contains(part), "{part} in {ended:?}");
    }
}

#[test]
fn a_start_that_fails() {
    let place = Place::with_keys();
    place.write("bad.toml", "listen = \"x\"\nlisen = 1\n[upstream]\nname = \"a\\nb\"\n[[[\n");
    place.write("keys2/private.pem", "no key\n");
    place.write("folder/file", "");
    place.write(
        "store.toml",
        "upstream.api_root = 'http://127.0.0.1:1'\nstate = { store = 'redb', path = 'folder' }\n",
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, code, event) in [
        (&["--config", "bad.toml"][..], 78, "config_fault"),
        (&["--config", "nowhere.toml"], 78, "config_fault"),
        (&["--listen", &taken], 1, "serve_failed"),
        (&["--keys", "/proc/none"], 1, "serve_failed"),
        (&["--keys", "keys2"], 78, "config_fault"),
        (&["--config", "store.toml"], 78, "config_fault"),
        (&["--bogus"], 2, "usage_fault"),
        (&["--listen"], 2, "usage_fault"),
        (&["--log-level", "loud"], 2, "usage_fault"),
        (&["http://user:password@host/"], 2, "usage_fault"),
    ] {
        let keys = if args.contains(&"--keys") { &[][..] } else { &["--keys", "keys"] };
        let args = [&["serve", "--log-format", "json"], keys, args].concat();
        let ended = place.program(&args).output();
        assert_eq!(ended.code, code, "{args:?}: {ended:?}");
        let lines = lines(&ended);
        assert!(!of(&lines, event).is_empty(), "{args:?}: {lines:#?}");
        assert!(
            lines.iter().all(|line| line["level"] == "ERROR" || line["level"] == "WARN"),
            "{lines:#?}"
        );
        assert!(!ended.stderr.contains("password@"), "{ended:?}");
    }
    // The variable asks for it as the argument does; other commands speak to people.
    let asked = |args: &[&str]| place.program(args).env("MAGICPROXY_LOG_FORMAT", "json").output();
    assert_eq!(one(&lines(&asked(&["serve", "--bogus"])), "usage_fault")["level"], "ERROR");
    let other = asked(&["mint", "--bogus"]);
    assert!(other.code == 2 && other.stderr.starts_with("error: "), "{other:?}");
    assert!(asked(&["serve", "--help"]).stdout.starts_with("Run the proxy"), "help is no fault");
}

#[test]
fn a_drain_with_a_request_in_flight_and_an_end_at_once() {
    for second in [false, true] {
        let place = Place::with_keys();
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", upstream.local_addr().unwrap());
        let (mut running, address) = serving(&place, &["--keys", "keys", "--api-root", &root]);
        let minted = place
            .program(&["mint", "--api-root", &root, "--credential-env", "S", "--allow", "GET /a"])
            .env("S", SECRET)
            .output();
        let mut client = TcpStream::connect(&address).unwrap();
        write!(
            client,
            "GET /a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
            minted.stdout.trim()
        )
        .unwrap();
        // The request is in flight.
        let (mut api, _) = upstream.accept().unwrap();
        assert!(api.read(&mut [0; 512]).unwrap() > 0);
        running.signal("TERM");
        running.line("stopping");
        let ended = if second {
            running.signal("TERM");
            running.end()
        } else {
            api.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            running.end()
        };
        assert_eq!(ended.code, i32::from(second), "{ended:?}");
        let lines = lines(&ended);
        let last = lines.last().unwrap();
        if second {
            assert_eq!(last["event"], "stopped_at_once", "{last}");
        } else {
            assert_eq!(last["event"], "stopped", "{last}");
            assert_eq!(one(&lines, "request")["status"], 200);
        }
    }
}
