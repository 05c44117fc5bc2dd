//! What was given up is not sent: a request whose client has left, or was answered, never reaches the upstream afterwards, wherever
//! on its way it waited.
//!
//! | waits for | its client leaves | its client is answered |
//! |---|---|---|
//! | its content, before it is sent | `in_its_content` | `in_its_content` |
//! | the state store | `in_the_state_store` | `state::limits` |
//! | a plugin | `in_a_plugin` | `state::plugins` |
//! | the queue for connections, HTTP/1.1 and HTTP/2 | `queue`, `multiplexing`; with duties `in_the_queue_with_duties` | `in_the_queue` |
//! | the TLS handshake | `in_the_handshake` | `in_the_handshake` |
//! | the upstream's SETTINGS | `before_the_settings` | `before_the_settings` |
//! | the window of its stream or connection | `in_the_window` | `in_the_window` |
//! | a socket that takes nothing | `behind_a_socket_that_takes_nothing` | the same |

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::PluginName;
use magicproxy_core::{Scope, ScopeName};
use magicproxy_state::MemoryStore;
use serde_json::json;

use crate::support::Setup;
use crate::support::{
    AllowingPlugin, Checkpoint, Client, DATA, Framed, HEADERS, INITIAL_WINDOW_SIZE,
    OnlyUpstream as _, Proxy, RST_STREAM, SlowTakes, Token, Upstream, WatchedStore, events_come,
    parse, request,
};

/// How a request is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    ClientLeaves,
    Answered,
}

const ENDS: [End; 2] = [End::ClientLeaves, End::Answered];

/// Gives a request up, and waits until nobody serves it any more: its log line is written then.
async fn give_up(mut client: Client, path: &str, end: End) {
    if end == End::Answered {
        let response = client.response().await;
        assert!(response.status >= 400, "{path}: {}", response.status);
    }
    drop(client);
    events_come(1, &[path, "decision="]).await;
}

async fn begin(proxy: &Proxy, line: &str, lines: &[&str], body: &str) -> Client {
    let mut client = Client::connect(proxy).await;
    client.send(request(line, &Token::any(), lines, body)).await;
    client
}

#[tokio::test]
async fn in_its_content() {
    for (end, path) in ENDS.into_iter().zip(["/content-left", "/content-answered"]) {
        let upstream = Upstream::held().await;
        let proxy = Proxy::with(&upstream, |settings| {
            settings.timeouts.body_idle =
                Duration::from_millis(if end == End::Answered { 200 } else { 600_000 });
        })
        .await;
        let client =
            begin(&proxy, &format!("DELETE {path}"), &["Transfer-Encoding: chunked"], "").await;
        give_up(client, path, end).await;
        assert!(!upstream.has_client(), "{end:?}");
    }
}

#[tokio::test]
async fn in_the_state_store() {
    const PATH: &str = "/store-left";
    let (upstream, checkpoint) = (Upstream::hello().await, Checkpoint::new());
    let store = WatchedStore::new(SlowTakes(Arc::clone(&checkpoint)));
    let proxy =
        Proxy::with(&upstream, |settings| settings.services.state = Some(Arc::new(store))).await;
    let token = Token::allowing(&["* /.*"]).limited("total=3").mint();
    let mut client = Client::connect(&proxy).await;
    client.send(request(&format!("POST {PATH}"), &token, &[], "")).await;
    checkpoint.reached().await;
    give_up(client, PATH, End::ClientLeaves).await;
    checkpoint.open();
    // The store answers everyone, and only who is still there is sent.
    assert_eq!(Client::ask(&proxy, request("GET /after", &token, &[], "")).await.status, 200);
    assert_eq!(upstream.only_request().target, "/after");
}

#[tokio::test]
async fn in_a_plugin() {
    const PATH: &str = "/plugin-left";
    let (upstream, checkpoint) = (Upstream::hello().await, Checkpoint::new());
    let proxy = Proxy::with(&upstream, |settings| {
        settings.services.plugins = Some(Arc::new(AllowingPlugin::Waits(Arc::clone(&checkpoint))));
        let scope =
            Scope::new(&parse(&["* /.*"]), vec![PluginName::parse("slow").unwrap()]).unwrap();
        Arc::make_mut(&mut settings.upstream_mut().scopes)
            .insert(ScopeName::parse("slow").unwrap(), scope);
    })
    .await;
    let token = Token::scoped(&["slow"]).mint();
    let mut client = Client::connect(&proxy).await;
    client.send(request(&format!("POST {PATH}"), &token, &[], "")).await;
    checkpoint.reached().await;
    give_up(client, PATH, End::ClientLeaves).await;
    checkpoint.open();
    assert_eq!(Client::ask(&proxy, request("GET /after", &token, &[], "")).await.status, 200);
    assert_eq!(upstream.only_request().target, "/after");
}

/// An answered one; `queue` and `multiplexing` have those whose clients leave.
#[tokio::test]
async fn in_the_queue() {
    let upstream = Framed::new().await;
    let proxy = upstream
        .proxy(|settings| {
            settings.limits.upstream_connections_per_origin = 1;
            settings.limits.upstream_streams_per_connection = 1;
            settings.timeouts.upstream_queue = Duration::from_millis(200);
        })
        .await;
    let mut first = begin(&proxy, "GET /first", &[], "").await;
    let mut connection = upstream.accept(&[]).await;
    let seen = connection.request().await;
    let late = begin(&proxy, "POST /queue-answered", &[], "").await;
    give_up(late, "/queue-answered", End::Answered).await;
    connection.respond(seen.stream).await;
    assert_eq!(first.response().await.status, 200);
    // What comes next is the next request.
    let mut after = begin(&proxy, "GET /after", &[], "").await;
    let next = connection.request().await;
    assert!(!next.is_post);
    connection.respond(next.stream).await;
    assert_eq!(after.response().await.status, 200);
}

/// A token whose requests are carried through though their clients leave, once they were sent.
fn recorded() -> zeroize::Zeroizing<String> {
    Token::ruled(&json!([{ "method": "POST", "route": "/{name}", "grants": ["DELETE /things/{response.id}"] }])).mint()
}

fn connecting_briefly(end: End) -> impl FnOnce(&mut Setup) {
    move |settings| {
        settings.services.state = Some(Arc::new(MemoryStore::new()));
        if end == End::Answered {
            settings.timeouts.connect = Duration::from_millis(300);
        }
    }
}

#[tokio::test]
async fn in_the_handshake() {
    for end in ENDS {
        for (kind, token) in [("plain", Token::any()), ("recorded", recorded())] {
            let upstream = Framed::new().await;
            let proxy = upstream.proxy(connecting_briefly(end)).await;
            let path = format!("/handshake-{kind}-{end:?}");
            let mut client = Client::connect(&proxy).await;
            client.send(request(&format!("POST {path}"), &token, &[], "")).await;
            let socket = upstream.socket().await;
            give_up(client, &path, end).await;
            if let Ok(mut connection) = upstream.handshake(socket).await {
                connection.settings(&[]).await;
                assert!(
                    connection.closed().await.iter().all(|frame| frame.kind != HEADERS),
                    "{path}"
                );
            }
            assert!(!upstream.has_client().await, "{path}");
        }
    }
}

#[tokio::test]
async fn before_the_settings() {
    for end in ENDS {
        for (kind, token) in [("plain", Token::any()), ("recorded", recorded())] {
            let upstream = Framed::new().await;
            let proxy = upstream.proxy(connecting_briefly(end)).await;
            let path = format!("/settings-{kind}-{end:?}");
            let mut client = Client::connect(&proxy).await;
            client.send(request(&format!("POST {path}"), &token, &[], "")).await;
            let socket = upstream.socket().await;
            let Ok(mut connection) = upstream.handshake(socket).await else {
                // A slow machine: it was given up before.
                continue;
            };
            give_up(client, &path, end).await;
            connection.settings(&[]).await;
            assert!(connection.closed().await.iter().all(|frame| frame.kind != HEADERS), "{path}");
            assert!(!upstream.has_client().await, "{path}");
        }
    }
}

/// The head was sent; no content follows it, but the end of its stream.
#[tokio::test]
async fn in_the_window() {
    for end in ENDS {
        let upstream = Framed::new().await;
        let proxy = upstream
            .proxy(|settings| {
                if end == End::Answered {
                    settings.timeouts.response = Duration::from_millis(300);
                }
            })
            .await;
        let path = format!("/window-{end:?}");
        let client = begin(&proxy, &format!("POST {path}"), &["Content-Length: 3"], "abc").await;
        let mut connection = upstream.accept(&[(INITIAL_WINDOW_SIZE, 0)]).await;
        let head = connection.head().await;
        give_up(client, &path, end).await;
        connection.widen(head.stream, 1_000).await;
        connection.widen(0, 1_000).await;
        let next = connection.next().await.unwrap();
        assert_eq!((next.kind, next.stream), (RST_STREAM, head.stream), "{path}");
        drop(proxy);
        assert!(connection.closed().await.iter().all(|frame| frame.kind != DATA), "{path}");
    }
}

/// While an upstream takes nothing from a socket, no request is handed to it: others have a connection of their own.
#[tokio::test]
async fn behind_a_socket_that_takes_nothing() {
    let upstream = Framed::new().await;
    let proxy = upstream.proxy(|_| ()).await;
    let length = 64 * 1024 * 1024;
    let mut upload = Client::connect(&proxy).await;
    upload
        .send(request("POST /upload", &Token::any(), &[&format!("Content-Length: {length}")], ""))
        .await;
    let mut clogged = upstream.accept(&[(INITIAL_WINDOW_SIZE, 1 << 30)]).await;
    let head = clogged.head().await;
    clogged.widen(0, 1 << 30).await;
    let uploading = tokio::spawn(async move {
        let piece = vec![b'x'; 64 * 1024];
        while tokio::io::AsyncWriteExt::write_all(&mut upload.stream, &piece).await.is_ok() {}
    });
    // Nothing more is read of it from now on. Once it takes nothing more, the next request goes elsewhere.
    let (mut beside, mut fresh) = loop {
        let mut client = begin(&proxy, "GET /beside", &[], "").await;
        tokio::select! {
            biased;
            socket = upstream.socket() => break (client, upstream.handshake(socket).await.unwrap()),
            _ = client.response() => {}
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    };
    fresh.settings(&[]).await;
    let seen = fresh.request().await;
    fresh.respond(seen.stream).await;
    assert_eq!(beside.response().await.status, 200);
    uploading.abort();
    assert!(head.stream > 0);
}
