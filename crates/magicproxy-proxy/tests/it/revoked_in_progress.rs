//! Requests in progress whose token is revoked: what goes up and what comes down ends, whatever the protocols, and never looks
//! whole.
//!
//! | what passes | what its sender does after the revocation | test |
//! |---|---|---|
//! | a request's content | nothing; one more part; its end | `an_upload_ends_with_its_token` |
//! | the same, after the head of the response | the same | `an_upload_that_is_answered_ends_with_its_token` |
//! | the same, to an upstream that takes nothing | sends on | `an_upload_that_nobody_takes_ends_with_its_token` |
//! | a response's content | nothing; one more part; its end | `a_response_ends_with_its_token` |

use std::collections::HashSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use magicproxy_core::UnverifiedToken;
use magicproxy_proxy::services::{RevocationList, Revocations};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::{
    Client, DATA, Framed, FramedConnection, INITIAL_WINDOW_SIZE, Proxy, RST_STREAM, Setup, Token,
    Upstream, UpstreamConnection, events_come, request, soon,
};

const LENGTH: usize = 1000;

/// How a client frames its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Down {
    Length,
    Chunks,
    Http2,
}

/// What the proxy speaks to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Up {
    Http1,
    Http2,
}

/// What the sender does after the revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Part,
    End,
}

const DOWN: [Down; 3] = [Down::Length, Down::Chunks, Down::Http2];
const UP: [Up; 2] = [Up::Http1, Up::Http2];
const THEN: [Then; 3] = [Then::Nothing, Then::Part, Then::End];

/// The list of a proxy, and tokens to revoke.
#[derive(Default)]
struct Revoker(Arc<Revocations>);

impl Revoker {
    fn install(&self) -> impl FnOnce(&mut Setup) + use<> {
        let shared = Arc::clone(&self.0);
        move |settings| settings.services.revocations = shared
    }

    fn revoke(&self, token: &str) {
        let chain = UnverifiedToken::parse(token).unwrap().chain().unwrap().id();
        self.0.replace(RevocationList { chains: HashSet::from([chain]), ..Default::default() });
    }
}

/// An API, with the proxy before it.
enum Api {
    Http1(Upstream, Proxy),
    Http2(Framed, Proxy),
}

impl Api {
    async fn start(up: Up, revoker: &Revoker) -> Self {
        match up {
            Up::Http1 => {
                let upstream = Upstream::held().await;
                let proxy = Proxy::with(&upstream, revoker.install()).await;
                Self::Http1(upstream, proxy)
            }
            Up::Http2 => {
                let upstream = Framed::new().await;
                let proxy = upstream.proxy(revoker.install()).await;
                Self::Http2(upstream, proxy)
            }
        }
    }

    fn proxy(&self) -> &Proxy {
        match self {
            Self::Http1(_, proxy) | Self::Http2(_, proxy) => proxy,
        }
    }

    /// The next request, as far as its head.
    async fn request(&mut self) -> Received {
        match self {
            Self::Http1(upstream, _) => {
                let mut connection = upstream.accept().await;
                connection.head().await;
                Received::Http1(connection)
            }
            Self::Http2(upstream, _) => {
                let mut connection = upstream.accept(&[]).await;
                let stream = connection.head().await.stream;
                Received::Http2(Box::new(connection), stream)
            }
        }
    }
}

/// A request at the API.
enum Received {
    Http1(UpstreamConnection),
    Http2(Box<FramedConnection>, u32),
}

impl Received {
    /// Reads until this content has come.
    async fn until(&mut self, content: &str) {
        match self {
            Self::Http1(connection) => drop(connection.until(content.as_bytes()).await),
            Self::Http2(connection, _) => {
                let mut came = Vec::new();
                while !String::from_utf8_lossy(&came).ends_with(content) {
                    let frame = connection.next().await.unwrap();
                    assert_eq!(frame.kind, DATA, "{frame:?}");
                    came.extend(frame.payload);
                }
            }
        }
    }

    /// The rest is no whole request, and holds nothing more.
    async fn ends_early(self, told: &str) {
        match self {
            Self::Http1(mut connection) => {
                let rest = connection.closed().await;
                // The end of a chunk is no end of the content.
                let rest = rest.strip_prefix(b"\r\n").unwrap_or(&rest);
                assert!(rest.is_empty(), "{told}: {:?}", String::from_utf8_lossy(rest));
            }
            Self::Http2(mut connection, stream) => {
                let frame = connection.next().await.unwrap();
                assert_eq!((frame.kind, frame.stream), (RST_STREAM, stream), "{told}: {frame:?}");
            }
        }
    }

    /// The head of a response, and a part of its content.
    async fn respond(&mut self) {
        match self {
            Self::Http1(connection) => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndown\r\n";
                connection.send(head).await;
            }
            Self::Http2(connection, stream) => {
                connection.respond_head(*stream).await;
                connection.send(DATA, 0, *stream, b"down").await;
            }
        }
    }

    async fn respond_further(&mut self, then: Then) {
        match (self, then) {
            (_, Then::Nothing) => {}
            (Self::Http1(connection), Then::Part) => connection.try_send("4\r\nmore\r\n").await,
            (Self::Http1(connection), Then::End) => connection.try_send("0\r\n\r\n").await,
            (Self::Http2(connection, stream), Then::Part) => {
                connection.send(DATA, 0, *stream, b"more").await;
            }
            (Self::Http2(connection, stream), Then::End) => {
                connection.send(DATA, 1, *stream, b"").await;
            }
        }
    }
}

/// A body whose parts come from a channel.
struct Parts(mpsc::UnboundedReceiver<Bytes>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// What a client of HTTP/1.1 sends on, after `firstsecond`.
fn further(down: Down, then: Then) -> String {
    match (then, down) {
        (Then::Nothing, _) => String::new(),
        (Then::Part, Down::Chunks) => "4\r\nmore\r\n".to_owned(),
        (Then::Part, _) => "more".to_owned(),
        (Then::End, Down::Chunks) => "0\r\n\r\n".to_owned(),
        (Then::End, _) => "x".repeat(LENGTH - "firstsecond".len()),
    }
}

fn further_stream(parts: &mut Option<mpsc::UnboundedSender<Bytes>>, then: Then) {
    match then {
        Then::Nothing => {}
        Then::Part => {
            // The stream may have ended.
            let _ = parts.as_ref().unwrap().send(Bytes::from_static(b"more"));
        }
        Then::End => drop(parts.take()),
    }
}

/// A client that sends its content part by part.
enum Sender {
    Http1(Client, Down),
    Http2(Option<mpsc::UnboundedSender<Bytes>>, JoinHandle<hyper::Result<Response<Incoming>>>),
}

impl Sender {
    /// Begins a request with this method.
    async fn begin(down: Down, proxy: &Proxy, method: &str, token: &str) -> Self {
        if down == Down::Http2 {
            return Self::begin_stream(proxy, method, token).await;
        }
        let mut client = Client::connect(proxy).await;
        let framing = match down {
            _ if method == "GET" => None,
            Down::Length => Some(format!("Content-Length: {LENGTH}")),
            Down::Chunks | Down::Http2 => Some("Transfer-Encoding: chunked".to_owned()),
        };
        let lines: Vec<&str> = framing.iter().map(String::as_str).collect();
        client.send(request(&format!("{method} /up"), token, &lines, "")).await;
        Self::Http1(client, down)
    }

    async fn begin_stream(proxy: &Proxy, method: &str, token: &str) -> Self {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let (mut sender, connection) =
            soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
        tokio::spawn(connection);
        let (parts, received) = mpsc::unbounded_channel();
        let request = Request::builder().method(method).uri("http://proxy.test/up");
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.body(Parts(received)).unwrap();
        let sending = tokio::spawn(async move { sender.send_request(request).await });
        let parts = Some(parts).filter(|_| method != "GET");
        Self::Http2(parts, sending)
    }

    async fn part(&mut self, text: &str) {
        match self {
            Self::Http1(client, Down::Chunks) => {
                client.try_send(format!("{:x}\r\n{text}\r\n", text.len())).await;
            }
            Self::Http1(client, _) => client.try_send(text).await,
            Self::Http2(parts, _) => {
                let _ = parts.as_ref().unwrap().send(Bytes::from(text.to_owned()));
            }
        }
    }

    async fn further(&mut self, then: Then) {
        match self {
            Self::Http1(client, down) => client.try_send(further(*down, then)).await,
            Self::Http2(parts, _) => further_stream(parts, then),
        }
    }

    /// The status and the content of the response, and whether it ended as it should.
    async fn response(self) -> (u16, Vec<u8>, bool) {
        match self {
            Self::Http1(mut client, _) => {
                let response = client.response().await;
                (response.status, response.body, response.complete)
            }
            Self::Http2(_parts, sending) => {
                let response = soon(sending).await.unwrap().unwrap();
                let (status, mut body) = (response.status().as_u16(), response.into_body());
                let (mut content, mut is_whole) = (Vec::new(), true);
                while let Some(frame) = soon(body.frame()).await {
                    match frame {
                        Ok(frame) => content.extend(frame.into_data().unwrap_or_default()),
                        Err(_) => {
                            is_whole = false;
                            break;
                        }
                    }
                }
                (status, content, is_whole)
            }
        }
    }

    async fn assert_refused(self, told: &str) {
        let (status, content, _) = self.response().await;
        let text = String::from_utf8_lossy(&content);
        assert!(status == 401 && text.contains("revoked_token"), "{told}: {status} {text}");
    }

    /// Reads the first part of the response.
    async fn until_down(self) -> Answered {
        match self {
            Self::Http1(mut client, _) => {
                client.until(b"4\r\ndown\r\n").await;
                Answered::Http1(client)
            }
            Self::Http2(parts, sending) => {
                let mut body = soon(sending).await.unwrap().unwrap().into_body();
                let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
                assert_eq!(&*first, b"down");
                Answered::Http2(parts, body)
            }
        }
    }
}

/// A client that has got the first part of a response, and may still send.
enum Answered {
    Http1(Client),
    Http2(Option<mpsc::UnboundedSender<Bytes>>, Incoming),
}

impl Answered {
    async fn further(&mut self, down: Down, then: Then) {
        match self {
            Self::Http1(client) => client.try_send(further(down, then)).await,
            Self::Http2(parts, _) => further_stream(parts, then),
        }
    }

    /// Nothing more comes, and no end that looks whole.
    async fn breaks_off(self, told: &str) {
        match self {
            Self::Http1(mut client) => {
                let rest = client.closed().await;
                assert!(rest.is_empty(), "{told}: {:?}", String::from_utf8_lossy(&rest));
            }
            Self::Http2(_parts, mut body) => {
                let next = soon(body.frame()).await;
                assert!(matches!(next, Some(Err(_))), "{told}: {next:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_upload_ends_with_its_token() {
    for up in UP {
        for down in DOWN {
            for then in THEN {
                let told = format!("{down:?} {up:?} {then:?}");
                let revoker = Revoker::default();
                let mut api = Api::start(up, &revoker).await;
                let token = Token::any();
                let mut sender = Sender::begin(down, api.proxy(), "POST", &token).await;
                sender.part("first").await;
                let mut received = api.request().await;
                received.until("first").await;
                // Another's goes on.
                revoker.revoke(&Token::any());
                sender.part("second").await;
                received.until("second").await;
                revoker.revoke(&token);
                sender.further(then).await;
                received.ends_early(&told).await;
                sender.assert_refused(&told).await;
            }
        }
    }
    events_come(18, &["/up", "decision=\"revoked_token\"", "bytes_in=11"]).await;
}

#[tokio::test]
async fn an_upload_that_is_answered_ends_with_its_token() {
    for up in UP {
        for down in DOWN {
            for then in THEN {
                let told = format!("{down:?} {up:?} {then:?}");
                let revoker = Revoker::default();
                let mut api = Api::start(up, &revoker).await;
                let token = Token::any();
                let mut sender = Sender::begin(down, api.proxy(), "POST", &token).await;
                sender.part("first").await;
                let mut received = api.request().await;
                received.until("first").await;
                received.respond().await;
                sender.part("second").await;
                received.until("second").await;
                let mut answered = sender.until_down().await;
                revoker.revoke(&token);
                answered.further(down, then).await;
                received.ends_early(&told).await;
                answered.breaks_off(&told).await;
            }
        }
    }
    events_come(18, &["/up", "status=200", "ended=\"token_revoked\""]).await;
}

#[tokio::test]
async fn a_response_ends_with_its_token() {
    for up in UP {
        for down in [Down::Length, Down::Http2] {
            for then in THEN {
                let told = format!("{down:?} {up:?} {then:?}");
                let revoker = Revoker::default();
                let mut api = Api::start(up, &revoker).await;
                let token = Token::any();
                let sender = Sender::begin(down, api.proxy(), "GET", &token).await;
                let mut received = api.request().await;
                received.respond().await;
                let answered = sender.until_down().await;
                revoker.revoke(&token);
                received.respond_further(then).await;
                answered.breaks_off(&told).await;
            }
        }
    }
}

/// The upstream's socket, or its window, is full: what has not gone up stays where it is, and the client is told.
#[tokio::test]
async fn an_upload_that_nobody_takes_ends_with_its_token() {
    for up in UP {
        let revoker = Revoker::default();
        let mut api = Api::start(up, &revoker).await;
        let token = Token::any();
        let mut client = Client::connect(api.proxy()).await;
        let length = 64 * 1024 * 1024;
        let line = format!("Content-Length: {length}");
        client.send(request("POST /stalled", &token, &[&line], "")).await;
        let _received = match &mut api {
            Api::Http1(..) => api.request().await,
            Api::Http2(upstream, _) => {
                let mut connection = upstream.accept(&[(INITIAL_WINDOW_SIZE, 0)]).await;
                let stream = connection.head().await.stream;
                Received::Http2(Box::new(connection), stream)
            }
        };
        let (mut reading, mut writing) = tokio::io::split(client.stream);
        let piece = vec![b'x'; 64 * 1024];
        let uploading = tokio::spawn(async move {
            while tokio::io::AsyncWriteExt::write_all(&mut writing, &piece).await.is_ok() {}
        });
        // Once nothing more is taken of the client.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        revoker.revoke(&token);
        let mut head = [0; 12];
        soon(tokio::io::AsyncReadExt::read_exact(&mut reading, &mut head)).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 401", "{up:?}");
        uploading.abort();
    }
}
