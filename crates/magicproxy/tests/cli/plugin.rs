//! `plugin`: components that are checked, tried and listed, and what is said of Python's.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::exchange;
use super::ports::reserved_port;
use super::program::{Place, SECRET};

fn example(file: &str) -> String {
    format!("{}/../../examples/plugins/{file}", env!("CARGO_MANIFEST_DIR"))
}

const POST: &str = r#"{"method": "POST", "path": "/v2/domains/example.com/records",
    "body": {"type": "TXT", "name": "_acme-challenge", "data": "x"}}"#;
const CREATED: &str = r#"{"status": 201, "body": {"domain_record": {"id": 7}}}"#;
const DELETE: &str = r#"{"method": "DELETE", "path": "/v2/domains/example.com/records/7"}"#;

#[test]
fn check() {
    let place = Place::with_keys();
    let checked = place
        .program(&["plugin", "check", &example("do_lets_encrypt/do_lets_encrypt.wasm")])
        .output();
    assert_eq!(checked.code, 0, "{checked:?}");
    for part in [
        "magicproxy:plugin@1.0.0",
        "magicproxy:plugin/state@1.0.0",
        "request bodies, answers, response bodies",
    ] {
        assert!(checked.stdout.contains(part), "{part} in {checked:?}");
    }
    place.write("junk.wasm", "junk");
    let refused = place.program(&["plugin", "check", "junk.wasm"]).output();
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("not a component that can be run"), "{refused:?}");
}

#[test]
fn run_with_state() {
    let place = Place::with_keys();
    for (file, content) in [("post.json", POST), ("created.json", CREATED), ("delete.json", DELETE)]
    {
        place.write(file, content);
    }
    let component = example("do_lets_encrypt/do_lets_encrypt.wasm");
    let run = |rest: &[&str]| {
        let command = [&["plugin", "run", &component, "--state", "state.json"], rest].concat();
        place.program(&command).output()
    };
    assert!(run(&["--request", "delete.json"]).stdout.contains("request   abstain"));
    let created = run(&["--request", "post.json", "--response", "created.json"]);
    assert!(
        created.stdout.contains("request   allow") && created.stdout.contains("response  recorded"),
        "{created:?}"
    );
    assert!(created.stdout.contains("info: record 7 of example.com was created"), "{created:?}");
    assert!(run(&["--request", "delete.json"]).stdout.contains("request   allow"));
    let json = run(&["--request", "delete.json", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["request"]["verdict"], &json["state"]["example.com/7"]),
        (&"allow".into(), &"created".into())
    );
}

#[test]
fn run_a_denial() {
    let place = Place::with_keys();
    place.write("get.json", r#"{"method": "GET", "path": "/"}"#);
    let component = example("business_hours/business_hours.wasm");
    let command = [
        "plugin",
        "run",
        &component,
        "--request",
        "get.json",
        "--config",
        "mon-fri 08:00-18:00 +00:00",
        "--now",
        "0",
    ];
    let denied = place.program(&command).output();
    assert_eq!(denied.code, 3, "{denied:?}");
    assert!(denied.stdout.contains("request   deny: outside of business hours"), "{denied:?}");
}

#[test]
fn list_and_serve() {
    let place = Place::with_keys();
    let configuration = |file: &str| {
        format!("plugin_cache = \"cache\"\n[plugins.hours]\nfile = \"{file}\"\nconfig = \"x\"\n")
    };
    place.write("magicproxy.toml", &configuration(&example("business_hours/business_hours.wasm")));
    let listed = place.program(&["plugin", "list"]).output();
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(
        listed.stdout.contains("hours  ") && listed.stdout.contains("on failure: deny"),
        "{listed:?}"
    );
    place.write("magicproxy.toml", &configuration("none.wasm"));
    let refused = place.program(&["serve"]).output();
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("plugin `hours`"), "{refused:?}");
}

#[test]
fn import() {
    let place = Place::with_keys();
    place.write(
        "old.py",
        "import redis\ndef response_callback(method, path, content, code, headers):\n    pass\n",
    );
    let imported = place.program(&["plugin", "import", "old.py", "--out", "new"]).output();
    assert_eq!(imported.code, 0, "{imported:?}");
    assert!(
        imported.stdout.contains("[plugins.my_plugin]")
            && imported.stdout.contains("import redis: "),
        "{imported:?}"
    );
    let again = place.program(&["plugin", "import", "old.py", "--out", "new"]).output();
    assert_eq!(again.code, 1, "nothing is overwritten: {again:?}");
    place.write("other.py", "x = 1\n");
    assert_eq!(place.program(&["plugin", "import", "other.py"]).output().code, 2);
}

/// An API that makes record 7, and says yes to everything else. It ends with the process.
fn api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut request) {
                    let created = r#"{"domain_record":{"id":7}}"#;
                    let response = if request[..read].starts_with(b"POST") {
                        let head = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n";
                        format!("{head}Content-Length: {}\r\n\r\n{created}", created.len())
                    } else {
                        "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
                    };
                    stream.write_all(response.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

/// The seed's example through a running proxy: the state is the proxy's own file.
#[test]
fn a_scope_asks_a_plugin_which_remembers_what_was_made() {
    let place = Place::with_keys();
    let api = api();
    let port = reserved_port();
    let address = format!("127.0.0.1:{port}");
    place.write(
        "magicproxy.toml",
        &format!(
            "listen = \"{address}\"\nplugin_cache = \"cache\"\nupstream.api_root = \"http://{api}\"\nkeys.folder = \"keys\"\n\
             [plugins.acme]\nfile = \"{}\"\ntime_limit = \"5s\"\n[scopes]\nacme = [{{ plugin = \"acme\" }}]\n",
            example("do_lets_encrypt/do_lets_encrypt.wasm")
        ),
    );
    let serving = place.program(&["serve"]).spawn();
    let mint = || {
        let mint_request = format!(r#"{{"token": "{SECRET}", "scope": "acme"}}"#);
        let head = format!(
            "host: {address}\r\ncontent-type: application/json\r\ncontent-length: {}",
            mint_request.len()
        );
        let minted = exchange(
            &address,
            &format!(
                "POST /__magictoken HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n{mint_request}"
            ),
        );
        minted.lines().last().unwrap_or_default().to_owned()
    };
    let ask = |token: &str, line: &str, body: &str| {
        let head = format!(
            "host: {address}\r\nauthorization: Bearer {token}\r\ncontent-length: {}",
            body.len()
        );
        let response = exchange(
            &address,
            &format!("{line} HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n{body}"),
        );
        response.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let (mine, other) = (mint(), mint());
    let record =
        |name: &str, kind: &str| format!(r#"{{"type":"{kind}","name":"{name}","data":"x"}}"#);
    let create = "POST /v2/domains/example.com/records";
    assert_eq!(ask(&mine, create, &record("_acme-challenge", "MX")), "403");
    assert_eq!(ask(&mine, create, &record("www", "TXT")), "403");
    assert_eq!(ask(&mine, "DELETE /v2/domains/example.com/records/7", ""), "403", "not made yet");
    assert_eq!(ask(&mine, create, &record("_acme-challenge", "TXT")), "201");
    assert_eq!(
        ask(&other, "DELETE /v2/domains/example.com/records/7", ""),
        "403",
        "somebody else's"
    );
    assert_eq!(ask(&mine, "DELETE /v2/domains/example.com/records/8", ""), "403");
    assert_eq!(ask(&mine, "DELETE /v2/domains/example.com/records/7", ""), "204");
    assert_eq!(ask(&mine, "DELETE /v2/domains/example.com/records/7", ""), "403", "gone");
    let ended = serving.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(place.names(".").contains(&"state.redb".to_owned()), "{:?}", place.names("."));
}

/// What `serve` refuses, `config check` finds: a component that is missing, and one that is none.
#[test]
fn config_check_loads_plugins() {
    let place = Place::with_keys();
    place.write("junk.wasm", "junk");
    for file in ["missing.wasm", "junk.wasm"] {
        place.write(
            "magicproxy.toml",
            &format!("listen = '127.0.0.1:0'\nplugins.p.file = '{file}'\n"),
        );
        for command in [&["serve"][..], &["config", "check"]] {
            let refused = place.program(command).output();
            assert_eq!(refused.code, 78, "{refused:?}");
            assert!(
                refused.stderr.contains("plugin `p`") && refused.stderr.contains(file),
                "{refused:?}"
            );
        }
    }
}

/// `explain` asks no plugin, and says so.
#[test]
fn explain_tells_of_plugins() {
    let place = Place::with_keys();
    let component = example("business_hours/business_hours.wasm");
    place.write(
        "magicproxy.toml",
        &format!("scopes.office = ['GET /user', {{ plugin = 'hours' }}]\nplugins.hours.file = '{component}'\n"),
    );
    let minted = place
        .program(&["mint", "--credential-env", "SECRET", "--scope", "office"])
        .env("SECRET", SECRET)
        .output();
    let token = minted.stdout.trim();
    for (path, code) in [("/user", 0), ("/other", 3)] {
        let told = place.program(&["explain", token, "GET", path]).output();
        assert_eq!(told.code, code, "{told:?}");
        assert!(
            told.stdout.contains("the plugins `hours` decide as well, which are not asked here"),
            "{told:?}"
        );
        let json = place.program(&["explain", token, "GET", path, "--json"]).output();
        let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(
            (&json["plugins"][0], &json["plugins_asked"]),
            (&"hours".into(), &false.into()),
            "{json}"
        );
    }
}
