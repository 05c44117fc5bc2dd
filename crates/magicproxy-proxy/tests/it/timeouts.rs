//! Each time limit is measured from the event that the guide names. What took how long is told by what ended before what: a clock
//! is another exchange, which a limit of the same length ends.

use std::time::Duration;

use crate::support::Setup;
use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Token, Upstream, UpstreamConnection, in_time,
    request, soon,
};

const LIMIT: Duration = Duration::from_millis(500);

/// An upstream that takes everything and says nothing, for as long as this lives.
fn silent(mut upstream: Upstream) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let mut connection = upstream.accept().await;
            tokio::spawn(async move { connection.closed().await });
        }
    })
}

/// Ends when an exchange without content has met the limit that `proxy` has for the head of a response.
async fn clock(proxy: &Proxy) {
    Client::ask(proxy, request("GET /clock", &Token::any(), &[], ""))
        .await
        .assert_rejected(504, "upstream_timeout");
}

/// Sends a request, with its content and its end, and waits for its response.
async fn ask(proxy: &Proxy, fields: &[&str], content: &str) -> ClientResponse {
    Client::ask(proxy, request("POST /a", &Token::any(), fields, content)).await
}

#[tokio::test]
async fn the_head_of_a_response_has_its_time_from_the_end_of_the_request() {
    for by_upstream in [false, true] {
        let upstream = Upstream::held().await;
        let proxy = Proxy::with(&upstream, |settings| match by_upstream {
            true => settings.upstream_mut().response_timeout = Some(LIMIT),
            false => settings.timeouts.response = LIMIT,
        })
        .await;
        let serving = silent(upstream);
        let long = "a".repeat(200_000);
        let lengths = ["Content-Length: 0", "Content-Length: 8", "Content-Length: 200000"];
        let chunks = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
        let cases = [
            (vec![lengths[0]], ""),
            (vec![lengths[1]], "12345678"),
            (vec![lengths[2]], &long),
            (vec!["Transfer-Encoding: chunked"], &chunks),
        ];
        for (fields, content) in cases {
            let twice = async {
                clock(&proxy).await;
                clock(&proxy).await;
            };
            tokio::select! {
                biased;
                response = ask(&proxy, &fields, content) => response.assert_rejected(504, "upstream_timeout"),
                () = twice => panic!("twice as long: {fields:?}"),
            }
        }
        serving.abort();
    }
}

#[tokio::test]
async fn the_clock_stands_still_while_the_request_is_sent() {
    let upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.response = LIMIT).await;
    let serving = silent(upstream);
    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /a", &Token::any(), &["Content-Length: 3"], "")).await;
    // While the client is to send more, only its own limit holds.
    clock(&proxy).await;
    client.send("ab").await;
    clock(&proxy).await;
    clock(&proxy).await;
    client.send("c").await;
    let twice = async {
        clock(&proxy).await;
        clock(&proxy).await;
    };
    tokio::select! {
        biased;
        response = client.response() => response.assert_rejected(504, "upstream_timeout"),
        () = twice => panic!("twice as long"),
    }
    serving.abort();
}

/// The end of a request is the last byte of its content, not the first.
#[tokio::test]
async fn the_last_byte_of_a_request_begins_the_whole_time() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.response = LIMIT).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /a", &Token::any(), &["Content-Length: 2"], "a")).await;
    let mut first = upstream.accept().await;
    first.head().await;
    // The clock, whose time has begun: its request is at the upstream.
    let mut clock = Client::connect(&proxy).await;
    clock.send(request("GET /clock", &Token::any(), &[], "")).await;
    let mut second = upstream.accept().await;
    second.request().await;
    tokio::time::sleep(LIMIT / 2).await;
    client.send("b").await;
    tokio::select! {
        biased;
        response = clock.response() => response.assert_rejected(504, "upstream_timeout"),
        response = client.response() => panic!("too early: {}", response.text()),
    }
    client.response().await.assert_rejected(504, "upstream_timeout");
}

async fn with_total(upstream: &Upstream) -> Proxy {
    Proxy::with(upstream, |settings: &mut Setup| settings.timeouts.total = Some(LIMIT)).await
}

/// Sends bytes of a response that never ends, until the proxy is gone.
async fn drip(mut connection: UpstreamConnection) {
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut tick = tokio::time::interval(LIMIT / 20);
    while tokio::io::AsyncWriteExt::write_all(&mut connection.stream, b"1\r\na\r\n").await.is_ok() {
        tick.tick().await;
    }
}

/// The clock of an exchange begins with its request: what its head took is not given to its content.
#[tokio::test]
async fn a_whole_exchange_has_its_time_from_the_request_on() {
    let mut upstream = Upstream::held().await;
    let proxy = with_total(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /late", &Token::any(), &[], "")).await;
    let mut late = upstream.accept().await;
    late.request().await;
    tokio::time::sleep(LIMIT / 2).await;
    // The clock: the same from its beginning on, which is half a limit later.
    let mut other = Client::connect(&proxy).await;
    other.send(request("GET /at-once", &Token::any(), &[], "")).await;
    let mut at_once = upstream.accept().await;
    at_once.request().await;
    let dripping = tokio::spawn(async move { tokio::join!(drip(late), drip(at_once)) });
    tokio::select! {
        biased;
        // On a slow machine it may be over before its head.
        response = client.response() => assert!(!response.complete || response.status == 504),
        _ = other.response() => panic!("the time of the head was added"),
    }
    soon(dripping).await.unwrap();
}

/// It holds wherever an exchange is: before a connection to the upstream, in the upload, before the head of the response.
#[tokio::test]
async fn a_whole_exchange_is_bounded_before_its_response() {
    let upstream = Upstream::held().await;
    let proxy = with_total(&upstream).await;
    let serving = silent(upstream);
    for (fields, content) in
        [(&[][..], ""), (&["Content-Length: 10"][..], "a"), (&["Content-Length: 3"][..], "abc")]
    {
        ask(&proxy, fields, content).await.assert_rejected(504, "exchange_timeout");
    }
    serving.abort();
    let upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.timeouts.total = Some(LIMIT);
        settings.limits.upstream_connections_per_origin = 1;
    })
    .await;
    let serving = silent(upstream);
    let (token, other) = (Token::any(), Token::any());
    let (first, second) = tokio::join!(
        Client::ask(&proxy, request("GET /a", &token, &[], "")),
        Client::ask(&proxy, request("GET /b", &other, &[], "")),
    );
    first.assert_rejected(504, "exchange_timeout");
    second.assert_rejected(504, "exchange_timeout");
    serving.abort();
}

/// A connection that is opened ahead has the whole time for its first head from its first byte on.
#[tokio::test]
async fn a_first_head_has_its_time_from_its_first_byte() {
    let upstream = Upstream::hello().await;
    in_time(LIMIT, async |limit| {
        let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = limit).await;
        let mut early = Client::connect(&proxy).await;
        let mut late = Client::connect(&proxy).await;
        tokio::time::sleep(limit / 2).await;
        late.send("GET /a HTTP/1.1\r\n").await;
        // One without a first byte, as the clock.
        assert!(early.closed().await.is_empty());
        let token = Token::any();
        late.send(format!("Host: proxy.test\r\nAuthorization: Bearer {}\r\n\r\n", *token)).await;
        assert_eq!(late.response().await.status, 200);
    })
    .await;
}
