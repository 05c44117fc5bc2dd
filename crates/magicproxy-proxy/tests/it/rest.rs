//! Content that a response does not wait for: its rest is read and the connection goes on, or the response says that it does not.

use std::convert::Infallible;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{Client, Proxy, Token, Upstream, request, soon};

const KIB: usize = 1024;

/// How a request's content comes.
#[derive(Clone, Copy, Debug)]
struct Content {
    length: usize,
    /// How much of it comes with the head.
    first: usize,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Length,
    Chunked,
    Expect,
}

impl Content {
    const fn of(length: usize, first: usize) -> Self {
        Self { length, first, form: Form::Length }
    }

    const fn chunked(length: usize, first: usize) -> Self {
        Self { length, first, form: Form::Chunked }
    }

    fn fields(self) -> Vec<String> {
        match self.form {
            Form::Length => vec![format!("Content-Length: {}", self.length)],
            Form::Chunked => vec!["Transfer-Encoding: chunked".to_owned()],
            Form::Expect => {
                vec!["Expect: 100-continue".to_owned(), format!("Content-Length: {}", self.length)]
            }
        }
    }

    /// What comes with the head, and what comes behind the response.
    fn parts(self) -> (String, String) {
        if self.form == Form::Chunked {
            let chunk = |length: usize| {
                if length == 0 {
                    String::new()
                } else {
                    format!("{length:x}\r\n{}\r\n", "a".repeat(length))
                }
            };
            let last = "0\r\n\r\n";
            let rest = self.length - self.first;
            return if rest == 0 {
                (chunk(self.first) + last, String::new())
            } else {
                (chunk(self.first), chunk(rest) + last)
            };
        }
        ("a".repeat(self.first), "a".repeat(self.length - self.first))
    }
}

/// The connection goes on behind these: the rest is short, or is there.
const KEPT: [Content; 8] = [
    Content::of(10, 10),
    Content::of(10, 2),
    Content::of(10, 0),
    Content::of(100 * KIB, KIB),
    Content::of(256 * KIB, 0),
    Content::chunked(10, 10),
    Content::chunked(100 * KIB, 100 * KIB),
    Content::chunked(0, 0),
];

/// The rest of these is long, or of unknown length, or will perhaps not be sent.
const CLOSED: [Content; 7] = [
    Content::of(256 * KIB + 1, 0),
    Content::of(300 * KIB, 300 * KIB),
    Content::of(1024 * KIB, KIB),
    Content::chunked(10, 2),
    Content::chunked(1024 * KIB, KIB),
    Content { length: 10, first: 0, form: Form::Expect },
    Content { length: 1024 * KIB, first: 0, form: Form::Expect },
];

/// A request whose response does not wait for its content.
#[derive(Clone, Debug)]
struct Case {
    line: &'static str,
    token: String,
    fields: Vec<&'static str>,
    status: u16,
}

fn case(line: &'static str, token: &str, status: u16) -> Case {
    Case { line, token: token.to_owned(), fields: Vec::new(), status }
}

impl Case {
    fn head(&self, content: Content) -> Vec<u8> {
        let fields = content.fields();
        let fields: Vec<&str> =
            self.fields.iter().copied().chain(fields.iter().map(String::as_str)).collect();
        request(self.line, &self.token, &fields, "")
    }
}

/// Sends a request, and checks that what its response says of the connection is what becomes of it.
async fn check(proxy: &Proxy, case: &Case, content: Content, kept: bool) {
    let shown = format!("{}, {}, {content:?}", case.line, case.status);
    let mut client = Client::connect(proxy).await;
    let (first, rest) = content.parts();
    client.send([case.head(content), first.into_bytes()].concat()).await;
    let response = client.response().await;
    assert_eq!(response.status, case.status, "{shown}: {}", response.text());
    assert_eq!(response.one("connection"), (!kept).then_some("close"), "{shown}");
    if !kept {
        client.try_send(rest).await;
        assert!(client.closed().await.is_empty(), "{shown}");
        return;
    }
    // The head of the next request comes with the end of the content, and is of the kind that must be seen whole.
    let token = Token::allowing(&["POST /next"]).mint();
    let next =
        request("POST /next", &token, &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n");
    client.send([rest.into_bytes(), next].concat()).await;
    let response = client.response().await;
    assert_eq!(
        response.status,
        if case.status == 502 { 502 } else { 200 },
        "{shown}: {}",
        response.text()
    );
    assert_eq!(
        client.exchange(request("GET /__magictoken", "", &[], "")).await.status,
        200,
        "{shown}"
    );
}

#[tokio::test]
async fn a_refusal_says_what_becomes_of_its_connection() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::allowing(&["POST /allowed"]).mint();
    let cases = [
        case("POST /user", "", 401),
        case("POST /user", "no-token", 401),
        case("POST /user", &token, 403),
        case("DELETE /user", &token, 403),
        case("GET /user", &token, 403),
        case("POST /a/../b", &token, 400),
        case("POST /__magictoken/none", "", 404),
        case("DELETE /__magictoken", "", 405),
        case("POST /__magictoken", "", 415),
        Case { fields: vec!["X-HTTP-Method-Override: PUT"], ..case("POST /allowed", &token, 400) },
    ];
    for case in &cases {
        for content in KEPT {
            check(&proxy, case, content, true).await;
        }
        for content in CLOSED {
            check(&proxy, case, content, false).await;
        }
    }
    assert!(upstream.requests().iter().all(|seen| seen.target == "/next"));
}

/// The control plane answers without the content of requests that have none.
#[tokio::test]
async fn so_does_a_response_of_the_proxys_own() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for case in [case("GET /__magictoken", "", 200), case("GET /__magictoken/keys", "", 200)] {
        check(&proxy, &case, Content::of(100 * KIB, KIB), true).await;
        check(&proxy, &case, Content::chunked(100 * KIB, KIB), false).await;
    }
}

#[tokio::test]
async fn so_does_a_failure_of_the_upstream() {
    let upstream = Upstream::absent().await;
    let proxy = Proxy::before(&upstream).await;
    let case = case("POST /allowed", &Token::any(), 502);
    for content in KEPT {
        check(&proxy, &case, content, true).await;
    }
    for content in CLOSED {
        check(&proxy, &case, content, false).await;
    }
}

/// What the upstream does with the rest of a request that it has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    Reads,
    Closes,
}

/// An upstream that answers `/upload` by its head.
fn responds_early(mut upstream: Upstream, then: Upload) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let mut connection = upstream.accept().await;
            tokio::spawn(async move {
                if connection.head().await.target == "/upload" {
                    connection
                        .send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nearly")
                        .await;
                    if then == Upload::Reads {
                        connection.closed().await;
                    }
                    return;
                }
                connection.until(b"0\r\n\r\n").await;
                connection
                    .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                    .await;
            });
        }
    })
}

#[tokio::test]
async fn so_does_an_upstream_that_responds_early() {
    for then in [Upload::Reads, Upload::Closes] {
        let upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let serving = responds_early(upstream, then);
        let case = case("POST /upload", &Token::any(), 401);
        for content in [Content::of(10, 2), Content::of(100 * KIB, KIB), Content::of(256 * KIB, 0)]
        {
            check(&proxy, &case, content, true).await;
        }
        for content in [Content::of(1024 * KIB, KIB), Content::chunked(10, 2)] {
            check(&proxy, &case, content, false).await;
        }
        serving.abort();
    }
}

#[tokio::test]
async fn a_request_behind_a_refused_one_is_answered() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let refused = |content: Content| {
        [case("POST /user", "", 401).head(content), content.parts().0.into_bytes()].concat()
    };
    let next = request("GET /user", &token, &[], "");
    for content in
        [Content::of(10, 10), Content::of(100 * KIB, 100 * KIB), Content::chunked(10, 10)]
    {
        let mut client = Client::connect(&proxy).await;
        for _ in 0..3 {
            client.send([refused(content), next.clone()].concat()).await;
            client.response().await.assert_rejected(401, "missing_token");
            assert_eq!(client.response().await.text(), "hello", "{content:?}");
        }
    }
}

/// HTTP/1.0 says nothing, and closes; the refusal arrives all the same.
#[tokio::test]
async fn a_refusal_in_http_1_0_arrives_and_closes() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for length in [10, 1024 * KIB] {
        let mut client = Client::connect(&proxy).await;
        client.send(format!("POST /user HTTP/1.0\r\nContent-Length: {length}\r\n\r\na")).await;
        let response = client.response().await;
        assert_eq!((response.status, response.complete), (401, true));
        client.try_send("a".repeat(length - 1)).await;
        assert!(client.closed().await.is_empty());
    }
}

/// Nobody waits for ever for the rest of what was refused.
#[tokio::test]
async fn the_rest_must_come_in_time() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.timeouts.header = std::time::Duration::from_millis(300)
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    client.send(case("POST /user", "", 401).head(Content::of(10, 0))).await;
    client.response().await.assert_rejected(401, "missing_token");
    assert!(client.closed().await.is_empty());
}

/// Over HTTP/2 the stream ends, and the others go on: what is sent on a stream that was refused takes nothing of their window.
#[tokio::test]
async fn a_refused_stream_leaves_the_others_their_window() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) =
        soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let token = Token::any();
    for _ in 0..40 {
        for (token, status) in [("", 401), (token.as_str(), 200)] {
            let request = Request::post("http://proxy.test/upload")
                .header("authorization", format!("Bearer {token}"));
            let body = Full::new(Bytes::from(vec![b'a'; 100 * KIB]))
                .map_err(|never: Infallible| match never {});
            let body = http_body_util::combinators::BoxBody::<Bytes, Infallible>::new(body);
            let response = soon(sender.send_request(request.body(body).unwrap())).await.unwrap();
            assert_eq!(response.status(), status);
            soon(response.into_body().collect()).await.unwrap();
        }
    }
}

/// The frames of one HTTP/2 connection, byte by byte.
struct Frames {
    client: Client,
}

impl Frames {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;

    async fn open(proxy: &Proxy) -> Self {
        let mut frames = Self { client: Client::connect(proxy).await };
        frames.client.send(Self::PREFACE).await;
        frames.send(Self::SETTINGS, 0, 0, b"").await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let header = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.client.send([header.as_slice(), payload].concat()).await;
    }

    /// The head of a request whose content follows, on stream 1.
    async fn post(&mut self, path: &str, token: &str) {
        let mut block = Vec::new();
        let authorization = format!("Bearer {token}");
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "proxy.test"),
            (":path", path),
            ("authorization", &authorization),
        ] {
            block.extend([0, u8::try_from(name.len()).unwrap()]);
            block.extend(name.as_bytes());
            // A length of seven bits, and what is beyond in groups of seven.
            let mut beyond = value.len().saturating_sub(127);
            block.push(u8::try_from(value.len().min(127)).unwrap());
            if value.len() >= 127 {
                while beyond >= 128 {
                    block.push(u8::try_from(beyond % 128).unwrap() | 128);
                    beyond /= 128;
                }
                block.push(u8::try_from(beyond).unwrap());
            }
            block.extend(value.as_bytes());
        }
        self.send(Self::HEADERS, Self::END_HEADERS, 1, &block).await;
    }

    /// Does a reset of stream 1 come before the response to a PING?
    async fn is_reset_before_pong(&mut self) -> bool {
        loop {
            let (kind, stream, _, _) = self.frame().await;
            if kind == Self::PING || (kind, stream) == (Self::RESET, 1) {
                return kind == Self::RESET;
            }
        }
    }

    /// The next frame: its kind, its stream, its flags, its payload.
    async fn frame(&mut self) -> (u8, u8, u8, Vec<u8>) {
        let header = self.client.exactly(9).await;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let payload = self.client.exactly(length as usize).await;
        (header[3], header[8], header[4], payload)
    }

    /// The next frame of stream 1: its kind, its flags, its payload.
    async fn next(&mut self) -> (u8, u8, Vec<u8>) {
        loop {
            let (kind, stream, flags, payload) = self.frame().await;
            if stream == 1 && kind != 8 {
                return (kind, flags, payload);
            }
        }
    }
}

/// A response that came before the end of its request is whole, and its client is told to send no more: RFC 9113 section 8.1.
#[tokio::test]
async fn a_refused_upload_over_http_2_is_ended_without_an_error() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut frames = Frames::open(&proxy).await;
    frames.post("/user", "none").await;
    let mut ended = false;
    loop {
        let (kind, flags, payload) = frames.next().await;
        if kind == Frames::RESET {
            assert_eq!((ended, payload.as_slice()), (true, &[0; 4][..]));
            break;
        }
        assert!([Frames::HEADERS, Frames::DATA].contains(&kind));
        ended |= flags & Frames::END_STREAM != 0;
    }
}

/// Where the client ends its upload, of some length, when it has the response, its stream is not reset: there are clients that take
/// any reset for the loss of the response.
#[tokio::test]
async fn a_refused_upload_over_http_2_that_ends_is_not_reset() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for pieces in [0, 1, 3] {
        let mut frames = Frames::open(&proxy).await;
        frames.post("/user", "none").await;
        for _ in 0..pieces {
            frames.send(Frames::DATA, 0, 1, &[b'a'; 16 * KIB]).await;
        }
        loop {
            let (kind, flags, _) = frames.next().await;
            assert!([Frames::HEADERS, Frames::DATA].contains(&kind), "{pieces}: {kind}");
            if flags & Frames::END_STREAM != 0 {
                break;
            }
        }
        frames.send(Frames::DATA, Frames::END_STREAM, 1, b"the end").await;
        frames.send(Frames::PING, 0, 0, b"answered").await;
        assert!(!frames.is_reset_before_pong().await, "{pieces}");
    }
}

/// The reset of a stream is no end of its content, whatever its error code.
#[tokio::test]
async fn an_upload_that_is_reset_is_not_whole() {
    for code in [0, 8] {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let mut frames = Frames::open(&proxy).await;
        frames.post("/upload", &Token::any()).await;
        frames.send(Frames::DATA, 0, 1, b"part").await;
        let mut connection = upstream.accept().await;
        connection.head().await;
        connection.until(b"part\r\n").await;
        frames.send(Frames::RESET, 0, 1, &[0, 0, 0, code]).await;
        let rest = connection.closed().await;
        assert!(rest.is_empty(), "{code}: {}", String::from_utf8_lossy(&rest));
    }
}
