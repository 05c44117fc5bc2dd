//! No secret in logs, refusals and panics. Every test of this binary is watched (`support::watch`); these show that the
//! watch sees, and walk through what could leak.

use crate::support::{
    CREDENTIAL, Client, Proxy, Reply, Token, Upstream, assert_clean, events_named, has_secret, now,
    request,
};

#[test]
fn the_watch_knows_credentials_tokens_and_signatures() {
    let token = Token::any();
    let signature = token.rsplit('.').next().unwrap();
    for text in [CREDENTIAL, &token, signature] {
        assert!(has_secret(&format!("a {text} b")));
    }
    assert!(!has_secret("nothing"));
}

#[tokio::test]
async fn the_watch_sees_the_log() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::allowing(&["GET /watched/.*"]).mint();
    Client::ask(&proxy, request("GET /watched/x?secret=query", &token, &[], "")).await;
    Client::ask(&proxy, request("POST /watched/y", &token, &[], "")).await;
    crate::support::soon(async {
        while events_named(&["/watched/"]).len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let allowed = events_named(&["path=\"/watched/x\""]);
    for part in [
        "decision=\"allowed\"",
        "method=\"GET\"",
        "status=200",
        "rule=\"GET /watched/.*\"",
        "upstream=\"api.test\"",
        "jti=",
        "version=\"v1\"",
        "kid=",
        "owner=",
        "chain=",
        "bytes_out=5",
    ] {
        assert!(allowed[0].contains(part), "{part}: {allowed:?}");
    }
    assert!(!allowed[0].contains("query"), "{allowed:?}");
    assert!(events_named(&["path=\"/watched/y\""])[0].contains("decision=\"not_allowed\""));
}

#[tokio::test]
async fn whatever_goes_wrong_shows_no_secret() {
    let upstream = Upstream::scripted(|seen| match seen.target.as_str() {
        "/closed" => Reply::last(""),
        "/garbage" => Reply::bytes(format!("{CREDENTIAL}\r\n\r\n")),
        "/garbage-field" => {
            Reply::bytes(format!("HTTP/1.1 200 OK\r\n{CREDENTIAL}\0: {CREDENTIAL}\r\n\r\n"))
        }
        "/two-lengths" => {
            Reply::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {CREDENTIAL}\r\n\r\n"))
        }
        "/coding" => {
            Reply::bytes(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {CREDENTIAL}\r\n\r\n"))
        }
        "/switch" => {
            Reply::bytes(format!("HTTP/1.1 101 {CREDENTIAL}\r\nUpgrade: {CREDENTIAL}\r\n\r\n"))
        }
        "/cut" => Reply::last(format!(
            "HTTP/1.1 200 OK\r\nX-A: {CREDENTIAL}\r\nContent-Length: 100\r\n\r\n{CREDENTIAL}"
        )),
        "/chunk" => Reply::bytes(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{CREDENTIAL}\r\n"
        )),
        _ => Reply::ok("hello"),
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for target in [
        "/closed",
        "/garbage",
        "/garbage-field",
        "/two-lengths",
        "/coding",
        "/switch",
        "/cut",
        "/chunk",
        "/",
    ] {
        for line in ["GET", "POST"] {
            let mut client = Client::connect(&proxy).await;
            client
                .send(request(&format!("{line} {target}"), &token, &["Connection: close"], ""))
                .await;
            let response = client.closed().await;
            assert!(!has_secret(&String::from_utf8_lossy(&response)), "{target}");
        }
    }
    let expired = Token::allowing(&["GET /"]).living(now() - 100, now() - 50).mint();
    let limited = Token::allowing(&["GET /other"]).explaining().mint();
    let lines = [
        // A token or a credential where none belongs: the client's mistake is not repeated to anybody.
        request("GET /", CREDENTIAL, &[], ""),
        request("GET /", &format!("{}x", *token), &[], ""),
        request("GET /", &expired, &[], ""),
        request("GET /", "", &[&format!("Authorization: {}", *token)], ""),
        request("GET /", "", &[&format!("Authorization: Basic {}", *token)], ""),
        request(&format!("GET /{}", *token), &limited, &[&format!("Cookie: {CREDENTIAL}")], ""),
        request(
            &format!("GET /?access_token={CREDENTIAL}"),
            &limited,
            &[&format!("X-Original-URL: /{CREDENTIAL}")],
            "",
        ),
        request("GET /%zz", &token, &[&format!("X-A: {CREDENTIAL}\0")], ""),
        request(
            "POST /__magictoken",
            "",
            &["Content-Type: application/json", "Content-Length: 50"],
            &format!("{{\"token\":\"{CREDENTIAL}\""),
        ),
    ];
    for bytes in lines {
        let mut client = Client::connect(&proxy).await;
        client.try_send(&bytes).await;
        // A path of one's own choice may come back in the rule that would be needed; nothing else may.
        let response = client.response_head().await;
        assert!(!has_secret(&format!("{:?}", response.fields)));
    }
    drop(proxy);
    assert_clean();
}
