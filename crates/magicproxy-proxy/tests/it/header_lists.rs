//! How long the fields of a message may be over HTTP/2, where they have no bytes of their own: each counts with its name, its value
//! and 32 bytes (RFC 9113 section 6.5.2). A list of 64 KiB is one too long for the HTTP library.

use crate::http2::literals;
use crate::support::{
    Client, HEADERS, LinkedUpstream, Proxy, Token, Transport, Upstream, frame, request,
};

/// `:status: 200` of the static table of HPACK, and `:status: 431` with a value of its own.
const OK: &[u8] = &[0x88];
const TOO_LARGE: &[u8] = &[0x48, 0x83, 0x69, 0x90, 0xff];

/// What fields count together.
fn counted(fields: &[(&str, &str)]) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
}

/// A value that makes these fields, with an empty one, count so much.
fn filling(fields: &[(&str, &str)], length: usize) -> String {
    "a".repeat(length - counted(fields))
}

#[tokio::test]
async fn of_a_request_they_have_less_than_64_kib() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let bearer = format!("Bearer {}", *Token::allowing(&["GET /user"]).mint());
    for (length, answered) in [(65_535, OK), (65_536, TOO_LARGE)] {
        let usual = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "/user"),
            ("authorization", &bearer),
        ];
        let filling = filling(&[&usual[..], &[("user-agent", "")]].concat(), length);
        let fields = [&usual[..], &[("user-agent", &filling)]].concat();
        let mut client = Client::connect(&proxy).await;
        client
            .send([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[])].concat())
            .await;
        client.send(head(1, &literals(&fields))).await;
        assert!(response_head(&mut client).await.starts_with(answered), "{length}");
    }
    let seen = upstream.requests();
    assert_eq!(seen.len(), 1, "what was refused is not sent");
    assert!(seen[0].all("user-agent")[0].len() > 64_000);
}

/// A head in as many frames as it takes, and no content.
fn head(stream: u32, block: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = block.chunks(16_384).collect();
    let last = pieces.len() - 1;
    let framed = pieces.iter().enumerate().map(|(number, piece)| {
        let (kind, ends_stream) = if number == 0 { (1, 1) } else { (9, 0) };
        frame(kind, ends_stream | if number == last { 4 } else { 0 }, stream, piece)
    });
    framed.flatten().collect()
}

/// What the first HEADERS frame holds.
async fn response_head(client: &mut Client) -> Vec<u8> {
    loop {
        let header = client.exactly(9).await;
        let payload =
            client.exactly(u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize).await;
        if header[3] == HEADERS {
            return payload;
        }
    }
}

#[tokio::test]
async fn of_a_response_they_have_less_than_64_kib() {
    for (length, status) in [(65_535, 200), (65_536, 502)] {
        let mut upstream = LinkedUpstream::over(Transport::Http2).await;
        let proxy = upstream.proxy(|_| ()).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /user", &Token::any(), &[], "")).await;
        let mut link = upstream.accept().await;
        let stream = link.request("").await;
        let filling = filling(&[(":status", "200"), ("x-filling", "")], length);
        link.send(head(stream, &literals(&[(":status", "200"), ("x-filling", &filling)]))).await;
        assert_eq!(client.response_head().await.status, status, "{length}");
    }
}
