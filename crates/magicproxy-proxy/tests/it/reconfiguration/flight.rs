//! Requests, streams and WebSockets in progress while the configuration changes: they go on with the
//! configuration in which they began. A WebSocket ends with its upstream.

use magicproxy_proxy::server::Continuity;
use magicproxy_proxy::settings::UpstreamSettings;

use super::{scopes, with};
use crate::support::{Client, OnlyUpstream as _, Proxy, Token, Upstream, events_come, request};

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";

fn allowing(own: &mut UpstreamSettings) {
    own.scopes = scopes(&[("reading", &["GET /.*"])]);
    own.websocket = true;
}

fn denying(own: &mut UpstreamSettings) {
    own.scopes = scopes(&[("reading", &["GET /other"])]);
    own.websocket = true;
}

fn without_websocket(own: &mut UpstreamSettings) {
    allowing(own);
    own.websocket = false;
}

#[tokio::test]
async fn a_request_in_progress_ends_as_it_began() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::start(with(&upstream, allowing)).await;
    let token = Token::scoped(&["reading"]).mint();
    let asked = request("GET /user", &token, &[], "");
    let (mut waiting, mut streaming) =
        (Client::connect(&proxy).await, Client::connect(&proxy).await);
    waiting.send(&asked).await;
    let mut unanswered = upstream.accept().await;
    unanswered.request().await;
    streaming.send(&asked).await;
    let mut answering = upstream.accept().await;
    answering.request().await;
    answering.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
    assert_eq!(streaming.response_head().await.status, 200);
    assert_eq!(streaming.exactly(5).await, b"first");

    proxy.reconfigure(with(&upstream, denying));
    unanswered.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(waiting.response().await.text(), "ok");
    answering.send("other").await;
    assert_eq!(streaming.exactly(5).await, b"other");
    // The next request of each connection is one of the new configuration.
    for client in [&mut waiting, &mut streaming] {
        client.exchange(&asked).await.assert_rejected(403, "not_allowed");
    }
}

/// Opens a WebSocket, and shows that bytes flow.
async fn open(
    proxy: &Proxy,
    upstream: &mut Upstream,
) -> (Client, crate::support::UpstreamConnection) {
    let mut client = Client::connect(proxy).await;
    client.send(request("GET /ws", &Token::scoped(&["reading"]).mint(), &HANDSHAKE, "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send(SWITCH).await;
    assert_eq!(client.response_head().await.status, 101);
    flow(&mut client, &mut connection).await;
    (client, connection)
}

/// A small frame in each direction.
async fn flow(client: &mut Client, connection: &mut crate::support::UpstreamConnection) {
    let (up, down) = ([0x82, 0x82, 0, 0, 0, 0, 1, 2], [0x82, 2, 3, 4]);
    client.send(up).await;
    assert_eq!(connection.exactly(up.len()).await, up);
    connection.send(down).await;
    assert_eq!(client.exactly(down.len()).await, down);
}

#[tokio::test]
async fn a_websocket_goes_on_while_its_upstream_lets_websockets_pass() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::start(with(&upstream, allowing)).await;
    let (mut client, mut connection) = open(&proxy, &mut upstream).await;
    for change in [denying, allowing] {
        proxy.reconfigure(with(&upstream, change));
        flow(&mut client, &mut connection).await;
    }
    // A second one, of the present configuration: both end with the permission.
    let (mut second, _second_connection) = open(&proxy, &mut upstream).await;
    proxy.reconfigure(with(&upstream, without_websocket));
    let reason = "the proxy lets no WebSocket to this API pass any more";
    for client in [&mut client, &mut second] {
        let frame = client.exactly(4 + reason.len()).await;
        assert_eq!(frame[..4], [0x88, 2 + reason.len() as u8, 0x03, 0xF0], "1008");
        assert_eq!(&frame[4..], reason.as_bytes());
    }
    let mut third = Client::connect(&proxy).await;
    let asked = request("GET /ws", &Token::scoped(&["reading"]).mint(), &HANDSHAKE, "");
    third.exchange(&asked).await.assert_rejected(403, "websocket_disabled");
    // Permitted again: what has ended stays so, and new ones open.
    proxy.reconfigure(with(&upstream, allowing));
    open(&proxy, &mut upstream).await;
}

#[tokio::test]
async fn a_websocket_ends_with_its_upstream() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::start(with(&upstream, allowing)).await;
    let (mut client, mut connection) = open(&proxy, &mut upstream).await;
    let mut other = with(&upstream, allowing);
    other.upstream_mut().name = magicproxy_core::UpstreamName::parse("reconfigured-away").unwrap();
    let replaced = proxy.reconfigure(other);
    assert_eq!(replaced.removed.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["api.test"]);
    assert_eq!(replaced.upstreams[0].upstream, Continuity::New);
    assert_eq!(client.exactly(2).await[0], 0x88);
    assert_eq!(connection.exactly(2).await[0], 0x88);
    events_come(1, &["reconfigured", "end"]).await;
}
