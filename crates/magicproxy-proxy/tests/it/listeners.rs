//! Several listeners, and Unix sockets.

#![cfg(unix)]

use std::net::{Ipv4Addr, Ipv6Addr};

use magicproxy_core::UpstreamName;
use magicproxy_proxy::listener::Listener;
use magicproxy_proxy::settings::{Forwarding, MountPath};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::support::Setup;
use crate::support::{
    Certificate, Client, OnlyUpstream as _, Proxy, Token, Upstream, request, settings, soon,
};

/// A proxy on TCP and on a Unix socket.
struct Both {
    proxy: Proxy,
    folder: tempfile::TempDir,
}

impl Both {
    async fn before(upstream: &Upstream, change: impl FnOnce(&mut Setup)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let unix = Listener::unix(UnixListener::bind(folder.path().join("s")).unwrap());
        let mut settings = settings(upstream.address, "");
        change(&mut settings);
        Self { proxy: Proxy::listening(settings, |tcp| vec![tcp, unix]).await, folder }
    }

    async fn connect_unix(&self) -> Client {
        Client::over(soon(UnixStream::connect(self.folder.path().join("s"))).await.unwrap())
    }
}

#[tokio::test]
async fn a_unix_socket_responds_as_the_api_itself() {
    let upstream = Upstream::hello().await;
    let both = Both::before(&upstream, |_| ()).await;
    let token = Token::allowing(&["GET /user"]).mint();
    let asked = |line: &str, token: &str| {
        let line = format!(
            "{line} HTTP/1.1\r\nHost: api.github.com\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        line.into_bytes()
    };
    let mut client = both.connect_unix().await;
    for (line, status) in [("GET /user", 200), ("GET /users", 403), ("GET /user", 200)] {
        assert_eq!(client.exchange(asked(line, &token)).await.status, status, "{line}");
    }
    assert_eq!(client.exchange(asked("GET /user", "x")).await.status, 401);
    let seen = upstream.requests();
    assert_eq!((seen.len(), seen[0].all("host")), (2, vec![upstream.address.to_string().as_str()]));
    assert_eq!(Client::ask(&both.proxy, request("GET /user", &token, &[], "")).await.status, 200);
}

#[tokio::test]
async fn nobody_is_named_who_came_by_a_unix_socket() {
    for (mode, names, value) in [
        (
            Forwarding::Forwarded,
            vec!["accept-encoding", "authorization", "forwarded", "host", "via"],
            Some("for=unknown;proto=http"),
        ),
        (
            Forwarding::XForwarded,
            vec!["accept-encoding", "authorization", "host", "via", "x-forwarded-proto"],
            None,
        ),
    ] {
        let upstream = Upstream::hello().await;
        let both =
            Both::before(&upstream, |settings| settings.upstream_mut().forwarding = mode).await;
        let forged = ["Forwarded: for=6.6.6.6", "X-Forwarded-For: 6.6.6.6"];
        both.connect_unix().await.exchange(request("GET /user", &Token::any(), &forged, "")).await;
        let seen = upstream.only_request();
        assert_eq!((seen.names(), seen.all("forwarded").first().copied()), (names, value));
    }
}

/// A socket of both families says `::ffff:127.0.0.1` for 127.0.0.1, and nobody else does.
#[tokio::test]
async fn a_client_of_ipv4_is_one_on_a_socket_of_both_families() {
    let Ok(socket) = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).await else { return };
    let port = socket.local_addr().unwrap().port();
    if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        // Here such a socket is of IPv6 alone.
        return;
    }
    let upstream = Upstream::hello().await;
    let mut settings = settings(upstream.address, "");
    settings.upstream_mut().forwarding = Forwarding::XForwarded;
    let _proxy = Proxy::listening(settings, |_| vec![Listener::tcp(socket)]).await;
    let mut client =
        Client::over(soon(TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await.unwrap());
    assert_eq!(client.exchange(request("GET /a", &Token::any(), &[], "")).await.status, 200);
    assert_eq!(upstream.only_request().all("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn listeners_share_the_limit_of_connections() {
    let upstream = Upstream::hello().await;
    let both = Both::before(&upstream, |settings| settings.limits.connections = 2).await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut first = both.connect_unix().await;
    let mut second = both.connect_unix().await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.exchange(&asked).await.status, 200);
    }
    let mut third = Client::connect(&both.proxy).await;
    assert_eq!(third.exchange(&asked).await.status, 200);
    assert!(first.closed().await.is_empty());
    assert_eq!(second.exchange(&asked).await.status, 200);
}

#[tokio::test]
async fn users_of_a_unix_socket_have_a_share_as_addresses_have() {
    let upstream = Upstream::hello().await;
    let both = Both::before(&upstream, |settings| settings.limits.connections_per_peer = 2).await;
    let asked = request("GET /a", &Token::any(), &[], "");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = both.connect_unix().await;
        assert_eq!(client.exchange(&asked).await.status, 200);
        open.push(client);
    }
    assert_eq!(both.connect_unix().await.response().await.status, 503);
    assert_eq!(Client::ask(&both.proxy, &asked).await.status, 200);
    let exempt = Both::before(&upstream, |settings| {
        (settings.limits.connections_per_peer, settings.trusted_proxies.unix) = (1, true);
    })
    .await;
    let (mut first, mut second) = (exempt.connect_unix().await, exempt.connect_unix().await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.exchange(&asked).await.status, 200);
    }
}

#[tokio::test]
async fn no_listener_starves_another() {
    let upstream = Upstream::hello().await;
    let both = Both::before(&upstream, |_| ()).await;
    let asked = request("GET /a", &Token::any(), &["Connection: close"], "");
    // Whoever is first in the list always has somebody waiting.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(&both.proxy).await;
        client.send(&asked).await;
        waiting.push(client);
    }
    let mut other = both.connect_unix().await;
    other.send(&asked).await;
    assert_eq!(other.response().await.status, 200);
    for mut client in waiting {
        assert_eq!(client.response().await.status, 200);
    }
}

#[tokio::test]
async fn a_listener_may_be_for_one_upstream_only() {
    let (one, two) = (Upstream::hello().await, Upstream::hello().await);
    let named = |upstream: &Upstream, name: &str| {
        let mut settings = settings(upstream.address, "");
        settings.upstream_mut().name = UpstreamName::parse(name).unwrap();
        settings.upstream_mut().routes.mount = MountPath::parse(&format!("/{name}")).unwrap();
        settings
    };
    let mut both = named(&one, "one");
    both.upstreams.extend(named(&two, "two").settings.upstreams);
    let folder = tempfile::tempdir().unwrap();
    let bound = |name: &str| {
        let socket = UnixListener::bind(folder.path().join(name)).unwrap();
        Listener::unix(socket).bound_to(UpstreamName::parse(name).unwrap())
    };
    let listeners = [bound("two"), bound("nobody")];
    let proxy = Proxy::listening(both, |tcp| [tcp].into_iter().chain(listeners).collect()).await;
    let connect = async |name: &str| {
        Client::over(soon(UnixStream::connect(folder.path().join(name))).await.unwrap())
    };
    let token = Token::allowing(&["* /.*"]).for_upstream(Some("two")).mint();
    // Mounts mean nothing there.
    for path in ["/user", "/one/user"] {
        assert_eq!(
            connect("two")
                .await
                .exchange(request(&format!("GET {path}"), &token, &[], ""))
                .await
                .status,
            200
        );
    }
    let targets: Vec<_> = two.requests().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(targets, ["/user", "/one/user"]);
    let response = connect("two")
        .await
        .exchange(request(
            "GET /user",
            &Token::allowing(&["* /.*"]).for_upstream(Some("one")).mint(),
            &[],
            "",
        ))
        .await;
    response.assert_rejected(401, "wrong_upstream");
    let response =
        connect("nobody").await.exchange(request("GET /two/user", &token, &[], "")).await;
    response.assert_rejected(404, "no_upstream");
    assert_eq!(Client::ask(&proxy, request("GET /two/user", &token, &[], "")).await.status, 200);
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn a_unix_socket_may_speak_tls_too() {
    let upstream = Upstream::hello().await;
    let certificate = Certificate::new();
    let folder = tempfile::tempdir().unwrap();
    let unix = Listener::unix(UnixListener::bind(folder.path().join("s")).unwrap())
        .with_tls(certificate.server());
    let _proxy = Proxy::listening(settings(upstream.address, ""), |tcp| vec![tcp, unix]).await;
    let stream = UnixStream::connect(folder.path().join("s")).await.unwrap();
    let stream = certificate.client(&["http/1.1"]).speak(stream).await;
    assert_eq!(
        Client::over(stream).exchange(request("GET /a", &Token::any(), &[], "")).await.status,
        200
    );
}
