//! Callers that are slow, idle or many; and the end of the proxy.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::support::{Client, Proxy, Token, Upstream, request, soon};

const SHORT: Duration = Duration::from_millis(300);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Writes the bytes one by one, again and again the last, until the proxy closes; gives what it answered.
async fn drip(proxy: &Proxy, bytes: &[u8]) -> (Duration, Vec<u8>) {
    let mut client = Client::connect(proxy).await;
    let since = Instant::now();
    let mut tick = tokio::time::interval(SHORT / 10);
    let mut bytes = bytes.iter().chain(std::iter::repeat(bytes.last().unwrap()));
    let dripping = async {
        loop {
            tick.tick().await;
            let closed = async { (client.closed().await, ()) };
            // A caller that only writes learns of the end by an error; one that reads, by the end.
            if let Ok((answer, ())) = tokio::time::timeout(Duration::from_millis(1), closed).await {
                return answer;
            }
            client.try_send([*bytes.next().unwrap()]).await;
        }
    };
    let answer = soon(dripping).await;
    (since.elapsed(), answer)
}

#[tokio::test]
async fn slow_heads_are_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = SHORT).await;
    for bytes in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\nX-A: a",
        // The preface of HTTP/2, and what only begins like it.
        b"PRI * HTTP/2.0\r\n\r\nS",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0",
        b"\r\n",
    ] {
        let (after, answer) = drip(&proxy, bytes).await;
        assert!(after < 10 * SHORT, "{bytes:?}: {after:?}");
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_connection_without_a_first_byte_is_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = SHORT).await;
    assert!(Client::connect(&proxy).await.closed().await.is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.keep_alive = SHORT).await;
    let token = Token::any();
    for (bytes, status) in [
        (request("GET /a", &token, &[], ""), 200),
        (request("HEAD /a", &token, &[], ""), 200),
        (request("POST /a", &token, &["Content-Length: 3"], "abc"), 200),
        (request("GET /a", "", &[], ""), 401),
        (request("GET /__magictoken", "", &[], ""), 200),
    ] {
        for times in [1, 2] {
            let since = Instant::now();
            let mut client = Client::connect(&proxy).await;
            for _ in 0..times {
                assert_eq!(client.exchange(&bytes).await.status, status);
            }
            assert!(client.closed().await.is_empty());
            assert!(since.elapsed() < 10 * SHORT, "{:?}", since.elapsed());
        }
    }
}

#[tokio::test]
async fn a_slow_second_head_is_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = SHORT).await;
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    client.send("GET /b HTTP/1.1\r\n").await;
    assert!(!client.closed().await.starts_with(b"HTTP/1.1 2"));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_long_wait_for_an_answer_is_not_idleness() {
    let mut upstream = Upstream::held().await;
    let proxy =
        Proxy::with(&upstream, |settings| (settings.timeouts.keep_alive, settings.timeouts.header) = (SHORT, SHORT)).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /poll", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    // Another connection, as the clock: when it was ended for idleness, this one has waited longer.
    Client::connect(&proxy).await.closed().await;
    Client::connect(&proxy).await.closed().await;
    connection.send(OK).await;
    assert_eq!(client.answer().await.status, 200);
    // From now on it idles, which ends too.
    assert!(client.closed().await.is_empty());
}

#[tokio::test]
async fn a_stalled_upload_is_ended() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.body_idle = SHORT).await;
    for (field, part) in [("Content-Length: 10", "abc"), ("Transfer-Encoding: chunked", "3\r\nab")] {
        let mut client = Client::connect(&proxy).await;
        client.send(request("POST /a", &Token::any(), &[field], part)).await;
        let mut connection = upstream.accept().await;
        connection.head().await;
        connection.closed().await;
        assert!(client.closed().await.starts_with(b"HTTP/1.1 4"));
    }
}

#[tokio::test]
async fn a_stalled_order_is_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = SHORT).await;
    let mut client = Client::connect(&proxy).await;
    let lines = ["Content-Type: application/json", "Content-Length: 100"];
    client.send(request("POST /__magictoken", "", &lines, "{\"token\":")).await;
    client.answer().await.assert_rejected(408, "request_timeout");
    client.closed().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.limits.connections = 2).await;
    let token = Token::any();
    let mut first = Client::connect(&proxy).await;
    let mut second = Client::connect(&proxy).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.exchange(request("GET /a", &token, &[], "")).await.status, 200);
    }
    let mut third = Client::connect(&proxy).await;
    third.send(request("GET /third", &token, &[], "")).await;
    assert_eq!(second.exchange(request("GET /b", &token, &[], "")).await.status, 200);
    assert!(upstream.requests().iter().all(|seen| seen.target != "/third"));
    drop(first);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test]
async fn an_end_waits_for_answers_in_flight_and_takes_no_more() {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut busy = Client::connect(&proxy).await;
    busy.send(request("GET /busy", &token, &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let mut idle = Client::connect(&proxy).await;
    idle.send("G").await;
    proxy.shut_down();
    // Idle connections end at once, and nobody is let in any more.
    assert!(idle.closed().await.is_empty());
    soon(async { while TcpStream::connect(proxy.address).await.is_ok() {} }).await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").await;
    connection.send("llo").await;
    let answer = busy.answer().await;
    assert_eq!((answer.text().as_str(), answer.complete), ("hello", true));
    assert!(busy.closed().await.is_empty());
    proxy.ended().await;
}

#[tokio::test]
async fn an_end_does_not_wait_for_ever() {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::with(&upstream, |settings| settings.timeouts.drain = SHORT).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /busy", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    proxy.shut_down();
    proxy.ended().await;
}

#[tokio::test]
async fn an_end_comes_although_no_connection_is_free() {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::with(&upstream, |settings| {
        settings.limits.connections = 1;
        settings.timeouts.drain = SHORT;
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /busy", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    proxy.shut_down();
    proxy.ended().await;
}

#[tokio::test]
async fn an_end_closes_a_slow_head() {
    let upstream = Upstream::hello().await;
    let mut proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    client.send("GET /b HTTP/1.1\r\n").await;
    proxy.shut_down();
    client.closed().await;
    proxy.ended().await;
}
