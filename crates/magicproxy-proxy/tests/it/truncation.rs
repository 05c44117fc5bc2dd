//! What was cut never looks whole: whatever upstream breaks its response off, in whatever framing its client has it.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::Setup;
use crate::support::{
    Certificate, Client, Duplex, Proxy, Reply, Token, Upstream, all, events_come, find, in_time,
    request, settings, soon,
};

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(Certificate::new);

/// A client, by what frames a response to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// A length, or chunks.
    Http11,
    /// A length, or the end of the connection.
    Http10,
    Http11Tls,
    Http10Tls,
    Http2,
}

const CLIENTS: [Framing; 5] =
    [Framing::Http11, Framing::Http10, Framing::Http11Tls, Framing::Http10Tls, Framing::Http2];

/// A response as its client sees it.
#[derive(Debug)]
struct Received {
    /// The status line; empty over HTTP/2.
    line: String,
    body: Bytes,
    /// Does it look whole?
    whole: bool,
    reset: bool,
}

/// A proxy for clients in the clear, and one for clients of TLS.
struct Proxies {
    clear: Proxy,
    tls: Proxy,
}

impl Proxies {
    async fn with(upstream: &Upstream, change: impl Fn(&mut Setup)) -> Self {
        let settings = || {
            let mut settings = settings(upstream.address, "");
            change(&mut settings);
            settings
        };
        let tls =
            Proxy::listening(settings(), |listener| vec![listener.with_tls(CERTIFICATE.server())])
                .await;
        Self { clear: Proxy::start(settings()).await, tls }
    }

    /// Opens a connection for a client of HTTP/1.
    async fn connect(&self, client: Framing) -> Box<dyn Duplex> {
        match client {
            Framing::Http11Tls | Framing::Http10Tls => {
                Box::new(CERTIFICATE.client(&["http/1.1"]).connect(&self.tls).await)
            }
            _ => Box::new(soon(TcpStream::connect(self.clear.address)).await.unwrap()),
        }
    }

    async fn ask(&self, client: Framing, token: &str) -> Received {
        if client == Framing::Http2 {
            return self.ask_http2(token).await;
        }
        let mut stream = self.connect(client).await;
        stream.write_all(&asking(client, token)).await.unwrap();
        receive(stream, "GET").await
    }

    async fn ask_http2(&self, token: &str) -> Received {
        let stream = TcpStream::connect(self.clear.address).await.unwrap();
        let (mut sender, connection) =
            soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
        tokio::spawn(connection);
        let request =
            Request::get("http://proxy.test/a").header("authorization", format!("Bearer {token}"));
        let response =
            soon(sender.send_request(request.body(Empty::<Bytes>::new()).unwrap())).await;
        let mut received =
            Received { line: String::new(), body: Bytes::new(), whole: false, reset: true };
        let Ok(mut response) = response else { return received };
        while let Some(frame) = soon(response.frame()).await {
            match frame {
                Ok(frame) => received.body = frame.into_data().unwrap_or_default(),
                Err(error) => {
                    let text = format!("{error:?}");
                    assert!(text.contains("INTERNAL_ERROR"), "not our own error code: {text}");
                    return received;
                }
            }
        }
        Received { whole: true, reset: false, ..received }
    }
}

fn asking(client: Framing, token: &str) -> Vec<u8> {
    let version = if matches!(client, Framing::Http10 | Framing::Http10Tls) {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let text = String::from_utf8(request(
        "GET /a",
        token,
        &["Accept-Encoding: identity", "Connection: close"],
        "",
    ))
    .unwrap();
    text.replacen("HTTP/1.1", version, 1).into_bytes()
}

/// Reads to the end, as strictly as the framing of the response allows.
async fn receive(mut stream: Box<dyn Duplex>, method: &str) -> Received {
    let mut bytes = Vec::new();
    let reset = loop {
        match soon(stream.read_buf(&mut bytes)).await {
            Ok(0) => break false,
            Ok(_) => {}
            Err(_) => break true,
        }
    };
    let Some(at) = find(&bytes, b"\r\n\r\n") else {
        return Received { line: String::new(), body: Bytes::new(), whole: false, reset };
    };
    let body = bytes.split_off(at + 4);
    let head = String::from_utf8(bytes).unwrap();
    let line = head.lines().next().unwrap_or_default().to_owned();
    let fields = head.to_ascii_lowercase();
    let length = fields
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .map(|length| length.parse().unwrap());
    let framed = if fields.contains("transfer-encoding: chunked") {
        body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n"
    } else {
        method == "HEAD" || length.is_none_or(|length: usize| body.len() == length)
    };
    // The end of a connection that is not closed in order is no end of content.
    let delimited_by_close = length.is_none() && !fields.contains("transfer-encoding");
    Received { line, whole: framed && !(reset && delimited_by_close), body: body.into(), reset }
}

/// How an upstream ends its connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Reset,
    /// It stays silent, and the proxy ends the exchange.
    Silence,
}

/// A response of these bytes, for every request, in a connection of its own.
fn serve(mut upstream: Upstream, response: Vec<u8>, end: End) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let mut connection = upstream.accept().await;
            connection.head().await;
            connection.send(&response).await;
            match end {
                End::Close => {}
                End::Reset => {
                    // What was sent is to arrive first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO)).unwrap();
                }
                End::Silence => silent.push(connection),
            }
        }
    })
}

async fn check(response: Vec<u8>, end: End, whole: bool) {
    let upstream = Upstream::held().await;
    let proxies = Proxies::with(&upstream, |settings| {
        settings.timeouts.response_idle = Duration::from_millis(300)
    })
    .await;
    let shown = String::from_utf8_lossy(&response[..response.len().min(200)]).into_owned();
    let serving = serve(upstream, response, end);
    let token = Token::any();
    for client in CLIENTS {
        let received = proxies.ask(client, &token).await;
        assert_eq!(received.whole, whole, "{client:?}, {end:?}, {shown:?}: {received:?}");
        if whole {
            assert!(!received.reset, "{client:?}, {end:?}, {shown:?}");
        }
        let ours = ["", "HTTP/1.1 200 OK", "HTTP/1.0 200 OK"].contains(&received.line.as_str());
        assert!(ours, "{received:?}");
        if matches!(client, Framing::Http11 | Framing::Http11Tls) {
            assert!(
                !received.line.starts_with("HTTP/1.0"),
                "the upstream's version: {}",
                received.line
            );
        }
    }
    serving.abort();
}

fn json() -> String {
    format!("{{\"url\": \"http://127.0.0.1/x\", \"n\": [{}1]}}", "1,".repeat(2000))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn head(version: &str, fields: &str) -> Vec<u8> {
    format!("HTTP/{version} 200 OK\r\n{fields}\r\n\r\n").into_bytes()
}

/// Checks all of them side by side.
async fn check_all(cases: Vec<(Vec<u8>, End)>, whole: bool) {
    all(cases.into_iter().map(|(response, end)| check(response, end, whole)).collect()).await;
}

#[tokio::test]
async fn a_response_that_breaks_off_looks_whole_to_nobody() {
    let json = json();
    let (part, zipped) = (&json.as_bytes()[..1000], gzip(&json));
    let mut cases = Vec::new();
    for kind in ["text/plain", "application/json"] {
        for version in ["1.0", "1.1"] {
            let length =
                head(version, &format!("Content-Type: {kind}\r\nContent-Length: {}", json.len()));
            let cut = [&length, part].concat();
            cases.extend([End::Close, End::Reset, End::Silence].map(|end| (cut.clone(), end)));
            cases.push((length, End::Close));
            let endless = [&head(version, &format!("Content-Type: {kind}")), part].concat();
            cases.extend([End::Reset, End::Silence].map(|end| (endless.clone(), end)));
        }
        let chunked = head("1.1", &format!("Content-Type: {kind}\r\nTransfer-Encoding: chunked"));
        for (size, end) in
            [("fff\r\n", ""), ("3e8\r\n", ""), ("3e8\r\n", "\r\n"), ("3e8\r\n", "\r\n0\r\n")]
        {
            cases.push(([&chunked, size.as_bytes(), part, end.as_bytes()].concat(), End::Close));
        }
    }
    let coded = "Content-Type: application/json\r\nContent-Encoding: gzip";
    let shorter = &zipped[..zipped.len() - 9];
    for version in ["1.0", "1.1"] {
        for length in [zipped.len(), shorter.len()] {
            let head = head(version, &format!("{coded}\r\nContent-Length: {length}"));
            cases.push(([&head, shorter].concat(), End::Close));
        }
        cases.push(([&head(version, coded), shorter].concat(), End::Close));
    }
    check_all(cases, false).await;
}

#[tokio::test]
async fn a_response_that_is_whole_looks_whole_to_everybody() {
    let json = json();
    let mut cases = Vec::new();
    for kind in ["text/plain", "application/json"] {
        for version in ["1.0", "1.1"] {
            let fields = format!("Content-Type: {kind}\r\nContent-Length: {}", json.len());
            cases.push(([&head(version, &fields), json.as_bytes()].concat(), End::Close));
            cases.push((
                [&head(version, &format!("Content-Type: {kind}")), json.as_bytes()].concat(),
                End::Close,
            ));
        }
        let chunked = head("1.1", &format!("Content-Type: {kind}\r\nTransfer-Encoding: chunked"));
        let chunk = format!("{:x}\r\n{json}\r\n0\r\n\r\n", json.len());
        cases.push(([&chunked, chunk.as_bytes()].concat(), End::Close));
    }
    check_all(cases, true).await;
}

/// A reset discards what was not received, so a large response to a client that reads late must not end with one.
#[tokio::test]
async fn a_large_response_without_a_length_arrives_whole() {
    let body = vec![b'a'; 8 * 1024 * 1024];
    let upstream = Upstream::held().await;
    let proxies = Proxies::with(&upstream, |_| ()).await;
    let serving = serve(
        upstream,
        [head("1.0", "Content-Type: text/plain"), body.clone()].concat(),
        End::Close,
    );
    for client in [Framing::Http10, Framing::Http10Tls] {
        let mut stream = proxies.connect(client).await;
        stream.write_all(&asking(client, &Token::any())).await.unwrap();
        let first = soon(stream.read_u8()).await.unwrap();
        assert_eq!(first, b'H');
        tokio::time::sleep(Duration::from_millis(200)).await;
        let received = receive(stream, "GET").await;
        assert!(!received.reset, "{client:?}");
        assert_eq!(received.body.len(), body.len(), "{client:?}");
    }
    serving.abort();
}

/// What ends such a response besides its upstream: a client that takes nothing for too long, the deadline of the exchange, and the end
/// of the proxy.
#[tokio::test]
async fn a_response_that_the_proxy_ends_looks_whole_to_nobody() {
    let endless = [&head("1.1", "Content-Type: text/plain"), &b"begun"[..]].concat();
    for client in CLIENTS {
        in_time(Duration::from_millis(400), async |limit| {
            let upstream = Upstream::held().await;
            let proxies =
                Proxies::with(&upstream, |settings| settings.timeouts.total = Some(limit)).await;
            let serving = serve(upstream, endless.clone(), End::Silence);
            let received = proxies.ask(client, &Token::any()).await;
            assert!(!received.whole, "{client:?}: {received:?}");
            serving.abort();
        })
        .await;
    }
    for client in [Framing::Http10, Framing::Http11, Framing::Http10Tls] {
        let upstream = Upstream::held().await;
        let mut proxies = Proxies::with(&upstream, |settings| {
            settings.timeouts.drain = Duration::from_millis(50)
        })
        .await;
        let serving = serve(upstream, endless.clone(), End::Silence);
        let mut stream = proxies.connect(client).await;
        stream.write_all(&asking(client, &Token::any())).await.unwrap();
        assert_eq!(soon(stream.read_u8()).await.unwrap(), b'H');
        proxies.clear.shut_down();
        proxies.tls.shut_down();
        proxies.clear.ended().await;
        proxies.tls.ended().await;
        let received = receive(stream, "GET").await;
        assert!(
            received.reset || client == Framing::Http11 && !received.whole,
            "{client:?}: {received:?}"
        );
        serving.abort();
    }
    // More than the buffers of both sides hold.
    let large = [head("1.1", "Content-Type: text/plain"), vec![b'a'; 32 * 1024 * 1024]].concat();
    let upstream = Upstream::held().await;
    let proxies = Proxies::with(&upstream, |settings| {
        settings.timeouts.body_idle = Duration::from_millis(300)
    })
    .await;
    let length = large.len();
    let serving = serve(upstream, large, End::Close);
    let mut stream = proxies.connect(Framing::Http10).await;
    stream.write_all(&asking(Framing::Http10, &Token::any())).await.unwrap();
    events_come(1, &["a connection ended", "error writing"]).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let received = receive(stream, "GET").await;
    assert!(received.reset && received.body.len() < length, "{}", received.body.len());
    serving.abort();
}

/// Heads without content have no end that could be missed, whatever their framing.
#[tokio::test]
async fn a_head_without_content_ends_in_order() {
    let upstream = Upstream::scripted(|seen| {
        Reply::last(match seen.target.as_str() {
            "/204" => "HTTP/1.0 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.0 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
            _ => "HTTP/1.0 200 OK\r\n\r\n",
        })
    })
    .await;
    let proxies = Proxies::with(&upstream, |_| ()).await;
    for (method, path) in [("GET", "/204"), ("GET", "/304"), ("HEAD", "/head"), ("GET", "/nothing")]
    {
        let mut stream = proxies.connect(Framing::Http10).await;
        let text =
            format!("{method} {path} HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", *Token::any());
        stream.write_all(text.as_bytes()).await.unwrap();
        let received = receive(stream, "HEAD").await;
        assert!(received.whole && !received.reset, "{method} {path}: {received:?}");
    }
}

/// A client of HTTP/1.1 keeps its connection, though its upstream speaks HTTP/1.0.
#[tokio::test]
async fn the_version_of_the_upstream_is_its_own() {
    let bodies = ["HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.0 200 OK\r\n\r\nok"];
    for body in bodies {
        let upstream = Upstream::scripted(move |_| Reply::last(body)).await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        for _ in 0..3 {
            client.send(request("GET /user", &Token::any(), &[], "")).await;
            let line = client.until(b"\r\n").await;
            assert_eq!(line, b"HTTP/1.1 200 OK\r\n");
            let response = client.response_fields().await;
            assert_eq!(
                (response.text().as_str(), response.complete, response.one("connection")),
                ("ok", true, None)
            );
        }
    }
}
