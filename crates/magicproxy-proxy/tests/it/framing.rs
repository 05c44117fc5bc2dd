//! Where messages begin and end: doubt is refused, in both directions, and a connection in doubt is not used again.

use crate::support::{Client, Proxy, Reply, Token, Upstream, request};

/// A request whose head is refused: 400, the connection ends, nothing reaches the upstream.
fn hostile(fields: &str) -> String {
    format!(
        "POST /upload HTTP/1.1\r\nHost: proxy.test\r\nAuthorization: Bearer {}\r\n{fields}\r\n\r\n",
        *Token::any()
    )
}

/// Behind the body of an ambiguous request: what one of its two readings takes for a request.
const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: proxy.test\r\n\r\n";

const AMBIGUOUS: [&str; 22] = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 5\r\nX-A: 1\r\nTransfer-Encoding: chunked",
    "cONTENT-lENGTH:5\r\ntRANSFER-eNCODING:cHUNKED",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nTransfer-Encoding: gzip, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: chunked;x",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: chunked,",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5, 6",
    "Content-Length: +5",
    "Content-Length:",
];

#[tokio::test]
async fn ambiguous_lengths_are_refused() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for fields in AMBIGUOUS {
        let mut client = Client::connect(&proxy).await;
        client.try_send(hostile(fields) + SMUGGLED).await;
        assert_eq!(client.response_head().await.status, 400, "{fields:?}");
        let rest = String::from_utf8(client.closed().await).unwrap();
        assert!(!rest.contains("HTTP/1.1 "), "{fields:?}: a second response: {rest}");
    }
    assert!(upstream.raw().is_empty(), "{:?}", upstream.requests());
}

#[tokio::test]
async fn ambiguous_lengths_are_refused_on_a_connection_in_use() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for fields in AMBIGUOUS {
        let mut client = Client::connect(&proxy).await;
        let chunked = request(
            "POST /first",
            &token,
            &["Transfer-Encoding: chunked"],
            "3\r\nabc\r\n0\r\n\r\n",
        );
        assert_eq!(client.exchange(chunked).await.status, 200);
        client.try_send(hostile(fields) + SMUGGLED).await;
        assert_eq!(client.response_head().await.status, 400, "{fields:?}");
        client.closed().await;
    }
    assert!(
        upstream.requests().iter().all(|seen| seen.target == "/first"),
        "{:?}",
        upstream.requests()
    );
}

#[tokio::test]
async fn ambiguous_lengths_are_refused_behind_another_request_in_one_write() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    // The first is like the second, so that its head could be taken for the second's.
    let chunked = request("POST /first", &token, &["Transfer-Encoding: chunked"], "0\r\n\r\n");
    let bare = request("POST /first", &token, &[], "");
    let get = request("GET /first", &token, &["X-A: 1"], "");
    for fields in AMBIGUOUS {
        for first in [&chunked, &bare, &get] {
            let mut client = Client::connect(&proxy).await;
            client
                .try_send([first.as_slice(), (hostile(fields) + SMUGGLED).as_bytes()].concat())
                .await;
            assert_eq!(client.response().await.status, 200, "{fields:?}");
            assert_eq!(client.response_head().await.status, 400, "{fields:?}");
            client.closed().await;
        }
    }
    assert!(
        upstream.requests().iter().all(|seen| seen.target == "/first"),
        "{:?}",
        upstream.requests()
    );
}

#[tokio::test]
async fn half_a_head_that_came_with_the_body_before_hides_nothing() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut client = Client::connect(&proxy).await;
    // The first request is in progress while the first half of the second one's head comes; its second half looks whole.
    client.send(request("POST /first", &token, &["Transfer-Encoding: chunked"], "")).await;
    let mut connection = upstream.accept().await;
    connection.head().await;
    let line = "POST /second HTTP/1.1\r\n";
    client.send(format!("0\r\n\r\n{line}Content-Length: 5\r\nX-A: ")).await;
    connection.until(b"0\r\n\r\n").await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.response().await.status, 200);
    let rest = format!(
        "Host: proxy.test\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        *token
    );
    client.try_send(format!("{line}{rest}")).await;
    assert_eq!(client.response_head().await.status, 400);
    assert!(connection.until_closed_or_idle().await.is_empty(), "the second request went up");
}

#[tokio::test]
async fn chunked_bodies_on_one_connection_one_after_the_other() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut client = Client::connect(&proxy).await;
    for _ in 0..5 {
        let chunked = request(
            "POST /upload",
            &token,
            &["Transfer-Encoding: chunked"],
            "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        );
        let response = client.exchange(chunked).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    for seen in upstream.requests() {
        assert_eq!((seen.body.as_slice(), seen.all("content-length").len()), (&b"abcde"[..], 0));
        assert_eq!(seen.all("transfer-encoding"), ["chunked"]);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::scripted(|seen| Reply::ok(&seen.target)).await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut client = Client::connect(&proxy).await;
    let all: Vec<u8> =
        (0..5).flat_map(|number| request(&format!("GET /{number}"), &token, &[], "")).collect();
    client.send(all).await;
    for number in 0..5 {
        assert_eq!(client.response().await.text(), format!("/{number}"));
    }
}

#[tokio::test]
async fn equal_lengths_count_once() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let lines = ["Content-Length: 3", "Content-Length: 3"];
    let response = Client::ask(&proxy, request("POST /upload", &Token::any(), &lines, "abc")).await;
    if response.status == 200 {
        let seen = upstream.only_request();
        assert_eq!((seen.all("content-length"), seen.body.as_slice()), (vec!["3"], &b"abc"[..]));
    } else {
        assert_eq!(response.status, 400);
    }
}

#[tokio::test]
async fn broken_chunks_end_both_connections() {
    for chunks in [
        "zz\r\n",
        "3\r\nabcX",
        "3\nabc\n0\n\n",
        "-1\r\n",
        "0x3\r\nabc\r\n",
        "ffffffffffffffff1\r\n",
        "3;\nabc\r\n",
        " 3\r\nabc\r\n",
    ] {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        client
            .send(request(
                "POST /upload",
                &Token::any(),
                &["Transfer-Encoding: chunked"],
                "1\r\na\r\n",
            ))
            .await;
        let mut connection = upstream.accept().await;
        connection.head().await;
        connection.until(b"a\r\n").await;
        client.try_send(chunks).await;
        let seen = connection.closed().await;
        assert!(
            !seen.ends_with(b"0\r\n\r\n"),
            "{chunks:?}: the upstream takes a broken upload for whole"
        );
        let response = client.response_head().await;
        assert_eq!(response.status, 400, "{chunks:?}");
        client.closed().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_body_is_seen_upstream() {
    for (field, part) in
        [("Content-Length: 10", "abc"), ("Transfer-Encoding: chunked", "3\r\nabc\r\n")]
    {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("POST /upload", &Token::any(), &[field], part)).await;
        let mut connection = upstream.accept().await;
        connection.head().await;
        connection.until(b"abc").await;
        drop(client);
        assert!(!connection.closed().await.ends_with(b"0\r\n\r\n"));
    }
}

/// The upstream answers once with `first` and otherwise with `second`; gives both responses and the connections used.
async fn two_responses(first: &'static str) -> (Result<u16, u16>, Vec<usize>) {
    let upstream = Upstream::scripted(move |seen| {
        if seen.target == "/first" { Reply::bytes(first) } else { Reply::ok("second") }
    })
    .await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.timeouts.response = std::time::Duration::from_secs(5);
        settings.timeouts.response_idle = std::time::Duration::from_millis(500);
    })
    .await;
    let token = Token::any();
    let response = Client::ask(&proxy, request("GET /first", &token, &[], "")).await;
    let second = Client::ask(&proxy, request("GET /second", &token, &[], "")).await;
    assert_eq!((second.status, second.text().as_str()), (200, "second"), "after {first:?}");
    assert!(!response.text().contains("POISON"), "{first:?}: {}", response.text());
    let connections = upstream.requests().iter().map(|seen| seen.connection).collect();
    (if response.complete { Ok(response.status) } else { Err(response.status) }, connections)
}

#[tokio::test]
async fn a_bad_response_is_an_error_and_its_connection_is_not_used_again() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: bogus\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n X: folded\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX-\u{e4}: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let (result, connections) = two_responses(response).await;
        assert_eq!(result, Ok(502), "{response:?}");
        assert_eq!(connections, [0, 1], "{response:?}");
    }
}

#[tokio::test]
async fn left_over_bytes_are_nobodys_response() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 204 No Content\r\n\r\nPOISON",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nPOISON",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\r\n",
    ] {
        let (result, connections) = two_responses(response).await;
        assert!(result.is_ok(), "{response:?}");
        assert_eq!(connections, [0, 1], "{response:?}");
    }
}

#[tokio::test]
async fn an_unsolicited_switch_of_protocols_is_an_upstream_error() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nPOISON";
    assert_eq!(two_responses(switch).await, (Ok(502), vec![0, 1]));
}

#[tokio::test]
async fn interim_responses_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(two_responses(interim).await, (Ok(200), vec![0, 0]));
}

#[tokio::test]
async fn a_response_cut_off_is_an_error_below() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let upstream = Upstream::scripted(move |_| Reply::last(response)).await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /user", &Token::any(), &[], "")).await;
        // What is broken before anything was passed on may end the connection without a word.
        let cut = client.response_or_end().await;
        assert!(cut.is_none_or(|cut| !cut.complete), "{response:?}");
    }
}

#[tokio::test]
async fn a_response_cut_off_in_its_head_is_a_502() {
    for response in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200"] {
        let upstream = Upstream::scripted(move |_| Reply::last(response)).await;
        let proxy = Proxy::before(&upstream).await;
        Client::ask(&proxy, request("POST /user", &Token::any(), &[], ""))
            .await
            .assert_rejected(502, "upstream_closed");
    }
}

#[tokio::test]
async fn a_response_that_ends_with_its_connection_is_whole() {
    let upstream = Upstream::scripted(|_| {
        Reply::last("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("GET /user", &Token::any(), &[], "")).await;
    assert_eq!(
        (response.text().as_str(), response.complete, response.one("transfer-encoding")),
        ("to the end", true, Some("chunked"))
    );
}

#[tokio::test]
async fn heads_and_targets_have_limits() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let long = "a".repeat(70 * 1024);
    let many: Vec<String> = (0..200).map(|number| format!("X-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases = [
        (request("GET /user", &token, &[&format!("X-A: {long}")], ""), 431),
        (request("GET /user", &token, &many, ""), 431),
        (request(&format!("GET /user?{}", "a".repeat(8 * 1024)), &token, &[], ""), 414),
        (request(&format!("GET /{}", "a".repeat(4 * 1024)), &token, &[], ""), 414),
        (request(&format!("GET /user?{}", "a".repeat(70 * 1024)), &token, &[], ""), 414),
    ];
    for (bytes, status) in cases {
        let mut client = Client::connect(&proxy).await;
        client.try_send(bytes).await;
        let response = client.response_head().await;
        assert!(
            response.status == status || (status, response.status) == (414, 431),
            "{} instead of {status}",
            response.status
        );
    }
    assert!(upstream.requests().is_empty());
}

/// A head has so many bytes and not one more, on its way up and on its way down.
#[tokio::test]
async fn heads_have_64_kib() {
    const MOST: usize = 64 * 1024;
    let token = Token::any();
    let filled = |length: usize, bare: usize| format!("X-Filling: {}", "a".repeat(length - bare));
    let bare = request("GET /user", &token, &["X-Filling: "], "").len();
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for (length, status) in [(MOST, 200), (MOST + 1, 431)] {
        let mut client = Client::connect(&proxy).await;
        client.try_send(request("GET /user", &token, &[&filled(length, bare)], "")).await;
        assert_eq!(client.response_head().await.status, status, "{length}");
    }
    let bare = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Filling: \r\n\r\n".len();
    for (length, status) in [(MOST, 200), (MOST + 1, 502)] {
        let upstream =
            Upstream::scripted(move |_| Reply::with("200 OK", &[&filled(length, bare)], "ok"))
                .await;
        let proxy = Proxy::before(&upstream).await;
        let response = Client::ask(&proxy, request("GET /user", &token, &[], "")).await;
        assert_eq!(response.status, status, "{length}: {}", response.text());
    }
}

#[tokio::test]
async fn orders_have_a_limit_however_they_are_framed() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let json = "Content-Type: application/json";
    let body = format!("{{\"token\": \"{}\"", "x".repeat(70 * 1024));
    let lengthy = request(
        "POST /__magictoken",
        "",
        &[json, &format!("Content-Length: {}", body.len())],
        &body,
    );
    let chunked = request(
        "POST /__magictoken",
        "",
        &[json, "Transfer-Encoding: chunked"],
        &format!("{:x}\r\n{body}\r\n", body.len()),
    );
    for bytes in [lengthy, chunked] {
        let mut client = Client::connect(&proxy).await;
        client.try_send(bytes).await;
        client.response().await.assert_rejected(413, "body_too_large");
        client.closed().await;
    }
}

#[tokio::test]
async fn http_1_0_is_served_without_chunks() {
    let upstream = Upstream::scripted(|_| {
        Reply::bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let text = format!("GET /user HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", *Token::any());
    let response = Client::ask(&proxy, text).await;
    assert_eq!(
        (response.status, response.text().as_str(), response.one("transfer-encoding")),
        (200, "hello", None)
    );
    assert_eq!(upstream.only_request().all("host").len(), 1);
}

/// Clients such as `ab -k` believe what they are told: a connection whose end is the content's end is not said to be kept.
#[tokio::test]
async fn http_1_0_is_told_whether_its_connection_is_kept() {
    let upstream = Upstream::scripted(|request| match request.target.as_str() {
        "/chunked" => Reply::bytes(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        _ => Reply::bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    for (target, asked, told) in [
        ("GET /chunked", "keep-alive", None),
        ("GET /chunked", "Keep-Alive", None),
        ("GET /chunked", "te", None),
        ("GET /length", "keep-alive", Some("keep-alive")),
        ("GET /length", "te", None),
        ("POST /length", "keep-alive", Some("close")),
    ] {
        // The proxy refuses this one without its content.
        let (token, content) = match target.starts_with("POST") {
            true => (String::new(), "Content-Length: 1000000\r\n"),
            false => (Token::any().to_string(), ""),
        };
        let text = format!(
            "{target} HTTP/1.0\r\nConnection: {asked}\r\n{content}Authorization: Bearer {token}\r\n\r\n"
        );
        let mut client = Client::connect(&proxy).await;
        client.send(text.clone()).await;
        let response = client.response().await;
        assert_eq!(response.all("connection"), Vec::from_iter(told), "{target} {asked}");
        if told == Some("keep-alive") {
            client.send(text).await;
            assert_eq!(client.response().await.text(), "hello");
        }
    }
}
