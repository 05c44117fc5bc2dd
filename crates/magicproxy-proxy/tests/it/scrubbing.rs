//! An upstream that echoes the credential does not hand it to the client.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};

use tokio::io::AsyncWriteExt as _;

use crate::support::{
    CREDENTIAL, Client, ClientResponse, Proxy, Reply, Token, Upstream, find, request,
};

fn masked(text: &str) -> String {
    text.replace(CREDENTIAL, &"*".repeat(CREDENTIAL.len()))
}

async fn answered(reply: impl Fn() -> Reply + Send + Sync + 'static) -> ClientResponse {
    let upstream = Upstream::scripted(move |_| reply()).await;
    let proxy = Proxy::before(&upstream).await;
    Client::ask(&proxy, request("GET /echo", &Token::any(), &["TE: trailers"], "")).await
}

#[tokio::test]
async fn in_a_body_it_is_masked_and_the_length_stays_true() {
    let text = format!(
        "{{\"authorization\": \"Bearer {CREDENTIAL}\", \"again\": \"{CREDENTIAL}{CREDENTIAL}\"}}"
    );
    let echoed = text.clone();
    let response = answered(move || Reply::ok(&echoed)).await;
    assert_eq!((response.text(), response.complete), (masked(&text), true));
    assert_eq!(response.one("content-length").unwrap(), text.len().to_string());
}

#[tokio::test]
async fn in_headers_and_trailers_it_is_masked() {
    let response = answered(|| {
        Reply::bytes(format!(
            "HTTP/1.1 200 OK\r\nX-Echo: Bearer {CREDENTIAL}\r\nSet-Cookie: a={CREDENTIAL}\r\nLocation: /?t={CREDENTIAL}&u={CREDENTIAL}\r\n\
             Trailer: X-Trailer\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: {CREDENTIAL}\r\n\r\n"
        ))
    })
    .await;
    assert_eq!(response.text(), "ok");
    assert!(!format!("{response:?}").contains(CREDENTIAL));
    assert_eq!(response.one("x-echo"), Some(masked(&format!("Bearer {CREDENTIAL}")).as_str()));
    assert_eq!(response.trailers, [("x-trailer".to_owned(), masked(CREDENTIAL))]);
}

/// Names have no case: the credential in another case is still the credential, where its case does not matter.
#[tokio::test]
async fn as_the_name_of_a_field_it_does_not_pass() {
    for name in [
        CREDENTIAL.to_owned(),
        CREDENTIAL.to_ascii_lowercase(),
        CREDENTIAL.to_ascii_uppercase(),
        format!("X-{CREDENTIAL}-Y"),
    ] {
        let echoing = name.clone();
        let response = answered(move || {
            Reply::bytes(format!(
                "HTTP/1.1 200 OK\r\nX-Other: 1\r\n{echoing}: 1\r\n{echoing}: 2\r\nTrailer: {echoing}, X-Trailer\r\n\
                 Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n{echoing}: 1\r\n\r\n"
            ))
        })
        .await;
        assert_eq!((response.text().as_str(), response.one("x-other")), ("ok", Some("1")));
        assert_eq!(response.all("trailer"), ["x-trailer"]);
        assert_eq!(response.trailers, [("x-trailer".to_owned(), "1".to_owned())]);
        let shown = format!("{response:?}").to_ascii_lowercase();
        assert!(!shown.contains(&CREDENTIAL.to_ascii_lowercase()), "{shown}");
    }
}

/// What nobody asked for and nobody can look into is refused, and not passed as if it had been looked into.
#[tokio::test]
async fn a_coding_that_was_not_asked_for_is_refused() {
    let coded =
        |lines: &'static [&'static str]| answered(move || Reply::with("200 OK", lines, CREDENTIAL));
    for lines in [
        &["Content-Encoding: br"][..],
        &["Content-Encoding: deflate"],
        &["Content-Encoding: ZSTD"],
        &["Content-Encoding: gzip, gzip"],
        &["Content-Encoding: gzip", "Content-Encoding: br"],
        &["Content-Encoding: \u{ff}"],
    ] {
        coded(lines).await.assert_rejected(502, "upstream_coding");
    }
    let part = ["Content-Encoding: gzip", "Content-Range: bytes 5-50/60"];
    answered(move || Reply::with("206 Partial Content", &part, CREDENTIAL))
        .await
        .assert_rejected(502, "upstream_coding");
    let whole = coded(&["Content-Encoding: identity", "Content-Encoding: identity"]).await;
    assert_eq!((whole.status, whole.text()), (200, masked(CREDENTIAL)));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    answered(move || Reply::bytes(chunked)).await.assert_rejected(502, "upstream_protocol");
}

/// Where there is nothing to look into, a coding says nothing.
#[tokio::test]
async fn a_coding_of_no_content_passes() {
    for (line, reply) in [
        ("HEAD /a", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 50\r\n\r\n"),
        (
            "HEAD /a",
            "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("GET /a", "HTTP/1.1 304 Not Modified\r\nContent-Encoding: br\r\nETag: \"x\"\r\n\r\n"),
        (
            "GET /a",
            "HTTP/1.1 304 Not Modified\r\nContent-Encoding: br\r\nContent-Length: 50\r\n\r\n",
        ),
        ("DELETE /a", "HTTP/1.1 204 No Content\r\nContent-Encoding: br\r\n\r\n"),
        ("POST /a", "HTTP/1.1 201 Created\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let upstream = Upstream::scripted(move |_| Reply::bytes(reply)).await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        for _ in 0..2 {
            let response = client.exchange(request(line, &Token::any(), &[], "")).await;
            assert_eq!(
                (response.one("content-encoding"), response.body.len()),
                (Some("br"), 0),
                "{line} {reply}"
            );
        }
        let connections: Vec<usize> =
            upstream.requests().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [connections[0]; 2], "{line} {reply}");
    }
}

/// Sends a chunked response with these header lines in two parts: the second leaves when something of the first has arrived.
/// Gives what of the body arrived, and whether it ended well.
async fn in_two_parts(lines: &str, first: &[u8], second: &[u8]) -> (Vec<u8>, bool) {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /echo", &Token::any(), &["Connection: close"], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{lines}\r\n");
    connection.send([head.as_bytes(), &chunk(first)].concat()).await;
    let mut received = client.some().await;
    // Where the first part holds the credential already, the proxy has left.
    let _ = connection.stream.write_all(&[chunk(second), b"0\r\n\r\n".to_vec()].concat()).await;
    received.extend(client.closed().await);
    let Some(at) = find(&received, b"\r\n\r\n") else { return (Vec::new(), false) };
    dechunked(&received[at + 4..])
}

fn dechunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(at) = find(bytes, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).unwrap(), 16).unwrap();
        let data = &bytes[at + 2..];
        body.extend_from_slice(&data[..size.min(data.len())]);
        if size == 0 || data.len() < size + 2 {
            return (body, size == 0);
        }
        bytes = &data[size + 2..];
    }
    (body, false)
}

#[tokio::test]
async fn split_at_every_offset_it_is_masked() {
    let text = format!("a {CREDENTIAL} b");
    for at in 1..text.len() {
        let (body, whole) = in_two_parts("", &text.as_bytes()[..at], &text.as_bytes()[at..]).await;
        assert_eq!(
            (String::from_utf8(body).unwrap(), whole),
            (masked(&text), true),
            "split at {at}"
        );
    }
}

#[tokio::test]
async fn a_beginning_of_it_that_goes_on_otherwise_passes() {
    // Half of it would count for all of it.
    let text = format!("{}{} {}", &CREDENTIAL[..19], &CREDENTIAL[..10], &CREDENTIAL[..19]);
    let sent = text.clone();
    assert_eq!(answered(move || Reply::ok(&sent)).await.text(), text);
}

/// An API that says again what it is told, in two pieces: whoever guesses sees nothing of how much of the guess is right.
#[tokio::test]
async fn no_guess_tells_how_much_of_it_is_right() {
    let half = CREDENTIAL.len() / 2;
    let mut seen = Vec::new();
    for right in half..=CREDENTIAL.len() {
        let guess = format!("{}{}", &CREDENTIAL[..right], "#".repeat(CREDENTIAL.len() - right));
        for said in [half + 1, CREDENTIAL.len() - 1, CREDENTIAL.len()] {
            let (piece, rest) = guess.split_at(said);
            let piece = format!("{:x}\r\nyou said {piece}\r\n", 9 + piece.len());
            let sent = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{piece}{:x}\r\n{rest} bye\r\n0\r\n\r\n",
                rest.len() + 4
            );
            let response = answered(move || Reply::bytes(sent.clone())).await;
            seen.push((said, response.text()));
        }
    }
    assert!(
        seen.iter()
            .all(|(_, text)| *text == format!("you said {} bye", "*".repeat(CREDENTIAL.len()))),
        "{seen:?}"
    );
}

#[tokio::test]
async fn text_that_ends_in_its_beginning_is_whole() {
    for framing in [true, false] {
        let text = format!("text {}", &CREDENTIAL[..19]);
        let sent = text.clone();
        let response = answered(move || {
            if framing {
                Reply::ok(&sent)
            } else {
                Reply::bytes(format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{sent}\r\n0\r\n\r\n",
                    sent.len()
                ))
            }
        })
        .await;
        assert_eq!((response.text(), response.complete), (text, true));
    }
}

fn gzip(text: &str, level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What a client can read of a gzip body, however it ends.
fn readable(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = GzDecoder::new(Vec::new());
    let _ = decoder.write_all(bytes);
    let _ = decoder.flush();
    std::mem::take(decoder.get_mut())
}

#[tokio::test]
async fn in_a_gzip_body_it_is_cut_off_wherever_the_body_is_split() {
    let filler: String = (0..200).map(|number| format!("line {number} of some text\n")).collect();
    let text = format!("{filler}{CREDENTIAL}\n{filler}");
    for level in [Compression::none(), Compression::best()] {
        let body = gzip(&text, level);
        // Stored text is where it was; compressed, the credential is somewhere in the middle.
        let middle =
            if level == Compression::none() { filler.len() + 10 } else { body.len() * 2 / 3 };
        let offsets =
            (1..12).map(|part| part * body.len() / 12).chain(middle..middle + CREDENTIAL.len());
        for at in offsets.filter(|at| *at < body.len()) {
            let (received, whole) =
                in_two_parts("Content-Encoding: gzip\r\n", &body[..at], &body[at..]).await;
            assert!(!whole, "split at {at}");
            let read = readable(&received);
            let shown = (1..=CREDENTIAL.len())
                .rev()
                .find(|shown| find(&read, &CREDENTIAL.as_bytes()[..*shown]).is_some());
            assert!(
                shown.unwrap_or(0) < 8,
                "split at {at}: {shown:?} bytes of the credential show"
            );
        }
    }
}

#[tokio::test]
async fn an_innocent_gzip_body_passes_byte_for_byte() {
    let filler: String =
        (0..5000).map(|number| format!("{}{number}", &CREDENTIAL[..number % 20])).collect();
    let body = gzip(&filler, Compression::default());
    let sent = body.clone();
    let response =
        answered(move || Reply::with("200 OK", &["Content-Encoding: gzip"], &sent)).await;
    assert!(response.complete && response.body == body);
    assert_eq!(response.one("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn what_is_called_gzip_and_is_none_is_searched_as_it_is() {
    let text = format!("no gzip: {CREDENTIAL}");
    let sent = text.clone();
    let response =
        answered(move || Reply::with("200 OK", &["Content-Encoding: gzip"], &sent)).await;
    assert!(find(&response.body, CREDENTIAL.as_bytes()).is_none());
}

#[tokio::test]
async fn a_short_credential_is_not_looked_for() {
    let upstream = Upstream::scripted(|_| Reply::ok("a secret: a1b2c3d")).await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::allowing(&["* /.*"]).with("a1b2c3d").mint();
    assert_eq!(
        Client::ask(&proxy, request("GET /a", &token, &[], "")).await.text(),
        "a secret: a1b2c3d"
    );
}

#[tokio::test]
async fn an_error_of_the_upstream_is_searched_too() {
    let response = answered(|| {
        Reply::with("500 Internal Server Error", &[], format!("bad token {CREDENTIAL}"))
    })
    .await;
    assert_eq!(
        (response.status, response.text()),
        (500, masked(&format!("bad token {CREDENTIAL}")))
    );
}

#[tokio::test]
async fn a_reason_phrase_and_interim_responses_are_the_upstreams_own() {
    let upstream = Upstream::scripted(|_| {
        Reply::bytes(format!(
            "HTTP/1.1 103 Early Hints\r\nX-Echo: {CREDENTIAL}\r\n\r\nHTTP/1.1 200 {CREDENTIAL}\r\nContent-Length: 0\r\n\r\n"
        ))
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /echo", &Token::any(), &[], "")).await;
    let head = client.until(b"\r\n\r\n").await;
    assert!(head.starts_with(b"HTTP/1.1 200 ") && find(&head, CREDENTIAL.as_bytes()).is_none());
}

#[tokio::test]
async fn a_head_response_keeps_its_length_beside_an_echo() {
    let upstream = Upstream::scripted(|_| {
        Reply::bytes(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 77\r\nX-Echo: {CREDENTIAL}\r\n\r\n"
        ))
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("HEAD /echo", &Token::any(), &[], "")).await;
    assert_eq!(
        (response.one("content-length"), response.one("x-echo")),
        (Some("77"), Some(masked(CREDENTIAL).as_str()))
    );
}
