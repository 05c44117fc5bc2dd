//! The lines of the log as an operator reads them: from where a request came, which token was made of which, what is left of
//! limits; and nothing that a request could forge.

use std::sync::Arc;

use magicproxy_core::Network;
use magicproxy_core::state::StateStore;
use magicproxy_state::MemoryStore;
use serde_json::{Value, json};

use crate::support::{Client, Proxy, Token, Upstream, events_come, events_named, guard, request};

/// The one line of a request to this path.
async fn line_of(path: &str) -> String {
    let named = format!("path={path:?}");
    events_come(1, &[&named, "decision="]).await;
    let lines = events_named(&[&named, "decision="]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

/// The value of a field: a text in quotes, or a word.
fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let start = line
        .find(&format!(" {name}="))
        .or_else(|| line.starts_with(&format!("{name}=")).then_some(0))?;
    let value = line[start..].split_once('=').unwrap().1;
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split(' ').next(),
    }
}

#[tokio::test]
async fn a_line_says_whose_connection_it_was_and_believes_trusted_proxies_alone() {
    let upstream = Upstream::hello().await;
    let stranger = Proxy::before(&upstream).await;
    let trusting = Proxy::with(&upstream, |settings| {
        settings.trusted_proxies.networks = vec![Network::parse("127.0.0.1/32").unwrap()]
    })
    .await;
    let token = Token::allowing(&["GET /whence/.*"]).mint();
    let fields: [(&str, &[&str], Option<&str>); 8] = [
        ("none", &[], None),
        ("one", &["X-Forwarded-For: 192.0.2.7"], Some("192.0.2.7")),
        // What the client wrote before the proxy in front proves nothing.
        ("last", &["X-Forwarded-For: 203.0.113.1, 192.0.2.8"], Some("192.0.2.8")),
        ("port", &["X-Forwarded-For: 192.0.2.9:4711"], Some("192.0.2.9")),
        ("standard", &["Forwarded: for=\"[2001:db8::1]:99\""], Some("2001:db8::1")),
        ("mapped", &["X-Forwarded-For: ::ffff:192.0.2.10"], Some("192.0.2.10")),
        ("both", &["X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.8"], None),
        ("forged", &["X-Forwarded-For: root\" decision=\"allowed"], None),
    ];
    for (name, lines, client) in fields {
        for (kind, token) in [("known", token.as_str()), ("unknown", "")] {
            let path = format!("/whence/{name}/{kind}");
            let asked = request(&format!("GET {path}/s"), token, lines, "");
            Client::ask(&stranger, &asked).await;
            let line = line_of(&format!("{path}/s")).await;
            assert_eq!(
                (field(&line, "peer"), field(&line, "client")),
                (Some("127.0.0.1"), None),
                "{line}"
            );
            let asked = request(&format!("GET {path}/t"), token, lines, "");
            Client::ask(&trusting, &asked).await;
            let line = line_of(&format!("{path}/t")).await;
            assert_eq!(
                (field(&line, "peer"), field(&line, "client")),
                (Some("127.0.0.1"), client),
                "{line}"
            );
            assert!(!line.contains("root"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_token_made_of_another_leaves_one_line_with_both() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.trusted_proxies.networks = vec![Network::parse("127.0.0.1/32").unwrap()]
    })
    .await;
    let ask = async |path: &str, token: &str, body: &str| {
        let lines = [
            "Content-Type: application/json",
            "X-Forwarded-For: 192.0.2.7",
            &format!("Content-Length: {}", body.len()),
        ];
        let path = format!("POST /__magictoken/{path}");
        Client::ask(&proxy, request(&path, token, &lines, body)).await
    };
    let parent = Token::allowing(&["GET /a/.*"]).mint();
    let caveat = json!({ "caveat": { "sub": "log-agent-7", "allowed": ["GET /a/1", "GET /a/2"], "exp": 4_000_000_000_u64 } });
    let narrowed = ask("narrow", &parent, &caveat.to_string()).await;
    assert_eq!(narrowed.status, 200, "{}", narrowed.text());
    let child = narrowed.text();
    guard(&child);
    events_come(1, &["narrowed a token", "log-agent-7"]).await;
    let lines = events_named(&["narrowed a token", "log-agent-7"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    for (name, value) in [
        ("peer", "127.0.0.1"),
        ("client", "192.0.2.7"),
        ("version", "v1"),
        ("sub", "->log-agent-7"),
        ("rules", "2"),
        ("upstream", "api.test"),
    ] {
        assert_eq!(field(line, name), Some(value), "{name} in {line}");
    }
    // The rules may hold the credential.
    assert!(!line.contains("GET /a"), "{line}");
    for name in ["jti", "kid", "owner", "chain", "parent", "expires_at", "request_id"] {
        assert!(field(line, name).is_some_and(|value| !value.is_empty()), "{name} in {line}");
    }
    assert_ne!(field(line, "chain"), field(line, "parent"));
    assert_ne!(field(line, "expires_at"), Some("4000000000"), "a caveat prolongs nothing: {line}");

    // The lines of both tokens' requests have these chains, and one owner.
    for (token, path, chain) in [(child.as_str(), "/a/1", "chain"), (&parent, "/a/9", "parent")] {
        let path = format!("{path}?log");
        assert!(
            Client::ask(&proxy, request(&format!("GET {path}"), token, &[], "")).await.status < 500
        );
        let chain = format!("chain={}", field(line, chain).unwrap());
        events_come(1, &[&chain, "decision="]).await;
        let asked = events_named(&[&chain, "decision=", "path=\"/a/"]);
        assert!(
            asked.iter().all(|asked| field(asked, "owner") == field(line, "owner")),
            "{asked:?}"
        );
    }

    let resealed = ask("reseal", &child, "").await;
    assert_eq!(resealed.status, 200, "{}", resealed.text());
    events_come(1, &["sealed a token anew", "log-agent-7"]).await;
    assert_eq!(events_named(&["sealed a token anew", "log-agent-7"]).len(), 1);
    // Nothing was made, nothing is told.
    ask("narrow", &parent, r#"{"caveat":{"sub":"log-refused","x":1}}"#)
        .await
        .assert_rejected(400, "invalid_caveat");
    ask("narrow", "", r#"{"caveat":{"sub":"log-refused"}}"#)
        .await
        .assert_rejected(401, "missing_token");
    assert!(events_named(&["narrowed a token", "log-refused"]).is_empty());
}

#[tokio::test]
async fn a_line_has_what_is_left_of_each_limit() {
    let upstream = Upstream::hello().await;
    let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    let proxy = Proxy::with(&upstream, |setup| setup.services.state = Some(store)).await;
    let rules =
        json!([{ "method": "GET", "path": "/left/.*", "limit": { "requests": 2, "per": "1h" } }]);
    let token = Token::ruled(&rules).limited("total=9").mint();
    let mut seen = Vec::new();
    for number in 1..=3 {
        let path = format!("/left/{number}");
        Client::ask(&proxy, request(&format!("GET {path}"), &token, &[], "")).await;
        let line = line_of(&path).await;
        let text = line.split_once("limits=").unwrap().1.split_once(' ').unwrap().0;
        seen.push(serde_json::from_str::<Value>(text).unwrap());
    }
    assert_eq!(
        seen[..2],
        [
            json!([{ "limit": "requests=2/1h", "left": 1 }, { "limit": "total=9", "left": 8 }]),
            json!([{ "limit": "requests=2/1h", "left": 0 }, { "limit": "total=9", "left": 7 }]),
        ]
    );
    let refused = &seen[2][0];
    assert_eq!((&refused["limit"], &refused["left"]), (&json!("requests=2/1h"), &json!(0)));
    assert!(
        refused["retry_after"].as_u64().is_some_and(|after| (1..=3_660).contains(&after)),
        "{refused}"
    );
    // Without limits there is nothing to tell.
    Client::ask(&proxy, request("GET /left-alone", &Token::any(), &[], "")).await;
    assert!(!line_of("/left-alone").await.contains("limits="));
}

/// Nobody writes into the log: what a request brings is escaped, cut or not shown.
#[tokio::test]
async fn no_request_forges_a_line() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for (path, shown) in [
        ("/forge/%0a%0dx", None),
        ("/forge/%1b%5b2J", None),
        ("/forge/%e2%80%aex", Some("/forge/%E2%80%AEx")),
        ("/forge/%22%20decision=%22allowed", Some("/forge/%22%20decision=%22allowed")),
    ] {
        let asked = request(&format!("GET {path}?forge=1"), "", &["X-Log: \"} smuggled-by-a-field"], "");
        let status = Client::ask(&proxy, asked).await.status;
        match shown {
            Some(shown) => {
                let line = line_of(shown).await;
                assert!(line.contains("decision=\"missing_token\""), "{line}");
            }
            None => assert_eq!(status, 400, "{path}"),
        }
    }
    assert!(events_named(&["smuggled-by-a-field"]).is_empty() && events_named(&["forge=1"]).is_empty());
}
