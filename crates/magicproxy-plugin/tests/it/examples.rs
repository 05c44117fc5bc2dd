//! The examples, as they lie in the repository, against scripted exchanges.

use std::path::Path;

use magicproxy_core::UnixTime;
use magicproxy_core::plugin::{PluginHost, PluginRequest, Verdict};

use crate::guests::{Fixture, examples, request, response, run, scope, wit};

fn example(file: &str, config: Option<&str>) -> Fixture {
    let bytes = std::fs::read(examples().join(file)).unwrap();
    assert!(bytes.len() < 1024 * 1024, "{} bytes", bytes.len());
    Fixture::with(&bytes, |plugin| plugin.config = config.map(Into::into))
}

fn create(path: &str, body: &str) -> PluginRequest {
    PluginRequest { body: Some(body.as_bytes().into()), ..request("POST", path) }
}

const RECORDS: &str = "/v2/domains/example.com/records";
const CHALLENGE: &str = r#"{"type": "TXT", "name": "_acme-challenge.www", "data": "x", "ttl": 30}"#;
const CREATED: &str =
    r#"{"domain_record": {"id": 28448433, "type": "TXT", "name": "_acme-challenge.www"}}"#;

async fn asked(fixture: &Fixture, request: &PluginRequest, owner: &str) -> Verdict {
    fixture.host.decide(&fixture.name, request, scope(owner)).await
}

/// Every example of this plugin, whatever it is written in.
#[track_caller]
fn do_lets_encrypt(file: &str) {
    run(issues_and_cleans_up(&example(file, None)));
    run(deletes_nothing_else(&example(file, None)));
    run(creates_nothing_else(&example(file, None)));
    run(keeps_to_its_domains(&example(file, Some("example.com example.org"))));
}

async fn issues_and_cleans_up(plugin: &Fixture) {
    let (post, delete) =
        (create(RECORDS, CHALLENGE), request("DELETE", "/v2/domains/example.com/records/28448433"));
    assert_eq!(asked(plugin, &delete, "one").await, Verdict::Abstain);
    assert_eq!(asked(plugin, &post, "one").await, Verdict::Allow);
    assert!(plugin.host.observe(&plugin.name, &post, &response(201, CREATED), scope("one")).await);
    assert_eq!(asked(plugin, &delete, "one").await, Verdict::Allow);
    assert_eq!(asked(plugin, &delete, "two").await, Verdict::Abstain);
    let elsewhere = request("DELETE", "/v2/domains/example.org/records/28448433");
    assert_eq!(asked(plugin, &elsewhere, "one").await, Verdict::Abstain);
    // It is still there after a response that says so, and gone after one that says that.
    assert!(plugin.host.observe(&plugin.name, &delete, &response(500, ""), scope("one")).await);
    assert_eq!(asked(plugin, &delete, "one").await, Verdict::Allow);
    assert!(plugin.host.observe(&plugin.name, &delete, &response(204, ""), scope("one")).await);
    assert_eq!(asked(plugin, &delete, "one").await, Verdict::Abstain);
    assert_eq!(plugin.store.len(), 0);
}

async fn deletes_nothing_else(plugin: &Fixture) {
    let post = create(RECORDS, CHALLENGE);
    for status in [200, 202, 401, 422, 500] {
        plugin.host.observe(&plugin.name, &post, &response(status, CREATED), scope("one")).await;
    }
    // Another rule allowed this one.
    let mx = create(
        RECORDS,
        r#"{"type": "MX", "name": "@", "data": "mail.example.com.", "priority": 10}"#,
    );
    assert!(plugin.host.observe(&plugin.name, &mx, &response(201, CREATED), scope("one")).await);
    assert_eq!(plugin.store.len(), 0);
    // What was made and cannot be remembered is not passed over.
    for content in ["", "{}", "[]", r#"{"domain_record": {}}"#, r#"{"domain_record": {"id": "1"}}"#]
    {
        assert!(
            !plugin.host.observe(&plugin.name, &post, &response(201, content), scope("one")).await,
            "{content}"
        );
    }
    plugin.host.observe(&plugin.name, &post, &response(201, CREATED), scope("one")).await;
    for path in [
        "",
        "/",
        "/2844843",
        "/284484330",
        "/x",
        "/28448433/x",
        "/-1",
        "/28448433.0",
        "/99999999999999999999999",
    ] {
        assert_eq!(
            asked(plugin, &request("DELETE", &format!("{RECORDS}{path}")), "one").await,
            Verdict::Abstain,
            "{path}"
        );
    }
    for method in ["GET", "PUT", "PATCH", "delete"] {
        assert_eq!(
            asked(plugin, &request(method, &format!("{RECORDS}/28448433")), "one").await,
            Verdict::Abstain
        );
    }
    let queried = PluginRequest {
        query: Some("x=1".to_owned()),
        ..request("DELETE", &format!("{RECORDS}/28448433"))
    };
    assert_eq!(asked(plugin, &queried, "one").await, Verdict::Abstain);
}

async fn creates_nothing_else(plugin: &Fixture) {
    for body in [
        "",
        "{}",
        "[]",
        "{",
        r#"{"type": "A", "name": "_acme-challenge", "data": "1.2.3.4"}"#,
        r#"{"type": "TXT", "name": "@", "data": "x"}"#,
        r#"{"type": "TXT", "name": "_acme-challengex", "data": "x"}"#,
        r#"{"type": "TXT", "name": "www._acme-challenge", "data": "x"}"#,
        r#"{"type": "TXT", "name": ["_acme-challenge"], "data": "x"}"#,
        r#"{"type": "A", "type": "TXT", "name": "_acme-challenge", "data": "x"}"#,
        r#"{"type": "TXT", "type": "A", "name": "_acme-challenge", "data": "x"}"#,
        r#"{"type": "TXT", "name": "_acme-challenge", "name": "@", "data": "x"}"#,
        r#"{"type": "TXT", "name": "_acme-challenge", "data": "x", "surprise": 1}"#,
        r#"{"type": "TXT", "name": "_acme-challenge", "data": "x"} {}"#,
    ] {
        assert_eq!(asked(plugin, &create(RECORDS, body), "one").await, Verdict::Abstain, "{body}");
    }
    for path in [
        "/v2/domains",
        "/v2/domains/example.com",
        "/v2/domains//records",
        "/v2/domains/a/b/records",
        "/v2/droplets",
    ] {
        assert_eq!(
            asked(plugin, &create(path, CHALLENGE), "one").await,
            Verdict::Abstain,
            "{path}"
        );
    }
    // A body that it was not shown, for its length.
    assert_eq!(asked(plugin, &request("POST", RECORDS), "one").await, Verdict::Abstain);
    for body in [
        r#"{"type": "TXT", "name": "_acme-challenge", "data": "x"}"#,
        r#"{"type":"TXT","name":"_acme-challenge.a.b","data":"\"x\"","ttl":30,"priority":null,"port":null,"weight":0,"tag":null}"#,
    ] {
        assert_eq!(asked(plugin, &create(RECORDS, body), "one").await, Verdict::Allow, "{body}");
    }
}

async fn keeps_to_its_domains(plugin: &Fixture) {
    assert_eq!(
        asked(plugin, &create("/v2/domains/example.org/records", CHALLENGE), "one").await,
        Verdict::Allow
    );
    for other in ["example.net", "example", "example.com.evil.test", ""] {
        let path = format!("/v2/domains/{other}/records");
        assert_eq!(
            asked(plugin, &create(&path, CHALLENGE), "one").await,
            Verdict::Abstain,
            "{other}"
        );
    }
}

#[test]
fn do_lets_encrypt_in_rust() {
    do_lets_encrypt("do_lets_encrypt/do_lets_encrypt.wasm");
}

#[test]
fn do_lets_encrypt_in_assemblyscript() {
    do_lets_encrypt("do_lets_encrypt_as/do_lets_encrypt_as.wasm");
}

#[test]
fn business_hours() {
    let plugin = example("business_hours/business_hours.wasm", Some("mon-fri 08:00-18:00 +01:00"));
    // 2026-11-26 was a Thursday.
    let thursday = 1_795_651_200;
    let (hour, day) = (3600, 86400);
    for (at, open) in [
        (thursday + 12 * hour, true),
        (thursday + 7 * hour, true),
        (thursday + 7 * hour - 1, false),
        (thursday + 17 * hour - 1, true),
        (thursday + 17 * hour, false),
        (thursday + day + 12 * hour, true),
        (thursday + 2 * day + 12 * hour, false),
        (thursday + 3 * day + 12 * hour, false),
        (thursday + 4 * day + 12 * hour, true),
        (0, false),
    ] {
        let scope = magicproxy_core::plugin::PluginScope { now: UnixTime(at), ..scope("one") };
        let verdict = run(plugin.host.decide(&plugin.name, &request("GET", "/"), scope));
        assert_eq!(verdict == Verdict::Abstain, open, "{at}: {verdict:?}");
    }
    for config in [
        None,
        Some(""),
        Some("always"),
        Some("mon-fri 8:00-18:00 +01:00"),
        Some("fri-mon 08:00-18:00 +00:00"),
    ] {
        let plugin = example("business_hours/business_hours.wasm", config);
        let verdict = run(asked(&plugin, &request("GET", "/"), "one"));
        assert!(
            matches!(&verdict, Verdict::Deny(reason) if reason.starts_with("config: expected")),
            "{verdict:?}"
        );
    }
}

#[test]
fn template() {
    let plugin = example("template/my_plugin.wasm", None);
    assert_eq!(run(asked(&plugin, &request("GET", "/hello"), "one")), Verdict::Allow);
    let report = run(plugin.host.ask(&plugin.name, &request("GET", "/other"), scope("one")));
    assert_eq!((report.outcome, report.lines.len()), (Ok(Verdict::Abstain), 1));
}

#[test]
fn the_template_has_the_contract() {
    let ours = std::fs::read_to_string(wit().join("plugin.wit")).unwrap();
    assert_eq!(std::fs::read_to_string(examples().join("template/wit/plugin.wit")).unwrap(), ours);
}

/// What was built here says nothing of where.
#[test]
fn no_paths_in_components() {
    let found: Vec<_> =
        std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let components = found
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let components: Vec<_> =
        components.map(|entry| entry.unwrap().path()).filter(|path| is_component(path)).collect();
    assert!(components.len() >= 4, "{components:?}");
    for path in components {
        let bytes = std::fs::read(&path).unwrap();
        for place in ["/root/", "/home/", "/work/", ".cargo/"] {
            assert!(
                !bytes.windows(place.len()).any(|window| window == place.as_bytes()),
                "{}: {place}",
                path.display()
            );
        }
    }
}

fn is_component(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}
