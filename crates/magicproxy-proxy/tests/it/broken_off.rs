//! Responses whose content fails at once: what the API said passes, head and content, and then the connection or the stream
//! breaks off, visibly; for each protocol on either side.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{Client, Link, LinkedUpstream, Proxy, Token, Transport, frame, request, soon};

/// So often is each of them tried: what is lost is lost by chance.
const TRIES: usize = 20;

/// What an API says before its response fails, and how it fails.
struct Case {
    transport: Transport,
    /// What is written in one piece.
    said: Vec<u8>,
    end: &'static str,
    /// What of the content was sent.
    content: &'static str,
}

fn cases() -> Vec<Case> {
    let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n";
    let http1 = [
        ("Content-Length: 123\r\n\r\n".to_owned(), ""),
        (format!("Content-Length: 123\r\n\r\n{}", "a".repeat(10)), "aaaaaaaaaa"),
        ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), ""),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_owned(), "abc"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde".to_owned(), "abcde"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno chunk".to_owned(), "abc"),
    ];
    let ends = [
        (Transport::Clear, "fin"),
        (Transport::Clear, "rst"),
        (Transport::Tls, "tls-fin"),
        (Transport::Tls, "close_notify"),
    ];
    let of_end = |(transport, end)| {
        http1.clone().map(|(rest, content)| Case {
            transport,
            said: format!("{head}{rest}").into_bytes(),
            end,
            content,
        })
    };
    ends.into_iter().flat_map(of_end).chain(http2_cases()).collect()
}

fn http2_cases() -> Vec<Case> {
    // `:status: 500` and the name `content-length` stand in the static table.
    let head = |rest: &[u8]| frame(1, 4, 1, &[&[0x8e], rest].concat());
    let with_length = head(&[0x0f, 0x0d, 3, b'1', b'2', b'3']);
    let data = frame(0, 0, 1, b"abc");
    let mut cases = Vec::new();
    for (head, data, content) in [
        (&with_length, &data[..], "abc"),
        (&with_length, b"", ""),
        (&head(&[]), &data, "abc"),
        (&head(&[]), b"", ""),
    ] {
        let resets = [2, 0, 8].map(|code: u32| (frame(3, 0, 1, &code.to_be_bytes()), "h2-fin"));
        let ends = ["h2-fin", "h2-rst", "h2-close_notify"].map(|end| (Vec::new(), end));
        for (last, end) in resets.into_iter().chain(ends) {
            cases.push(Case {
                transport: Transport::Http2,
                said: [head, data, &last].concat(),
                end,
                content,
            });
        }
    }
    cases
}

impl Case {
    async fn response(&self, upstream: &mut LinkedUpstream) {
        let mut link: Link = upstream.accept().await;
        link.request("").await;
        link.send(&self.said).await;
        link.end(self.end).await;
    }

    #[track_caller]
    fn check(&self, status: u16, content: &[u8], broken: bool) {
        let said = String::from_utf8_lossy(&self.said);
        assert_eq!(
            (status, content, broken),
            (500, self.content.as_bytes(), true),
            "{said:?} {}",
            self.end
        );
    }
}

/// Tries each case, with a proxy for all of a transport.
async fn try_each(mut ask: impl AsyncFnMut(&Proxy, &Case, &mut LinkedUpstream)) {
    for transport in [Transport::Clear, Transport::Tls, Transport::Http2] {
        let mut upstream = LinkedUpstream::over(transport).await;
        let proxy = upstream.proxy(|_| ()).await;
        for case in cases().iter().filter(|case| case.transport == transport) {
            for _ in 0..TRIES {
                ask(&proxy, case, &mut upstream).await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_of_http_1_gets_what_was_said_and_sees_the_break() {
    let token = Token::any();
    try_each(async |proxy, case, upstream| {
        let mut client = Client::connect(proxy).await;
        client.send(request("GET /a", &token, &[], "")).await;
        case.response(upstream).await;
        let mut response = client.response_head().await;
        client.body(&mut response).await;
        case.check(response.status, &response.body, !response.complete);
    })
    .await;
}

#[tokio::test]
async fn a_client_of_http_2_gets_what_was_said_and_sees_the_break() {
    let token = Token::any();
    try_each(async |proxy, case, upstream| {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = soon(handshake).await.unwrap();
        tokio::spawn(connection);
        let asked = Request::get("http://proxy.test/a")
            .header("authorization", format!("Bearer {}", token.as_str()));
        let sent = sender.send_request(asked.body(Empty::<Bytes>::new()).unwrap());
        let (response, ()) = tokio::join!(soon(sent), case.response(upstream));
        let response = response.unwrap_or_else(|error| {
            panic!("nothing came: {error:?} {}", String::from_utf8_lossy(&case.said))
        });
        let (status, mut body, mut content) =
            (response.status().as_u16(), response.into_body(), Vec::new());
        let broken = loop {
            match soon(body.frame()).await {
                Some(Ok(frame)) => content.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        case.check(status, &content, broken);
    })
    .await;
}

/// The API refuses an upload that it does not read, and closes: what is still written meets a connection that is no more.
#[tokio::test]
async fn a_refusal_of_an_upload_passes_though_the_connection_is_gone() {
    let token = Token::any();
    let upload = "x".repeat(4 * 1024 * 1024);
    for transport in [Transport::Clear, Transport::Tls] {
        let mut upstream = LinkedUpstream::over(transport).await;
        let proxy = upstream.proxy(|_| ()).await;
        for _ in 0..TRIES {
            let mut client = Client::connect(&proxy).await;
            client
                .send(request(
                    "POST /a",
                    &token,
                    &[&format!("Content-Length: {}", upload.len())],
                    "x",
                ))
                .await;
            let mut link = upstream.accept().await;
            link.request("x").await;
            let sending = client.try_send(&upload[1..]);
            let refusing = async {
                link.send(
                    "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
                )
                .await;
                link.end(if transport == Transport::Tls { "tls-fin" } else { "fin" }).await;
            };
            tokio::join!(sending, refusing);
            let response = client.response().await;
            assert_eq!((response.status, response.text().as_str()), (413, "big"), "{transport:?}");
        }
    }
}
