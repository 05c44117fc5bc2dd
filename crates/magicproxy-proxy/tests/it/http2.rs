//! HTTP/2 with prior knowledge, downstream.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use magicproxy_proxy::settings::Quota;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{
    CREDENTIAL, Client, Proxy, Reply, Token, Upstream, find, in_time, request, soon,
};

pub(crate) type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

pub(crate) async fn connect(proxy: &Proxy) -> http2::SendRequest<Body> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (sender, connection) =
        soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) fn ask(line: &str, token: &str, body: &str) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(format!("http://proxy.test{path}"));
    let request = if token.is_empty() {
        request
    } else {
        request.header("authorization", format!("Bearer {token}"))
    };
    request.body(Full::new(Bytes::from(body.to_owned())).boxed()).unwrap()
}

pub(crate) async fn response(
    sender: &mut http2::SendRequest<Body>,
    request: Request<Body>,
) -> (Response<()>, Vec<u8>) {
    let response = soon(sender.send_request(request)).await.unwrap();
    let (head, body) = response.into_parts();
    let body = soon(body.collect()).await.unwrap().to_bytes().to_vec();
    (Response::from_parts(head, ()), body)
}

#[tokio::test]
async fn requests_are_allowed_and_refused_as_in_http_1() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut sender = connect(&proxy).await;
    let token = Token::allowing(&["GET /user", "POST /user"]).mint();
    let (head, body) = response(&mut sender, ask("GET /user?q=1", &token, "")).await;
    assert_eq!((head.status().as_u16(), body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(head.headers()["x-magic-api-proxy"], magicproxy_proxy::VERSION);
    let (head, _) = response(&mut sender, ask("POST /user", &token, "a body")).await;
    assert_eq!(head.status(), 200);
    for (line, token, status) in [
        ("GET /users", token.as_str(), 403),
        ("DELETE /user", &token, 403),
        ("GET /user", "", 401),
        ("GET /a/../user", &token, 400),
        ("GET /user?_method=DELETE", &token, 400),
    ] {
        let (head, body) = response(&mut sender, ask(line, token, "")).await;
        assert_eq!(head.status(), status, "{line}");
        assert_eq!(head.headers()["content-type"], "application/problem+json");
        assert!(find(&body, CREDENTIAL.as_bytes()).is_none());
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        (requests[0].target.as_str(), requests[1].body.as_slice()),
        ("/user?q=1", &b"a body"[..])
    );
    assert_eq!(requests[0].all("authorization"), [format!("Bearer {CREDENTIAL}")]);
    assert_eq!(requests[0].all("host"), [upstream.address.to_string()]);
}

#[tokio::test]
async fn a_token_can_be_minted_and_used() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut sender = connect(&proxy).await;
    let mint_request = format!(r#"{{"token":"{CREDENTIAL}","allowed":["GET /user"]}}"#);
    let mut minting = ask("POST /__magictoken", "", &mint_request);
    minting.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let (head, token) = response(&mut sender, minting).await;
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-type"]),
        (200, &"application/jwt".parse().unwrap())
    );
    let (head, _) =
        response(&mut sender, ask("GET /user", std::str::from_utf8(&token).unwrap(), "")).await;
    assert_eq!(head.status(), 200);
    let mut large = ask("POST /__magictoken", "", &"x".repeat(70 * 1024));
    large.headers_mut().insert("content-type", "application/json".parse().unwrap());
    assert_eq!(response(&mut sender, large).await.0.status(), 413);
}

#[tokio::test]
async fn streams_share_a_connection() {
    let upstream = Upstream::scripted(|seen| Reply::ok(&seen.target)).await;
    let proxy = Proxy::before(&upstream).await;
    let sender = connect(&proxy).await;
    let token = Token::any();
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (mut sender, request) = (sender.clone(), ask(&format!("GET /{number}"), &token, ""));
        asked.spawn(async move { (number, response(&mut sender, request).await) });
    }
    while let Some(done) = soon(asked.join_next()).await {
        let (number, (head, body)) = done.unwrap();
        assert_eq!((head.status().as_u16(), body), (200, format!("/{number}").into_bytes()));
    }
    assert_eq!(upstream.requests().len(), 50);
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut sender = connect(&proxy).await;
    let (parts, received) = mpsc::channel(1);
    let mut asked = ask("POST /stream", &Token::any(), "");
    *asked.body_mut() = Parts(received).boxed();
    let sent = tokio::spawn(async move { sender.send_request(asked).await });
    parts.send("first").await.unwrap();
    let mut connection = upstream.accept().await;
    connection.head().await;
    connection.until(b"first").await;
    parts.send("second").await.unwrap();
    connection.until(b"second").await;
    drop(parts);
    connection.until(b"0\r\n\r\n").await;
    connection
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n")
        .await;
    let mut response: Response<Incoming> = soon(sent).await.unwrap().unwrap();
    assert_eq!(soon(response.frame()).await.unwrap().unwrap().into_data().unwrap(), "abc");
    connection.send("2\r\nde\r\n").await;
    assert_eq!(soon(response.frame()).await.unwrap().unwrap().into_data().unwrap(), "de");
    // HTTP/2 has trailers that nobody announced.
    let echo = format!("{CREDENTIAL}: 1\r\nX-{}-Echo: 1\r\n", CREDENTIAL.to_ascii_uppercase());
    connection
        .send(format!(
            "0\r\nX-Sum: 5\r\nSet-Cookie: a=b\r\nMagic-Receipt: forged\r\nAlt-Svc: h3\r\n{echo}\r\n"
        ))
        .await;
    let trailers: HeaderMap =
        soon(response.frame()).await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &"5".parse().unwrap()));
}

/// A body whose parts come from a channel.
struct Parts(mpsc::Receiver<&'static str>);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(Bytes::from(part)))))
    }
}

/// Content without end.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))))
    }
}

/// As many as a connection has streams for but one, which the upstream does not take; the others of the connection go on.
#[tokio::test]
async fn uploads_that_nobody_takes_stop_no_other_stream() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let (sender, token) = (connect(&proxy).await, Token::any());
    let mut stuck = Vec::new();
    for _ in 0..99 {
        let mut asked = ask("POST /stuck", &token, "");
        *asked.body_mut() = Endless.boxed();
        let mut sender = sender.clone();
        let sent = tokio::spawn(async move { sender.send_request(asked).await.map(drop) });
        let mut connection = upstream.accept().await;
        connection.head().await;
        stuck.push((sent, connection));
    }
    for _ in 0..20 {
        let body = "y".repeat(200_000);
        let asked = ask("POST /beside", &token, &body);
        let mut beside = sender.clone();
        let sent = tokio::spawn(async move { response(&mut beside, asked).await });
        let mut connection = upstream.accept().await;
        assert_eq!(connection.request().await.body.len(), body.len());
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!(soon(sent).await.unwrap().0.status(), 200);
    }
    stuck.iter().for_each(|(sent, _)| sent.abort());
}

/// What a client may send before somebody takes it is paid for like other memory: 256 KiB for each upload, or its length.
#[tokio::test]
async fn windows_of_uploads_are_charged_to_their_owner() {
    let mut upstream = Upstream::held().await;
    let proxy =
        Proxy::with(&upstream, |settings| settings.limits.buffered_bytes.per_owner = 600 * 1024)
            .await;
    let (sender, token) = (connect(&proxy).await, Token::any());
    let endless = || {
        let mut asked = ask("POST /stuck", &token, "");
        *asked.body_mut() = Endless.boxed();
        asked
    };
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let (mut sender, asked) = (sender.clone(), endless());
        let sent = tokio::spawn(async move { sender.send_request(asked).await.map(drop) });
        let mut connection = upstream.accept().await;
        connection.head().await;
        stuck.push((sent, connection));
    }
    assert_eq!(response(&mut sender.clone(), endless()).await.0.status(), 429);
    let of_length = |length: usize, token: &str| {
        let (mut sender, asked) = (sender.clone(), ask("POST /short", token, &"y".repeat(length)));
        tokio::spawn(async move { response(&mut sender, asked).await.0.status().as_u16() })
    };
    assert_eq!(soon(of_length(100_000, &token)).await.unwrap(), 429);
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (length, token) in [(50_000, &token), (0, &token), (100_000, &Token::any())] {
        let sent = of_length(length, token);
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection.send(OK).await;
        assert_eq!(soon(sent).await.unwrap(), 200, "{length}");
    }
    // One that has ended has made room.
    let (sent, connection) = stuck.pop().unwrap();
    sent.abort();
    drop(connection);
    loop {
        let mut sent = of_length(100_000, &token);
        tokio::select! {
            status = &mut sent => assert_eq!(status.unwrap(), 429),
            mut connection = upstream.accept() => {
                connection.request().await;
                connection.send(OK).await;
                assert_eq!(soon(sent).await.unwrap(), 200);
                break;
            }
        }
    }
    stuck.iter().for_each(|(sent, _)| sent.abort());
}

#[tokio::test]
async fn a_response_cut_off_resets_its_stream_only() {
    let upstream = Upstream::scripted(|seen| match seen.target.as_str() {
        "/cut" => Reply::last("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
        _ => Reply::ok("hello"),
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let mut sender = connect(&proxy).await;
    let token = Token::any();
    let cut = soon(sender.send_request(ask("GET /cut", &token, ""))).await.unwrap();
    assert!(soon(cut.into_body().collect()).await.is_err());
    assert_eq!(response(&mut sender, ask("GET /whole", &token, "")).await.1, b"hello");
}

#[tokio::test]
async fn a_stream_that_is_dropped_ends_its_exchange_upstream() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut sender = connect(&proxy).await;
    let asked = tokio::spawn({
        let request = ask("GET /long", &Token::any(), "");
        let mut sender = sender.clone();
        async move { sender.send_request(request).await.map(drop) }
    });
    let mut connection = upstream.accept().await;
    connection.request().await;
    asked.abort();
    assert!(connection.closed().await.is_empty());
    assert_eq!(response(&mut sender, ask("GET /__magictoken", "", "")).await.0.status(), 200);
}

#[tokio::test]
async fn fields_of_the_connection_and_the_authority_decide_nothing() {
    let upstream = Upstream::scripted(|_| {
        Reply::with(
            "200 OK",
            &[
                "Connection: X-Hop",
                "X-Hop: 1",
                "Keep-Alive: timeout=5",
                "Upgrade: h2c",
                "Set-Cookie: a=1",
                "Set-Cookie: b=2",
            ],
            "hello",
        )
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let mut sender = connect(&proxy).await;
    let mut asked = ask("GET /user", &Token::any(), "");
    *asked.uri_mut() = "http://elsewhere.test:99/user".parse().unwrap();
    let headers = asked.headers_mut();
    headers.insert("host", "other.test".parse().unwrap());
    headers.insert("te", "trailers".parse().unwrap());
    headers.insert("cookie", "a=b".parse().unwrap());
    headers.insert("x-forwarded-host", "evil.test".parse().unwrap());
    headers.insert("stripe-account", "acct_2".parse().unwrap());
    let (head, body) = response(&mut sender, asked).await;
    assert_eq!((head.status().as_u16(), body.as_slice()), (200, &b"hello"[..]));
    for name in ["connection", "x-hop", "keep-alive", "upgrade", "transfer-encoding"] {
        assert!(!head.headers().contains_key(name), "{name}");
    }
    assert_eq!(head.headers().get_all("set-cookie").iter().count(), 2);
    let seen = upstream.only_request();
    assert_eq!(seen.all("host"), [upstream.address.to_string()]);
    assert_eq!(seen.names(), ["accept-encoding", "authorization", "host"]);
}

#[tokio::test]
async fn an_idle_connection_lives_as_long_as_in_http_1() {
    in_time(Duration::from_millis(200), async |limit| {
        let upstream = Upstream::hello().await;
        let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = limit).await;
        let mut sender = connect(&proxy).await;
        let token = Token::any();
        assert_eq!(response(&mut sender, ask("GET /a", &token, "")).await.0.status(), 200);
        // Two connections that say nothing, as the clock: they are ended after the time for a head, this one is not.
        for _ in 0..2 {
            Client::connect(&proxy).await.closed().await;
        }
        assert_eq!(response(&mut sender, ask("GET /b", &token, "")).await.0.status(), 200);
    })
    .await;
}

#[tokio::test]
async fn an_end_finishes_streams_in_flight() {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::before(&upstream).await;
    let mut sender = connect(&proxy).await;
    let asked = tokio::spawn({
        let request = ask("GET /busy", &Token::any(), "");
        let mut sender = sender.clone();
        async move { response(&mut sender, request).await }
    });
    let mut connection = upstream.accept().await;
    connection.request().await;
    proxy.shut_down();
    soon(async { while TcpStream::connect(proxy.address).await.is_ok() {} }).await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(soon(asked).await.unwrap().1, b"hello");
    proxy.ended().await;
    assert!(soon(sender.ready()).await.is_err());
}

#[tokio::test]
async fn garbage_behind_the_preface_ends_the_connection() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    let rest = request("GET /user", &Token::any(), &[], "");
    client.try_send([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &rest].concat()).await;
    client.closed().await;
    assert!(upstream.requests().is_empty());
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Fields as literals without indexing (RFC 7541 section 6.2.2).
pub(crate) fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let string = |text: &str| {
        let mut bytes = match u8::try_from(text.len()) {
            Ok(length @ ..127) => vec![length],
            _ => {
                let mut rest = text.len() - 127;
                let mut bytes = vec![127];
                while rest >= 128 {
                    bytes.push((rest % 128 + 128) as u8);
                    rest /= 128;
                }
                bytes.push(rest as u8);
                bytes
            }
        };
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    fields
        .iter()
        .flat_map(|(name, value)| [vec![0], string(name), string(value)].concat())
        .collect()
}

/// Fields that no library would send: what they would mean in HTTP/1.1 must not come true there.
#[tokio::test]
async fn hostile_fields_make_no_other_request_upstream() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        (settings.timeouts.header, settings.timeouts.keep_alive) =
            (Duration::from_millis(200), Duration::from_millis(200));
    })
    .await;
    let token = format!("Bearer {}", *Token::allowing(&["POST /allowed"]).mint());
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/allowed"),
        (":authority", "a"),
        ("authorization", &token),
    ];
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let hostile: [&[(&str, &str)]; 28] = [
        &[],
        &[(":path", "/allowed/../b")],
        &[(":path", "/b")],
        &[(":path", "*")],
        &[(":path", "")],
        &[(":path", "allowed")],
        &[(":path", "http://a/allowed")],
        &[(":path", "//a/allowed")],
        &[(":path", "/allowed HTTP/1.1\r\nX: y")],
        &[(":path", "/allowed?_method=DELETE")],
        &[(":path", "/allowed#x")],
        &[(":path", "/allowed\u{e9}")],
        &[(":method", "POST /b HTTP/1.1\r\nHost: a\r\n\r\nPOST")],
        &[(":method", "CONNECT")],
        &[(":method", "GET")],
        &[(":scheme", "http://evil/?x=")],
        &[(":authority", "a/b?c"), ("host", "d")],
        &[("host", "a"), ("host", "b")],
        &[("transfer-encoding", "chunked")],
        &[("connection", "authorization")],
        &[("upgrade", "websocket")],
        &[("content-length", "5")],
        &[("content-length", "0"), ("content-length", "50")],
        &[("x-a", "1\r\nTransfer-Encoding: chunked")],
        &[("x-a\r\ntransfer-encoding", "chunked")],
        &[("Authorization", "Bearer x")],
        &[("authorization", "Bearer x")],
        &[(":protocol", "websocket")],
    ];
    for fields in hostile {
        // A field replaces the usual one of its name, if that is a pseudo field.
        let kept = usual.iter().filter(|(name, _)| {
            !name.starts_with(':') || fields.iter().all(|(other, _)| other != name)
        });
        let (pseudo, others): (Vec<_>, Vec<_>) =
            kept.chain(fields).partition(|(name, _)| name.starts_with(':'));
        let block = literals(&[pseudo, others].concat());
        let mut client = Client::connect(&proxy).await;
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let said = [
            preface,
            frame(4, 0, 0, &[]),
            frame(1, 4, 1, &block),
            frame(0, 1, 1, smuggled.as_bytes()),
        ]
        .concat();
        client.try_send(said).await;
        client.closed().await;
        for seen in upstream.take_requests() {
            assert_eq!(
                (seen.method.as_str(), seen.target.as_str()),
                ("POST", "/allowed"),
                "{fields:?}"
            );
            assert_eq!(seen.body, smuggled.as_bytes(), "{fields:?}");
            assert_eq!(seen.all("authorization"), [format!("Bearer {CREDENTIAL}")], "{fields:?}");
            assert_eq!(seen.all("host"), [upstream.address.to_string()], "{fields:?}");
            assert_eq!(
                seen.all("x-a").len() + seen.all("upgrade").len() + seen.all("connection").len(),
                0,
                "{fields:?}"
            );
        }
    }
    assert!(!upstream.raw().is_empty(), "nothing got through, not even what is allowed");
}

/// A client of bare frames that gives responses a window of 0 bytes.
async fn closed_window(proxy: &Proxy) -> Client {
    let mut client = Client::connect(proxy).await;
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    client.send([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat()).await;
    client
}

/// So many requests for the same, on the streams from this one on.
fn requests(path: &str, first: u8, count: u8) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a")];
    (0..count).flat_map(|number| frame(1, 5, first + 2 * number, &literals(&fields))).collect()
}

/// The kind and the flags of each frame on a stream of a client's, and of what ends the connection.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u8)> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, _, _, _, _, ..] = bytes {
        frames.push((*kind, *flags));
        bytes = bytes.get(9 + u32::from_be_bytes([0, *a, *b, *c]) as usize..).unwrap_or_default();
    }
    frames
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

fn count(frames: &[(u8, u8)], kind: u8, ends_stream: bool) -> usize {
    frames.iter().filter(|(other, flags)| *other == kind && (flags & 1 == 1) == ends_stream).count()
}

/// Refusals that nobody takes cost few streams, for a short time; the others end with their heads.
#[tokio::test]
async fn refusals_that_are_not_taken_are_few_and_ended_soon() {
    let upstream = Upstream::hello().await;
    let proxy =
        Proxy::with(&upstream, |settings| settings.timeouts.refusal = Duration::from_millis(200))
            .await;
    for path in ["/a", "/__magictoken"] {
        let mut client = closed_window(&proxy).await;
        client.send(requests(path, 1, 50)).await;
        let mut seen = Vec::new();
        soon(async {
            while count(&frames(&seen), RST_STREAM, false) < 8 {
                seen.extend(client.some().await);
            }
        })
        .await;
        let seen = frames(&seen);
        assert_eq!(
            (count(&seen, HEADERS, false), count(&seen, HEADERS, true)),
            (8, 42),
            "{path}: {seen:?}"
        );
        assert_eq!(count(&seen, RST_STREAM, false), 8, "{path}");
    }
}

#[tokio::test]
async fn refusals_that_are_not_taken_are_charged_to_their_peer() {
    let upstream = Upstream::hello().await;
    let quota = Quota { per_peer: 10, ..Quota::of(100) };
    let proxy = Proxy::with(&upstream, |settings| settings.limits.own_responses = quota).await;
    let (mut held, mut clients) = (0, Vec::new());
    for _ in 0..4 {
        let mut client = closed_window(&proxy).await;
        client.send(requests("/a", 1, 20)).await;
        let mut seen = Vec::new();
        while count(&frames(&seen), HEADERS, false) + count(&frames(&seen), HEADERS, true) < 20 {
            seen.extend(client.some().await);
        }
        held += count(&frames(&seen), HEADERS, false);
        clients.push(client);
    }
    assert_eq!(held, 10);
    // Over HTTP/1, and where they are taken, refusals have their content.
    Client::ask(&proxy, request("GET /a", "", &[], "")).await.assert_rejected(401, "missing_token");
    drop(clients);
    let mut sender = connect(&proxy).await;
    soon(async { while response(&mut sender, ask("GET /a", "", "")).await.1.is_empty() {} }).await;
}

#[tokio::test]
async fn many_refusals_end_a_connection() {
    let upstream = Upstream::hello().await;
    let proxy =
        Proxy::with(&upstream, |settings| settings.timeouts.refusal = Duration::from_millis(200))
            .await;
    let mut client = closed_window(&proxy).await;
    client.send(requests("/a", 1, 100)).await;
    let seen = frames(&client.closed().await);
    assert!(count(&seen, GOAWAY, false) + count(&seen, GOAWAY, true) > 0, "{seen:?}");
    // A client that reads them has them all before it goes.
    let mut sender = connect(&proxy).await;
    let mut refused = 0;
    while soon(sender.ready()).await.is_ok() && refused < 100 {
        let Ok(response) = soon(sender.send_request(ask("GET /a", "", ""))).await else { break };
        assert_eq!(response.status(), 401);
        refused += 1;
    }
    assert!((64..70).contains(&refused), "{refused}");
    // One that was admitted is refused more often.
    let mut sender = connect(&proxy).await;
    assert_eq!(response(&mut sender, ask("GET /a", &Token::any(), "")).await.0.status(), 200);
    for _ in 0..100 {
        assert_eq!(response(&mut sender, ask("GET /a", "", "")).await.0.status(), 401);
    }
}

/// Frames that achieve nothing are counted: a connection that floods ends, whoever it is, and its PINGs are answered until then.
#[tokio::test]
async fn a_flood_of_control_frames_ends_its_connection() {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;
    const ACK: u8 = 1;
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut honest = connect(&proxy).await;
    for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, &[]), (WINDOW_UPDATE, &[0, 0, 0, 1])] {
        let mut client = Client::connect(&proxy).await;
        client
            .send([&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat())
            .await;
        client.try_send(frame(kind, 0, 0, payload).repeat(20_000)).await;
        let seen = frames(&client.closed().await);
        let acknowledged =
            seen.iter().filter(|(seen, flags)| *seen == kind && *flags == ACK).count();
        assert!(acknowledged < 3_000, "{acknowledged} of kind {kind}");
        assert_eq!(response(&mut honest, ask("GET /a", &Token::any(), "")).await.0.status(), 200);
    }
}
