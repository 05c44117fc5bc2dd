//! Connections to the upstream: kept, found stale, never trusted; and what becomes of a request whose connection fails.

use std::time::Duration;

use magicproxy_proxy::settings::ApiRoot;

use crate::support::{
    CREDENTIAL, Client, OnlyUpstream as _, Proxy, Reply, Token, Upstream, UpstreamConnection, find,
    in_time, request, soon,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn connections_are_kept() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for line in ["GET /a", "POST /a", "OPTIONS /a", "DELETE /a"] {
        assert_eq!(Client::ask(&proxy, request(line, &token, &[], "")).await.status, 200);
    }
    assert!(upstream.requests().iter().all(|seen| seen.connection == 0));
}

#[tokio::test]
async fn a_connection_that_the_upstream_closes_is_not_kept() {
    let upstream =
        Upstream::scripted(|_| Reply::with("200 OK", &["Connection: close"], "hello")).await;
    let proxy = Proxy::before(&upstream).await;
    for _ in 0..2 {
        assert_eq!(
            Client::ask(&proxy, request("POST /a", &Token::any(), &[], "")).await.status,
            200
        );
    }
    assert_eq!(upstream.requests()[1].connection, 1);
}

/// One exchange that leaves a connection in the pool.
async fn pooled(upstream: &mut Upstream, proxy: &Proxy) -> UpstreamConnection {
    let mut client = Client::connect(proxy).await;
    client.send(request("GET /first", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send(OK).await;
    assert_eq!(client.response().await.status, 200);
    connection
}

#[tokio::test]
async fn a_get_on_a_stale_connection_is_sent_again_and_nobody_notices() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut stale = pooled(&mut upstream, &proxy).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /second", &Token::any(), &[], "")).await;
    assert_eq!(stale.request().await.target, "/second");
    // The upstream lets go of it at the very moment: the request was written, and no byte of a response comes.
    drop(stale);
    let mut fresh = upstream.accept().await;
    assert_eq!(fresh.request().await.target, "/second");
    fresh.send(OK).await;
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn only_what_may_be_repeated_is_sent_again() {
    for (line, lines, body) in [
        ("POST /second", &["Content-Length: 3"][..], "abc"),
        ("POST /second", &[], ""),
        ("PATCH /second", &["Content-Length: 3"], "abc"),
        ("PUT /second", &["Content-Length: 3"], "abc"),
        ("GET /second", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let mut stale = pooled(&mut upstream, &proxy).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request(line, &Token::any(), lines, body)).await;
        assert_eq!(stale.request().await.target, "/second");
        drop(stale);
        client.response().await.assert_rejected(502, "upstream_closed");
        assert!(!upstream.has_client(), "{line} was sent twice");
    }
}

#[tokio::test]
async fn a_get_whose_response_began_is_not_sent_again() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut stale = pooled(&mut upstream, &proxy).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /second", &Token::any(), &[], "")).await;
    stale.request().await;
    stale.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").await;
    let mut response = client.response_head().await;
    drop(stale);
    client.body(&mut response).await;
    assert_eq!((response.status, response.complete), (200, false));
    assert!(!upstream.has_client());
}

#[tokio::test]
async fn a_get_on_a_fresh_connection_is_sent_once() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /only", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    drop(connection);
    client.response().await.assert_rejected(502, "upstream_closed");
    assert!(!upstream.has_client());
}

#[tokio::test]
async fn a_post_finds_a_new_connection_where_the_kept_one_was_closed_before() {
    let upstream = Upstream::scripted(|_| Reply::last(OK)).await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for number in 0..20 {
        let bytes = request("POST /a", &token, &["Content-Length: 3"], "abc");
        let response = Client::ask(&proxy, bytes).await;
        // It may be noticed too late that the connection ends; then nobody can tell, and the request must not be repeated.
        assert!(response.status == 200 || response.code() == "upstream_closed");
        assert!(upstream.requests().len() <= number + 1);
    }
    // Once it was noticed, it works.
    let mut client = Client::connect(&proxy).await;
    let works = async {
        while client
            .exchange(request("POST /a", &token, &["Content-Length: 3"], "abc"))
            .await
            .status
            != 200
        {}
    };
    soon(works).await;
}

#[tokio::test]
async fn many_stale_connections_do_not_stop_a_get() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut clients = Vec::new();
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /first", &token, &[], "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        clients.push(client);
        held.push(connection);
    }
    for (client, connection) in clients.iter_mut().zip(&mut held) {
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
    }
    // All of them end while the request is on its way.
    drop(held);
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /second", &token, &[], "")).await;
    let mut fresh = upstream.accept().await;
    assert_eq!(fresh.request().await.target, "/second");
    fresh.send(OK).await;
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502() {
    let upstream = Upstream::absent().await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("GET /a", &Token::any(), &[], "")).await;
    response.assert_rejected(502, "upstream_unreachable");
    assert!(response.one("proxy-status").unwrap().contains("error=connection_refused"));
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_in_time_is_a_504() {
    let upstream = Upstream::held().await;
    // TLS towards a listener that never speaks: the handshake does not end.
    let root = ApiRoot::parse(&format!("https://{}", upstream.address)).unwrap();
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().api_root = root;
        settings.timeouts.connect = Duration::from_millis(200);
    })
    .await;
    let response = Client::ask(&proxy, request("GET /a", &Token::any(), &[], "")).await;
    response.assert_rejected(504, "upstream_connect_timeout");
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_is_a_502_and_gets_no_credential() {
    let mut upstream = Upstream::held().await;
    let root = ApiRoot::parse(&format!("https://{}", upstream.address)).unwrap();
    let proxy = Proxy::with(&upstream, |settings| settings.upstream_mut().api_root = root).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /a", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    assert!(find(&connection.closed().await, CREDENTIAL.as_bytes()).is_none());
    client.response().await.assert_rejected(502, "upstream_tls");
}

#[tokio::test]
async fn an_upstream_that_does_not_respond_is_a_504_and_is_left() {
    let mut upstream = Upstream::held().await;
    let proxy =
        Proxy::with(&upstream, |settings| settings.timeouts.response = Duration::from_millis(200))
            .await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /a", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 O").await;
    client.response().await.assert_rejected(504, "upstream_timeout");
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_slow_upload_is_not_the_upstreams_fault() {
    in_time(Duration::from_millis(200), async |limit| {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::with(&upstream, |settings| settings.timeouts.response = limit).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("POST /a", &Token::any(), &["Content-Length: 4"], "")).await;
        let mut connection = upstream.accept().await;
        connection.head().await;
        // The client pauses for longer than the upstream has for its response.
        let mut interval = tokio::time::interval(3 * limit);
        for byte in ["a", "b", "c", "d"] {
            interval.tick().await;
            client.send(byte).await;
            connection.until(byte.as_bytes()).await;
        }
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_stops_in_its_upload_is_refused_and_the_upstream_left() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.timeouts.body_idle = Duration::from_millis(300);
        settings.timeouts.response = Duration::from_millis(200);
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /a", &Token::any(), &["Content-Length: 4"], "ab")).await;
    let mut connection = upstream.accept().await;
    connection.head().await;
    connection.closed().await;
    let response = client.response().await;
    assert!([400, 408].contains(&response.status), "{} {}", response.status, response.text());
    client.closed().await;
}

#[tokio::test]
async fn a_response_that_falls_silent_is_cut_off() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.timeouts.response_idle = Duration::from_millis(200)
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /a", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").await;
    assert!(!client.response().await.complete);
    connection.closed().await;
}

#[tokio::test]
async fn a_whole_exchange_can_be_bounded() {
    in_time(Duration::from_millis(400), async |limit| {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::with(&upstream, |settings| settings.timeouts.total = Some(limit)).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /a", &Token::any(), &[], "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        let dripping = async {
            while tokio::io::AsyncWriteExt::write_all(&mut connection.stream, b"1\r\na\r\n")
                .await
                .is_ok()
            {
                interval.tick().await;
            }
        };
        soon(dripping).await;
        assert!(!client.response().await.complete);
    })
    .await;
}
