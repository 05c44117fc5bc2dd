//! Status lines and fields of the API's responses as they come down: phrases pass, blanks before colons do not.

use crate::support::{CREDENTIAL, Client, Proxy, Reply, Token, Upstream, request};

/// The head that a client gets for these bytes of the upstream.
async fn head_of(response: &'static str) -> String {
    let upstream = Upstream::scripted(move |_| Reply::last(response)).await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /a", &Token::any(), &[], "")).await;
    String::from_utf8(client.until(b"\r\n\r\n").await).unwrap()
}

#[tokio::test]
async fn a_reason_phrase_is_the_upstreams_and_none_is_made_up() {
    for (said, passed) in [
        ("200 OK", "200 OK"),
        ("422 Validation Failed", "422 Validation Failed"),
        ("404 Not Found, sorry: caf\u{e9}", "404 "),
        ("299 Miscellaneous", "299 Miscellaneous"),
        ("599 Network Connect Timeout", "599 Network Connect Timeout"),
        ("599 ", "599 "),
        ("599", "599 "),
        ("200 ", "200 "),
        ("404", "404 "),
    ] {
        let response: &'static str = format!("HTTP/1.1 {said}\r\nContent-Length: 0\r\n\r\n").leak();
        let head = head_of(response).await;
        assert_eq!(head.lines().next(), Some(format!("HTTP/1.1 {passed}").as_str()), "{said:?}");
    }
}

#[tokio::test]
async fn a_reason_phrase_does_not_hold_the_credential() {
    let response: &'static str =
        format!("HTTP/1.1 401 bad key {CREDENTIAL}!\r\nContent-Length: 0\r\n\r\n").leak();
    let head = head_of(response).await;
    let masked = "*".repeat(CREDENTIAL.len());
    assert!(head.starts_with(&format!("HTTP/1.1 401 bad key {masked}!\r\n")), "{head}");
}

/// What they frame is framed so, and nothing is left over for the next request on the connection.
#[tokio::test]
async fn blanks_before_colons_are_taken_away() {
    for (fields, body, passed) in [
        ("X-Request-Id : 7\r\nContent-Length: 5\r\n", "hello", "x-request-id"),
        ("X-Request-Id \t : 7\r\nContent-Length: 5\r\n", "hello", "x-request-id"),
        ("Content-Length : 5\r\n", "hello", "content-length"),
        ("Content-Length\t: 5\r\n", "hello", "content-length"),
        ("Transfer-Encoding : chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", "transfer-encoding"),
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}");
        let upstream = Upstream::scripted(move |_| Reply::bytes(response.clone())).await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        for _ in 0..2 {
            let response = client.exchange(request("GET /a", &Token::any(), &[], "")).await;
            assert_eq!(
                (response.status, response.text().as_str(), response.complete),
                (200, "hello", true),
                "{fields:?}"
            );
            assert_eq!(response.all(passed).len(), 1, "{fields:?}: {:?}", response.fields);
            assert!(
                response.fields.iter().all(|(name, _)| !name.contains([' ', '\t'])),
                "{fields:?}: {:?}",
                response.fields
            );
        }
        assert_eq!(upstream.raw().len(), 1, "{fields:?}: the connection stays in use");
    }
}

/// A blank hides no second framing, makes no name of two words, and joins no lines.
#[tokio::test]
async fn blanks_before_colons_hide_nothing() {
    for fields in [
        "Content-Length: 5\r\nContent-Length : 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : gzip, chunked\r\n",
        "Content-Length : +5\r\n",
        " Content-Length: 5\r\n",
        "X: 1\r\n Content-Length: 5\r\n",
        "Content Length: 5\r\n",
        ": 5\r\n",
        " : 5\r\n",
        "Content-Length\u{b}: 5\r\n",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n");
        let upstream = Upstream::scripted(move |_| Reply::bytes(response.clone())).await;
        let proxy = Proxy::before(&upstream).await;
        Client::ask(&proxy, request("GET /a", &Token::any(), &[], ""))
            .await
            .assert_rejected(502, "upstream_protocol");
    }
    // In a request, one of them is as good as an attack.
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for line in ["Content-Length : 5", "Transfer-Encoding : chunked", "X-A : 1"] {
        assert_eq!(
            Client::ask(&proxy, request("POST /a", &Token::any(), &[line], "hello")).await.status,
            400,
            "{line}"
        );
    }
    assert!(upstream.requests().is_empty());
}
