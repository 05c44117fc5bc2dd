//! Connections to the upstream that end by themselves: those that nobody uses, and those that are too old.

use std::time::Duration;

use crate::support::{
    Client, LinkedUpstream, Multiplexed, Proxy, Token, Transport, Upstream, all, request, soon,
};

const SHORT: Duration = Duration::from_millis(300);

async fn begin(proxy: &Proxy, path: &str) -> Client {
    let mut client = Client::connect(proxy).await;
    client.send(request(&format!("GET {path}"), &Token::any(), &[], "")).await;
    client
}

async fn ask(proxy: &Proxy, path: &str) {
    assert_eq!(begin(proxy, path).await.response().await.status, 200);
}

#[tokio::test]
async fn idle_connections_end_without_another_request() {
    for transport in [Transport::Clear, Transport::Tls] {
        let mut upstream = LinkedUpstream::over(transport).await;
        let proxy = upstream.proxy(|settings| settings.timeouts.keep_alive = SHORT).await;
        // Twice: whoever closes idle connections has gone in between.
        for _ in 0..2 {
            let (mut clients, mut links) = (Vec::new(), Vec::new());
            for _ in 0..8 {
                clients.push(begin(&proxy, "/a").await);
                links.push(upstream.accept().await);
            }
            for (client, link) in clients.iter_mut().zip(&mut links) {
                link.request("").await;
                link.response(0, "").await;
                assert_eq!(client.response().await.status, 200);
            }
            all(links.iter_mut().map(|link| link.closed()).collect()).await;
        }
    }
}

#[tokio::test]
async fn idle_connections_of_http_2_end_without_another_request() {
    let upstream = Multiplexed::allowing(1).await;
    let proxy = upstream.proxy(|settings| settings.timeouts.keep_alive = SHORT).await;
    for round in 1..3 {
        all((0..4).map(|_| ask(&proxy, "/a")).collect()).await;
        upstream
            .until(|counts| counts.connections.iter().all(|connection| connection.closed))
            .await;
        assert!(upstream.counts().connections.len() >= round);
    }
}

/// Streams that were reset leave a connection idle, too.
#[tokio::test]
async fn a_connection_whose_last_stream_was_reset_ends() {
    let upstream = Multiplexed::allowing(10).await;
    let proxy = upstream.proxy(|settings| settings.timeouts.keep_alive = SHORT).await;
    let client = begin(&proxy, "/held").await;
    upstream.until(|counts| counts.open() == 1).await;
    drop(client);
    upstream.until(|counts| counts.connections[0].closed).await;
}

#[tokio::test]
async fn a_connection_in_use_does_not_end() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.keep_alive = SHORT).await;
    let mut used = begin(&proxy, "/slow").await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    // One that came later is idle, and closed, meanwhile.
    let mut idle = begin(&proxy, "/fast").await;
    let mut other = upstream.accept().await;
    other.request().await;
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(idle.response().await.status, 200);
    other.closed().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(used.response().await.status, 200);
}

#[tokio::test]
async fn under_steady_traffic_a_connection_is_replaced_when_it_is_too_old() {
    for transport in [Transport::Clear, Transport::Tls, Transport::Http2] {
        let mut upstream = LinkedUpstream::over(transport).await;
        let proxy =
            upstream.proxy(|settings| settings.timeouts.upstream_connection_age = SHORT).await;
        let mut clients = Client::connect(&proxy).await;
        let token = Token::any();
        let get = request("GET /a", &token, &[], "");
        clients.send(&get).await;
        let mut old = upstream.accept().await;
        for _ in 0..3 {
            // The old one is used until the proxy closes it, and opens a new one for the request that it has.
            soon(async {
                while let Some(stream) = old.try_request().await {
                    old.response(stream, "").await;
                    assert_eq!(clients.response().await.status, 200);
                    clients.send(&get).await;
                }
            })
            .await;
            old = upstream.accept().await;
        }
    }
}

/// An old connection of HTTP/2 gets no new stream, and ends with its last one.
#[tokio::test]
async fn an_old_connection_ends_when_its_streams_have() {
    let upstream = Multiplexed::allowing(10).await;
    let proxy = upstream.proxy(|settings| settings.timeouts.upstream_connection_age = SHORT).await;
    let mut held = begin(&proxy, "/held").await;
    upstream.until(|counts| counts.open() == 1).await;
    soon(async {
        while upstream.counts().connections.len() < 3 {
            ask(&proxy, "/a").await
        }
    })
    .await;
    let counts = upstream.counts();
    assert!(!counts.connections[0].closed && counts.connections[0].open == 1, "{counts:?}");
    upstream.release();
    let response = held.response().await;
    assert_eq!((response.status, response.complete), (200, true));
    upstream.until(|counts| counts.connections[0].closed).await;
}
