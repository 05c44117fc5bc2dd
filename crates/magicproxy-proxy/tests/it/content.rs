//! Content of requests whose method usually has none: it arrives, however it is framed, or the request is refused; never is it
//! dropped with a response as if nothing had been.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{
    Client, Multiplexed, OnlyUpstream as _, Proxy, Token, Upstream, in_time, listed, request, soon,
};

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

const METHODS: [&str; 8] = ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "POST", "PUT"];

/// Frames of a request over HTTP/2, its head not among them.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Data(&'static str),
    Trailers,
}

use Sent::{Data, Trailers};

/// What is sent, and what is to arrive: content and trailers.
const STREAMS: [(&[Sent], &str, bool); 6] = [
    (&[Data("hello")], "hello", false),
    (&[Data(""), Data("hel"), Data(""), Data("lo")], "hello", false),
    (&[Data("hello"), Trailers], "hello", true),
    (&[Trailers], "", true),
    (&[], "", false),
    (&[Data(""), Data("")], "", false),
];

/// A request that does not say how long it is, nor at once that it ends.
fn streamed(method: &str, sent: &'static [Sent]) -> Request<Body> {
    let body = Frames(sent.iter()).boxed();
    let request =
        Request::builder().method(method).uri("http://proxy.test/echo").header("trailer", "x-sum");
    request.header("authorization", format!("Bearer {}", *Token::any())).body(body).unwrap()
}

struct Frames(std::slice::Iter<'static, Sent>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|sent| {
            Ok(match sent {
                Data(text) => Frame::data(Bytes::from_static(text.as_bytes())),
                Trailers => Frame::trailers(HeaderMap::from_iter([(
                    "x-sum".parse().unwrap(),
                    "7".parse().unwrap(),
                )])),
            })
        }))
    }
}

async fn status_of(proxy: &Proxy, request: Request<Body>) -> u16 {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) =
        soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    soon(sender.send_request(request)).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn in_chunks_it_arrives_in_chunks() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["X-Sum"])
    })
    .await;
    for method in METHODS {
        let lines = ["Transfer-Encoding: chunked", "Trailer: X-Sum"];
        let body = "3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 7\r\n\r\n";
        assert_eq!(
            Client::ask(&proxy, request(&format!("{method} /a"), &Token::any(), &lines, body))
                .await
                .status,
            200
        );
        let seen = upstream.take_requests().pop().unwrap();
        assert_eq!((seen.method.as_str(), seen.body.as_slice()), (method, &b"hello"[..]));
        assert_eq!(
            (seen.all("transfer-encoding"), seen.all("content-length")),
            (vec!["chunked"], vec![]),
            "{method}"
        );
        assert_eq!(seen.trailers, [("x-sum".to_owned(), "7".to_owned())], "{method}");
    }
}

#[tokio::test]
async fn with_a_length_it_arrives_with_it() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for method in METHODS {
        let sent = request(&format!("{method} /a"), &Token::any(), &["Content-Length: 5"], "hello");
        assert_eq!(Client::ask(&proxy, sent).await.status, 200);
        let seen = upstream.take_requests().pop().unwrap();
        assert_eq!(
            (seen.all("content-length"), seen.body.as_slice()),
            (vec!["5"], &b"hello"[..]),
            "{method}"
        );
        let mut sent = streamed(method, &[Data("hello")]);
        sent.headers_mut().insert("content-length", "5".parse().unwrap());
        assert_eq!(status_of(&proxy, sent).await, 200);
        let seen = upstream.take_requests().pop().unwrap();
        assert_eq!(
            (seen.all("content-length"), seen.body.as_slice()),
            (vec!["5"], &b"hello"[..]),
            "{method}"
        );
        assert!(seen.all("transfer-encoding").is_empty(), "{method}");
    }
}

#[tokio::test]
async fn streamed_over_http_2_it_arrives_in_chunks() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["X-Sum"])
    })
    .await;
    for method in METHODS {
        for (sent, content, trailers) in STREAMS {
            assert_eq!(status_of(&proxy, streamed(method, sent)).await, 200, "{method} {sent:?}");
            let seen = upstream.take_requests().pop().unwrap();
            assert_eq!(
                (seen.method.as_str(), String::from_utf8_lossy(&seen.body).as_ref()),
                (method, content),
                "{sent:?}"
            );
            assert_eq!(!seen.trailers.is_empty(), trailers, "{method} {sent:?}");
            // Where nothing came, nothing is said of it, as in any other request of the kind.
            let chunked = !content.is_empty() || trailers || matches!(method, "POST" | "PUT");
            assert_eq!(
                seen.all("transfer-encoding").len(),
                usize::from(chunked),
                "{method} {sent:?}"
            );
            assert!(seen.all("content-length").is_empty(), "{method} {sent:?}");
        }
    }
}

#[tokio::test]
async fn it_arrives_over_http_2_as_well() {
    let upstream = Multiplexed::allowing(100).await;
    let proxy = upstream.proxy(|_| {}).await;
    for method in METHODS {
        for (sent, content, trailers) in STREAMS {
            assert_eq!(status_of(&proxy, streamed(method, sent)).await, 200);
            let seen = upstream.counts().content.pop().unwrap();
            assert_eq!(
                (seen.method.as_str(), seen.body.as_str(), seen.trailers),
                (method, content, trailers),
                "{sent:?}"
            );
            assert!(
                seen.fields.iter().all(|name| name != "transfer-encoding"),
                "{method} {sent:?}"
            );
            let ended = content.is_empty() && !trailers && !matches!(method, "POST" | "PUT");
            assert_eq!(seen.ended_at_once, ended, "{method} {sent:?}");
        }
        for lines in [&["Transfer-Encoding: chunked"][..], &["Content-Length: 5"]] {
            let body = if lines[0].starts_with('T') { "5\r\nhello\r\n0\r\n\r\n" } else { "hello" };
            let response = Client::ask(
                &proxy,
                request(&format!("{method} /echo"), &Token::any(), lines, body),
            )
            .await;
            assert_eq!(response.status, 200);
            let seen = upstream.counts().content.pop().unwrap();
            assert_eq!((seen.method.as_str(), seen.body.as_str()), (method, "hello"), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn chunks_without_content_are_no_content() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for method in METHODS {
        let sent = request(
            &format!("{method} /a"),
            &Token::any(),
            &["Transfer-Encoding: chunked"],
            "0\r\n\r\n",
        );
        assert_eq!(Client::ask(&proxy, sent).await.status, 200);
        let seen = upstream.take_requests().pop().unwrap();
        let usual = matches!(method, "POST" | "PUT");
        assert_eq!(seen.all("transfer-encoding").len(), usize::from(usual), "{method}");
    }
}

/// Such a request is sent once more on a stale connection, like one that never had a body; with content it is not.
#[tokio::test]
async fn only_a_request_without_content_is_sent_twice() {
    for (body, twice) in [("0\r\n\r\n", true), ("5\r\nhello\r\n0\r\n\r\n", false)] {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /first", &Token::any(), &[], "")).await;
        let mut stale = upstream.accept().await;
        stale.request().await;
        stale.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
        client
            .send(request("GET /second", &Token::any(), &["Transfer-Encoding: chunked"], body))
            .await;
        assert_eq!(stale.request().await.target, "/second");
        drop(stale);
        if twice {
            let mut connection = upstream.accept().await;
            assert_eq!(connection.request().await.target, "/second");
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            assert_eq!(client.response().await.status, 200);
        } else {
            client.response().await.assert_rejected(502, "upstream_closed");
            assert!(!upstream.has_client());
        }
    }
}

/// Who may not do it learns so at once; whoever may has as long as for any body.
#[tokio::test]
async fn what_does_not_come_is_waited_for_and_nothing_is_sent() {
    in_time(std::time::Duration::from_millis(300), async |limit| {
        let upstream = Upstream::hello().await;
        let proxy = Proxy::with(&upstream, |settings| settings.timeouts.body_idle = limit).await;
        let token = Token::allowing(&["GET /a"]).mint();
        let chunked = ["Transfer-Encoding: chunked"];
        Client::ask(&proxy, request("GET /b", &token, &chunked, ""))
            .await
            .assert_rejected(403, "not_allowed");
        Client::ask(&proxy, request("GET /a", &token, &chunked, ""))
            .await
            .assert_rejected(408, "request_timeout");
        Client::ask(&proxy, request("GET /a", &token, &chunked, "x\r\n"))
            .await
            .assert_rejected(400, "request_body");
        let mut client = Client::connect(&proxy).await;
        let lines = ["Transfer-Encoding: chunked", "Expect: 100-continue"];
        client.send(request("GET /a", &token, &lines, "")).await;
        assert_eq!(client.response_head().await.status, 100);
        assert!(upstream.requests().is_empty());
        client.send("5\r\nhello\r\n0\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
        assert_eq!(upstream.only_request().body, b"hello");
    })
    .await;
}

/// Many servers do not read content with such a method, and take it for the next request: nobody else's may follow it.
#[tokio::test]
async fn its_connection_serves_nobody_else() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let length = (["Content-Length: 5"], "hello");
    let chunks = (["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n");
    let nothing = (["Transfer-Encoding: chunked"], "0\r\n\r\n");
    for method in METHODS {
        for (lines, body) in [length, chunks, nothing] {
            for sent in [
                request(&format!("{method} /a"), &Token::any(), &lines, body),
                request("GET /b", &Token::any(), &[], ""),
            ] {
                assert_eq!(Client::ask(&proxy, sent).await.status, 200);
            }
            let seen = upstream.take_requests();
            let ends = !matches!(method, "POST" | "PUT") && body.contains("hello");
            // This upstream answers a HEAD with content, which ends its connection in any case.
            let differs = ends || method == "HEAD";
            assert_eq!(
                seen[0].connection != seen[1].connection,
                differs,
                "{method} {lines:?} {body:?}"
            );
            assert_eq!(
                seen[0].all("connection").contains(&"close"),
                ends,
                "{method} {lines:?} {body:?}"
            );
            assert!(seen[1].all("connection").is_empty());
        }
    }
}

/// What comes after the response may be left unread, whatever the method.
#[tokio::test]
async fn a_connection_that_was_answered_early_serves_nobody_else() {
    for (lines, content) in [
        (["Content-Length: 5"], "hello"),
        (["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        for method in ["POST", "PUT"] {
            let mut upstream = Upstream::held().await;
            let proxy = Proxy::before(&upstream).await;
            let mut client = Client::connect(&proxy).await;
            client.send(request(&format!("{method} /a"), &Token::any(), &lines, "")).await;
            let mut early = upstream.accept().await;
            early.until(b"\r\n\r\n").await;
            early.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            assert_eq!(client.response().await.status, 200);
            client.send(content).await;
            early.until(b"hello").await;
            let mut other = Client::connect(&proxy).await;
            other.send(request("GET /b", &Token::any(), &[], "")).await;
            let mut second = upstream.accept().await;
            assert_eq!(second.request().await.target, "/b", "{method} {lines:?}");
            second.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            assert_eq!(other.response().await.status, 200);
        }
    }
}
