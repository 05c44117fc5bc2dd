//! What ends as the credential begins: a short end goes on after a moment, a longer one when it is known how it goes on.
//!
//! No test here waits for time to pass: an upstream that sends nothing more until its client has all of what it sent does.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::support::{Client, Proxy, Token, Upstream, UpstreamConnection, find, request, soon};

/// Of this, an end of four bytes goes on.
const SECRET: &str = "upload-key-0123456789";
/// Of this, an end of two.
const WORD: &str = "powerdns";

fn stars(length: usize) -> String {
    "*".repeat(length)
}

fn token(secret: &str) -> Zeroizing<String> {
    Token::allowing(&["* /.*"]).with(secret).mint()
}

/// How a response comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coded {
    Plainly,
    InGzip,
}

/// A response that goes on as the test says, and what its client has of it.
struct Stage {
    _upstream: Upstream,
    _proxy: Proxy,
    connection: UpstreamConnection,
    client: Client,
    encoder: Option<GzEncoder<Vec<u8>>>,
    received: Vec<u8>,
}

impl Stage {
    /// The response to a request with a token for this credential, of this type, up to the end of its head.
    async fn new(secret: &str, content_type: &str, coded: Coded) -> Self {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /events", &token(secret), &["Accept-Encoding: gzip"], "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        let coding = if coded == Coded::InGzip { "Content-Encoding: gzip\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{coding}Transfer-Encoding: chunked\r\n\r\n"
        );
        connection.send(head).await;
        let encoder =
            (coded == Coded::InGzip).then(|| GzEncoder::new(Vec::new(), Compression::default()));
        assert_eq!(client.response_head().await.status, 200);
        Self {
            _upstream: upstream,
            _proxy: proxy,
            connection,
            client,
            encoder,
            received: Vec::new(),
        }
    }

    /// Sends more of the response; a proxy that has cut it off may have left.
    async fn send(&mut self, text: &str) {
        let piece = match &mut self.encoder {
            None => text.as_bytes().to_vec(),
            Some(encoder) => {
                encoder.write_all(text.as_bytes()).unwrap();
                encoder.flush().unwrap();
                std::mem::take(encoder.get_mut())
            }
        };
        self.connection
            .try_send([format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat())
            .await;
    }

    /// Waits until the client has exactly this text.
    async fn until(&mut self, expected: &str) {
        while self.text() != expected {
            let more = self.client.some().await;
            assert!(
                !more.is_empty(),
                "the response ended with `{}` instead of `{expected}`",
                self.text()
            );
            self.received.extend(more);
            assert!(
                expected.starts_with(&self.text()),
                "`{}` instead of `{expected}`",
                self.text()
            );
        }
    }

    /// What the client can read so far.
    fn text(&self) -> String {
        let body = dechunked(&self.received);
        if !body.starts_with(b"\x1f\x8b") {
            return String::from_utf8(body).unwrap();
        }
        let mut decoder = GzDecoder::new(Vec::new());
        decoder.write_all(&body).unwrap();
        decoder.flush().unwrap();
        String::from_utf8(std::mem::take(decoder.get_mut())).unwrap()
    }

    /// Ends the response; gives everything that came of it, and whether it ended well.
    async fn end(mut self) -> (String, bool) {
        if let Some(encoder) = self.encoder.take() {
            let rest = encoder.finish().unwrap();
            self.connection
                .try_send([format!("{:x}\r\n", rest.len()).as_bytes(), &rest, b"\r\n"].concat())
                .await;
        }
        self.connection.try_send("0\r\n\r\n").await;
        while find(&self.received, b"\r\n0\r\n\r\n").is_none() {
            let more = self.client.some().await;
            if more.is_empty() {
                return (self.text(), false);
            }
            self.received.extend(more);
        }
        (self.text(), true)
    }
}

/// Whole chunks, and what has come of the last one.
fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = find(bytes, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).unwrap(), 16).unwrap();
        let data = &bytes[at + 2..];
        body.extend_from_slice(&data[..size.min(data.len())]);
        let Some(rest) = data.get(size + 2..) else { break };
        bytes = rest;
    }
    body
}

/// Everything that is looked into or made anew while it streams.
const KINDS: [(&str, Coded); 6] = [
    ("text/event-stream", Coded::Plainly),
    ("text/plain", Coded::Plainly),
    ("application/x-ndjson", Coded::Plainly),
    ("text/event-stream", Coded::InGzip),
    ("application/json", Coded::Plainly),
    ("application/json", Coded::InGzip),
];

/// Waits for as long as a short end is held back, by the proxy's own clock.
async fn a_moment() {
    let mut stage = Stage::new(SECRET, "text/plain", Coded::Plainly).await;
    stage.send("menu").await;
    stage.until("menu").await;
}

#[tokio::test]
async fn a_short_end_goes_on_though_nothing_follows() {
    for (content_type, coded) in KINDS {
        for (secret, most) in [(SECRET, 4), (WORD, 2)] {
            let mut stage = Stage::new(secret, content_type, coded).await;
            let mut text = String::new();
            for length in (1..=most).chain(1..=most) {
                let piece = format!("event {}", &secret[..length]);
                text.push_str(&piece);
                stage.send(&piece).await;
                stage.until(&text).await;
            }
            assert_eq!(stage.end().await, (text, true), "{content_type} {coded:?}");
        }
    }
}

/// Byte by byte, each after its client has the one before: no more shows than may be, and the length is true.
#[tokio::test]
async fn what_shows_of_it_is_no_more_than_a_short_end() {
    for (content_type, coded) in KINDS {
        let cut_off = coded == Coded::InGzip && content_type != "application/json";
        for (secret, most) in [(SECRET, 4), (WORD, 2)] {
            let mut stage = Stage::new(secret, content_type, coded).await;
            stage.send("menu: ").await;
            let mut text = "menu: ".to_owned();
            for byte in secret[..most].chars() {
                text.push(byte);
                stage.send(&byte.to_string()).await;
                stage.until(&text).await;
            }
            stage.send(&secret[most..most + 1]).await;
            a_moment().await;
            if cut_off {
                stage.send(&secret[most + 1..]).await;
                let (shown, whole) = stage.end().await;
                assert_eq!((shown, whole), (text, false), "{content_type} {coded:?}");
                continue;
            }
            stage.send(&secret[most + 1..]).await;
            text.push_str(&stars(secret.len() - most));
            stage.until(&text).await;
            stage.send(secret).await;
            text.push_str(&stars(secret.len()));
            stage.until(&text).await;
            assert_eq!(stage.end().await, (text, true), "{content_type} {coded:?}");
        }
    }
}

#[tokio::test]
async fn a_longer_end_is_held_until_it_differs_or_the_response_ends() {
    for (content_type, coded) in KINDS {
        let mut stage = Stage::new(SECRET, content_type, coded).await;
        // In gzip, a piece is held back as a whole.
        stage.send("an ").await;
        stage.until("an ").await;
        stage.send(&SECRET[..5]).await;
        a_moment().await;
        stage.send("!").await;
        stage.until(&format!("an {}!", &SECRET[..5])).await;
        stage.send(&SECRET[..5]).await;
        a_moment().await;
        assert_eq!(
            stage.end().await,
            (format!("an {0}!{0}", &SECRET[..5]), true),
            "{content_type} {coded:?}"
        );
        if coded == Coded::InGzip && content_type != "application/json" {
            continue;
        }
        // It turns out to be the credential, and none of it was shown meanwhile.
        let mut stage = Stage::new(SECRET, content_type, coded).await;
        stage.send(&format!("an {}", &SECRET[..5])).await;
        stage.until("an ").await;
        a_moment().await;
        stage.send(&SECRET[5..]).await;
        assert_eq!(
            stage.end().await,
            (format!("an {}", stars(SECRET.len())), true),
            "{content_type} {coded:?}"
        );
    }
}

/// With a length, which stays true.
#[tokio::test]
async fn a_response_with_a_length_goes_on_too() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /slow", &token(SECRET), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let length = 4 + SECRET.len();
    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nmenu")).await;
    assert_eq!(
        client.response_head().await.one("content-length"),
        Some(length.to_string().as_str())
    );
    assert_eq!(client.until(b"menu").await, b"menu");
    connection.send(SECRET).await;
    // The end that went on began nothing: `u` and then the whole of it.
    assert_eq!(client.until(stars(SECRET.len()).as_bytes()).await.len(), SECRET.len());
    // And the connections are used again.
    client.send(request("GET /next", &token(SECRET), &[], "")).await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.response().await.text(), "ok");
}

/// The end of a stream of HTTP/2 as that of a response in chunks.
#[tokio::test]
async fn over_http_2_a_short_end_goes_on_too() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = soon(handshake).await.unwrap();
    tokio::spawn(connection);
    let asked = hyper::Request::get("http://proxy.test/events")
        .header("authorization", format!("Bearer {}", *token(SECRET)));
    let response = tokio::spawn(sender.send_request(asked.body(Empty::<Bytes>::new()).unwrap()));
    let mut held = upstream.accept().await;
    held.request().await;
    held.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    let mut body = soon(response).await.unwrap().unwrap().into_body();
    for text in ["a menu", "an u", "a blow up", "a group upl", "uplo"] {
        held.send(format!("{:x}\r\n{text}\r\n", text.len())).await;
        assert_eq!(taken(&mut body, text.len()).await, text);
    }
    held.send(format!("{:x}\r\n{}\r\n0\r\n\r\n", SECRET.len() - 4, &SECRET[4..])).await;
    assert_eq!(taken(&mut body, SECRET.len() - 4).await, stars(SECRET.len() - 4));
    assert!(soon(body.collect()).await.unwrap().to_bytes().is_empty());
}

async fn taken(body: &mut Incoming, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        let frame = soon(body.frame()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    text
}
