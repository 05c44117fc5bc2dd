//! Shares of requests in progress: one owner, one peer and all strangers together leave something to the others.
//!
//! Requests are held by the upstream, which answers none of them until it is told to; so what is in progress is counted, not timed.

use magicproxy_core::Network;
use magicproxy_proxy::settings::Quota;

use crate::support::Setup;
use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Token, Upstream, UpstreamConnection, request,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const QUOTA: Quota = Quota { total: 6, per_owner: 2, per_peer: 4, reserved: 1 };

/// A request in progress, on a connection of its own.
struct Held {
    client: Client,
    connection: UpstreamConnection,
}

impl Held {
    async fn end(mut self) -> ClientResponse {
        self.connection.send(OK).await;
        self.client.response().await
    }
}

/// Makes a request that the upstream holds; the refusal, where it never gets there.
async fn hold(
    proxy: &Proxy,
    upstream: &mut Upstream,
    token: &str,
    lines: &[&str],
) -> Result<Held, ClientResponse> {
    let mut client = Client::connect(proxy).await;
    client.send(request("GET /held", token, lines, "")).await;
    tokio::select! {
        mut connection = upstream.accept() => {
            connection.request().await;
            Ok(Held { client, connection })
        }
        refusal = client.response() => Err(refusal),
    }
}

/// Holds requests of these tokens until one is refused.
async fn exhaust(
    proxy: &Proxy,
    upstream: &mut Upstream,
    mut request: impl FnMut() -> (String, Vec<&'static str>),
) -> (Vec<Held>, ClientResponse) {
    let mut held = Vec::new();
    loop {
        let (token, lines) = request();
        match hold(proxy, upstream, &token, &lines).await {
            Ok(exchange) => held.push(exchange),
            Err(refusal) => return (held, refusal),
        }
    }
}

fn new_token() -> String {
    Token::any().to_string()
}

async fn proxy(upstream: &Upstream, change: impl FnOnce(&mut Setup)) -> Proxy {
    Proxy::with(upstream, |settings| {
        settings.limits.exchanges = QUOTA;
        change(settings);
    })
    .await
}

#[tokio::test]
async fn an_owner_has_a_share_of_requests_in_progress() {
    let mut upstream = Upstream::held().await;
    let proxy = proxy(&upstream, |_| ()).await;
    let token = new_token();
    let (mut held, refusal) = exhaust(&proxy, &mut upstream, || (token.clone(), Vec::new())).await;
    assert_eq!(held.len(), QUOTA.per_owner);
    refusal.assert_rejected(429, "owner_share");
    assert_eq!(refusal.one("retry-after"), Some("1"));
    // Others are not in its way, nor it in theirs; and what has ended makes room.
    assert_eq!(
        hold(&proxy, &mut upstream, &new_token(), &[])
            .await
            .unwrap_or_else(|_| panic!("refused"))
            .end()
            .await
            .status,
        200
    );
    assert_eq!(held.remove(0).end().await.status, 200);
    assert!(hold(&proxy, &mut upstream, &token, &[]).await.is_ok());
}

/// A response that nobody reads to its end is still in progress.
#[tokio::test]
async fn a_response_counts_until_it_has_been_taken() {
    let mut upstream = Upstream::held().await;
    let proxy = proxy(&upstream, |_| ()).await;
    let token = new_token();
    let mut held = Vec::new();
    for _ in 0..QUOTA.per_owner {
        let mut exchange =
            hold(&proxy, &mut upstream, &token, &[]).await.unwrap_or_else(|_| panic!("refused"));
        exchange.connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        exchange.client.response_head().await;
        held.push(exchange);
    }
    let refusal = hold(&proxy, &mut upstream, &token, &[]).await.err().unwrap();
    refusal.assert_rejected(429, "owner_share");
}

/// Anyone makes endless owners where minting is open: the peer pays for all of them, and leaves the rest to others.
#[tokio::test]
async fn a_peer_of_endless_owners_has_a_share() {
    let mut upstream = Upstream::held().await;
    let trusted = |settings: &mut Setup| {
        settings.trusted_proxies.networks = vec![Network::parse("127.0.0.0/8").unwrap()]
    };
    let proxy = proxy(&upstream, trusted).await;
    let from = |sender: &'static str| move || (new_token(), vec![sender]);
    let (held, refusal) =
        exhaust(&proxy, &mut upstream, from("X-Forwarded-For: 2001:db8:1:1::1")).await;
    assert_eq!(held.len(), QUOTA.per_peer);
    refusal.assert_rejected(429, "peer_share");
    assert_eq!(refusal.one("retry-after"), Some("1"));
    // The same /64 is the same peer, another one is not; the reserve stays for tokens that no stranger mints.
    let (same, refusal) =
        exhaust(&proxy, &mut upstream, from("X-Forwarded-For: 2001:db8:1:1:ffff::2")).await;
    assert!(same.is_empty());
    refusal.assert_rejected(429, "peer_share");
    let (others, refusal) =
        exhaust(&proxy, &mut upstream, from("X-Forwarded-For: 2001:db8:1:2::1")).await;
    assert_eq!(others.len(), QUOTA.total - QUOTA.reserved - QUOTA.per_peer);
    refusal.assert_rejected(503, "overloaded");
    assert_eq!(refusal.one("retry-after"), Some("1"));
}

/// Where minting is closed no stranger makes version 1 tokens: their address is not charged, and the reserve is theirs.
#[tokio::test]
async fn tokens_that_no_stranger_mints_have_the_reserve() {
    let mut upstream = Upstream::held().await;
    let proxy = proxy(&upstream, |settings| settings.close_mint()).await;
    let (held, refusal) = exhaust(&proxy, &mut upstream, || (new_token(), Vec::new())).await;
    assert_eq!(held.len(), QUOTA.total);
    refusal.assert_rejected(503, "overloaded");
}

/// What is refused holds nothing once it has been refused.
#[tokio::test]
async fn refusals_hold_no_place() {
    let mut upstream = Upstream::held().await;
    let proxy = proxy(&upstream, |_| ()).await;
    let token = Token::allowing(&["GET /held"]).mint();
    for _ in 0..2 * QUOTA.total {
        Client::ask(&proxy, request("GET /other", &token, &[], ""))
            .await
            .assert_rejected(403, "not_allowed");
        Client::ask(&proxy, request("GET /held", "", &[], ""))
            .await
            .assert_rejected(401, "missing_token");
        assert_eq!(
            Client::ask(&proxy, request("GET /__magictoken", "", &[], "")).await.status,
            200
        );
    }
    assert!(hold(&proxy, &mut upstream, &token, &[]).await.is_ok());
}

/// Behind a proxy that names whom it speaks for, one client's mint requests that never end are that client's, and no other's.
#[tokio::test]
async fn the_control_plane_charges_whom_a_trusted_proxy_names() {
    let upstream = Upstream::held().await;
    let trusted = |settings: &mut Setup| {
        settings.trusted_proxies.networks = vec![Network::parse("127.0.0.0/8").unwrap()]
    };
    let proxy = proxy(&upstream, trusted).await;
    let (one, other) = ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2");
    let mut held = Vec::new();
    for _ in 0..QUOTA.per_peer {
        let mut client = Client::connect(&proxy).await;
        let lines =
            [one, "Content-Type: application/json", "Content-Length: 100", "Expect: 100-continue"];
        client.send(request("POST /__magictoken", "", &lines, "")).await;
        assert_eq!(client.response_head().await.status, 100);
        held.push(client);
    }
    Client::ask(&proxy, request("GET /__magictoken", "", &[one], ""))
        .await
        .assert_rejected(429, "peer_share");
    assert_eq!(
        Client::ask(&proxy, request("GET /__magictoken", "", &[other], "")).await.status,
        200
    );
}
