//! Bodies flow while they are made, as fast as the slower side takes them, and end on both sides together.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Certificate, Client, OnlyUpstream as _, Proxy, Reply, Token, Upstream, find, listed, request,
    settings, soon,
};

#[tokio::test]
async fn events_arrive_while_the_response_goes_on() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /events", &Token::any(), &["Accept: text/event-stream"], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.response_head().await.status, 200);
    for number in 0..3 {
        let event = format!("data: {number}\n\n");
        connection.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        client.until(event.as_bytes()).await;
    }
    connection.send("0\r\n\r\n").await;
    client.until(b"0\r\n\r\n").await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_exchange_upstream() {
    // Before the head of a response, in the middle of its body, and while nothing comes.
    for part in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /long", &Token::any(), &[], "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection.send(part).await;
        if !part.is_empty() {
            client.response_head().await;
        }
        drop(client);
        assert!(connection.closed().await.is_empty());
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_the_upstream_and_is_ended() {
    let mut upstream = Upstream::held().await;
    let proxy =
        Proxy::with(&upstream, |settings| settings.timeouts.body_idle = Duration::from_millis(500))
            .await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /large", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let length = 64 * 1024 * 1024;
    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
    let chunk = vec![b'a'; 64 * 1024];
    let mut written = 0;
    // The proxy closes when nothing was taken for long enough; all that was written by then lies in buffers.
    while soon(connection.stream.write_all(&chunk)).await.is_ok() {
        written += chunk.len();
        assert!(written < length / 2, "the proxy buffers the response");
    }
}

#[tokio::test]
async fn a_large_response_arrives_whole() {
    let body: Vec<u8> = (0..4 * 1024 * 1024_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let sent = body.clone();
    let upstream = Upstream::scripted(move |_| Reply::ok(&sent)).await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("GET /large", &Token::any(), &[], "")).await;
    assert!(response.complete && response.body == body);
}

#[tokio::test]
async fn a_large_chunked_upload_arrives_whole() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /upload", &Token::any(), &["Transfer-Encoding: chunked"], "")).await;
    let chunk = [b"10000\r\n".as_slice(), &vec![b'a'; 0x10000], b"\r\n"].concat();
    for _ in 0..128 {
        client.send(&chunk).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(upstream.only_request().body.len(), 128 * 0x10000);
}

#[tokio::test]
async fn a_body_reaches_the_upstream_before_it_is_complete() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /upload", &Token::any(), &["Content-Length: 10"], "first")).await;
    let mut connection = upstream.accept().await;
    assert_eq!(connection.head().await.all("content-length"), ["10"]);
    connection.until(b"first").await;
    client.send("other").await;
    connection.until(b"other").await;
    connection.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.response().await.status, 201);
}

#[tokio::test]
async fn an_upstream_that_does_not_read_slows_the_client() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.timeouts.response = Duration::from_millis(500);
        settings.timeouts.body_idle = Duration::from_millis(500);
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    let length = 64 * 1024 * 1024;
    client
        .send(request("POST /upload", &Token::any(), &[&format!("Content-Length: {length}")], ""))
        .await;
    let _unread = upstream.accept().await;
    let (mut from_proxy, mut to_proxy) = tokio::io::split(client.stream);
    let chunk = vec![b'a'; 64 * 1024];
    let mut written = 0;
    let upload = async {
        while to_proxy.write_all(&chunk).await.is_ok() {
            written += chunk.len();
            assert!(written < length / 2, "the proxy buffers the upload");
        }
    };
    // Nobody reads: the upstream's time ends, and there is a response before the body is through.
    tokio::select! {
        biased;
        first = soon(from_proxy.read_u8()) => assert_eq!(first.unwrap(), b'H'),
        () = upload => panic!("the proxy resets the connection"),
    }
}

#[tokio::test]
async fn an_early_response_comes_down_during_the_upload() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client
        .send(request("POST /upload", &Token::any(), &["Content-Length: 1000000"], "first"))
        .await;
    let mut connection = upstream.accept().await;
    connection.head().await;
    connection
        .send(
            "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge",
        )
        .await;
    let response = client.response().await;
    assert_eq!((response.status, response.text().as_str()), (413, "large"));
}

/// All of an upload is sent before its refusal is read, as many clients do; then the proxy closes.
async fn assert_explained(mut client: Client) {
    let (piece, pieces) = ("a".repeat(64 * 1024), 256);
    let length = format!("Content-Length: {}", piece.len() * pieces);
    client.send(request("POST /upload", "", &[&length], "")).await;
    for _ in 0..pieces {
        client.send(&piece).await;
    }
    client.response().await.assert_rejected(401, "missing_token");
    assert!(client.closed().await.is_empty());
}

#[tokio::test]
async fn a_refusal_outlives_the_upload_that_it_refuses() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = Proxy::before(&upstream).await;
    assert_explained(Client::connect(&proxy).await).await;
    let proxy = Proxy::listening(settings(upstream.address, ""), |listener| {
        vec![listener.with_tls(certificate.server())]
    })
    .await;
    assert_explained(Client::over(certificate.client(&["http/1.1"]).connect(&proxy).await)).await;
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn the_proxy_answers_expect_itself_and_only_when_it_lets_through() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::allowing(&["POST /upload"]).mint();
    let lines = ["Expect: 100-continue", "Content-Length: 5"];
    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /upload", &token, &lines, "")).await;
    assert_eq!(client.response_head().await.status, 100);
    client.send("hello").await;
    assert_eq!(client.response().await.status, 200);
    let seen = upstream.only_request();
    assert_eq!((seen.body.as_slice(), seen.all("expect").len()), (&b"hello"[..], 0));

    let mut client = Client::connect(&proxy).await;
    client.send(request("POST /other", &token, &lines, "")).await;
    client.response().await.assert_rejected(403, "not_allowed");
}

#[tokio::test]
async fn the_trailers_of_a_response_pass_where_the_client_takes_them() {
    let upstream = Upstream::scripted(|_| {
        Reply::bytes(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie\r\nTrailer: Authorization\r\n\r\n5\r\nhello\r\n0\r\n\
             X-Sum: abc\r\nSet-Cookie: a=evil\r\nContent-Length: 9\r\nAuthorization: x\r\n\r\n",
        )
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut client = Client::connect(&proxy).await;
    let response = client.exchange(request("GET /a", &token, &["TE: trailers"], "")).await;
    assert_eq!((response.text().as_str(), response.complete), ("hello", true));
    assert_eq!(response.trailers, [("x-sum".to_owned(), "abc".to_owned())]);
    assert_eq!(response.one("trailer"), Some("x-sum"));
    let response = client.exchange(request("GET /a", &token, &[], "")).await;
    assert_eq!(
        (response.text().as_str(), response.complete, response.trailers.len()),
        ("hello", true, 0)
    );
    assert_eq!(upstream.requests()[1].connection, 0);
}

#[tokio::test]
async fn the_trailers_of_an_upload_pass_without_what_steers() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["X-Sum", "X-Undeclared"]);
    })
    .await;
    let lines = [
        "Transfer-Encoding: chunked",
        "Trailer: X-Sum, Authorization, X-HTTP-Method-Override, X_A, Stripe-Account, If-Match",
    ];
    let trailers = "X-Sum: abc\r\nAuthorization: x\r\nX-HTTP-Method-Override: DELETE\r\nX_A: 1\r\nX-Undeclared: 1\r\n\
                    Stripe-Account: acct_2\r\nIf-Match: x\r\n";
    let body = format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
    let response = Client::ask(&proxy, request("POST /a", &Token::any(), &lines, &body)).await;
    assert_eq!(response.status, 200);
    let seen = upstream.only_request();
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "abc".to_owned())]);
    assert_eq!(seen.all("trailer"), ["x-sum"]);
}

#[tokio::test]
async fn a_slow_drip_arrives_byte_by_byte_in_both_directions() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    for byte in request("POST /drip", &Token::any(), &["Content-Length: 3"], "abc") {
        client.send([byte]).await;
    }
    let mut connection = upstream.accept().await;
    assert_eq!(connection.request().await.body, b"abc");
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" {
        connection.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    let response = client.response().await;
    assert_eq!((response.status, response.text().as_str()), (200, "abc"));
    assert!(find(&response.body, b"abc").is_some());
}
