//! Connections to the upstream are bounded, shared, and waited for in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use magicproxy_proxy::settings::{ApiRoot, MountPath, PathMapping, PathTarget, Quota};
use magicproxy_state::MemoryStore;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use crate::support::Setup;
use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Token, Upstream, UpstreamConnection, all,
    events_come, events_named, find, in_time, request, settings, soon,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// At most so many connections, and all that one may have of them for each owner and peer.
fn bounded(connections: usize) -> impl FnOnce(&mut Setup) {
    move |settings| settings.limits.upstream_connections_per_origin = connections
}

/// So few connections that the owner of each token has one of four, and nobody is a stranger.
fn quartered(settings: &mut Setup) {
    settings.limits.upstream_connections_per_origin = 4;
    settings.close_mint();
}

async fn begin(proxy: &Proxy, line: &str, token: &str) -> Client {
    let mut client = Client::connect(proxy).await;
    client.send(request(line, token, &[], "")).await;
    client
}

/// A request that the upstream has.
async fn begun(
    upstream: &mut Upstream,
    proxy: &Proxy,
    line: &str,
    token: &str,
) -> (Client, UpstreamConnection) {
    let client = begin(proxy, line, token).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    (client, connection)
}

/// An upstream that counts open connections, answers everything, and closes nothing.
struct Counting {
    address: std::net::SocketAddr,
    open: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Counting {
    async fn new() -> Self {
        Self::counted(Arc::default(), Arc::default()).await
    }

    async fn counted(open: Arc<AtomicUsize>, peak: Arc<AtomicUsize>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let counting = Self { address: listener.local_addr().unwrap(), open, peak };
        let (open, peak) = (Arc::clone(&counting.open), Arc::clone(&counting.peak));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                peak.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let open = Arc::clone(&open);
                tokio::spawn(async move {
                    let (mut buffer, mut bytes) = (Vec::new(), [0; 4096]);
                    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                        buffer.extend_from_slice(&bytes[..read]);
                        if find(&buffer, b"\r\n\r\n").is_some() {
                            buffer.clear();
                            stream.write_all(OK.as_bytes()).await.unwrap();
                        }
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        counting
    }
}

#[tokio::test]
async fn no_more_connections_are_opened_than_there_may_be() {
    let upstream = Counting::new().await;
    let mut settings = settings(upstream.address, "");
    bounded(8)(&mut settings);
    let proxy = Proxy::start(settings).await;
    let asking = (0..20).map(|_| async {
        let (mut client, token) = (Client::connect(&proxy).await, Token::any());
        let mut answered = 0;
        for _ in 0..100 {
            answered += usize::from(
                client.exchange(request("GET /a", &token, &[], "")).await.status == 200,
            );
        }
        answered
    });
    assert_eq!(all(asking.collect()).await.into_iter().sum::<usize>(), 2_000);
    let peak = upstream.peak.load(Ordering::SeqCst);
    assert!(peak <= 8, "{peak} connections at once");
}

#[tokio::test]
async fn an_owner_has_a_share_of_an_origins_connections() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, quartered).await;
    let (one, other) = (Token::any(), Token::any());
    let (_first, mut connection) = begun(&mut upstream, &proxy, "GET /first", &one).await;
    let mut second = begin(&proxy, "GET /second", &one).await;
    // Others are not behind it, and what ends gives way to it.
    for number in 0..3 {
        let (mut client, mut connection) =
            begun(&mut upstream, &proxy, &format!("GET /{number}"), &Token::any()).await;
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
        let mut client = begin(&proxy, "GET /again", &other).await;
        assert_eq!(connection.request().await.target, "/again");
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
    }
    connection.send(OK).await;
    assert_eq!(connection.request().await.target, "/second");
    connection.send(OK).await;
    assert_eq!(second.response().await.status, 200);
    assert!(!upstream.has_client());
}

/// So many requests of one token and one more, which is refused because the others wait.
async fn fill(
    proxy: &Proxy,
    path: &str,
    places: usize,
) -> (ClientResponse, JoinSet<ClientResponse>) {
    let (token, mut asked) = (Token::any(), JoinSet::new());
    for _ in 0..=places {
        let mut client = begin(proxy, &format!("GET {path}"), &token).await;
        asked.spawn(async move { client.response().await });
    }
    let refused = soon(asked.join_next()).await.unwrap().unwrap();
    (refused, asked)
}

/// Whoever has many requests in the queue does not put others behind all of them.
#[tokio::test]
async fn owners_take_turns_in_the_queue() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        bounded(1)(settings);
        settings.limits.upstream_queue =
            Quota { total: 100, per_owner: 20, per_peer: 100, reserved: 0 };
    })
    .await;
    let (mut first, mut connection) =
        begun(&mut upstream, &proxy, "GET /first", &Token::any()).await;
    let mut refused = Vec::new();
    let mut waiting = Vec::new();
    for path in ["/many", "/few"] {
        let (response, asked) = fill(&proxy, path, 20).await;
        refused.push(response);
        waiting.push(asked);
    }
    for response in refused {
        response.assert_rejected(429, "owner_share");
        assert_eq!(response.one("retry-after"), Some("1"));
    }
    connection.send(OK).await;
    assert_eq!(first.response().await.status, 200);
    let mut order = Vec::new();
    for _ in 0..40 {
        order.push(connection.request().await.target);
        connection.send(OK).await;
    }
    assert!(order.chunks(2).all(|turns| turns[0] != turns[1]), "{order:?}");
    for asked in waiting {
        assert!(asked.join_all().await.iter().all(|response| response.status == 200));
    }
}

/// Endless owners of one address are one group, and have no more places than an address has.
#[tokio::test]
async fn a_peer_of_endless_owners_has_a_share_of_the_queue() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        bounded(1)(settings);
        settings.limits.upstream_queue =
            Quota { total: 100, per_owner: 20, per_peer: 10, reserved: 0 };
    })
    .await;
    let (_first, mut connection) = begun(&mut upstream, &proxy, "GET /first", &Token::any()).await;
    let mut asked = JoinSet::new();
    for _ in 0..11 {
        let mut client = begin(&proxy, "GET /many", &Token::any()).await;
        asked.spawn(async move { client.response().await });
    }
    soon(asked.join_next()).await.unwrap().unwrap().assert_rejected(429, "peer_share");
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut honest = Client::over(soon(socket.connect(proxy.address)).await.unwrap());
    // The other address has ten places too: when the eleventh is refused, ten requests of it wait.
    let token = Token::any();
    honest.send(request("GET /honest", &token, &[], "")).await;
    let mut others = JoinSet::new();
    for _ in 0..10 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut client = Client::over(soon(socket.connect(proxy.address)).await.unwrap());
        client.send(request("GET /honest", &token, &[], "")).await;
        others.spawn(async move { client.response().await });
    }
    others.spawn(async move { honest.response().await });
    soon(others.join_next()).await.unwrap().unwrap().assert_rejected(429, "peer_share");
    let mut order = Vec::new();
    for _ in 0..2 {
        connection.send(OK).await;
        order.push(connection.request().await.target);
    }
    assert!(order.contains(&"/honest".to_owned()), "{order:?}");
}

#[tokio::test]
async fn who_waits_too_long_is_told_to_come_again() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        bounded(1)(settings);
        settings.timeouts.upstream_queue = Duration::from_millis(100);
    })
    .await;
    let (_first, _connection) = begun(&mut upstream, &proxy, "GET /first", &Token::any()).await;
    let response = Client::ask(&proxy, request("GET /second", &Token::any(), &[], "")).await;
    response.assert_rejected(503, "upstream_busy");
    assert_eq!(response.one("retry-after"), Some("1"));
}

/// With and without a store in which its outcome would be recorded, though the client has gone.
#[tokio::test]
async fn a_request_that_is_given_up_in_the_queue_is_never_sent() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| {
        bounded(1)(settings);
        settings.services.state = Some(Arc::new(MemoryStore::new()));
    })
    .await;
    let granting = json!([{ "method": "POST", "route": "/{name}", "grants": ["DELETE /things/{response.id}"] }, "GET /.*"]);
    let cases =
        [("/given-up-plain", Token::any()), ("/given-up-recorded", Token::ruled(&granting).mint())];
    for (path, token) in cases {
        let (mut first, mut connection) = begun(&mut upstream, &proxy, "GET /first", &token).await;
        let address = upstream.address.to_string();
        let waits = ["a request waits for a connection", &address];
        let waited = events_named(&waits).len();
        let given_up = begin(&proxy, &format!("POST {path}"), &token).await;
        events_come(waited + 1, &waits).await;
        let mut patient = begin(&proxy, "GET /patient", &token).await;
        events_come(waited + 2, &waits).await;
        drop(given_up);
        // Its log line is written when nobody serves it any more.
        events_come(1, &[path]).await;
        connection.send(OK).await;
        assert_eq!(first.response().await.status, 200);
        assert_eq!(connection.request().await.target, "/patient");
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(patient.response().await.status, 200);
        assert!(connection.closed().await.is_empty());
        assert!(!upstream.has_client());
    }
}

/// A turn that comes to who has just gone is the next one's.
#[tokio::test]
async fn turns_are_not_lost_with_those_who_leave() {
    let upstream = Counting::new().await;
    let mut settings = settings(upstream.address, "");
    bounded(2)(&mut settings);
    let proxy = Proxy::start(settings).await;
    for _ in 0..20 {
        let token = Token::any();
        let mut leaving = Vec::new();
        for _ in 0..20 {
            leaving.push(begin(&proxy, "GET /leaving", &token).await);
        }
        drop(leaving);
        assert_eq!(Client::ask(&proxy, request("GET /a", &token, &[], "")).await.status, 200);
    }
    assert!(
        upstream.peak.load(Ordering::SeqCst) <= 3,
        "a connection that is being closed may still be seen"
    );
}

#[tokio::test]
async fn an_open_websocket_is_a_connection() {
    in_time(Duration::from_millis(100), async |limit| {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::with(&upstream, |settings| {
            bounded(1)(settings);
            settings.upstream_mut().websocket = true;
            settings.timeouts.upstream_queue = limit;
        })
        .await;
        let handshake = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ];
        // One that is idle gives way to it.
        let (mut first, mut idle) = begun(&mut upstream, &proxy, "GET /first", &Token::any()).await;
        idle.send(OK).await;
        assert_eq!(first.response().await.status, 200);
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /ws", &Token::any(), &handshake, "")).await;
        let mut connection = upstream.accept().await;
        assert!(idle.closed().await.is_empty());
        connection.request().await;
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        assert_eq!(client.response_head().await.status, 101);
        Client::ask(&proxy, request("GET /a", &Token::any(), &[], "")).await.assert_rejected(503, "upstream_busy");
        drop(client);
        connection.closed().await;
        drop(connection);
        let mut client = begin(&proxy, "GET /a", &Token::any()).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
    })
    .await;
}

/// Idle connections of one origin give way to another origin, and a request that waits for that is served.
#[tokio::test]
async fn all_origins_together_have_no_more_sockets_than_there_are() {
    let one = Counting::new().await;
    let two = Counting::counted(Arc::clone(&one.open), Arc::clone(&one.peak)).await;
    let three = Counting::counted(Arc::clone(&one.open), Arc::clone(&one.peak)).await;
    let mut settings = settings(one.address, "");
    settings.limits.upstream_connections =
        Quota { total: 2, per_owner: 2, per_peer: 2, reserved: 0 };
    let path = |prefix: &str, to: &Counting| PathMapping {
        prefix: MountPath::parse(prefix).unwrap(),
        to: PathTarget::Origin(ApiRoot::parse(&format!("http://{}", to.address)).unwrap()),
    };
    settings.upstream_mut().routes.paths = vec![path("/two", &two), path("/three", &three)];
    let proxy = Proxy::start(settings).await;
    for round in 0..50 {
        let path = ["/one", "/two/a", "/three/a"][round % 3];
        let asked = (0..2).map(|_| async {
            Client::ask(&proxy, request(&format!("GET {path}"), &Token::any(), &[], "")).await
        });
        for response in all(asked.collect()).await {
            assert!(
                response.status == 200 || response.code() == "peer_share",
                "{}",
                response.text()
            );
        }
    }
    let peak = one.peak.load(Ordering::SeqCst);
    assert!(
        peak <= 4,
        "{peak} connections at once: two, and two of which the upstream has not seen the end"
    );
}
