//! TLS towards clients: protocols, hostile and slow handshakes, certificates that change, the end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use magicproxy_proxy::listener::Listener;
use magicproxy_proxy::listener::tls::TlsServer;
use magicproxy_proxy::settings::Forwarding;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use crate::support::Setup;
use crate::support::{
    Certificate, Client, Duplex, OnlyUpstream as _, Proxy, Reply, Token, Upstream,
    UpstreamConnection, find, in_time, request, settings, soon,
};

const SHORT: Duration = Duration::from_millis(300);
/// What is over after [`SHORT`] is over by now, on a slow machine, too.
const LONG: Duration = Duration::from_secs(25);

async fn serving(upstream: &Upstream, certificate: &Certificate) -> Proxy {
    serving_with(upstream, certificate, |_| ()).await
}

async fn serving_with(
    upstream: &Upstream,
    certificate: &Certificate,
    change: impl FnOnce(&mut Setup),
) -> Proxy {
    let mut settings = settings(upstream.address, "");
    change(&mut settings);
    let tls = certificate.server();
    Proxy::listening(settings, |listener| vec![listener.with_tls(tls)]).await
}

/// The status and body that one request gets over HTTP/2.
async fn ask_http2(stream: impl Duplex + 'static, path: &str) -> (u16, Bytes) {
    let (mut sender, connection) =
        soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let response = soon(sender.send_request(asked(path))).await.unwrap();
    (response.status().as_u16(), soon(response.into_body().collect()).await.unwrap().to_bytes())
}

fn asked(path: &str) -> Request<Full<Bytes>> {
    let asked = Request::get(format!("https://proxy.test{path}"))
        .header("authorization", format!("Bearer {}", *Token::any()));
    asked.body(Full::new(Bytes::new())).unwrap()
}

#[tokio::test]
async fn protocols_are_agreed_on_or_detected() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = serving(&upstream, &certificate).await;
    for version in [&TLS12, &TLS13] {
        for (offered, agreed) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&["http/1.0", "other"], Some("http/1.0")),
            (&[], None),
        ] {
            let stream = certificate.client_of(&[version], offered).connect(&proxy).await;
            let connection = stream.get_ref().1;
            assert_eq!(connection.protocol_version(), Some(version.version));
            assert_eq!(connection.alpn_protocol(), agreed.map(str::as_bytes));
            if agreed == Some("h2") {
                assert_eq!(ask_http2(stream, "/a").await, (200, Bytes::from_static(b"hello")));
                continue;
            }
            let response =
                Client::over(stream).exchange(request("GET /a", &Token::any(), &[], "")).await;
            assert_eq!((response.status, response.text().as_str()), (200, "hello"));
        }
    }
    // Prior knowledge, where nothing was agreed on.
    let stream = certificate.client(&[]).connect(&proxy).await;
    assert_eq!(ask_http2(stream, "/a").await.0, 200);
}

#[tokio::test]
async fn no_other_protocol_is_spoken_than_the_one_agreed_on() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = serving(&upstream, &certificate).await;
    assert!(certificate.client(&["spdy/3"]).try_connect(&proxy).await.is_err());
    for (agreed, spoken) in [
        ("h2", &request("GET /a", &Token::any(), &[], "")[..]),
        ("http/1.1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let mut client = Client::over(certificate.client(&[agreed]).connect(&proxy).await);
        client.send(spoken).await;
        assert!(client.closed().await.is_empty());
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn bodies_of_any_size_pass() {
    let body: String = (0..3_000_000_u32).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    let (upstream, certificate) =
        (Upstream::scripted(|seen| Reply::ok(&seen.body)).await, Certificate::new());
    let proxy = serving(&upstream, &certificate).await;
    let mut client = Client::over(certificate.client(&["http/1.1"]).connect(&proxy).await);
    for _ in 0..2 {
        let length = format!("Content-Length: {}", body.len());
        let response = client.exchange(request("POST /a", &Token::any(), &[&length], &body)).await;
        assert!(
            response.status == 200 && response.complete && response.body == body.as_bytes(),
            "{}",
            response.body.len()
        );
    }
}

/// A client sends as much as it likes in one go with the last message of its handshake.
#[tokio::test]
async fn a_request_right_behind_the_handshake_is_no_part_of_it() {
    let (upstream, certificate) = (
        Upstream::scripted(|seen| Reply::ok(seen.body.len().to_string())).await,
        Certificate::new(),
    );
    let proxy = serving(&upstream, &certificate).await;
    for versions in [[&TLS12], [&TLS13]] {
        for length in [1, 14_000, 16_384, 18_000, 40_000, 300_000] {
            let client = certificate.client_of(&versions, &["http/1.1"]);
            let lines = [format!("Content-Length: {length}"), "Connection: close".to_owned()];
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let sent = request("POST /a", &Token::any(), &lines, &"x".repeat(length));
            let response = soon(exchange_at_once(client.begin(), &proxy, &sent)).await;
            assert!(response.ends_with(&format!("\r\n\r\n{length}")), "{length}: {response}");
        }
    }
}

/// Sends the end of the handshake and a request in one write, and reads all that comes.
async fn exchange_at_once(
    mut tls: rustls::ClientConnection,
    proxy: &Proxy,
    request: &[u8],
) -> String {
    use std::io::{Read as _, Write as _};
    tls.set_buffer_limit(None);
    let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    let (mut out, mut read, mut response) = (Vec::new(), vec![0; 4_096], Vec::new());
    let mut has_asked = false;
    loop {
        if !has_asked && !tls.is_handshaking() {
            tls.writer().write_all(request).unwrap();
            has_asked = true;
        }
        while tls.wants_write() {
            tls.write_tls(&mut out).unwrap();
        }
        stream.write_all(&out).await.unwrap();
        out.clear();
        let bytes = stream.read(&mut read).await.unwrap();
        if bytes == 0 {
            return String::from_utf8(response).unwrap();
        }
        let mut unread = &read[..bytes];
        while !unread.is_empty() {
            tls.read_tls(&mut unread).unwrap();
            tls.process_new_packets().unwrap();
        }
        match tls.reader().read_to_end(&mut response) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn upstreams_are_told_of_it() {
    let certificate = Certificate::new();
    for (mode, name, value) in [
        (Forwarding::Forwarded, "forwarded", "for=127.0.0.1;proto=https"),
        (Forwarding::XForwarded, "x-forwarded-proto", "https"),
    ] {
        let upstream = Upstream::hello().await;
        let proxy = serving_with(&upstream, &certificate, |settings| {
            settings.upstream_mut().forwarding = mode
        })
        .await;
        let mut client = Client::over(certificate.client(&[]).connect(&proxy).await);
        client.exchange(request("GET /a", &Token::any(), &["X-Forwarded-Proto: gopher"], "")).await;
        assert_eq!(upstream.only_request().all(name), [value]);
    }
}

#[tokio::test]
async fn plain_http_is_told_to_speak_tls() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = serving(&upstream, &certificate).await;
    let body = "x".repeat(30_000);
    for asked in [
        request("GET /a", &Token::any(), &[], ""),
        request("POST /a", &Token::any(), &["Content-Length: 30000"], &body),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
    ] {
        let mut client = Client::connect(&proxy).await;
        client.send(asked).await;
        let response = client.response().await;
        assert_eq!(
            (response.status, response.one("connection"), response.complete),
            (400, Some("close"), true)
        );
        assert_eq!(
            response.text(),
            "magicproxy: this port speaks TLS; its URLs begin with https://\r\n"
        );
        assert!(client.closed().await.is_empty());
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn garbage_gets_an_alert_and_an_end() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = serving(&upstream, &certificate).await;
    let hello = certificate.client(&[]).hello();
    // The name in the middle of the ClientHello, made impossible.
    let name = find(&hello, b"proxy.test").unwrap();
    let renamed = |bytes: &[u8]| [&hello[..name], bytes, &hello[name + bytes.len()..]].concat();
    let mut cases = vec![
        b"\0".repeat(2000),
        b"\xff".repeat(2000),
        b"\x16\x03\x01\xff\xff".to_vec(),
        b"\x16\x03\x01\0\0".repeat(100),
        b"\x15\x03\x01\0\x02\x01\0".to_vec(),
        b"\x17\x03\x03\0\x05hello".to_vec(),
        b"SSH-2.0-x\r\n".to_vec(),
        [&b"\x16\x03\x01\0\x05\x01\xff\xff\xff\0"[..], &[b'\0'; 50]].concat(),
        renamed(b"pr\0xy"),
        renamed(b"..."),
        renamed(b"\xf0\x28\x8c\x28"),
        [&hello[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat(),
    ];
    cases.extend((0..hello.len()).step_by(7).map(|at| {
        let mut hello = hello.clone();
        hello[at] ^= 0x55;
        hello.push(0);
        hello
    }));
    for case in cases {
        let mut client = Client::connect(&proxy).await;
        client.try_send(&case).await;
        let _ = soon(client.stream.shutdown()).await;
        let told = client.closed().await;
        let shown = &case[..case.len().min(20)];
        assert!(
            told.is_empty() || matches!(told[0], 0x15 | 0x16) || told.starts_with(b"HTTP/1.1 400 "),
            "{shown:?}: {told:?}"
        );
    }
    // And nothing of it did harm.
    let response = Client::over(certificate.client(&[]).connect(&proxy).await)
        .exchange(request("GET /a", &Token::any(), &[], ""))
        .await;
    assert_eq!((response.status, upstream.requests().len()), (200, 1));
}

#[tokio::test]
async fn any_name_is_answered_with_the_one_certificate() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = serving(&upstream, &certificate).await;
    // An address is not sent as a name (RFC 6066 section 3).
    assert!(certificate.client(&[]).asking_for("127.0.0.1").try_connect(&proxy).await.is_ok());
    // It is the client that minds.
    let other =
        certificate.client(&[]).asking_for("other.test").try_connect(&proxy).await.unwrap_err();
    assert!(other.to_string().contains("not valid for name"), "{other}");
}

#[tokio::test]
async fn stalled_handshakes_are_ended() {
    in_time(SHORT, stalled_handshakes).await;
}

async fn stalled_handshakes(short: Duration) {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = serving_with(&upstream, &certificate, |settings| {
        settings.timeouts.header = short;
        settings.limits.connections = 1;
    })
    .await;
    let hello = certificate.client(&[]).hello();
    let plain = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n".to_vec();
    for bytes in
        [Vec::new(), hello[..1].to_vec(), hello[..hello.len() - 1].to_vec(), hello.clone(), plain]
    {
        let since = Instant::now();
        let mut client = Client::connect(&proxy).await;
        client.send(&bytes).await;
        client.closed().await;
        assert!(since.elapsed() < LONG, "{:?} after {} bytes", since.elapsed(), bytes.len());
    }
    // A byte now and then helps nobody.
    let mut client = Client::connect(&proxy).await;
    let mut sent = 0;
    for byte in &hello {
        client.try_send([*byte]).await;
        sent += 1;
        if tokio::time::timeout(short / 20, client.closed()).await.is_ok() {
            break;
        }
    }
    assert!(sent < hello.len(), "all {sent} bytes were waited for");
    // After the handshake the clock does not start again; and the one slot there is was given back each time.
    let since = Instant::now();
    let mut client = Client::over(certificate.client(&["http/1.1"]).connect(&proxy).await);
    assert!(client.closed().await.is_empty());
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
    // A slow machine needs several attempts within the short time.
    let mut status = None;
    for _ in 0..100 {
        if let Ok(stream) = certificate.client(&[]).try_connect(&proxy).await {
            let request = request("GET /a", &Token::any(), &[], "");
            status = Client::over(stream).try_exchange(request).await;
        }
        if status.is_some() {
            break;
        }
    }
    assert_eq!(status, Some(200));
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_ended() {
    let mut upstream = Upstream::held().await;
    let certificate = Certificate::new();
    let proxy =
        serving_with(&upstream, &certificate, |settings| settings.timeouts.body_idle = SHORT).await;
    let mut client = Client::over(certificate.client(&["http/1.1"]).connect(&proxy).await);
    client.send(request("GET /a", &Token::any(), &[], "")).await;
    flood(&mut upstream).await;
    // With the largest windows there are it is the socket, not the stream, that takes nothing.
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(1 << 30).initial_connection_window_size(1 << 30);
    let deaf = Arc::new(AtomicBool::new(false));
    let stream = Deafening {
        stream: certificate.client(&["h2"]).connect(&proxy).await,
        deaf: Arc::clone(&deaf),
    };
    let (mut sender, connection) = soon(builder.handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    tokio::spawn(async move { sender.send_request(asked("/a")).await });
    let mut connection = upstream.accept().await;
    connection.head().await;
    deaf.store(true, Ordering::Relaxed);
    pour(&mut connection).await;
}

/// A stream that stops reading when it is told to, and closes nothing.
struct Deafening<S> {
    stream: S,
    deaf: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Deafening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deaf.load(Ordering::Relaxed) {
            Poll::Pending
        } else {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deafening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Answers without end, until the proxy gives up.
async fn flood(upstream: &mut Upstream) {
    let mut connection = upstream.accept().await;
    connection.head().await;
    pour(&mut connection).await;
}

async fn pour(connection: &mut UpstreamConnection) {
    let length = 64 * 1024 * 1024;
    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
    let chunk = vec![b'x'; 256 * 1024];
    let mut written = 0;
    while soon(connection.stream.write_all(&chunk)).await.is_ok() {
        written += chunk.len();
        assert!(written < length / 2, "the proxy buffers the response");
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_handshakes() {
    let (upstream, old, new) = (Upstream::hello().await, Certificate::new(), Certificate::new());
    let tls = old.server();
    let proxy = Proxy::listening(settings(upstream.address, ""), |listener| {
        vec![listener.with_tls(tls.clone())]
    })
    .await;
    let mut before = Client::over(old.client(&[]).connect(&proxy).await);
    assert_eq!(before.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    tls.replace(new.identity());
    let shown = new.client(&[]).connect(&proxy).await;
    assert_eq!(shown.get_ref().1.peer_certificates().unwrap().first(), Some(&new.der));
    assert!(old.client(&[]).try_connect(&proxy).await.is_err());
    assert_eq!(
        before.exchange(request("GET /a", &Token::any(), &[], "")).await.status,
        200,
        "an open connection goes on"
    );
}

#[tokio::test]
async fn without_a_certificate_there_is_no_handshake_until_there_is_one() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let tls = TlsServer::new(None).unwrap();
    let proxy = Proxy::listening(settings(upstream.address, ""), |listener| {
        vec![listener.with_tls(tls.clone())]
    })
    .await;
    assert!(certificate.client(&[]).try_connect(&proxy).await.is_err());
    tls.replace(certificate.identity());
    assert!(certificate.client(&[]).try_connect(&proxy).await.is_ok());
}

#[tokio::test]
async fn a_challenge_is_answered_with_its_certificate_and_nothing_else() {
    let (upstream, certificate, challenge) =
        (Upstream::hello().await, Certificate::new(), Certificate::new());
    let tls = certificate.server();
    let proxy = Proxy::listening(settings(upstream.address, ""), |listener| {
        vec![listener.with_tls(tls.clone())]
    })
    .await;
    let asking = || challenge.client(&["acme-tls/1"]);
    assert!(asking().try_connect(&proxy).await.is_err(), "there is no challenge yet");
    tls.set_challenge("Proxy.Test", challenge.identity());
    let stream = asking().connect(&proxy).await;
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap().first(), Some(&challenge.der));
    let mut client = Client::over(stream);
    client.try_send(request("GET /a", &Token::any(), &[], "")).await;
    assert!(client.closed().await.is_empty());
    // Who asks for another name, for none, or for HTTP besides, is not asking for that.
    assert!(asking().asking_for("127.0.0.1").try_connect(&proxy).await.is_err());
    assert!(challenge.client(&["acme-tls/1", "h2"]).try_connect(&proxy).await.is_err());
    assert!(certificate.client(&["h2", "acme-tls/1"]).try_connect(&proxy).await.is_ok());
    tls.clear_challenges();
    assert!(asking().try_connect(&proxy).await.is_err());
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn sessions_are_resumed_without_early_data() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let proxy = serving(&upstream, &certificate).await;
    for version in [&TLS12, &TLS13] {
        let tls_client = certificate.client_of(&[version], &["http/1.1"]);
        for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let stream = tls_client.connect(&proxy).await;
            let connection = stream.get_ref().1;
            assert_eq!(connection.handshake_kind(), Some(kind));
            let mut client = Client::over(stream);
            assert_eq!(
                client.exchange(request("GET /a", &Token::any(), &[], "")).await.status,
                200
            );
            assert!(!tls_client.may_send_early_data());
        }
    }
}

#[tokio::test]
async fn an_end_finishes_what_is_in_flight() {
    let mut upstream = Upstream::held().await;
    let certificate = Certificate::new();
    let mut proxy = serving(&upstream, &certificate).await;
    let tls_client = certificate.client(&["http/1.1"]);
    let mut busy = Client::over(tls_client.connect(&proxy).await);
    busy.send(request("GET /busy", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let mut idle = tls_client.connect(&proxy).await;
    let mut half = Client::connect(&proxy).await;
    half.send(&tls_client.hello()[..20]).await;
    let mut silent = Client::connect(&proxy).await;
    proxy.shut_down();
    assert!(half.closed().await.is_empty() && silent.closed().await.is_empty());
    // It may end in a reset, for it has not yet been served.
    let _ = soon(idle.read(&mut [0; 16])).await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").await;
    connection.send("llo").await;
    let response = busy.response().await;
    assert_eq!((response.text().as_str(), response.complete), ("hello", true));
    // `close_notify` came: without it, reading fails (RFC 8446 section 6.1).
    assert_eq!(soon(busy.stream.read(&mut [0; 16])).await.unwrap(), 0);
    proxy.ended().await;
}

#[tokio::test]
async fn websockets_flow() {
    let mut upstream = Upstream::held().await;
    let certificate = Certificate::new();
    let proxy =
        serving_with(&upstream, &certificate, |settings| settings.upstream_mut().websocket = true)
            .await;
    let mut client = Client::over(certificate.client(&["http/1.1"]).connect(&proxy).await);
    let lines = [
        "Connection: upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    client.send(request("GET /ws", &Token::any(), &lines, "")).await;
    let mut connection = upstream.accept().await;
    connection.head().await;
    connection
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    assert_eq!(client.response_head().await.status, 101);
    client.send("up").await;
    connection.until(b"up").await;
    connection.send("down").await;
    client.until(b"down").await;
}

#[tokio::test]
async fn listeners_with_and_without_tls_stand_side_by_side() {
    let (upstream, certificate) = (Upstream::hello().await, Certificate::new());
    let plain = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = plain.local_addr().unwrap();
    let tls = certificate.server();
    let listeners = |listener: Listener| vec![listener.with_tls(tls), Listener::tcp(plain)];
    let proxy = Proxy::listening(settings(upstream.address, ""), listeners).await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut plain = Client::over(tokio::net::TcpStream::connect(address).await.unwrap());
    assert_eq!(plain.exchange(&asked).await.status, 200);
    assert_eq!(
        Client::over(certificate.client(&[]).connect(&proxy).await).exchange(&asked).await.status,
        200
    );
}
