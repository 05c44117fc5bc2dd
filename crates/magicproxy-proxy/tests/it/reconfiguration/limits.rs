//! Limits and timeouts that change: what is held stays held and counted.

use std::time::Duration;

use magicproxy_proxy::settings::Quota;

use super::any;
use crate::support::{Client, Proxy, Setup, Upstream, UpstreamConnection, settings, soon};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn at_once(upstream: &Upstream, requests: usize) -> Setup {
    let mut settings = settings(upstream.address, "");
    settings.limits.exchanges =
        Quota { total: requests, per_owner: requests, per_peer: requests, reserved: 0 };
    settings
}

async fn hold(proxy: &Proxy, upstream: &mut Upstream) -> (Client, UpstreamConnection) {
    let mut client = Client::connect(proxy).await;
    client.send(any()).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    (client, connection)
}

#[tokio::test]
async fn a_lower_limit_drops_nothing_and_admits_nothing_until_enough_has_ended() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::start(at_once(&upstream, 3)).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(hold(&proxy, &mut upstream).await);
    }
    let mut further = Client::connect(&proxy).await;
    further.exchange(any()).await.assert_rejected(429, "peer_share");
    proxy.reconfigure(at_once(&upstream, 1));
    for (mut client, mut connection) in held {
        // All three are still counted, and each of them ends as it should.
        further.exchange(any()).await.assert_rejected(429, "peer_share");
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
        drop(connection);
    }
    further.send(any()).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let mut second = Client::connect(&proxy).await;
    second.exchange(any()).await.assert_rejected(429, "peer_share");
    proxy.reconfigure(at_once(&upstream, 2));
    second.send(any()).await;
    let mut other = upstream.accept().await;
    other.request().await;
    for (client, connection) in [(&mut further, &mut connection), (&mut second, &mut other)] {
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
    }
}

#[tokio::test]
async fn the_limit_of_connections_changes_without_closing_any() {
    let upstream = Upstream::hello().await;
    let limited = |connections_per_peer| {
        let mut settings = settings(upstream.address, "");
        settings.limits.connections_per_peer = connections_per_peer;
        settings
    };
    let proxy = Proxy::start(limited(3)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(&proxy).await;
        assert_eq!(client.exchange(any()).await.status, 200);
        clients.push(client);
    }
    proxy.reconfigure(limited(1));
    for client in &mut clients {
        assert_eq!(client.exchange(any()).await.status, 200);
    }
    assert_eq!(Client::connect(&proxy).await.response().await.status, 503);
    proxy.reconfigure(limited(4));
    assert_eq!(Client::connect(&proxy).await.exchange(any()).await.status, 200);
}

/// A request that waits for a socket to an API, where more may be open from now on.
#[tokio::test]
async fn a_higher_limit_serves_whoever_waits() {
    let mut upstream = Upstream::held().await;
    let sockets = |upstream: &Upstream, total| {
        let mut settings = settings(upstream.address, "");
        settings.limits.upstream_connections =
            Quota { total, per_owner: 9, per_peer: 9, reserved: 0 };
        settings.limits.upstream_connections_per_origin = 9;
        settings
    };
    let proxy = Proxy::start(sockets(&upstream, 1)).await;
    let (mut first, mut held) = hold(&proxy, &mut upstream).await;
    proxy.reconfigure(sockets(&upstream, 2));
    let (mut second, mut other) = hold(&proxy, &mut upstream).await;
    for (client, connection) in [(&mut first, &mut held), (&mut second, &mut other)] {
        connection.send(OK).await;
        assert_eq!(client.response().await.status, 200);
    }
}

#[tokio::test]
async fn a_timeout_holds_for_the_next_request() {
    let mut upstream = Upstream::held().await;
    let timed = |upstream: &Upstream, total| {
        let mut settings = settings(upstream.address, "");
        settings.timeouts.total = total;
        settings
    };
    let proxy = Proxy::start(timed(&upstream, None)).await;
    let (mut first, mut held) = hold(&proxy, &mut upstream).await;
    let mut second = Client::connect(&proxy).await;
    proxy.reconfigure(timed(&upstream, Some(Duration::from_millis(1))));
    soon(second.exchange(any())).await.assert_rejected(504, "exchange_timeout");
    held.send(OK).await;
    assert_eq!(first.response().await.status, 200, "it began without a deadline");
}
