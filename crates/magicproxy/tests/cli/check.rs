//! `config check` beside `serve`: what the one refuses, the other does; and what is reached.

use std::net::TcpListener;

use serde_json::Value;

use super::program::{Output, Place};

const CONFIG: &str = "listen = '127.0.0.1:0'\nupstream.api_root = 'http://127.0.0.1:1'\n";

/// A place with keys, further files, and more of a configuration.
fn place(files: &[(&str, &str)], config: &str) -> Place {
    let place = Place::with_keys();
    files.iter().for_each(|(name, text)| place.write(name, text));
    place.write("magicproxy.toml", &format!("{CONFIG}{config}"));
    place
}

fn check(place: &Place, args: &[&str]) -> Output {
    place.program(&[&["config", "check"], args].concat()).output()
}

fn check_json(place: &Place, args: &[&str]) -> (i32, Value) {
    let output = check(place, &[args, &["--json"]].concat());
    (
        output.code,
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}")),
    )
}

/// What is in the way of a start, whatever it is, is found without one.
#[test]
fn whatever_serve_refuses_is_found() {
    let long = format!("listen = 'unix:{}'", "x/".repeat(60));
    for (files, config, message) in [
        (&[("file", "")][..], "keys.folder = 'file/keys'", "file"),
        (&[("keys/private.pem", "junk")], "", "keys/private.pem"),
        (&[("keys/public.pem", "junk")], "", "keys/public.pem"),
        (&[("keys/retired-x.pem", "junk")], "", "keys/retired-x.pem"),
        (&[("keys/sealing-x.jwk", "{}")], "", "keys/sealing-x.jwk"),
        (&[("keys/owners.jwk", "{}")], "", "keys/owners.jwk"),
        (&[("keys/revocations.json", "junk")], "", "revocations.json"),
        (&[("r.json", "{\"revocations\":{\"x\":{}}}")], "tokens.revocations = 'r.json'", "r.json"),
        (&[("state", "this is something else")], "state.path = 'state'", "state.path"),
        (&[("file", "")], "state.path = 'file/state'", "state.path"),
        (&[("folder/x", "")], "state.path = 'folder'", "state.path"),
        (&[], "state.path = 'missing/state'", "there is no folder `"),
        (&[("file", "")], "tls.dev = true\nkeys.folder = 'file/keys'", "file"),
        (&[("file", "")], "acme.domains = ['a.example']\nacme.cache = 'file/acme'", "acme"),
        (
            &[],
            "tls = { certificate = 'missing.pem', private_key = 'missing.pem' }",
            "tls.certificate",
        ),
        (&[], "upstream.extra_ca_file = 'missing.pem'", "extra_ca_file"),
        (&[], "plugins.p.file = 'missing.wasm'\nscopes.s = [{ plugin = 'p' }]", "plugin"),
        (&[], "[[listeners]]\nlisten = '192.0.2.1:0'", "192.0.2.1:0"),
        #[cfg(unix)]
        (&[], "[[listeners]]\nlisten = 'unix:missing/socket'", "missing/socket"),
        #[cfg(unix)]
        (&[("file", "")], "[[listeners]]\nlisten = 'unix:file'", "unix:"),
        #[cfg(unix)]
        (&[], &format!("[[listeners]]\n{long}"), "unix:"),
    ] {
        let place = place(files, config);
        let serving = place.program(&["serve"]).output();
        assert_ne!(serving.code, 0, "{config}: {serving:?}");
        assert!(serving.stderr.contains(message), "{config}: {serving:?}");
        let checked = check(&place, &[]);
        assert_eq!(checked.code, 78, "{config}: {checked:?}");
        assert!(checked.stderr.contains(message), "{config}: {checked:?}");
        let (code, json) = check_json(&place, &[]);
        assert_eq!((code, &json["ok"]), (78, &Value::Bool(false)), "{config}: {json}");
    }
}

/// Nothing is made, and what `serve` would make is told.
#[test]
fn checking_changes_nothing() {
    let place = Place::new();
    place.write("magicproxy.toml", CONFIG);
    let (code, json) = check_json(&place, &[]);
    assert_eq!((code, &json["ok"]), (0, &Value::Bool(true)), "{json}");
    assert!(json["notes"][0].as_str().unwrap().contains("`serve` makes them"), "{json}");
    assert_eq!(place.names("."), ["magicproxy.toml"]);
}

#[test]
fn an_address_in_use_is_a_warning() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::with_keys();
    place.write("magicproxy.toml", &format!("listen = '{}'\n", listener.local_addr().unwrap()));
    let checked = check(&place, &[]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stderr.contains("is in use"), "{checked:?}");
}

#[test]
fn keys_that_are_denied_and_not_there() {
    let place = place(&[], "tokens.deny_kid = ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']");
    let checked = check(&place, &[]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stderr.contains("no key in `keys` has this id"), "{checked:?}");
    let id = place.program(&["keys", "list", "--json"]).output();
    let id: Value = serde_json::from_str(&id.stdout).unwrap();
    let id = id.to_string().split('"').find(|text| text.len() == 43).unwrap().to_owned();
    place.write("magicproxy.toml", &format!("{CONFIG}tokens.deny_kid = ['{id}']"));
    let known = check(&place, &[]);
    assert!(!known.stderr.contains("deny_kid"), "{known:?}");
    let misspelt = format!("{}x", &id[..42]);
    place.write("magicproxy.toml", &format!("{CONFIG}tokens.deny_kid = ['{misspelt}']"));
    let near = check(&place, &[]);
    assert!(
        id.ends_with('x') || near.stderr.contains(&format!("did you mean `{id}`?")),
        "{near:?}"
    );
}

/// New tokens are not sealed to a key whose tokens are refused, and somebody says that there is none in its place.
#[test]
fn a_denied_key_is_none_to_seal_to() {
    let place = place(&[], "");
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&place.program(arguments).output().stdout).unwrap()
    };
    let published = || -> Vec<String> {
        let keys = json(&["keys", "export-public", "--jwks"])["keys"].clone();
        keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let all = published();
    assert_eq!(all.len(), 2);
    place.write("magicproxy.toml", &format!("{CONFIG}tokens.deny_kid = ['{}']", all[0]));
    assert_eq!(published(), all[1..]);
    let listed = json(&["keys", "list", "--json"]);
    let state = |kid: &str| {
        listed.as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap()["state"].clone()
    };
    assert_eq!((state(&all[0]), state(&all[1])), ("denied".into(), "active".into()));
    let checked = check(&place, &[]);
    assert!(
        checked.stderr.contains("magicproxy keys rotate") && checked.stderr.contains(&all[0]),
        "{checked:?}"
    );
    place.write(
        "magicproxy.toml",
        &format!("{CONFIG}tokens.deny_kid = ['{}', '{}']", all[0], all[1]),
    );
    let none = place.program(&["keys", "export-public", "--jwks"]).output();
    assert!(none.code == 1 && none.stderr.contains("magicproxy keys rotate"), "{none:?}");
    // Another is made in its place, and the warning goes.
    assert_eq!(place.program(&["keys", "rotate"]).output().code, 0);
    assert!(published().len() == 2 && published().iter().all(|kid| !all.contains(kid)));
    assert!(!check(&place, &[]).stderr.contains("keys rotate"));
}

/// Names, connections, TLS: whatever fails is told with the step, and nothing is sent.
#[test]
fn what_is_connected_to() {
    use std::io::{Read as _, Write as _};
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = open.local_addr().unwrap();
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        // One plain connection, and one that wants TLS.
        for _ in 0..2 {
            let (mut stream, _) = open.accept().unwrap();
            let mut start = [0; 4096];
            let read = stream.read(&mut start).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            heard.push(start[..read].to_vec());
        }
        heard
    });
    let place = Place::with_keys();
    let upstream = |name: &str, root: &str| {
        format!("[upstreams.{name}]\napi_root = '{root}'\npreset = 'none'\n")
    };
    let text = [
        upstream("plain", &format!("http://{address}")),
        upstream("tls", &format!("https://{address}")),
        upstream("closed", "http://127.0.0.1:1"),
        upstream("nowhere", "https://nowhere.invalid"),
        "[state]\nstore = 'valkey'\nurl = 'redis://:ghp_marked@127.0.0.1:1'\n".to_owned(),
    ];
    place.write("magicproxy.toml", &format!("listen = '127.0.0.1:0'\n{}", text.concat()));
    let (code, json) = check_json(&place, &["--connect"]);
    assert_eq!(
        (code, &json["ok"], &json["faults"]),
        (1, &Value::Bool(false), &Value::Array(Vec::new())),
        "{json}"
    );
    let connections: std::collections::BTreeMap<&str, &Value> = json["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|made| (made["what"].as_str().unwrap(), made))
        .collect();
    assert_eq!(connections["upstream plain"]["reached"], true, "{json}");
    for (what, step) in [
        ("upstream tls", "tls"),
        ("upstream closed", "tcp"),
        ("upstream nowhere", "dns"),
        ("state store", "store"),
    ] {
        assert_eq!(
            (&connections[what]["reached"], &connections[what]["step"]),
            (&false.into(), &step.into()),
            "{what}: {json}"
        );
    }
    let reason = connections["upstream tls"]["reason"].as_str().unwrap();
    assert!(reason.contains("does not speak TLS (is its API root `http://`?)"), "{json}");
    let heard = heard.join().unwrap();
    assert!(heard.iter().any(Vec::is_empty), "nothing is sent in clear");
    assert!(
        heard.iter().all(|heard| heard.is_empty() || heard[0] == 0x16),
        "a handshake and nothing else"
    );
    let alone = check_json(&place, &[]);
    assert_eq!(
        (alone.0, alone.1.get("connections")),
        (0, None),
        "without the flag nothing is connected to"
    );
}

/// Whoever leaves the Python program's file behind writes what is shown into the new one: it must mean the same.
#[test]
fn what_is_shown_is_a_configuration_file() {
    let place = Place::with_keys();
    let scopes = r#"{"plain": ["GET /user"], "both": ["GET /a", {"method": "POST", "path": "/a/\\d+/[^\"]+"}]}"#;
    place
        .write("old.json", &format!(r#"{{"api_root": "http://127.0.0.1:1", "scopes": {scopes}}}"#));
    let old = place.program(&["config", "show"]).env("CONFIG_FILE", "old.json").output();
    assert_eq!(old.code, 0, "{old:?}");
    let given: Vec<&str> = old.stdout.lines().filter(|line| !line.ends_with("# default")).collect();
    place.write("magicproxy.toml", &given.join("\n"));
    let checked = check(&place, &[]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let shown = |place: &Place, variable: &str| {
        let output =
            place.program(&["config", "show", "--json"]).env("CONFIG_FILE", variable).output();
        let entries: Value = serde_json::from_str(&output.stdout).unwrap();
        let entries = entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["key"].to_string(), entry["value"].clone()));
        entries.collect::<std::collections::BTreeMap<_, _>>()
    };
    let new = shown(&place, "");
    std::fs::remove_file(place.path("magicproxy.toml")).unwrap();
    assert_eq!(new, shown(&place, "old.json"));
}

/// What keeps a rule's old meaning is offered for rules that it makes right, and for no others.
#[test]
fn prefix_matching_is_no_remedy_for_what_it_does_not_mend() {
    let place = Place::with_keys();
    for rule in ["GET /(?!secret)[^/]+", "FOO /", "GET (a)\\\\1", "GET"] {
        place.write("old.json", &format!(r#"{{"scopes": {{"a": ["{rule}"]}}}}"#));
        let output = place.program(&["config", "check"]).env("CONFIG_FILE", "old.json").output();
        assert_eq!(output.code, 78, "{rule}: {output:?}");
        assert!(!output.stderr.contains("keeps its old meaning"), "{rule}: {output:?}");
    }
    place.write("old.json", r#"{"scopes": {"a": ["GET /repos/*"]}}"#);
    let python = || place.program(&["config", "check"]).env("CONFIG_FILE", "old.json");
    let refused = python().output();
    let mended = python().env("MAGICPROXY_UPSTREAM_DANGER_PREFIX_MATCHING", "true").output();
    assert!(refused.code == 78 && refused.stderr.contains("keeps its old meaning"), "{refused:?}");
    assert_eq!(mended.code, 0, "{mended:?}");
}

/// One address is no network: it is said how it is written as one.
#[test]
fn one_address_that_is_trusted() {
    for (address, network) in [("127.0.0.1", "`127.0.0.1/32`"), ("::1", "`::1/128`")] {
        let place = place(&[], &format!("tokens.trusted_proxies = ['{address}']"));
        let checked = check(&place, &[]);
        assert!(checked.code == 78 && checked.stderr.contains(network), "{checked:?}");
        let more = format!("tokens.trusted_proxies = [{}]", network.replace('`', "'"));
        place.write("magicproxy.toml", &format!("{CONFIG}{more}"));
        assert_eq!(check(&place, &[]).code, 0, "{network}");
    }
}
