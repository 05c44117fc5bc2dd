//! Content that its client stops sending: 408 (RFC 9110 section 15.5.9), whatever its framing and whatever is spoken to the upstream.
//! Content that breaks is 400.

use std::time::Duration;

use crate::support::{Client, Multiplexed, Proxy, Token, Upstream, request};

const IDLE: Duration = Duration::from_millis(300);
const CHUNKED: &str = "Transfer-Encoding: chunked";

/// Framing, what is sent of the content, and what comes of it.
const UPLOADS: [(&str, &str, (u16, &str)); 5] = [
    ("Content-Length: 10", "abc", (408, "request_timeout")),
    ("Content-Length: 10", "", (408, "request_timeout")),
    (CHUNKED, "3\r\nab", (408, "request_timeout")),
    (CHUNKED, "3\r\nabc\r\n", (408, "request_timeout")),
    (CHUNKED, "3\r\nabc\r\nx\r\n", (400, "request_body")),
];

async fn check(proxy: &Proxy, path: &str) {
    for (framing, sent, (status, code)) in UPLOADS {
        let response =
            Client::ask(proxy, request(&format!("POST {path}"), &Token::any(), &[framing], sent))
                .await;
        assert_eq!(response.status, status, "{framing} {sent:?}: {}", response.text());
        response.assert_rejected(status, code);
    }
}

#[tokio::test]
async fn content_that_stops_is_408_over_http1() {
    let upstream = Upstream::held().await;
    check(&Proxy::with(&upstream, |settings| settings.timeouts.body_idle = IDLE).await, "/a").await;
}

#[tokio::test]
async fn content_that_stops_is_408_over_http2() {
    let upstream = Multiplexed::allowing(100).await;
    check(&upstream.proxy(|settings| settings.timeouts.body_idle = IDLE).await, "/held").await;
}
