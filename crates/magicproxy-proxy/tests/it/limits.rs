//! Clients that are slow, idle or many; and the end of the proxy.

use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use magicproxy_core::Network;
use tokio::net::{TcpSocket, TcpStream};

use crate::support::Setup;
use crate::support::{
    Certificate, Client, Proxy, Token, Upstream, in_time, request, settings, soon,
};

const SHORT: Duration = Duration::from_millis(300);
/// What is over after [`SHORT`] is over by now, on a slow machine, too.
const LONG: Duration = Duration::from_secs(25);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Writes the bytes one by one, again and again the last, until the proxy closes; gives what it answered.
async fn drip(proxy: &Proxy, bytes: &[u8]) -> (Duration, Vec<u8>) {
    let mut client = Client::connect(proxy).await;
    let since = Instant::now();
    let mut tick = tokio::time::interval(SHORT / 10);
    let mut bytes = bytes.iter().chain(std::iter::repeat(bytes.last().unwrap()));
    let dripping = async {
        loop {
            tick.tick().await;
            let closed = async { (client.closed().await, ()) };
            // A client that only writes learns of the end by an error; one that reads, by the end.
            if let Ok((response, ())) = tokio::time::timeout(Duration::from_millis(1), closed).await
            {
                return response;
            }
            client.try_send([*bytes.next().unwrap()]).await;
        }
    };
    let response = soon(dripping).await;
    (since.elapsed(), response)
}

#[tokio::test]
async fn slow_heads_are_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = SHORT).await;
    for bytes in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\nX-A: a",
        // The preface of HTTP/2, and what only begins like it.
        b"PRI * HTTP/2.0\r\n\r\nS",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0",
        b"\r\n",
    ] {
        let (after, response) = drip(&proxy, bytes).await;
        assert!(after < LONG, "{bytes:?}: {after:?}");
        assert!(!response.starts_with(b"HTTP/1.1 2"));
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_connection_without_a_first_byte_is_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = SHORT).await;
    assert!(Client::connect(&proxy).await.closed().await.is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_ended() {
    in_time(SHORT, async |limit| {
        let upstream = Upstream::hello().await;
        let proxy = Proxy::with(&upstream, |settings| settings.timeouts.keep_alive = limit).await;
        let token = Token::any();
        for (bytes, status) in [
            (request("GET /a", &token, &[], ""), 200),
            (request("HEAD /a", &token, &[], ""), 200),
            (request("POST /a", &token, &["Content-Length: 3"], "abc"), 200),
            (request("GET /a", "", &[], ""), 401),
            (request("GET /__magictoken", "", &[], ""), 200),
        ] {
            for times in [1, 2] {
                let since = Instant::now();
                let mut client = Client::connect(&proxy).await;
                for _ in 0..times {
                    assert_eq!(client.exchange(&bytes).await.status, status);
                }
                assert!(client.closed().await.is_empty());
                assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
            }
        }
    })
    .await;
}

/// A client that counts to the number of the page closes first, however long its request took.
#[tokio::test]
async fn an_idle_connection_is_not_ended_early() {
    in_time(SHORT, async |limit| {
        let mut upstream = Upstream::held().await;
        let change = |settings: &mut Setup| {
            (settings.timeouts.keep_alive, settings.timeouts.header) = (2 * limit, limit)
        };
        let proxy = Proxy::with(&upstream, change).await;
        for pause in [Duration::ZERO, limit / 2, 3 * limit] {
            let mut client = Client::connect(&proxy).await;
            client.send(request("GET /a", &Token::any(), &["Connection: keep-alive"], "")).await;
            let mut connection = upstream.accept().await;
            connection.request().await;
            tokio::time::sleep(pause).await;
            let since = Instant::now();
            connection
                .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await;
            assert_eq!(client.response().await.status, 200);
            assert!(client.closed().await.is_empty());
            assert!(
                since.elapsed() >= 2 * limit + limit / 2,
                "{:?} after a pause of {pause:?}",
                since.elapsed()
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_second_head_is_ended() {
    in_time(SHORT, async |limit| {
        let upstream = Upstream::hello().await;
        let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = limit).await;
        let mut client = Client::connect(&proxy).await;
        assert_eq!(client.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
        client.send("GET /b HTTP/1.1\r\n").await;
        assert!(!client.closed().await.starts_with(b"HTTP/1.1 2"));
        assert_eq!(upstream.requests().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_long_wait_for_a_response_is_not_idleness() {
    in_time(SHORT, async |limit| {
        let mut upstream = Upstream::held().await;
        let proxy = Proxy::with(&upstream, |settings| {
            (settings.timeouts.keep_alive, settings.timeouts.header) = (limit, limit)
        })
        .await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /poll", &Token::any(), &[], "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        // Another connection, as the clock: when it was ended for idleness, this one has waited longer.
        Client::connect(&proxy).await.closed().await;
        Client::connect(&proxy).await.closed().await;
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
        // From now on it idles, which ends too.
        assert!(client.closed().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_stalled_upload_is_ended() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.body_idle = SHORT).await;
    for (field, part) in [("Content-Length: 10", "abc"), ("Transfer-Encoding: chunked", "3\r\nab")]
    {
        let mut client = Client::connect(&proxy).await;
        client.send(request("POST /a", &Token::any(), &[field], part)).await;
        let mut connection = upstream.accept().await;
        connection.head().await;
        connection.closed().await;
        assert!(client.closed().await.starts_with(b"HTTP/1.1 4"));
    }
}

#[tokio::test]
async fn a_stalled_mint_request_is_ended() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.timeouts.header = SHORT).await;
    let mut client = Client::connect(&proxy).await;
    let lines = ["Content-Type: application/json", "Content-Length: 100"];
    client.send(request("POST /__magictoken", "", &lines, "{\"token\":")).await;
    client.response().await.assert_rejected(408, "request_timeout");
    client.closed().await;
}

/// A connection from another address of this machine.
async fn connect_from(proxy: &Proxy, address: [u8; 4]) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    Client::over(soon(socket.connect(proxy.address)).await.unwrap())
}

#[tokio::test]
async fn a_new_connection_ends_the_longest_idle() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.limits.connections = 2).await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut first = Client::connect(&proxy).await;
    let mut second = Client::connect(&proxy).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.exchange(&asked).await.status, 200);
    }
    let mut third = Client::connect(&proxy).await;
    assert_eq!(third.exchange(&asked).await.status, 200);
    assert!(first.closed().await.is_empty());
    assert_eq!(second.exchange(&asked).await.status, 200);
}

#[tokio::test]
async fn a_connection_without_an_admitted_request_goes_first() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.limits.connections = 3).await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut known = Client::connect(&proxy).await;
    assert_eq!(known.exchange(&asked).await.status, 200);
    let mut refused = Client::connect(&proxy).await;
    assert_eq!(refused.exchange(request("GET /a", "", &[], "")).await.status, 401);
    let mut silent = Client::connect(&proxy).await;
    let mut new = Vec::new();
    for stranger in [&mut refused, &mut silent] {
        let mut client = Client::connect(&proxy).await;
        assert_eq!(client.exchange(&asked).await.status, 200);
        new.push(client);
        assert!(stranger.closed().await.is_empty());
    }
    assert_eq!(known.exchange(&asked).await.status, 200);
}

#[tokio::test]
async fn idle_strangers_keep_nobody_out() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.limits.connections = 8).await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut known = Client::connect(&proxy).await;
    let (mut strangers, mut answered) = (Vec::new(), 0);
    for _ in 0..40 {
        strangers.push(Client::connect(&proxy).await);
        for status in
            [known.exchange(&asked).await.status, Client::ask(&proxy, &asked).await.status]
        {
            assert_eq!(status, 200);
            answered += 1;
        }
    }
    assert_eq!((answered, upstream.requests().len()), (80, 80));
    // No more than the limit are open, the known one's among them.
    for stranger in strangers.iter_mut().take(40 - 7) {
        stranger.closed().await;
    }
}

#[tokio::test]
async fn connections_that_do_nothing_keep_nobody_of_their_address_out() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.limits.connections_per_peer = 3).await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut idle = Vec::new();
    for bytes in ["", "G", "GET /a HTTP/1.1\r\nHost: a\r\nX-Half"] {
        let mut client = Client::connect(&proxy).await;
        client.send(bytes).await;
        idle.push(client);
    }
    let mut honest = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(&proxy).await;
        assert_eq!(client.exchange(&asked).await.status, 200);
        honest.push(client);
    }
    for client in &mut idle {
        assert!(!client.closed().await.starts_with(b"HTTP/1.1 2"));
    }
    for client in &mut honest {
        assert_eq!(client.exchange(&asked).await.status, 200);
    }
}

#[tokio::test]
async fn a_peer_has_its_share_of_connections() {
    let upstream = Upstream::hello().await;
    let trusted = Network::parse("127.0.0.3/32").unwrap();
    let proxy = Proxy::with(&upstream, |settings| {
        settings.limits.connections_per_peer = 3;
        settings.trusted_proxies.networks.push(trusted);
    })
    .await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(&proxy).await;
        assert_eq!(client.exchange(&asked).await.status, 200);
        open.push(client);
    }
    let mut beyond = Client::connect(&proxy).await;
    let response = beyond.response().await;
    assert_eq!(
        (response.status, response.one("retry-after"), response.complete),
        (503, Some("1"), true)
    );
    assert!(beyond.closed().await.is_empty());
    assert_eq!(connect_from(&proxy, [127, 0, 0, 2]).await.exchange(&asked).await.status, 200);
    for _ in 0..5 {
        let mut client = connect_from(&proxy, [127, 0, 0, 3]).await;
        assert_eq!(client.exchange(&asked).await.status, 200);
        open.push(client);
    }
    for client in &mut open {
        assert_eq!(client.exchange(&asked).await.status, 200);
    }
    drop(open);
    soon(async { while Client::connect(&proxy).await.try_exchange(&asked).await != Some(200) {} })
        .await;
}

#[tokio::test]
async fn a_stranger_is_not_kept_where_few_connections_are_left() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| settings.limits.connections = 8).await;
    let (asked, refused) =
        (request("GET /a", &Token::any(), &[], ""), request("GET /a", "", &[], ""));
    let mut known = Client::connect(&proxy).await;
    assert_eq!(known.exchange(&asked).await.status, 200);
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(&proxy).await;
        let response = client.exchange(&refused).await;
        assert_eq!((response.status, response.one("connection")), (401, None));
        kept.push(client);
    }
    let mut last = Client::connect(&proxy).await;
    let response = last.exchange(&refused).await;
    assert_eq!((response.status, response.one("connection")), (401, Some("close")));
    assert!(last.closed().await.is_empty());
    // Who had an admitted request stays.
    let mut other = Client::connect(&proxy).await;
    assert_eq!(other.exchange(&asked).await.status, 200);
    let response = known.exchange(&refused).await;
    assert_eq!((response.status, response.one("connection")), (401, None));
    assert_eq!(known.exchange(&asked).await.status, 200);
}

#[tokio::test]
async fn many_refusals_end_a_connection() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    // One after the other, and all at once.
    let refused = request("GET /a", "", &[], "");
    for _ in 0..32 {
        assert_eq!(client.exchange(&refused).await.one("connection"), None);
    }
    client.send(refused.repeat(40)).await;
    for number in 33..=64 {
        let response = client.response().await;
        assert_eq!(
            (response.status, response.one("connection")),
            (401, (number == 64).then_some("close"))
        );
    }
    assert!(client.closed().await.is_empty());
    // Who also had an admitted request may be refused more often.
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    client.send(refused.repeat(100)).await;
    for _ in 0..100 {
        assert_eq!(client.response().await.one("connection"), None);
    }
}

/// The beginning of a head, this long.
fn slow_head(length: usize) -> Vec<u8> {
    let mut head = b"GET /a HTTP/1.1\r\nHost: a\r\n".to_vec();
    while head.len() < length {
        head.extend_from_slice(format!("X-{}: {}\r\n", head.len(), "a".repeat(1_000)).as_bytes());
    }
    head
}

#[tokio::test]
async fn incomplete_heads_are_charged_to_their_peer() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.limits.buffered_bytes.per_peer = 96 * 1024;
        settings.timeouts.header = Duration::from_secs(100);
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(&proxy).await;
        client.send(slow_head(24 * 1024)).await;
        slow.push(client);
    }
    // Each takes 32 KiB of the share: three fit, and one is closed.
    let closed = async |mut client: Client| client.closed().await;
    let (first, rest) =
        soon(first_to_end(slow.into_iter().map(|client| Box::pin(closed(client))).collect())).await;
    assert!(!first.starts_with(b"HTTP/1.1 2"));
    assert_eq!(rest, 3);
    // Others are served: ordinary heads cost nothing, long ones have the share of another address.
    let asked = request("GET /a", &Token::any(), &[], "");
    assert_eq!(Client::ask(&proxy, &asked).await.status, 200);
    let long = |token: &str| {
        [slow_head(40 * 1024), format!("Authorization: Bearer {token}\r\n\r\n").into_bytes()]
            .concat()
    };
    let mut other = connect_from(&proxy, [127, 0, 0, 2]).await;
    for _ in 0..3 {
        assert_eq!(other.exchange(long(&Token::any())).await.status, 200);
    }
    // The slow ones are gone by now, and their share is there again.
    let mut again = Client::connect(&proxy).await;
    assert_eq!(again.exchange(long(&Token::any())).await.status, 200);
}

/// Waits for the first of these to end; drops the others, and gives how many there were.
async fn first_to_end<F: Future + Unpin>(mut futures: Vec<F>) -> (F::Output, usize) {
    let first = std::future::poll_fn(|context| {
        let ended = futures.iter_mut().enumerate().find_map(|(at, future)| {
            match Pin::new(future).poll(context) {
                Poll::Ready(output) => Some((at, output)),
                Poll::Pending => None,
            }
        });
        ended.map_or(Poll::Pending, Poll::Ready)
    });
    let (at, output) = first.await;
    drop(futures.remove(at));
    (output, futures.len())
}

#[tokio::test]
async fn a_handshake_is_bounded() {
    let upstream = Upstream::hello().await;
    let certificate = Certificate::new();
    let mut settings = settings(upstream.address, "");
    settings.timeouts.header = Duration::from_secs(100);
    let proxy = Proxy::listening(settings, |tcp| vec![tcp.with_tls(certificate.server())]).await;
    let mut client = Client::connect(&proxy).await;
    // A ClientHello that announces the most that TLS can say, in records of 4 KiB. The fifth is not waited for.
    for number in 0..5 {
        let mut record = vec![22, 3, 1, 0x10, 0];
        record.resize(5 + 4096, 0);
        if number == 0 {
            record[5..9].copy_from_slice(&[1, 0, 0xff, 0xf0]);
        }
        client.try_send(&record).await;
    }
    client.closed().await;
    assert_eq!(
        Client::over(certificate.client(&["http/1.1"]).connect(&proxy).await)
            .exchange(request("GET /a", &Token::any(), &[], ""))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_end_waits_for_responses_in_flight_and_takes_no_more() {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut busy = Client::connect(&proxy).await;
    busy.send(request("GET /busy", &token, &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let mut idle = Client::connect(&proxy).await;
    idle.send("G").await;
    proxy.shut_down();
    // Idle connections end at once, and nobody is let in any more.
    assert!(idle.closed().await.is_empty());
    soon(async { while TcpStream::connect(proxy.address).await.is_ok() {} }).await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").await;
    connection.send("llo").await;
    let response = busy.response().await;
    assert_eq!((response.text().as_str(), response.complete), ("hello", true));
    assert!(busy.closed().await.is_empty());
    proxy.ended().await;
}

#[tokio::test]
async fn an_end_does_not_wait_for_ever() {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::with(&upstream, |settings| settings.timeouts.drain = SHORT).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /busy", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    proxy.shut_down();
    proxy.ended().await;
}

#[tokio::test]
async fn an_end_comes_although_no_connection_is_free() {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::with(&upstream, |settings| {
        settings.limits.connections = 1;
        settings.timeouts.drain = SHORT;
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /busy", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    proxy.shut_down();
    proxy.ended().await;
}

#[tokio::test]
async fn an_end_closes_a_slow_head() {
    let upstream = Upstream::hello().await;
    let mut proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    client.send("GET /b HTTP/1.1\r\n").await;
    proxy.shut_down();
    client.closed().await;
    proxy.ended().await;
}
