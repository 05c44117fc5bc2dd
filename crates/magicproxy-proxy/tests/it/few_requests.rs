//! Upstreams by HTTP/2 that take few requests of each connection and then end it, as nginx does with `keepalive_requests`: whatever
//! the moment in which a request is handed over, it is answered, and nobody waits for a connection that has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::support::{Client, DATA, Framed, FramedConnection, HEADERS, Proxy, Token, request};

/// How a server ends a connection that has had as many requests as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Says GOAWAY when the last request comes, before it answers that, and leaves the end to the other side.
    GoAwayFirst,
    /// Says GOAWAY behind the last response.
    GoAwayLast,
    /// The same, and FIN.
    GoAwayAndFin,
    /// FIN alone: what was on its way may have been processed.
    Fin,
}

const CLIENTS: usize = 8;
const EACH: usize = 9;

/// Serves so many requests on one connection.
async fn serve(upstream: Arc<Framed>, socket: TcpStream, few: usize, end: End) {
    let Ok(mut connection) = upstream.handshake(socket).await else { return };
    connection.settings(&[]).await;
    let (mut taken, mut answered, mut last) = (0, 0, 0);
    while answered < few {
        let Some(frame) = connection.next().await else { return };
        if frame.kind == HEADERS && frame.stream > last && taken < few {
            (taken, last) = (taken + 1, frame.stream);
            if taken == few && end == End::GoAwayFirst {
                connection.go_away(last).await;
            }
        }
        if matches!(frame.kind, HEADERS | DATA) && frame.ends_stream() && frame.stream <= last {
            connection.respond(frame.stream).await;
            answered += 1;
        }
    }
    finish(connection, last, end).await;
}

async fn finish(mut connection: FramedConnection, last: u32, end: End) {
    if matches!(end, End::GoAwayLast | End::GoAwayAndFin) {
        connection.go_away(last).await;
    }
    match end {
        End::GoAwayFirst | End::GoAwayLast => drop(connection.closed().await),
        End::GoAwayAndFin | End::Fin => connection.end().await,
    }
}

/// What a client is answered that sends one request after another.
async fn ask(
    proxy: Arc<Proxy>,
    methods: &'static [&'static str],
) -> Vec<(&'static str, u16, String)> {
    let (mut client, mut responses) = (Client::connect(&proxy).await, Vec::new());
    for method in methods.iter().cycle().take(EACH) {
        let (lines, body): (&[&str], _) =
            if *method == "PUT" { (&["Content-Length: 3"], "abc") } else { (&[], "") };
        let response =
            client.exchange(request(&format!("{method} /few"), &Token::any(), lines, body)).await;
        responses.push((*method, response.status, response.text()));
    }
    responses
}

/// What all clients are answered, by method and status.
async fn responses(
    few: usize,
    end: End,
    methods: &'static [&'static str],
) -> BTreeMap<(&'static str, u16, String), usize> {
    let upstream = Arc::new(Framed::new().await);
    let proxy = Arc::new(upstream.proxy(|_| ()).await);
    let accepting = tokio::spawn(async move {
        loop {
            let Some(socket) = upstream.next_socket().await else { return };
            tokio::spawn(serve(Arc::clone(&upstream), socket, few, end));
        }
    });
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(ask(Arc::clone(&proxy), methods))).collect();
    let mut counts = BTreeMap::new();
    for client in clients {
        for response in client.await.unwrap() {
            *counts.entry(response).or_default() += 1;
        }
    }
    accepting.abort();
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_that_was_not_processed_at_first() {
    for end in [End::GoAwayFirst, End::GoAwayLast, End::GoAwayAndFin] {
        for few in [1, 4] {
            for (response, count) in responses(few, end, &["GET", "POST", "PUT"]).await {
                assert_eq!(response.1, 200, "{count} times with {few} and {end:?}: {response:?}");
            }
        }
    }
}

/// The end alone says nothing of what was processed: some are 502, but none waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_connection_that_has_ended() {
    for few in [1, 3] {
        for (response, count) in responses(few, End::Fin, &["GET", "POST", "PUT"]).await {
            let is_right =
                response.1 == 200 || response.1 == 502 && response.2.contains("upstream_closed");
            assert!(is_right, "{count} times with {few}: {response:?}");
        }
    }
}

/// How a server says on a new connection that it takes no request at all.
#[derive(Clone, Copy, Debug)]
enum Greeting {
    /// With its settings.
    AtOnce,
    /// When the connection is there already.
    Later,
}

async fn turn_away(upstream: &Framed, greeting: Greeting) {
    let mut connection = upstream.handshake(upstream.socket().await).await.unwrap();
    match greeting {
        Greeting::AtOnce => connection.settings_and_go_away(0).await,
        Greeting::Later => {
            connection.settings(&[]).await;
            while connection.acknowledged == 0 {
                connection.any().await;
            }
            connection.go_away(0).await;
        }
    }
    connection.closed().await;
}

#[tokio::test]
async fn a_connection_that_takes_nothing_from_its_beginning_is_followed_by_another() {
    for greeting in [Greeting::AtOnce, Greeting::Later] {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|_| ()).await;
        for (line, lines, body) in [
            ("GET /a", &[][..], ""),
            ("POST /a", &["Content-Length: 3"][..], "abc"),
            ("POST /a", &[][..], ""),
        ] {
            let mut client = Client::connect(&proxy).await;
            client.send(request(line, &Token::any(), lines, body)).await;
            for _ in 0..3 {
                turn_away(&upstream, greeting).await;
            }
            let mut connection = upstream.accept(&[]).await;
            let seen = connection.request().await;
            assert_eq!(seen.body, body.as_bytes());
            connection.respond(seen.stream).await;
            assert_eq!(client.response().await.status, 200, "{greeting:?} {line}");
            connection.end().await;
        }
    }
}

#[tokio::test]
async fn connections_that_take_nothing_are_not_made_for_ever() {
    for greeting in [Greeting::AtOnce, Greeting::Later] {
        let upstream = Framed::new().await;
        let proxy = upstream.proxy(|_| ()).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("POST /a", &Token::any(), &["Content-Length: 3"], "abc")).await;
        for _ in 0..4 {
            turn_away(&upstream, greeting).await;
        }
        let response = client.response().await;
        assert!(
            matches!(response.status, 502 | 503),
            "{greeting:?}: {} {}",
            response.status,
            response.text()
        );
        assert!(!upstream.has_client().await);
    }
}
