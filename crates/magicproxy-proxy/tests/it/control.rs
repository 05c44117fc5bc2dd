//! The control plane, and what the Python program's own integration tests check over HTTP.

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_proxy::services::{RevocationList, Revocations};

use crate::support::{
    CREDENTIAL, Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Token, Upstream,
    events_come, events_named, guard, now, request,
};

async fn mint(proxy: &Proxy, mint_request: &str) -> ClientResponse {
    let lines =
        ["Content-Type: application/json", &format!("Content-Length: {}", mint_request.len())];
    Client::ask(proxy, request("POST /__magictoken", "", &lines, mint_request)).await
}

fn mint_request(rest: &str) -> String {
    format!(r#"{{"token":"{CREDENTIAL}",{rest}}}"#)
}

#[tokio::test]
async fn it_says_what_it_is() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("GET /__magictoken", "", &[], "")).await;
    let text = format!(
        "magic API proxy for http://{} version {}",
        upstream.address,
        magicproxy_proxy::VERSION
    );
    assert_eq!((response.status, response.text()), (200, text.clone()));
    assert_eq!(response.one("content-type"), Some("text/plain; charset=utf-8"));
    let head = Client::ask(&proxy, request("HEAD /__magictoken?x=1", "", &[], "")).await;
    assert_eq!(
        (head.status, head.one("content-length").unwrap()),
        (200, text.len().to_string().as_str())
    );
}

#[tokio::test]
async fn what_is_minted_is_accepted_and_allows_what_was_asked_for() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for rest in [
        r#""allowed":["GET /user"]"#,
        r#""allowed":[{"method":["GET","PUT"],"route":"/{who}"}],"expires_in":60,"aud":"api.test","explain":true"#,
        r#""scope":"reading""#,
        r#""scopes":["reading","writing"]"#,
    ] {
        let minted = mint(&proxy, &mint_request(rest)).await;
        assert_eq!(
            (minted.status, minted.one("content-type")),
            (200, Some("application/jwt")),
            "{}",
            minted.text()
        );
        assert_eq!(minted.one("cache-control"), Some("no-store"));
        let token = minted.text();
        guard(&token);
        assert!(!token.contains(CREDENTIAL));
        assert_eq!(
            Client::ask(&proxy, request("GET /user", &token, &[], "")).await.status,
            200,
            "{rest}"
        );
        assert_eq!(
            Client::ask(&proxy, request("DELETE /user", &token, &[], "")).await.status,
            403,
            "{rest}"
        );
    }
    assert!(
        upstream
            .requests()
            .iter()
            .all(|seen| seen.all("authorization") == [format!("Bearer {CREDENTIAL}")])
    );
}

#[tokio::test]
async fn bad_mint_requests_are_told_every_fault_and_never_their_secret() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mint_requests = [
        String::new(),
        "not json".to_owned(),
        "[]".to_owned(),
        format!(r#"["{CREDENTIAL}"]"#),
        "{}".to_owned(),
        r#"{"allowed":["GET /user"]}"#.to_owned(),
        format!(r#"{{"token":{{"x":"{CREDENTIAL}"}},"allowed":["GET /user"]}}"#),
        format!(r#"{{"token":"{CREDENTIAL}","token":"{CREDENTIAL}","allowed":["GET /user"]}}"#),
        // Misspelt and unknown members.
        mint_request(r#""alowed":["GET /user"]"#),
        mint_request(r#""allowed":["GET /user"],"scopez":[]"#),
        mint_request(r#""allowed":[]"#),
        mint_request(r#""allowed":null"#),
        mint_request(r#""allowed":"GET user""#),
        mint_request(r#""allowed":7"#),
        mint_request(r#""allowed":"GET /user/*""#),
        mint_request(r#""allowed":["GET /user"],"scopes":["reading"]"#),
        mint_request(r#""scopes":[]"#),
        mint_request(r#""scopes":["reading","unknown"]"#),
        mint_request(r#""scopes":"unknown""#),
        mint_request(r#""allowed":["GET /("]"#),
        mint_request(r#""allowed":["GTE /user"]"#),
        mint_request(r#""allowed":["GET user"]"#),
        mint_request(r#""allowed":["CONNECT /user"]"#),
        mint_request(r#""allowed":["GET /((a{0,50}){0,50}){0,50}"]"#),
        mint_request(r#""allowed":["GET /user"],"expires_in":0"#),
        mint_request(r#""allowed":["GET /user"],"expires_in":99999999999"#),
        mint_request(r#""allowed":["GET /user"],"expires_in":"soon""#),
        mint_request(r#""allowed":["GET /user"],"aud":"other.test""#),
        format!(r#"{{"token":"{CREDENTIAL}\r\nX: y","allowed":["GET /user"]}}"#),
        format!(r#"{{"token":"","allowed":["GET /user"],"x":"{CREDENTIAL}"}}"#),
        mint_request(&format!(r#""allowed":[{}]"#, vec![r#""GET /a""#; 1001].join(","))),
    ];
    for mint_request in mint_requests {
        let response = mint(&proxy, &mint_request).await;
        response.assert_rejected(400, "invalid_mint_request");
    }
    let many = mint(
        &proxy,
        &mint_request(r#""allowed":["GTE /a","GET b"],"expires_in":0,"aud":"other.test""#),
    )
    .await;
    assert_eq!(many.json()["errors"].as_array().unwrap().len(), 4, "{}", many.text());
}

#[tokio::test]
async fn mint_requests_are_json_by_their_own_word() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let body = mint_request(r#""allowed":["GET /user"]"#);
    let length = format!("Content-Length: {}", body.len());
    for media in
        ["Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded", "X-A: 1"]
    {
        let response =
            Client::ask(&proxy, request("POST /__magictoken", "", &[media, &length], &body)).await;
        response.assert_rejected(415, "unsupported_media_type");
    }
    let media = "Content-Type: application/JSON; charset=utf-8";
    assert_eq!(
        Client::ask(&proxy, request("POST /__magictoken", "", &[media, &length], &body))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn minting_can_be_closed_and_bounded() {
    let upstream = Upstream::hello().await;
    let closed = Proxy::with(&upstream, |settings| settings.close_mint()).await;
    mint(&closed, &mint_request(r#""allowed":["GET /user"]"#))
        .await
        .assert_rejected(403, "minting_closed");
    let bounded =
        Proxy::with(&upstream, |settings| settings.minting.max_lifetime = Duration::from_secs(60))
            .await;
    mint(&bounded, &mint_request(r#""allowed":["GET /user"],"expires_in":61"#))
        .await
        .assert_rejected(400, "invalid_mint_request");
    assert_eq!(mint(&bounded, &mint_request(r#""allowed":["GET /user"]"#)).await.status, 200);
}

/// A token that would be refused is not minted, and its client is told when to come again.
#[tokio::test]
async fn nothing_is_minted_that_is_revoked() {
    let upstream = Upstream::hello().await;
    let revocations = Arc::new(Revocations::default());
    let proxy =
        Proxy::with(&upstream, |settings| settings.services.revocations = Arc::clone(&revocations))
            .await;
    let ask = async || mint(&proxy, &mint_request(r#""allowed":["GET /user"]"#)).await;
    assert_eq!(ask().await.status, 200);
    revocations.replace(RevocationList {
        before: Some(UnixTime(now() + 31)),
        ..RevocationList::default()
    });
    let response = ask().await;
    response.assert_rejected(503, "minting_suspended");
    assert!((25..=31).contains(&response.one("retry-after").unwrap().parse::<u64>().unwrap()));
    let key = crate::support::keys().current().active().public().id().as_str().to_owned();
    revocations.replace(RevocationList { keys: [key].into(), ..RevocationList::default() });
    let response = ask().await;
    response.assert_rejected(503, "minting_suspended");
    assert_eq!(response.one("retry-after"), None);
    // As soon as it has passed, and where it is none of these, the token is good.
    revocations.replace(RevocationList {
        before: Some(UnixTime(now())),
        keys: ["k".repeat(43)].into(),
        ..RevocationList::default()
    });
    let token = ask().await.text();
    guard(&token);
    assert_eq!(Client::ask(&proxy, request("GET /user", &token, &[], "")).await.status, 200);
}

#[tokio::test]
async fn the_control_path_never_reaches_the_upstream() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for (line, status) in [
        ("DELETE /__magictoken", 405),
        ("GET /__magictoken/", 404),
        ("GET /__magictoken/secrets", 404),
        ("GET /__magictoken/explain", 405),
        ("GET /%5F_magictok%65n/x", 404),
        ("GET /__magictoken/../user", 400),
    ] {
        assert_eq!(
            Client::ask(&proxy, request(line, &token, &[], "")).await.status,
            status,
            "{line}"
        );
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(
        Client::ask(&proxy, request("GET /__magictokens", &token, &[], "")).await.status,
        200
    );
}

#[tokio::test]
async fn a_question_is_answered_to_the_bearer_without_asking_the_upstream() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let ask = async |token: &str, question: &str| {
        let lines =
            ["Content-Type: application/json", &format!("Content-Length: {}", question.len())];
        Client::ask(&proxy, request("POST /__magictoken/explain", token, &lines, question)).await
    };
    let token = Token::allowing(&["GET /user"]).mint();
    let told = ask(&token, r#"{"method":"GET","target":"/user?x"}"#).await;
    assert_eq!(
        (told.json()["decision"].as_str(), told.json()["rule"].as_str()),
        (Some("allowed"), None)
    );
    let denied = ask(&token, r#"{"method":"POST","target":"/user"}"#).await;
    assert_eq!(
        (denied.json()["code"].as_str(), denied.json()["needed"].as_array().unwrap().len()),
        (Some("not_allowed"), 0)
    );
    let explaining = Token::allowing(&["GET /user"]).explaining().mint();
    let denied = ask(&explaining, r#"{"method":"POST","target":"/user"}"#).await;
    assert_eq!(denied.json()["needed"][0], "POST /user");
    let told = ask(&explaining, r#"{"method":"GET","target":"/user"}"#).await;
    assert_eq!(told.json()["rule"], "GET /user");
    ask("", r#"{"method":"GET","target":"/user"}"#).await.assert_rejected(401, "missing_token");
    ask(&token, r#"{"method":"GET","target":"/a/../user"}"#)
        .await
        .assert_rejected(400, "target_dot_segment");
    ask(&token, r#"{"method":"GET","path":"/user"}"#)
        .await
        .assert_rejected(400, "invalid_explain_request");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn as_in_the_python_programs_own_tests() {
    // Its upstream is GitHub, which answers 401 to a credential that is wrong.
    let upstream = Upstream::scripted(|seen| {
        if seen.all("authorization") == [format!("Bearer {CREDENTIAL}")] {
            Reply::ok(r#"{"login":"octocat"}"#)
        } else {
            Reply::with("401 Unauthorized", &[], r#"{"message":"Bad credentials"}"#)
        }
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let about = Client::ask(&proxy, request("GET /__magictoken", "", &[], "")).await;
    assert!(about.text().starts_with("magic API proxy for "));
    assert_eq!(mint(&proxy, r#"{"wrong":"x"}"#).await.status, 400);
    for (credential, status) in [(CREDENTIAL, 200), ("ghp_wrongwrongwrong", 401)] {
        let minted =
            mint(&proxy, &format!(r#"{{"token":"{credential}","allowed":["GET /user"]}}"#)).await;
        let response = Client::ask(&proxy, request("GET /user", &minted.text(), &[], "")).await;
        assert_eq!(
            (response.status, response.one("x-magic-api-proxy")),
            (status, Some(magicproxy_proxy::VERSION))
        );
        assert_eq!(
            Client::ask(&proxy, request("GET /users", &minted.text(), &[], "")).await.status,
            403
        );
        assert_eq!(
            Client::ask(&proxy, request("PUT /user", &minted.text(), &[], "")).await.status,
            403
        );
    }
    assert_eq!(Client::ask(&proxy, request("GET /user", CREDENTIAL, &[], "")).await.status, 401);
}

/// A mint leaves one line: which token, for whom, until when, for what, from where. Never the credential, though it stands in
/// a rule.
#[tokio::test]
async fn a_mint_leaves_one_line() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let escaped = CREDENTIAL.replace('_', "\\\\_");
    let rest = [
        r#""allowed":["GET /logged/[0-9]+","PUT /logged"],"sub":"ci/logged-1","expires_in":60"#
            .to_owned(),
        r#""scopes":["reading","writing"],"sub":"ci/logged-2""#.to_owned(),
        format!(r#""allowed":["GET /bot{CREDENTIAL}/send"],"sub":"ci/logged-3""#),
        format!(r#""allowed":["GET /bot{escaped}/send"],"sub":"ci/logged-4""#),
        format!(r#""allowed":["GET /{}"],"sub":"ci/logged-5""#, "a".repeat(2_000)),
    ];
    for rest in &rest {
        let minted = mint(&proxy, &mint_request(rest)).await;
        assert_eq!(minted.status, 200, "{}", minted.text());
        let token = minted.text();
        guard(&token);
        // The name is in the log of every request, too.
        assert_eq!(Client::ask(&proxy, request("GET /never", &token, &[], "")).await.status, 403);
    }
    let parts: [(&str, &[&str]); 5] = [
        (
            "ci/logged-1",
            &[
                "rules=2",
                "allows=\"GET /logged/[0-9]+, PUT /logged\"",
                "upstream=\"api.test\"",
                "peer=\"127.0.0.1\"",
                "jti=",
                "expires_at=",
            ],
        ),
        ("ci/logged-2", &["rules=2", "allows=\"scope reading, scope writing\""]),
        ("ci/logged-3", &["rules=1", "allows=\"(hidden: a rule holds the credential)\""]),
        ("ci/logged-4", &["rules=1", "allows=\"(hidden: a rule holds the credential)\""]),
        ("ci/logged-5", &["rules=1", "aaa…\""]),
    ];
    for (sub, parts) in parts {
        let named = format!("sub=\"{sub}\"");
        events_come(1, &["minted a token", &named]).await;
        let lines = events_named(&["minted a token", &named]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        parts.iter().for_each(|part| assert!(lines[0].contains(part), "{part} in {lines:?}"));
        assert!(lines[0].len() < 1_000, "{lines:?}");
        events_come(1, &["decision=\"not_allowed\"", &named]).await;
    }
    for bad in [r#""sub":"a,b""#, r#""sub":"""#, r#""sub":null"#, r#""sub":1"#] {
        let refused =
            mint(&proxy, &mint_request(&format!(r#""allowed":["GET /user"],{bad}"#))).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.text());
    }
}

#[tokio::test]
async fn the_log_says_where_a_credential_is_weak() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for (credential, sub, weakness) in [
        ("powerdns", "ci/weak-1", "weak_credential=\"word\""),
        ("k3yk3yk3y", "ci/weak-2", "weak_credential=\"short\""),
        ("k3y", "ci/weak-3", "weak_credential=\"unmasked\""),
        ("Zx81mK0c9QdW7b4TtY2e", "ci/weak-4", ""),
    ] {
        let minted = mint(
            &proxy,
            &format!(r#"{{"token":"{credential}","allowed":["GET /user"],"sub":"{sub}"}}"#),
        )
        .await;
        assert_eq!(minted.status, 200, "{}", minted.text());
        let parts = ["minted a token", sub];
        events_come(1, &parts).await;
        let line = events_named(&parts).remove(0);
        assert!(
            line.contains(weakness) && line.contains("weak_credential") != weakness.is_empty(),
            "{line}"
        );
    }
}
