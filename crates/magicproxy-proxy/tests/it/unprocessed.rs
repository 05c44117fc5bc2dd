//! HTTP/2 towards the upstream: what an upstream says that it has not processed is sent again, and nothing else; connections that
//! are of no more use get no further requests.

use std::time::Duration;

use crate::support::{
    Client, Frame, Framed, FramedConnection, Framing, HEADERS, INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS, Proxy, Token, in_time, request,
};

/// How an upstream says that it has not processed a request, RFC 9113 sections 6.8 and 8.7.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Reset,
    GoAway,
    GoAwayAndEnd,
}

const REFUSALS: [Refusal; 3] = [Refusal::Reset, Refusal::GoAway, Refusal::GoAwayAndEnd];
const REFUSED_STREAM: u32 = 7;

/// Refuses a request. The connection is gone where the upstream closes it.
async fn refuse(
    mut connection: FramedConnection,
    stream: u32,
    refusal: Refusal,
) -> Option<FramedConnection> {
    match refusal {
        Refusal::Reset => connection.reset(stream, REFUSED_STREAM).await,
        Refusal::GoAway | Refusal::GoAwayAndEnd => {
            connection.go_away(stream.saturating_sub(2)).await
        }
    }
    (!matches!(refusal, Refusal::GoAwayAndEnd)).then_some(connection)
}

/// A client that sends this.
async fn begin(proxy: &Proxy, line: &str, lines: &[&str], body: &str) -> Client {
    let mut client = Client::connect(proxy).await;
    client.send(request(line, &Token::any(), lines, body)).await;
    client
}

/// A connection that has served a request.
async fn used(upstream: &Framed, proxy: &Proxy) -> FramedConnection {
    let mut client = begin(proxy, "GET /first", &[], "").await;
    let mut connection = upstream.accept(&[]).await;
    let first = connection.request().await;
    connection.respond(first.stream).await;
    assert_eq!(client.response().await.status, 200);
    connection
}

/// A connection with this request on it.
async fn begun(
    upstream: &Framed,
    proxy: &Proxy,
    is_used: bool,
    sent: (&str, &[&str], &str),
) -> (Client, FramedConnection, Framing) {
    let before = if is_used { Some(used(upstream, proxy).await) } else { None };
    let client = begin(proxy, sent.0, sent.1, sent.2).await;
    let mut connection = match before {
        Some(connection) => connection,
        None => upstream.accept(&[]).await,
    };
    let seen = connection.request().await;
    (client, connection, seen)
}

fn heads(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind == HEADERS).count()
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again_on_a_new_connection() {
    let requests: [(&str, &[&str], &str); 6] = [
        ("GET /a", &[], ""),
        ("POST /a", &["Content-Length: 3"], "abc"),
        ("POST /a", &[], ""),
        ("DELETE /a", &[], ""),
        ("PATCH /a", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"),
        ("GET /a", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"),
    ];
    for refusal in REFUSALS {
        for sent in requests {
            for is_used in [false, true] {
                let upstream = Framed::new().await;
                let proxy = upstream.proxy(|_| ()).await;
                let (mut client, refusing, first) = begun(&upstream, &proxy, is_used, sent).await;
                let refusing = refuse(refusing, first.stream, refusal).await;
                let mut fresh = upstream.accept(&[]).await;
                let second = fresh.request().await;
                let what = format!("{refusal:?} {sent:?} {is_used}");
                assert_eq!((second.is_post, &second.body), (first.is_post, &first.body), "{what}");
                assert_eq!(second.body.is_empty(), sent.2.is_empty(), "{what}");
                fresh.respond(second.stream).await;
                assert_eq!(client.response().await.status, 200, "{what}");
                // The one that refused is used no more, and ends.
                let mut next = begin(&proxy, "GET /next", &[], "").await;
                let third = fresh.request().await;
                fresh.respond(third.stream).await;
                assert_eq!(next.response().await.status, 200, "{what}");
                if let Some(mut refusing) = refusing {
                    assert_eq!(heads(&refusing.closed().await), 0, "{what}");
                }
            }
        }
    }
}

/// As long as its content waits in the window, none of it is gone, however long it is.
#[tokio::test]
async fn content_of_which_nothing_was_sent_can_be_sent_again() {
    let (upstream, body) = (Framed::new().await, "x".repeat(300_000));
    let proxy = upstream.proxy(|_| ()).await;
    let mut client = begin(&proxy, "POST /a", &["Content-Length: 300000"], &body).await;
    let mut narrow = upstream.accept(&[(INITIAL_WINDOW_SIZE, 0)]).await;
    let head = narrow.head().await;
    narrow.reset(head.stream, REFUSED_STREAM).await;
    let mut fresh = upstream.accept(&[]).await;
    let seen = fresh.request().await;
    assert_eq!(seen.body.len(), body.len());
    fresh.respond(seen.stream).await;
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn content_that_was_partly_sent_and_not_kept_is_a_truthful_503() {
    for refusal in REFUSALS {
        let (upstream, body) = (Framed::new().await, "x".repeat(300_000));
        let proxy = upstream.proxy(|_| ()).await;
        let mut client = begin(&proxy, "POST /a", &["Content-Length: 300000"], &body).await;
        let mut connection = upstream.accept(&[]).await;
        let seen = connection.request().await;
        assert_eq!(seen.body.len(), body.len());
        let _refusing = refuse(connection, seen.stream, refusal).await;
        let response = client.response().await;
        response.assert_rejected(503, "upstream_refused");
        assert!(response.one("retry-after").is_some());
        assert!(!upstream.has_client().await, "it was sent again");
    }
}

/// So much of what was sent is kept, and not a byte more.
#[tokio::test]
async fn what_is_kept_of_content_is_bounded() {
    for (length, is_kept) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|_| ()).await;
        let announced = format!("Content-Length: {length}");
        let mut client = begin(&proxy, "POST /a", &[&announced], &"x".repeat(length)).await;
        let mut connection = upstream.accept(&[]).await;
        let seen = connection.request().await;
        assert_eq!(seen.body.len(), length);
        let _refusing = refuse(connection, seen.stream, Refusal::Reset).await;
        if !is_kept {
            client.response().await.assert_rejected(503, "upstream_refused");
            assert!(!upstream.has_client().await, "it was sent again");
            continue;
        }
        let mut fresh = upstream.accept(&[]).await;
        let again = fresh.request().await;
        assert_eq!(again.body.len(), length);
        fresh.respond(again.stream).await;
        assert_eq!(client.response().await.status, 200);
    }
}

/// That one connection refused a request says nothing of the others: it goes to one that is there before a new one is made.
#[tokio::test]
async fn what_one_connection_refused_goes_to_another_that_is_there() {
    let upstream = Framed::new().await;
    let proxy = upstream.proxy(|_| ()).await;
    let mut first = begin(&proxy, "GET /1", &[], "").await;
    let mut full = upstream.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
    let one = full.request().await;
    let mut client = begin(&proxy, "POST /2", &["Content-Length: 3"], "abc").await;
    let mut refusing = upstream.accept(&[]).await;
    let two = refusing.request().await;
    full.respond(one.stream).await;
    assert_eq!(first.response().await.status, 200);
    refusing.reset(two.stream, REFUSED_STREAM).await;
    let again = tokio::select! {
        seen = full.request() => seen,
        _socket = upstream.next_socket() => panic!("a new connection"),
    };
    assert_eq!(again.body, two.body);
    full.respond(again.stream).await;
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn an_upstream_that_refuses_everything_is_asked_a_few_times() {
    for refusal in REFUSALS {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|_| ()).await;
        let mut client = begin(&proxy, "POST /a", &["Content-Length: 3"], "abc").await;
        let mut refusing = Vec::new();
        for _ in 0..4 {
            let mut connection = upstream.accept(&[]).await;
            let seen = connection.request().await;
            refusing.push(refuse(connection, seen.stream, refusal).await);
        }
        client.response().await.assert_rejected(503, "upstream_refused");
        assert!(!upstream.has_client().await);
    }
}

/// GOAWAY at or above a stream says that it may have been processed.
#[tokio::test]
async fn what_may_have_been_processed_is_not_sent_again() {
    for (sent, is_used) in [
        (("POST /a", &["Content-Length: 3"][..], "abc"), true),
        (("POST /a", &[][..], ""), true),
        (("DELETE /a", &["Content-Length: 3"][..], "abc"), true),
        (("GET /a", &[][..], ""), false),
    ] {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|_| ()).await;
        let (mut client, mut connection, seen) = begun(&upstream, &proxy, is_used, sent).await;
        connection.go_away(seen.stream).await;
        drop(connection);
        client.response().await.assert_rejected(502, "upstream_closed");
        assert!(!upstream.has_client().await, "{sent:?} was sent again");
    }
    // Any other error code says nothing of what was processed.
    for code in [0, 1, 2, 8, 11, 13] {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|_| ()).await;
        let (mut client, mut connection, seen) =
            begun(&upstream, &proxy, true, ("GET /a", &[], "")).await;
        connection.reset(seen.stream, code).await;
        let response = client.response().await;
        assert_eq!(response.status, 502, "{code}: {}", response.text());
        assert!(!upstream.has_client().await, "it was sent again after {code}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_gracefully_finishes_what_it_has() {
    let upstream = Framed::new().await;
    let proxy = upstream.proxy(|_| ()).await;
    let (mut client, mut ending, seen) =
        begun(&upstream, &proxy, true, ("POST /a", &["Content-Length: 3"], "abc")).await;
    // First of all a warning, as nginx and others send it.
    ending.go_away(u32::MAX >> 1).await;
    ending.go_away(seen.stream).await;
    let mut next = begin(&proxy, "POST /next", &["Content-Length: 3"], "abc").await;
    let mut fresh = upstream.accept(&[]).await;
    let second = fresh.request().await;
    fresh.respond(second.stream).await;
    assert_eq!(next.response().await.status, 200);
    ending.respond(seen.stream).await;
    assert_eq!(client.response().await.body, b"hello");
}

/// A connection that answers nothing, not even a PING, is given up, and with it what is on it.
#[tokio::test]
async fn a_connection_that_is_silently_dead_is_found_out() {
    const SILENCE: Duration = Duration::from_secs(2);
    for (sent, is_sent_again) in
        [(("GET /a", &[][..], ""), true), (("POST /a", &["Content-Length: 3"][..], "abc"), false)]
    {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|settings| settings.timeouts.connect = SILENCE).await;
        let mut dead = used(&upstream, &proxy).await;
        dead.is_lively = false;
        let mut client = begin(&proxy, sent.0, sent.1, sent.2).await;
        dead.request().await;
        assert!(dead.closed().await.is_empty());
        assert_eq!(dead.pings, 1);
        if is_sent_again {
            let mut fresh = upstream.accept(&[]).await;
            let seen = fresh.request().await;
            fresh.respond(seen.stream).await;
            assert_eq!(client.response().await.status, 200);
        } else {
            client.response().await.assert_rejected(502, "upstream_closed");
            assert!(!upstream.has_client().await);
        }
    }
}

#[tokio::test]
async fn a_connection_that_answers_pings_lives_as_long_as_the_response_takes() {
    let upstream = Framed::new().await;
    let proxy = upstream.proxy(|settings| settings.timeouts.connect = Duration::from_secs(2)).await;
    let (mut client, mut slow, seen) =
        begun(&upstream, &proxy, false, ("POST /a", &["Content-Length: 3"], "abc")).await;
    let answered = async { client.response().await };
    let serving = async {
        while slow.pings == 0 {
            slow.any().await;
        }
        // Where the PING's response had not come, the connection would be given up after as long again.
        tokio::time::sleep(Duration::from_secs(3)).await;
        slow.respond(seen.stream).await;
        slow.next().await;
    };
    let response =
        tokio::select! { response = answered => response, () = serving => panic!("no response") };
    assert_eq!(response.status, 200);
    assert!(!upstream.has_client().await);
}

/// Whoever does not answer one may be gone: others are not sent there any more. What goes on, goes on.
#[tokio::test]
async fn a_connection_on_which_a_response_is_late_gets_no_further_request() {
    in_time(Duration::from_millis(500), async |limit| {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|settings| settings.timeouts.response = limit).await;
        let (mut events, mut late, stream) =
            begun(&upstream, &proxy, false, ("GET /events", &[], "")).await;
        late.respond_head(stream.stream).await;
        assert_eq!(events.response_head().await.status, 200);
        let mut client = begin(&proxy, "POST /late", &[], "").await;
        late.request().await;
        client.response().await.assert_rejected(504, "upstream_timeout");
        let mut next = begin(&proxy, "GET /next", &[], "").await;
        let mut fresh = upstream.accept(&[]).await;
        let seen = fresh.request().await;
        fresh.respond(seen.stream).await;
        assert_eq!(next.response().await.status, 200);
        late.send(0, 1, stream.stream, b"the end").await;
        assert_eq!(events.until(b"the end").await.len(), events_end().len());
        assert_eq!(heads(&late.closed().await), 0);
    })
    .await;
}

/// The end of a response in chunks, up to its content.
fn events_end() -> Vec<u8> {
    b"7\r\nthe end".to_vec()
}

/// An upstream that thinks better of how many streams it allows gets no more than that, at no time.
#[tokio::test]
async fn a_limit_that_is_lowered_holds_from_then_on() {
    let upstream = Framed::new().await;
    let proxy = upstream.proxy(|_| ()).await;
    let mut first = begin(&proxy, "GET /1", &[], "").await;
    let mut busy = upstream.accept(&[(MAX_CONCURRENT_STREAMS, 3)]).await;
    let one = busy.request().await;
    let mut second = begin(&proxy, "GET /2", &[], "").await;
    let two = busy.request().await;
    busy.change(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
    // One goes, and there is still one too many.
    busy.respond(one.stream).await;
    assert_eq!(first.response().await.status, 200);
    let mut third = begin(&proxy, "POST /3", &[], "").await;
    let mut fresh = upstream.accept(&[]).await;
    let three = fresh.request().await;
    fresh.respond(three.stream).await;
    assert_eq!(third.response().await.status, 200);
    busy.respond(two.stream).await;
    assert_eq!(second.response().await.status, 200);
}
