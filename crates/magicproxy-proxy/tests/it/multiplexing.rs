//! HTTP/2 towards the upstream: streams that stop nobody else's, and connections that are given up before the upstream does.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::support::{
    Client, Framed, HEADERS, Multiplexed, OnlyUpstream as _, Proxy, Token, all, events_come,
    events_named, in_time, request, soon,
};

/// Sends a request and leaves its response to come.
async fn begin(proxy: &Proxy, line: &str, token: &str) -> Client {
    let mut client = Client::connect(proxy).await;
    client.send(request(line, token, &[], "")).await;
    client
}

async fn begin_many(proxy: &Proxy, path: &str, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(begin(proxy, &format!("GET {path}{number}"), &Token::any()).await);
    }
    clients
}

#[track_caller]
fn assert_whole(response: &crate::support::ClientResponse) {
    assert_eq!(
        (response.status, response.complete, response.body.len()),
        (200, true, 60_000),
        "{}",
        response.text()
    );
}

/// Asks with a token of its own.
async fn ask(proxy: &Proxy, path: &str) {
    assert_whole(
        &Client::ask(proxy, request(&format!("GET {path}"), &Token::any(), &[], "")).await,
    );
}

#[tokio::test]
async fn downloads_that_nobody_reads_stop_no_other_stream() {
    let upstream = Multiplexed::allowing(100).await;
    let proxy = upstream.proxy(|_| ()).await;
    ask(&proxy, "/first").await;
    let mut unread = begin_many(&proxy, "/big", 8).await;
    for client in &mut unread {
        assert_eq!(client.response_head().await.status, 200);
    }
    // Others are served all the while, and when nothing more is taken of the eight.
    let mut still = 0;
    while still < 10 {
        let before = upstream.counts().poured;
        ask(&proxy, "/small").await;
        still = if upstream.counts().poured == before { still + 1 } else { 0 };
    }
    let counts = upstream.counts();
    assert_eq!((counts.connections.len(), counts.open()), (1, 8));
}

/// As many as a connection may have, all of them stuck: the last one had a window of its own, and so has the next connection.
#[tokio::test]
async fn a_connection_has_room_for_every_streams_window() {
    let upstream = Multiplexed::allowing(100).await;
    let proxy =
        upstream.proxy(|settings| settings.limits.upstream_streams_per_connection = 4).await;
    ask(&proxy, "/first").await;
    let mut unread = begin_many(&proxy, "/big", 3).await;
    for client in &mut unread {
        client.response_head().await;
    }
    let mut still = 0;
    while still < 10 {
        let before = upstream.counts().poured;
        ask(&proxy, "/small").await;
        still = if upstream.counts().poured == before { still + 1 } else { 0 };
    }
    assert_eq!(upstream.counts().connections.len(), 1);
}

#[tokio::test]
async fn pending_requests_leave_the_next_one_its_way() {
    let upstream = Multiplexed::allowing(1_000).await;
    let proxy = upstream.proxy(|_| ()).await;
    let mut held = begin_many(&proxy, "/held", 100).await;
    upstream.until(|counts| counts.open() == 100).await;
    ask(&proxy, "/next").await;
    let counts = upstream.counts();
    assert!(
        (4..=8).contains(&counts.connections.len()),
        "{} connections",
        counts.connections.len()
    );
    assert!(counts.connections.iter().all(|connection| connection.peak <= 32), "{counts:?}");
    upstream.release();
    for client in &mut held {
        assert_whole(&client.response().await);
    }
}

#[tokio::test]
async fn an_upstream_that_allows_few_streams_gets_no_more() {
    let upstream = Multiplexed::allowing(3).await;
    let proxy = upstream.proxy(|_| ()).await;
    let mut held = begin_many(&proxy, "/held", 10).await;
    upstream.until(|counts| counts.open() == 10).await;
    ask(&proxy, "/next").await;
    assert!(upstream.counts().connections.iter().all(|connection| connection.peak <= 3));
    upstream.release();
    for client in &mut held {
        assert_whole(&client.response().await);
    }
}

/// A connection that was just agreed on is not used before the upstream has said how many streams it allows.
#[tokio::test]
async fn an_upstream_that_allows_one_stream_gets_one_at_a_time() {
    let upstream = Multiplexed::allowing(1).await;
    let proxy = upstream.proxy(|_| ()).await;
    let asked = (0..30).map(|_| ask(&proxy, "/small")).collect();
    soon(all(asked)).await;
    assert!(upstream.counts().connections.iter().all(|connection| connection.peak <= 1));
}

/// Opens a stream and goes away when the upstream has it.
async fn open_and_abort(upstream: &Multiplexed, proxy: &Proxy, path: &str, token: &str) {
    let mut client = begin(proxy, &format!("GET {path}"), token).await;
    tokio::select! {
        biased;
        () = upstream.until(|counts| counts.seen.contains(path)) => {}
        response = client.response() => panic!("{path} did not reach the upstream: {response:?}"),
    }
}

/// 1,500 of them: no connection has many resets, the one that another owner's exchange is on among them, and that one ends well.
#[tokio::test]
async fn aborted_requests_end_nobody_elses_exchange() {
    let upstream = Multiplexed::allowing(100).await;
    let proxy =
        upstream.proxy(|settings| settings.timeouts.response = Duration::from_secs(600)).await;
    let mut honest = begin(&proxy, "GET /held-honest", &Token::any()).await;
    upstream.until(|counts| counts.open() == 1).await;
    let tokens: Vec<Zeroizing<String>> = (0..20).map(|_| Token::any()).collect();
    for round in 0..75 {
        let paths: Vec<String> = (0..20).map(|number| format!("/held-{round}-{number}")).collect();
        let aborted = paths
            .iter()
            .zip(&tokens)
            .map(|(path, token)| open_and_abort(&upstream, &proxy, path, token))
            .collect();
        all(aborted).await;
        ask(&proxy, "/small").await;
    }
    upstream.until(|counts| counts.reset() == 1_500 && counts.open() == 1).await;
    let counts = upstream.counts();
    let most = counts.connections.iter().map(|connection| connection.reset).max();
    // Each counts as two streams of 32, so that there is none after 16, but those that were open already.
    assert!(most <= Some(32), "{most:?} resets on one connection");
    // All but the last ones, and the one that is in use, have ended.
    upstream
        .until(|counts| {
            counts.connections.iter().filter(|connection| !connection.closed).count() <= 4
        })
        .await;
    upstream.release();
    assert_whole(&honest.response().await);
}

/// Who has connections kept open by one stream each, and the rest of each used up, pays for the whole connections.
#[tokio::test]
async fn resets_are_paid_for_until_their_connection_ends() {
    in_time(Duration::from_millis(300), async |limit| {
        let upstream = Multiplexed::allowing(100).await;
        let proxy = upstream
            .proxy(|settings| {
                settings.limits.upstream_connections_per_origin = 4;
                settings.limits.upstream_streams_per_connection = 4;
                settings.timeouts.upstream_queue = limit;
                settings.close_mint();
            })
            .await;
        let attacker = Token::any();
        let held = begin(&proxy, "GET /held-attacker", &attacker).await;
        upstream.until(|counts| counts.open() == 1).await;
        // A quarter of four connections of four streams: one is held, one more reset counts twice.
        open_and_abort(&upstream, &proxy, "/held-1", &attacker).await;
        upstream.until(|counts| counts.reset() == 1).await;
        open_and_abort(&upstream, &proxy, "/held-2", &attacker).await;
        upstream.until(|counts| counts.reset() == 2).await;
        let mut refused = begin(&proxy, "GET /more", &attacker).await;
        refused.response().await.assert_rejected(503, "upstream_busy");
        for _ in 0..4 {
            ask(&proxy, "/small").await;
        }
        // Its last stream ends, and with it the connection and what it costs.
        drop(held);
        upstream.until(|counts| counts.connections[0].closed).await;
        let works = async {
            while begin(&proxy, "GET /more", &attacker).await.response().await.status != 200 {}
        };
        soon(works).await;
    })
    .await;
}

/// A body that was sent whole leaves its connection as it was.
#[tokio::test]
async fn requests_with_bodies_use_nothing_up() {
    let upstream = Multiplexed::allowing(100).await;
    let proxy = upstream.proxy(|_| ()).await;
    let (mut client, token) = (Client::connect(&proxy).await, Token::any());
    for _ in 0..40 {
        for (line, body) in
            [("Content-Length: 3", "abc"), ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")]
        {
            assert_whole(&client.exchange(request("POST /a", &token, &[line], body)).await);
        }
    }
    assert_eq!(upstream.counts().connections.len(), 1);
}

#[tokio::test]
async fn a_request_that_is_given_up_in_the_queue_is_never_sent() {
    let upstream = Multiplexed::allowing(2).await;
    let proxy =
        upstream.proxy(|settings| settings.limits.upstream_connections_per_origin = 1).await;
    let mut held = begin_many(&proxy, "/held", 2).await;
    upstream.until(|counts| counts.open() == 2).await;
    // The second one may have waited for the first one's connection.
    let address = upstream.address.to_string();
    let waits = ["a request waits for a connection", &address];
    let (waited, token) = (events_named(&waits).len(), Token::any());
    let given_up = begin(&proxy, "POST /given-up-over-http-2", &token).await;
    let mut patient = begin(&proxy, "GET /patient", &token).await;
    events_come(waited + 2, &waits).await;
    drop(given_up);
    // Its log line is written when nobody serves it any more.
    events_come(1, &["/given-up-over-http-2"]).await;
    upstream.release();
    for client in held.iter_mut().chain([&mut patient]) {
        assert_whole(&client.response().await);
    }
    let counts = upstream.counts();
    assert_eq!(
        counts.by_path().into_iter().collect::<Vec<_>>(),
        [("/held0", 1), ("/held1", 1), ("/patient", 1)]
    );
}

/// Content that the upstream leaves in its connection's window stops that of nobody else: whoever brings content has a connection
/// on which no other is stuck, and whoever brings none shares any.
#[tokio::test]
async fn an_upload_that_the_upstream_does_not_take_stops_no_other_request() {
    let (upstream, token) = (Framed::new().await, Token::any());
    let proxy = upstream.proxy(|_| ()).await;
    let mut stuck = Client::connect(&proxy).await;
    stuck
        .send(request("POST /stuck", &token, &["Content-Length: 300000"], &"x".repeat(300_000)))
        .await;
    let mut full = upstream.accept(&[]).await;
    full.is_generous = false;
    full.head().await;
    // From the start, for its window is full a moment later.
    for (number, length) in [(1, "3"), (2, "100000")] {
        let mut beside = Client::connect(&proxy).await;
        let body = "y".repeat(length.parse().unwrap());
        beside
            .send(request(
                &format!("POST /{number}"),
                &token,
                &[&format!("Content-Length: {length}")],
                &body,
            ))
            .await;
        let mut other = upstream.accept(&[]).await;
        let seen = other.request().await;
        assert_eq!(seen.body.len(), body.len());
        other.respond(seen.stream).await;
        assert_eq!(beside.response().await.status, 200);
        other.go_away(seen.stream).await;
        other.closed().await;
    }
    let mut plain = begin(&proxy, "GET /plain", &token).await;
    let seen = full.head().await;
    full.respond(seen.stream).await;
    assert_eq!(plain.response().await.status, 200);
    assert!(!upstream.has_client().await);
}

/// A connection whose content was all sent takes the next one's, large as they are.
#[tokio::test]
async fn uploads_one_after_another_share_a_connection() {
    let upstream = Multiplexed::allowing(100).await;
    let proxy = upstream.proxy(|_| ()).await;
    let (mut client, token) = (Client::connect(&proxy).await, Token::any());
    for _ in 0..5 {
        let response = client
            .exchange(request("POST /a", &token, &["Content-Length: 300000"], &"x".repeat(300_000)))
            .await;
        assert_whole(&response);
    }
    assert_eq!(upstream.counts().connections.len(), 1);
}

/// A response that ends with its head has no content, and its client is told so in the head.
#[tokio::test]
async fn a_response_that_ends_with_its_head_is_passed_on_as_such() {
    let upstream = Framed::new().await;
    let proxy = upstream.proxy(|_| ()).await;
    let mut client = begin(&proxy, "GET /nothing", &Token::any()).await;
    let mut connection = upstream.accept(&[]).await;
    let seen = connection.request().await;
    // `:status: 200` with END_HEADERS and END_STREAM.
    connection.send(HEADERS, 4 | 1, seen.stream, &[0x88]).await;
    let response = client.response().await;
    assert_eq!(
        (response.status, response.one("content-length"), response.one("transfer-encoding")),
        (200, Some("0"), None)
    );
}
