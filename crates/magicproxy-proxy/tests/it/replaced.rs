//! A proxy whose place another process has taken: no client loses a request that is on its way.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::support::{Client, Proxy, Token, Upstream, request, soon};

/// Tells the proxy, and waits until it has heard.
async fn replace(proxy: &Proxy) {
    proxy.replaced();
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
    replace(&proxy).await;
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
    let mut upstream = Upstream::held().await;
    let mut proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /long", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").await;
    client.until(b"he").await;
    replace(&proxy).await;
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
    let upstream = Upstream::hello().await;
    let mut proxy = Proxy::with(&upstream, |settings| {
        // A third of which they have.
        settings.timeouts.drain = Duration::from_secs(60);
    })
    .await;
    let mut idle = Client::connect(&proxy).await;
    assert_eq!(idle.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    proxy.replaced();
    tokio::select! {
        _ = idle.closed() => panic!("it was closed at once"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    drop(idle);
    proxy.ended().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_within_its_part_of_the_drain_timeout() {
    let upstream = Upstream::hello().await;
    let mut proxy = Proxy::with(&upstream, |settings| {
        settings.timeouts.drain = Duration::from_millis(300);
    })
    .await;
    let mut idle = Client::connect(&proxy).await;
    assert_eq!(idle.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    proxy.replaced();
    assert!(idle.closed().await.is_empty());
    proxy.ended().await;
}
