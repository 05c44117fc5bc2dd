//! A proxy whose place another process has taken, and one that ends: no client loses a request that
//! is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::http2::{frame, literals};
use crate::support::{Client, Proxy, Token, Upstream, request, soon};

/// The two stops that serve kept connections once more: SIGUSR2 and SIGTERM.
const STOPS: [fn(&Proxy); 2] = [Proxy::replaced, Proxy::terminate];

/// Tells the proxy, and waits until it has heard.
async fn told(proxy: &Proxy, stop: fn(&Proxy)) {
    stop(proxy);
    soon(async {
        while TcpStream::connect(proxy.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A client may send at the very moment at which the proxy is replaced, on any connection that it has.
#[tokio::test]
async fn every_open_connection_is_served_once_more() {
    for stop in STOPS {
        every_open_connection_is_served(stop).await;
    }
}

async fn every_open_connection_is_served(stop: fn(&Proxy)) {
    let upstream = Upstream::hello().await;
    let mut proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let whole = request("GET /a", &token, &[], "");
    let mut kept = Client::connect(&proxy).await;
    let first = kept.exchange(&whole).await;
    assert_eq!((first.status, first.one("connection")), (200, None));
    let mut refused = Client::connect(&proxy).await;
    assert_eq!(refused.exchange(&whole).await.status, 200);
    let new = Client::connect(&proxy).await;
    let (mut begun, mut cut) = (Client::connect(&proxy).await, Client::connect(&proxy).await);
    begun.send("G").await;
    cut.send(&whole[..whole.len() - 1]).await;
    // Each has its worker once it was answered, and those before it have, too.
    assert_eq!(Client::ask(&proxy, &whole).await.status, 200);
    told(&proxy, stop).await;
    begun.send(&whole[1..]).await;
    cut.send(&whole[whole.len() - 1..]).await;
    for (mut client, sends) in [(kept, true), (new, true), (begun, false), (cut, false)] {
        if sends {
            client.send(&whole).await;
        }
        let last = client.response().await;
        assert_eq!((last.status, last.one("connection")), (200, Some("close")), "{last:?}");
        assert!(client.closed().await.is_empty());
    }
    // The proxy's own words say it, too.
    let last = refused.exchange(request("GET /a", "", &[], "")).await;
    assert_eq!((last.status, last.one("connection")), (401, Some("close")));
    assert!(refused.closed().await.is_empty());
    proxy.ended().await;
}

/// The head of a response that is passing already could not say that it is the last.
#[tokio::test]
async fn a_response_that_is_passing_is_not_the_last() {
    for stop in STOPS {
        a_passing_response_is_not_the_last(stop).await;
    }
}

async fn a_passing_response_is_not_the_last(stop: fn(&Proxy)) {
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /long", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").await;
    client.until(b"he").await;
    told(&proxy, stop).await;
    connection.send("llo").await;
    client.until(b"llo").await;
    client.send(request("GET /next", &Token::any(), &[], "")).await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let last = client.response().await;
    assert_eq!((last.text().as_str(), last.one("connection")), ("hi", Some("close")));
    assert!(client.closed().await.is_empty());
    proxy.ended().await;
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_hold_it() {
    for stop in STOPS {
        clients_that_go_do_not_hold_it(stop).await;
    }
}

async fn clients_that_go_do_not_hold_it(stop: fn(&Proxy)) {
    let upstream = Upstream::hello().await;
    let mut proxy = Proxy::with(&upstream, |settings| {
        // A third of which they have, or a sixth.
        settings.timeouts.drain = Duration::from_secs(60);
    })
    .await;
    let mut idle = Client::connect(&proxy).await;
    assert_eq!(idle.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    stop(&proxy);
    tokio::select! {
        _ = idle.closed() => panic!("it was closed at once"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    drop(idle);
    proxy.ended().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_within_its_part_of_the_drain_timeout() {
    for stop in STOPS {
        let upstream = Upstream::hello().await;
        let mut proxy = Proxy::with(&upstream, |settings| {
            settings.timeouts.drain = Duration::from_millis(300);
        })
        .await;
        let mut idle = Client::connect(&proxy).await;
        assert_eq!(idle.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
        stop(&proxy);
        assert!(idle.closed().await.is_empty());
        proxy.ended().await;
    }
}

/// Clients that send one request after the other on kept connections, each of which is told when its
/// connection ends. The proxy is told to stop while half of them are busy, and half are between two
/// requests.
#[tokio::test]
async fn no_request_on_a_kept_connection_is_lost() {
    const CLIENTS: usize = 16;
    for stop in STOPS {
        let upstream = Upstream::hello().await;
        let mut proxy = Proxy::before(&upstream).await;
        let whole = request("GET /a", &Token::any(), &[], "");
        let (sent, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let has_heard = Arc::new(Semaphore::new(0));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let mut client = Client::connect(&proxy).await;
            let (sent, answered) = (Arc::clone(&sent), Arc::clone(&answered));
            let (whole, has_heard) = (whole.clone(), Arc::clone(&has_heard));
            clients.spawn(async move {
                loop {
                    sent.fetch_add(1, Ordering::Relaxed);
                    let response = client.exchange(&whole).await;
                    assert_eq!(response.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    if response.one("connection") == Some("close") {
                        assert!(client.closed().await.is_empty());
                        return;
                    }
                    if number % 2 == 0 {
                        has_heard.acquire().await.unwrap().forget();
                    }
                }
            });
        }
        soon(async {
            while answered.load(Ordering::Relaxed) < 20 * CLIENTS {
                tokio::task::yield_now().await;
            }
        })
        .await;
        told(&proxy, stop).await;
        has_heard.add_permits(CLIENTS);
        while let Some(ended) = soon(clients.join_next()).await {
            ended.unwrap();
        }
        assert_eq!(sent.load(Ordering::Relaxed), answered.load(Ordering::Relaxed));
        proxy.ended().await;
    }
}

/// A frame of HTTP/2: its kind, its flags and its payload.
async fn next_frame(stream: &mut TcpStream) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let [a, b, c, kind, flags, ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await.unwrap();
    (kind, flags, payload)
}

/// The payload of the next frame of this kind.
async fn frame_of(stream: &mut TcpStream, wanted: u8) -> Vec<u8> {
    loop {
        let (kind, _, payload) = soon(next_frame(stream)).await;
        if kind == wanted {
            return payload;
        }
    }
}

/// A client of HTTP/2 that has sent a request before it reads that the proxy ends: the first GOAWAY
/// leaves room for its stream, and the second one comes when the client has read the first.
#[tokio::test]
async fn a_stream_that_is_on_its_way_is_served() {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    const ACK: u8 = 1;
    let bearer = format!("Bearer {}", *Token::any());
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/a"),
        (":authority", "a"),
        ("authorization", &bearer),
    ];
    for stop in [Proxy::shut_down, Proxy::terminate, Proxy::replaced] {
        let upstream = Upstream::hello().await;
        let mut proxy = Proxy::before(&upstream).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let settings = frame(SETTINGS, 0, 0, &[]);
        let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat();
        stream.write_all(&preface).await.unwrap();
        frame_of(&mut stream, SETTINGS).await;
        told(&proxy, stop).await;
        let first = frame_of(&mut stream, GOAWAY).await;
        assert_eq!(first[..8], [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        stream.write_all(&frame(HEADERS, 5, 1, &literals(&fields))).await.unwrap();
        let ping = frame_of(&mut stream, PING).await;
        // The index of `:status: 200` in the static table (RFC 7541 appendix A).
        assert_eq!(frame_of(&mut stream, HEADERS).await[0], 0x88);
        stream.write_all(&frame(PING, ACK, 0, &ping)).await.unwrap();
        let second = frame_of(&mut stream, GOAWAY).await;
        assert_eq!(second[..8], [0, 0, 0, 1, 0, 0, 0, 0]);
        soon(stream.read_to_end(&mut Vec::new())).await.unwrap();
        proxy.ended().await;
    }
}
