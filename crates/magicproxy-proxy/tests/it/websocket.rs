//! WebSocket: the one upgrade that may pass, where the operator wants it.

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_proxy::services::{RevocationList, Revocations};
use magicproxy_proxy::settings::{Quota, TokenCarrier};

use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::Setup;
use crate::support::{
    Client, OnlyUpstream as _, Proxy, Reply, Token, Upstream, UpstreamConnection, events_come,
    events_named, find, in_time, now, request, soon,
};

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";

async fn with_websocket(upstream: &Upstream) -> Proxy {
    Proxy::with(upstream, |settings| settings.upstream_mut().websocket = true).await
}

#[tokio::test]
async fn it_is_off_by_default() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for upgrade in ["Upgrade: websocket", "Upgrade: WebSocket"] {
        let lines = [HANDSHAKE[0], upgrade, HANDSHAKE[2], HANDSHAKE[3]];
        let response = Client::ask(&proxy, request("GET /ws", &Token::any(), &lines, "")).await;
        response.assert_rejected(403, "websocket_disabled");
    }
    assert!(upstream.requests().is_empty());
}

/// A handshake has no content. What has some is an ordinary request, whose connection serves nobody else.
#[tokio::test]
async fn a_request_with_content_is_no_handshake() {
    let upstream = Upstream::hello().await;
    let proxy = with_websocket(&upstream).await;
    for (line, body) in
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        let lines = [HANDSHAKE[0], HANDSHAKE[1], HANDSHAKE[2], HANDSHAKE[3], line];
        assert_eq!(
            Client::ask(&proxy, request("GET /ws", &Token::any(), &lines, body)).await.status,
            200
        );
        let seen = upstream.take_requests().pop().unwrap();
        assert_eq!(
            (seen.all("upgrade"), seen.all("connection")),
            (vec![], vec!["close"]),
            "{line}"
        );
        assert_eq!(seen.body, b"hello", "{line}");
    }
}

#[tokio::test]
async fn bytes_flow_both_ways_until_one_side_ends() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /ws", &Token::allowing(&["GET /ws"]).mint(), &HANDSHAKE, "")).await;
    let mut connection = upstream.accept().await;
    let seen = connection.request().await;
    assert_eq!((seen.all("upgrade"), seen.all("connection")), (vec!["websocket"], vec!["upgrade"]));
    assert_eq!((seen.all("authorization").len(), seen.all("sec-websocket-key").len()), (1, 1));
    connection.send(SWITCH).await;
    let response = client.response_head().await;
    assert_eq!(
        (response.status, response.one("upgrade"), response.one("sec-websocket-accept")),
        (101, Some("websocket"), Some("x"))
    );
    client.send(HELLO).await;
    connection.until(b"hello").await;
    connection.send(b"\x81\x05world").await;
    client.until(b"world").await;
    drop(client);
    assert!(connection.closed().await.is_empty());
}

/// Browsers have no other field for keys, so APIs take them there: another key, and another account to act for.
#[tokio::test]
async fn a_handshake_keeps_its_own_fields_and_offers_no_keys() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    let lines = [
        &HANDSHAKE[..],
        &[
            "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-other",
            "Sec-WebSocket-Protocol: openai-organization.o",
        ],
        &[
            "Sec-WebSocket-Extensions: permessage-deflate",
            "Origin: https://app.test",
            "Stripe-Account: acct_2",
        ],
    ];
    client.send(request("GET /ws", &Token::any(), &lines.concat(), "")).await;
    let mut connection = upstream.accept().await;
    let seen = connection.request().await;
    let ours = [
        "accept-encoding",
        "authorization",
        "connection",
        "host",
        "origin",
        "sec-websocket-extensions",
        "sec-websocket-key",
    ];
    assert_eq!(
        seen.names(),
        [&ours[..], &["sec-websocket-protocol", "sec-websocket-version", "upgrade"]].concat()
    );
    assert_eq!(seen.all("sec-websocket-protocol"), ["realtime"]);
    connection.send(SWITCH).await;
    assert_eq!(client.response_head().await.status, 101);
}

/// A key in the place of a subprotocol is a carrier where the upstream's clients put theirs there: the token is found in it, and
/// nothing of it goes up, nor of another key beside it.
#[tokio::test]
async fn a_token_is_found_in_the_subprotocols_and_stripped() {
    let mut upstream = Upstream::held().await;
    let proxy = with_subprotocol(&upstream).await;
    let token = Token::allowing(&["GET /v1/realtime"]).mint();
    let bearer = format!("Authorization: Bearer {}", *token);
    for (protocols, further) in [
        (format!("realtime, openai-insecure-api-key.{}, openai-beta.realtime-v1", *token), None),
        (format!("realtime,OpenAI-Insecure-API-Key.{}", *token), None),
        (
            format!("realtime, openai-insecure-api-key.{0}, openai-insecure-api-key.{0}", *token),
            Some(bearer.as_str()),
        ),
        ("realtime, openai-insecure-api-key.sk-other".to_owned(), Some(bearer.as_str())),
        (format!("realtime, bearer, {}", *token), Some(bearer.as_str())),
    ] {
        let protocols = format!("Sec-WebSocket-Protocol: {protocols}");
        let lines: Vec<&str> =
            HANDSHAKE.into_iter().chain([protocols.as_str()]).chain(further).collect();
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /v1/realtime?model=m", "", &lines, "")).await;
        let mut connection = upstream.accept().await;
        let seen = connection.request().await;
        let offered = seen.all("sec-websocket-protocol").join(",");
        assert!(offered.starts_with("realtime"), "{protocols}: {offered}");
        assert!(
            !format!("{seen:?}").contains(&*token) && !offered.contains("key"),
            "{protocols}: {seen:?}"
        );
        connection
            .send(SWITCH.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: realtime\r\n\r\n"))
            .await;
        let response = client.response_head().await;
        assert_eq!(
            (response.status, response.one("sec-websocket-protocol")),
            (101, Some("realtime")),
            "{protocols}"
        );
    }
}

#[tokio::test]
async fn what_is_no_token_in_the_subprotocols_or_another_one_is_refused() {
    let upstream = Upstream::hello().await;
    let proxy = with_subprotocol(&upstream).await;
    let (token, other) = (Token::any(), Token::allowing(&["GET /.*"]).mint());
    let bearer = format!("Authorization: Bearer {}", *other);
    let stale = "Authorization: Bearer sk-stale".to_owned();
    for (key, further, status, code) in [
        ("sk-key", None, 401, "invalid_token"),
        ("", None, 401, "invalid_token"),
        (&token, Some(&bearer), 400, "conflicting_credentials"),
        (&token, Some(&stale), 400, "conflicting_credentials"),
    ] {
        let protocols = format!("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{key}");
        let lines: Vec<&str> = HANDSHAKE
            .into_iter()
            .chain([protocols.as_str()])
            .chain(further.map(String::as_str))
            .collect();
        Client::ask(&proxy, request("GET /v1/realtime", "", &lines, ""))
            .await
            .assert_rejected(status, code);
    }
    assert!(upstream.requests().is_empty());
}

/// Without a handshake the field says nothing, and what stands in it stays here.
#[tokio::test]
async fn a_request_that_is_no_handshake_has_no_subprotocols() {
    let upstream = Upstream::hello().await;
    for proxy in [with_subprotocol(&upstream).await, Proxy::before(&upstream).await] {
        let token = Token::any();
        for key in ["openai-insecure-api-key.sk-other", "realtime", &token] {
            let line = format!("Sec-WebSocket-Protocol: {key}");
            assert_eq!(
                Client::ask(&proxy, request("GET /v1/models", &token, &[&line], "")).await.status,
                200
            );
            assert!(
                upstream.take_requests().remove(0).all("sec-websocket-protocol").is_empty(),
                "{key}"
            );
        }
    }
}

#[tokio::test]
async fn an_upstream_chooses_no_subprotocol_but_an_offered_one() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    for (offered, chosen) in [
        (None, "realtime"),
        (Some("a, openai-insecure-api-key.sk-x"), "openai-insecure-api-key.sk-x"),
        (Some("a"), "b"),
    ] {
        let offered = offered.map(|names| format!("Sec-WebSocket-Protocol: {names}"));
        let lines: Vec<&str> = HANDSHAKE.into_iter().chain(offered.as_deref()).collect();
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /ws", &Token::any(), &lines, "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection
            .send(
                SWITCH
                    .replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Protocol: {chosen}\r\n\r\n")),
            )
            .await;
        client.response().await.assert_rejected(502, "upstream_upgrade");
    }
}

async fn with_subprotocol(upstream: &Upstream) -> Proxy {
    Proxy::with(upstream, |settings| {
        let upstream = settings.upstream_mut();
        upstream.websocket = true;
        upstream.token_carriers =
            vec![TokenCarrier::parse("subprotocol:openai-insecure-api-key.").unwrap()];
    })
    .await
}

#[tokio::test]
async fn the_upstreams_end_reaches_the_client() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /ws", &Token::any(), &HANDSHAKE, "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send(format!("{SWITCH}last words")).await;
    drop(connection);
    client.response_head().await;
    assert_eq!(client.closed().await, b"last words");
}

/// What flows is not decided on, so nothing else would end what a short-lived token began.
#[tokio::test]
async fn it_ends_with_its_token() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    // In two seconds the leeway of half a minute is over, too.
    let token = Token::allowing(&["GET /ws"]).living(now() - 3600, now() - 28).mint();
    client.send(request("GET /ws", &token, &HANDSHAKE, "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send(SWITCH).await;
    assert_eq!(client.response_head().await.status, 101);
    client.send(HELLO).await;
    connection.until(b"hello").await;
    assert_closed(&mut client, &mut connection, 1008, "the token has expired").await;
}

/// A frame of a client's, masked with zeros.
const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";
/// A Close frame of a client's, and one of a server's.
const CLOSE: [&[u8]; 2] = [b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"];

/// The code and the reason of the Close frame that these bytes are.
#[track_caller]
fn close_of(bytes: &[u8], masked: bool) -> (u16, String) {
    assert_eq!(bytes.first(), Some(&0x88), "no Close frame: {bytes:?}");
    assert_eq!(bytes[1] & 0x80 != 0, masked, "{bytes:?}");
    let length = usize::from(bytes[1] & 0x7f);
    let (mask, payload) = if masked { bytes[2..].split_at(4) } else { (&[0; 4][..], &bytes[2..]) };
    assert_eq!(payload.len(), length, "more than a Close frame: {bytes:?}");
    let payload: Vec<u8> =
        payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    (
        u16::from_be_bytes([payload[0], payload[1]]),
        String::from_utf8(payload[2..].to_vec()).unwrap(),
    )
}

/// Both sides are told why before their connections end.
async fn assert_closed(
    client: &mut Client,
    connection: &mut UpstreamConnection,
    code: u16,
    reason: &str,
) {
    assert_eq!(close_of(&client.closed().await, false), (code, reason.to_owned()));
    assert_eq!(close_of(&connection.closed().await, true), (code, reason.to_owned()));
}

async fn with_websocket_and(upstream: &Upstream, change: impl FnOnce(&mut Setup)) -> Proxy {
    Proxy::with(upstream, |settings| {
        settings.upstream_mut().websocket = true;
        change(settings);
    })
    .await
}

/// An open WebSocket, through which a message has passed.
async fn open(proxy: &Proxy, upstream: &mut Upstream, token: &str) -> (Client, UpstreamConnection) {
    let mut client = Client::connect(proxy).await;
    client.send(request("GET /ws", token, &HANDSHAKE, "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send(SWITCH).await;
    assert_eq!(client.response_head().await.status, 101);
    client.send(HELLO).await;
    connection.until(b"hello").await;
    (client, connection)
}

#[tokio::test]
async fn it_counts_as_a_connection_until_it_ends() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket_and(&upstream, |settings| settings.limits.connections = 2).await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        sockets.push(open(&proxy, &mut upstream, &Token::any()).await);
    }
    let about = request("GET /__magictoken", "", &[], "");
    for _ in 0..3 {
        // Neither is idle, so neither makes way.
        let mut third = Client::connect(&proxy).await;
        assert_eq!(third.response().await.status, 503);
    }
    for (client, connection) in &mut sockets {
        connection.send(b"\x81\x05world").await;
        client.until(b"world").await;
    }
    drop(sockets.pop());
    soon(async { while Client::connect(&proxy).await.try_exchange(&about).await != Some(200) {} })
        .await;
}

#[tokio::test]
async fn it_counts_as_a_request_in_progress_until_it_ends() {
    let mut upstream = Upstream::held().await;
    let quota = Quota { per_owner: 1, ..Quota::of(100) };
    let proxy = with_websocket_and(&upstream, |settings| settings.limits.exchanges = quota).await;
    let token = Token::any();
    let (client, mut connection) = open(&proxy, &mut upstream, &token).await;
    Client::ask(&proxy, request("GET /ws", &token, &HANDSHAKE, ""))
        .await
        .assert_rejected(429, "owner_share");
    drop(client);
    assert!(connection.closed().await.is_empty());
    soon(open(&proxy, &mut upstream, &Token::any())).await;
}

#[tokio::test]
async fn it_ends_without_a_byte_in_either_direction() {
    let mut upstream = Upstream::held().await;
    let idle = Duration::from_millis(200);
    let proxy =
        with_websocket_and(&upstream, |settings| settings.timeouts.websocket_idle = idle).await;
    let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    assert_closed(&mut client, &mut connection, 1001, "no byte came for too long").await;
}

#[tokio::test]
async fn it_ends_when_its_token_is_revoked() {
    let mut upstream = Upstream::held().await;
    let revocations = Arc::new(Revocations::default());
    let shared = Arc::clone(&revocations);
    let proxy =
        with_websocket_and(&upstream, |settings| settings.services.revocations = shared).await;
    let (mut revoked, mut revoked_connection) = open(
        &proxy,
        &mut upstream,
        &Token::allowing(&["GET /ws"]).living(now() - 100, now() + 100).mint(),
    )
    .await;
    let (mut other, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    revocations.replace(RevocationList {
        before: Some(UnixTime(now() - 50)),
        ..RevocationList::default()
    });
    assert_closed(&mut revoked, &mut revoked_connection, 1008, "the token has been revoked").await;
    other.send(b"\x81\x85\0\0\0\0again").await;
    connection.until(b"again").await;
}

/// Nothing passes without a token, not even the rest of a frame.
#[tokio::test]
async fn a_frame_ends_with_its_token() {
    let mut upstream = Upstream::held().await;
    let revocations = Arc::new(Revocations::default());
    let shared = Arc::clone(&revocations);
    let proxy =
        with_websocket_and(&upstream, |settings| settings.services.revocations = shared).await;
    let token = Token::allowing(&["GET /ws"]).living(now() - 100, now() + 100).mint();
    let (mut client, mut connection) = open(&proxy, &mut upstream, &token).await;
    client.send(&HELLO[..8]).await;
    connection.until(b"he").await;
    revocations.replace(RevocationList {
        before: Some(UnixTime(now() - 50)),
        ..RevocationList::default()
    });
    let reason = "the token has been revoked";
    assert_eq!(close_of(&client.exactly(4 + reason.len()).await, false), (1008, reason.to_owned()));
    client.send(&HELLO[8..]).await;
    assert!(connection.closed().await.is_empty());
    assert!(client.closed().await.is_empty());
}

#[tokio::test]
async fn an_end_of_the_proxy_closes_it_and_waits_for_its_sides() {
    for stop in [Proxy::shut_down, Proxy::terminate] {
        an_end_closes_it(stop).await;
    }
}

async fn an_end_closes_it(stop: fn(&Proxy)) {
    let mut upstream = Upstream::held().await;
    let mut proxy = with_websocket_and(&upstream, |_| ()).await;
    let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    stop(&proxy);
    let reason = "the proxy stops";
    let (frame, to_upstream) =
        (client.exactly(4 + reason.len()).await, connection.exactly(8 + reason.len()).await);
    assert_eq!(close_of(&frame, false), (1001, reason.to_owned()));
    assert_eq!(close_of(&to_upstream, true), (1001, reason.to_owned()));
    // What comes behind the Close frame that one side got is not passed on; its own Close frame ends the wait.
    connection.send([b"\x81\x05late!", CLOSE[1]].concat()).await;
    client.send([HELLO, CLOSE[0]].concat()).await;
    proxy.ended().await;
    assert!(client.closed().await.is_empty());
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn an_end_of_the_proxy_does_not_wait_for_sides_that_say_nothing() {
    let mut upstream = Upstream::held().await;
    let mut proxy = with_websocket_and(&upstream, |_| ()).await;
    let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    proxy.shut_down();
    proxy.ended().await;
    assert_closed(&mut client, &mut connection, 1001, "the proxy stops").await;
}

/// Its client would connect again, and lose what the two sides know of each other, for no reason.
#[tokio::test]
async fn it_goes_on_where_another_process_serves_in_the_proxys_place() {
    let mut upstream = Upstream::held().await;
    let mut proxy = with_websocket_and(&upstream, |_| ()).await;
    let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    proxy.replaced();
    // The listener is closed once the proxy knows.
    while tokio::net::TcpStream::connect(proxy.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        client.send(HELLO).await;
        connection.until(HELLO).await;
        connection.send(b"\x81\x05hello").await;
        client.until(b"\x81\x05hello").await;
    }
    client.send(CLOSE[0]).await;
    connection.until(CLOSE[0]).await;
    connection.send(CLOSE[1]).await;
    client.until(CLOSE[1]).await;
    drop((client, connection));
    proxy.ended().await;
}

#[tokio::test]
async fn it_is_closed_before_the_drain_timeout_of_a_replaced_proxy_would_cut_it() {
    let mut upstream = Upstream::held().await;
    let mut proxy = with_websocket_and(&upstream, |settings| {
        settings.timeouts.drain = Duration::from_millis(5_050);
    })
    .await;
    let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    proxy.replaced();
    assert_closed(&mut client, &mut connection, 1001, "the proxy stops").await;
    proxy.ended().await;
}

/// A Close frame inside of another frame would be a part of a message.
#[tokio::test]
async fn it_is_closed_between_frames() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket_and(&upstream, |_| ()).await;
    let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    client.send(&HELLO[..8]).await;
    connection.until(b"\x81\x85\0\0\0\0he").await;
    proxy.shut_down();
    // The other direction is between two frames.
    assert_eq!(close_of(&client.exactly(4 + 15).await, false).0, 1001);
    client.send(&HELLO[8..]).await;
    connection.until(b"llo").await;
    assert_eq!(close_of(&connection.exactly(8 + 15).await, true).0, 1001);
    client.send(CLOSE[0]).await;
    connection.send(CLOSE[1]).await;
    assert!(client.closed().await.is_empty());
}

#[tokio::test]
async fn an_upstream_that_is_gone_without_a_word_is_told_of() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    for reset in [false, true] {
        let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
        connection.send(b"\x81\x05world").await;
        client.until(b"world").await;
        if reset {
            SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(connection);
        assert_eq!(
            close_of(&client.closed().await, false),
            (1001, "the other side has gone".to_owned()),
            "{reset}"
        );
        // In the middle of a frame nothing can be told.
        let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
        connection.send(b"\x81\x05wor").await;
        client.until(b"wor").await;
        drop(connection);
        assert!(client.closed().await.is_empty());
    }
}

/// The upstream neither reads nor ends: it is let go of all the same.
#[tokio::test]
async fn nothing_stays_when_the_client_is_gone() {
    let mut upstream = Upstream::held().await;
    let quota = Quota { per_owner: 1, ..Quota::of(100) };
    let proxy = with_websocket_and(&upstream, |settings| settings.limits.exchanges = quota).await;
    let token = Token::any();
    let mut silent = Vec::new();
    for gone in ["FIN", "RST", "FIN in a frame", "FIN behind a Close frame"] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(&request("GET /ws", &token, &HANDSHAKE, "")).await.unwrap();
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection.send(SWITCH).await;
        let mut client = Client::over(stream);
        assert_eq!(client.response_head().await.status, 101, "{gone}");
        client.send(HELLO).await;
        connection.until(b"hello").await;
        match gone {
            "FIN in a frame" => client.send(&HELLO[..8]).await,
            "FIN behind a Close frame" => client.send(CLOSE[0]).await,
            _ => {}
        }
        if gone == "RST" {
            // Unread bytes make a reset of the end.
            connection.send(b"\x81\x05world").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(client);
        silent.push(connection);
        // Its place among the exchanges is free again.
        let free = async {
            loop {
                let response =
                    Client::ask(&proxy, request("GET /__magictoken", &token, &[], "")).await;
                assert_eq!(response.status, 200);
                let mut probe = Client::connect(&proxy).await;
                probe.send(request("GET /probe", &token, &[], "")).await;
                tokio::select! {
                    mut probed = upstream.accept() => {
                        probed.request().await;
                        probed.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
                        probe.response().await;
                        return;
                    }
                    response = probe.response() => assert_eq!(response.status, 429),
                }
            }
        };
        soon(free).await;
    }
}

#[tokio::test]
async fn its_own_end_passes_as_it_is() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    for by_client in [true, false] {
        let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
        if by_client {
            client.send(CLOSE[0]).await;
            assert_eq!(connection.exactly(CLOSE[0].len()).await, CLOSE[0]);
            connection.send(CLOSE[1]).await;
            assert_eq!(client.exactly(CLOSE[1].len()).await, CLOSE[1]);
        } else {
            connection.send(CLOSE[1]).await;
            assert_eq!(client.exactly(CLOSE[1].len()).await, CLOSE[1]);
            client.send(CLOSE[0]).await;
            assert_eq!(connection.exactly(CLOSE[0].len()).await, CLOSE[0]);
        }
        // Neither side closes its connection.
        assert!(client.closed().await.is_empty(), "{by_client}");
        assert!(connection.closed().await.is_empty(), "{by_client}");
    }
}

/// A whole exchange lasts until its WebSocket ends.
#[tokio::test]
async fn it_ends_with_the_deadline_of_exchanges() {
    in_time(Duration::from_millis(700), async |limit| {
        let mut upstream = Upstream::held().await;
        let proxy =
            with_websocket_and(&upstream, |settings| settings.timeouts.total = Some(limit)).await;
        let (mut client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
        assert_closed(&mut client, &mut connection, 1001, "it was open for as long as it may be")
            .await;
    })
    .await;
}

#[tokio::test]
async fn its_end_is_logged() {
    let mut upstream = Upstream::held().await;
    let hour = Duration::from_secs(3600);
    for (path, end, idle) in [
        ("/log-closed", "closed", hour),
        ("/log-client", "client_gone", hour),
        ("/log-api", "upstream_gone", hour),
        ("/log-idle", "idle", Duration::from_secs(2)),
    ] {
        let proxy =
            with_websocket_and(&upstream, |settings| settings.timeouts.websocket_idle = idle).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request(&format!("GET {path}"), &Token::any(), &HANDSHAKE, "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection.send(SWITCH).await;
        assert_eq!(client.response_head().await.status, 101);
        client.send(HELLO).await;
        connection.until(b"hello").await;
        connection.send(b"\x81\x05world").await;
        client.until(b"world").await;
        assert!(idle < hour || events_named(&[path]).is_empty(), "{path} is logged before its end");
        let (mut up, mut down) = (HELLO.len(), 7);
        match end {
            "closed" => {
                client.send(CLOSE[0]).await;
                connection.exactly(CLOSE[0].len()).await;
                connection.send(CLOSE[1]).await;
                (up, down) = (up + CLOSE[0].len(), down + CLOSE[1].len());
            }
            "client_gone" => drop(client),
            "upstream_gone" => drop(connection),
            _ => {}
        }
        let (up, down) = (format!("bytes_in={up} "), format!("bytes_out={down} "));
        events_come(1, &[path, "status=101", &up, &down, &format!("ended=\"{end}\"")]).await;
    }
}

/// A side that vanished without a word is found by the system.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_system_looks_for_both_sides() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    let (_client, connection) = open(&proxy, &mut upstream, &Token::any()).await;
    let hex = |port: u16| format!(":{port:04X}");
    let (client_side, upstream_side) =
        (hex(proxy.address.port()), hex(connection.stream.peer_addr().unwrap().port()));
    // Local address, remote address, state (01 is open), queues, timer: 02 is that of keep-alive, once all is acknowledged.
    let is_probed = |port: &str| {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|fields| {
            fields.len() > 5
                && fields[1].ends_with(port)
                && fields[3] == "01"
                && fields[5].starts_with("02:")
        })
    };
    for port in [client_side, upstream_side] {
        soon(async {
            while !is_probed(&port) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_end_of_the_proxy_comes_with_the_last_of_them() {
    let mut upstream = Upstream::held().await;
    let mut proxy = with_websocket_and(&upstream, |_| ()).await;
    let (client, mut connection) = open(&proxy, &mut upstream, &Token::any()).await;
    proxy.shut_down();
    drop(client);
    connection.closed().await;
    drop(connection);
    proxy.ended().await;
}

#[tokio::test]
async fn a_handshake_needs_a_rule_and_a_token() {
    let upstream = Upstream::hello().await;
    let proxy = with_websocket(&upstream).await;
    let token = Token::allowing(&["GET /ws"]).mint();
    Client::ask(&proxy, request("GET /other", &token, &HANDSHAKE, ""))
        .await
        .assert_rejected(403, "not_allowed");
    Client::ask(&proxy, request("GET /ws", "", &HANDSHAKE, ""))
        .await
        .assert_rejected(401, "missing_token");
    assert!(upstream.requests().is_empty());
}

/// What a client sends behind its handshake is no request to the upstream, whatever that answers (CVE-2026-2833).
#[tokio::test]
async fn what_follows_a_refused_handshake_goes_through_the_gate() {
    for status in ["200 OK", "400 Bad Request", "426 Upgrade Required", "204 No Content"] {
        let mut upstream = Upstream::held().await;
        let proxy = with_websocket(&upstream).await;
        let token = Token::allowing(&["GET /ws"]).mint();
        let mut client = Client::connect(&proxy).await;
        let smuggled = request("DELETE /smuggled", &token, &[], "");
        client.send([request("GET /ws", &token, &HANDSHAKE, ""), smuggled].concat()).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        let length = if status.starts_with("204") { "" } else { "Content-Length: 0\r\n" };
        connection.send(format!("HTTP/1.1 {status}\r\n{length}\r\n")).await;
        assert_eq!(client.response().await.status, status[..3].parse::<u16>().unwrap());
        client.response().await.assert_rejected(403, "not_allowed");
        assert!(
            connection.until_closed_or_idle().await.is_empty(),
            "{status}: bytes reached the upstream"
        );
        assert!(!upstream.has_client());
    }
}

#[tokio::test]
async fn bytes_sent_before_the_switch_wait_for_it() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client
        .send(
            [
                request("GET /ws", &Token::any(), &HANDSHAKE, ""),
                b"GET /early HTTP/1.1\r\n\r\n".to_vec(),
            ]
            .concat(),
        )
        .await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    assert!(connection.until_closed_or_idle().await.is_empty());
    connection.send(SWITCH).await;
    assert_eq!(client.response_head().await.status, 101);
    // The upstream agreed: what comes now is WebSocket to it.
    connection.until(b"GET /early HTTP/1.1\r\n\r\n").await;
}

#[tokio::test]
async fn any_other_upgrade_is_not_passed_on() {
    let upstream = Upstream::hello().await;
    let proxy = with_websocket(&upstream).await;
    let token = Token::any();
    for lines in [
        &[
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ][..],
        &["Connection: Upgrade", "Upgrade: websocket, h2c", HANDSHAKE[2]],
        &["Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket", HANDSHAKE[2]],
        &["Connection: Upgrade", "Upgrade: TLS/1.0"],
        // No key: no handshake.
        &["Connection: Upgrade", "Upgrade: websocket"],
    ] {
        assert_eq!(
            Client::ask(&proxy, request("GET /a", &token, lines, "")).await.status,
            200,
            "{lines:?}"
        );
    }
    assert_eq!(Client::ask(&proxy, request("POST /a", &token, &HANDSHAKE, "")).await.status, 200);
    for seen in upstream.requests() {
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(seen.all(name).is_empty(), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_handshake_takes_no_kept_connection_and_leaves_none() {
    let upstream =
        Upstream::scripted(
            |seen| if seen.target == "/ws" { Reply::ok("no") } else { Reply::ok("yes") },
        )
        .await;
    let proxy = with_websocket(&upstream).await;
    let token = Token::any();
    for (target, lines) in [("/a", &[][..]), ("/ws", &HANDSHAKE), ("/b", &[])] {
        assert_eq!(
            Client::ask(&proxy, request(&format!("GET {target}"), &token, lines, "")).await.status,
            200
        );
    }
    assert_ne!(upstream.requests()[1].connection, 0);
}

#[tokio::test]
async fn an_echo_in_the_handshake_is_masked() {
    let mut upstream = Upstream::held().await;
    let proxy = with_websocket(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /ws", &Token::any(), &HANDSHAKE, "")).await;
    let mut connection = upstream.accept().await;
    let credential = connection.request().await.all("authorization")[0].to_owned();
    connection.send(SWITCH.replace("Accept: x", &format!("Accept: {credential}"))).await;
    let head = client.until(b"\r\n\r\n").await;
    assert!(find(&head, crate::support::CREDENTIAL.as_bytes()).is_none());
}
