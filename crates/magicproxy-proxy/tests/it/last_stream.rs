//! HTTP/2 towards the upstream: requests with content on the last stream that the upstream allows.

use crate::support::{
    Client, Framed, FramedConnection, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, Proxy, Token,
    events_come, events_named, request,
};

const POST: (&str, &[&str], &str) = ("POST /content", &["Content-Length: 3"], "abc");
const GET: (&str, &[&str], &str) = ("GET /plain", &[], "");

async fn begin(proxy: &Proxy, (line, lines, body): (&str, &[&str], &str)) -> Client {
    let mut client = Client::connect(proxy).await;
    client.send(request(line, &Token::any(), lines, body)).await;
    client
}

/// A proxy that makes one connection.
async fn proxy(upstream: &Framed) -> Proxy {
    upstream.proxy(|settings| settings.limits.upstream_connections_per_origin = 1).await
}

/// So many requests that have all the streams of the connection.
async fn filled(
    upstream: &Framed,
    proxy: &Proxy,
    streams: u32,
    settings: &[(u16, u32)],
) -> (Vec<(Client, u32)>, FramedConnection) {
    let mut clients = vec![begin(proxy, GET).await];
    // Of two values for a setting, the last holds.
    let settings = [&[(MAX_CONCURRENT_STREAMS, streams)], settings].concat();
    let mut connection = upstream.accept(&settings).await;
    let mut seen = vec![connection.request().await.stream];
    while clients.len() < streams as usize {
        clients.push(begin(proxy, GET).await);
        seen.push(connection.request().await.stream);
    }
    (clients.into_iter().zip(seen).collect(), connection)
}

/// A request with content that waits for a stream.
async fn waiting(upstream: &Framed, proxy: &Proxy) -> Client {
    let address = upstream.address.to_string();
    let waits = ["a request waits for a connection", &address];
    let before = events_named(&waits).len();
    let client = begin(proxy, POST).await;
    events_come(before + 1, &waits).await;
    client
}

async fn finish(connection: &mut FramedConnection, (mut client, stream): (Client, u32)) {
    connection.respond(stream).await;
    assert_eq!(client.response().await.status, 200);
}

async fn assert_arrives(connection: &mut FramedConnection, mut client: Client) {
    let seen = connection.request().await;
    assert_eq!((seen.is_post, &seen.body[..]), (true, &b"abc"[..]));
    connection.respond(seen.stream).await;
    assert_eq!(client.response().await.status, 200);
}

/// Again and again, because it was only sometimes that nobody heard of room for the content.
#[tokio::test]
async fn content_arrives_on_the_last_stream() {
    for streams in [1, 2] {
        let upstream = Framed::new().await;
        let proxy = proxy(&upstream).await;
        let (mut begun, mut connection) = filled(&upstream, &proxy, streams, &[]).await;
        for _ in 0..20 {
            let waiting = waiting(&upstream, &proxy).await;
            finish(&mut connection, begun.remove(0)).await;
            assert_arrives(&mut connection, waiting).await;
            let client = begin(&proxy, GET).await;
            begun.push((client, connection.request().await.stream));
        }
    }
}

#[tokio::test]
async fn content_arrives_on_the_last_stream_once_its_window_opens() {
    for is_window_of_all in [false, true] {
        let upstream = Framed::new().await;
        let proxy = proxy(&upstream).await;
        let (mut begun, mut connection) =
            filled(&upstream, &proxy, 1, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        let mut waiting = waiting(&upstream, &proxy).await;
        finish(&mut connection, begun.remove(0)).await;
        let head = connection.head().await;
        assert!(!head.ends_stream());
        match is_window_of_all {
            true => connection.settings(&[(INITIAL_WINDOW_SIZE, 3)]).await,
            false => connection.widen(head.stream, 3).await,
        }
        let content = connection.next().await.unwrap();
        assert_eq!((content.stream, &content.payload[..]), (head.stream, &b"abc"[..]));
        connection.respond(head.stream).await;
        assert_eq!(waiting.response().await.status, 200);
    }
}

#[tokio::test]
async fn a_limit_that_is_lowered_meanwhile_lets_content_wait_and_arrive() {
    let upstream = Framed::new().await;
    let proxy = proxy(&upstream).await;
    let (mut begun, mut connection) = filled(&upstream, &proxy, 2, &[]).await;
    let waiting = waiting(&upstream, &proxy).await;
    connection.change(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
    finish(&mut connection, begun.remove(0)).await;
    finish(&mut connection, begun.remove(0)).await;
    assert_arrives(&mut connection, waiting).await;
}

/// A request that waits for a stream need not wait for the end of another.
#[tokio::test]
async fn a_limit_that_is_raised_again_lets_content_arrive_at_once() {
    let upstream = Framed::new().await;
    let proxy = proxy(&upstream).await;
    let (begun, mut connection) =
        filled(&upstream, &proxy, 2, &[(MAX_CONCURRENT_STREAMS, 4)]).await;
    connection.change(&[(MAX_CONCURRENT_STREAMS, 2)]).await;
    let waiting = waiting(&upstream, &proxy).await;
    connection.settings(&[(MAX_CONCURRENT_STREAMS, 4)]).await;
    assert_arrives(&mut connection, waiting).await;
    for begun in begun {
        finish(&mut connection, begun).await;
    }
}

#[tokio::test]
async fn content_that_is_given_up_leaves_the_last_stream_to_others() {
    let upstream = Framed::new().await;
    let proxy = proxy(&upstream).await;
    let (mut begun, mut connection) = filled(&upstream, &proxy, 1, &[]).await;
    let given_up = waiting(&upstream, &proxy).await;
    let waiting = waiting(&upstream, &proxy).await;
    drop(given_up);
    finish(&mut connection, begun.remove(0)).await;
    // The stream goes to one of them; where to the one that was given up, it is reset.
    assert_arrives(&mut connection, waiting).await;
}

/// Content that waits because other content may fill the connection's window need not wait for the end of the other exchange.
#[tokio::test]
async fn content_arrives_as_soon_as_other_content_was_sent_whole() {
    let upstream = Framed::new().await;
    let proxy = proxy(&upstream).await;
    let large = "x".repeat(300_000);
    let mut first = begin(&proxy, ("POST /large", &["Content-Length: 300000"], &large)).await;
    let mut connection = upstream.accept(&[]).await;
    connection.is_generous = false;
    let one = connection.head().await.stream;
    let mut second = waiting(&upstream, &proxy).await;
    connection.widen(0, 300_000).await;
    connection.widen(one, 300_000).await;
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let frame = connection.next().await.unwrap();
        ended.extend(frame.ends_stream().then_some(frame.stream));
    }
    for stream in ended {
        connection.respond(stream).await;
    }
    assert_eq!((first.response().await.status, second.response().await.status), (200, 200));
}
