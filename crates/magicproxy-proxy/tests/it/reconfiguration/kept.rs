//! What goes on over a change of the configuration: verified tokens and connections, each as long as
//! nothing has changed on which it depends; and what a listener leads to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use magicproxy_core::UpstreamName;
use magicproxy_proxy::host_check::HostCheck;
use magicproxy_proxy::listener::ListenerDoor;
use magicproxy_proxy::server::{Continuity, NextSettings};
use magicproxy_proxy::settings::{
    ApiRoot, Forwarding, HostName, MountPath, Outbound, OutboundProxy, PageOrigin, PageOrigins,
    Quota, UpstreamProtocol,
};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;

use super::{any, scopes, unchanged, with};
use crate::support::{
    Client, OnlyUpstream as _, Proxy, Reply, Setup, Token, Upstream, request, rules, settings, soon,
};

use Continuity::{Kept, New};

fn proxied(url: &str) -> Outbound {
    Outbound::Fixed(Arc::new(OutboundProxy::parse(url).unwrap()))
}

/// A change, and what goes on: verified tokens, connections.
type Change = (&'static str, fn(&mut Setup), Continuity, Continuity);

fn changes() -> Vec<Change> {
    vec![
        ("nothing", |_| (), Kept, Kept),
        ("the ceiling", |own| own.upstream_mut().ceiling = Some(rules(&["GET /.*"])), Kept, Kept),
        (
            "page origins",
            |own| {
                let origin = PageOrigin::parse("https://app.example").unwrap();
                own.upstream_mut().allow_origins = PageOrigins::of(vec![origin]).unwrap();
            },
            Kept,
            Kept,
        ),
        ("forwarding", |own| own.upstream_mut().forwarding = Forwarding::Forwarded, Kept, Kept),
        (
            "hidden response headers",
            |own| {
                own.upstream_mut().drop_response_headers = vec![http::header::SERVER];
            },
            Kept,
            Kept,
        ),
        (
            "the response timeout",
            |own| {
                own.upstream_mut().response_timeout = Some(Duration::from_secs(99));
            },
            Kept,
            Kept,
        ),
        (
            "another upstream",
            |own| {
                let mut other = settings("127.0.0.1:9".parse().unwrap(), "");
                other.upstream_mut().name = UpstreamName::parse("other").unwrap();
                other.upstream_mut().routes.mount = MountPath::parse("/other").unwrap();
                own.upstreams.extend(other.settings.upstreams);
            },
            Kept,
            Kept,
        ),
        ("the limit of requests", |own| own.limits.exchanges = Quota::of(99), Kept, Kept),
        ("the memory for tokens", |own| own.limits.token_cache_bytes = Quota::of(99), Kept, Kept),
        (
            "the mint's lifetimes",
            |own| own.minting.max_lifetime = Duration::from_secs(99),
            Kept,
            Kept,
        ),
        (
            "a scope",
            |own| own.upstream_mut().scopes = scopes(&[("reading", &["GET /a"])]),
            New,
            Kept,
        ),
        ("the conditions", |own| own.upstream_mut().acceptance.require_sub = true, New, Kept),
        ("the mint", |own| own.close_mint(), New, Kept),
        (
            "the API",
            |own| own.upstream_mut().api_root = ApiRoot::parse("http://127.0.0.1:9").unwrap(),
            Kept,
            New,
        ),
        (
            "the outbound proxy",
            |own| own.upstream_mut().outbound = proxied("http://127.0.0.1:9"),
            Kept,
            New,
        ),
        ("the protocol", |own| own.upstream_mut().protocol = UpstreamProtocol::Http1, Kept, New),
        ("the time to connect", |own| own.timeouts.connect = Duration::from_secs(99), Kept, New),
        (
            "connections to an origin",
            |own| own.limits.upstream_connections_per_origin = 99,
            Kept,
            New,
        ),
    ]
}

#[tokio::test]
async fn what_does_not_depend_on_a_change_goes_on() {
    for (name, change, tokens, connections) in changes() {
        let upstream = Upstream::hello().await;
        let proxy = Proxy::before(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        assert_eq!(client.exchange(any()).await.status, 200);
        let mut setup = settings(upstream.address, "");
        change(&mut setup);
        let replaced = proxy.reconfigure(setup);
        let own = &replaced.upstreams[0];
        assert_eq!(
            (own.upstream, own.tokens, own.connections),
            (Kept, tokens, connections),
            "{name}"
        );
        assert!(replaced.removed.is_empty());
        proxy.reconfigure(settings(upstream.address, ""));
        upstream.take_requests();
        assert_eq!(client.exchange(any()).await.status, 200, "{name}");
        let same = upstream.only_request().connection == 0;
        assert_eq!(same, connections == Kept, "{name}: the connection to the API");
    }
}

/// The password of an outbound proxy is a part of the way to the API, though nothing shows it.
#[test]
fn a_changed_password_of_the_outbound_proxy_is_a_change() {
    let same = || proxied("http://me:secret@127.0.0.1:9");
    assert_eq!(same(), same());
    for other in
        ["http://me:other@127.0.0.1:9", "http://you:secret@127.0.0.1:9", "http://127.0.0.1:9"]
    {
        assert_ne!(same(), proxied(other), "{other}");
    }
}

/// An API that has moved is not reached over the connections to where it was, which are closed.
#[tokio::test]
async fn idle_connections_to_an_api_that_has_moved_are_closed() {
    let mut before = Upstream::held().await;
    let after = Upstream::scripted(|_| Reply::ok("after")).await;
    let proxy = Proxy::start(with(&before, unchanged)).await;
    let mut client = Client::connect(&proxy).await;
    client.send(any()).await;
    let mut connection = before.accept().await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbefore").await;
    assert_eq!(client.response().await.text(), "before");
    // A second exchange is in progress.
    let mut second = Client::connect(&proxy).await;
    second.send(any()).await;
    connection.request().await;
    proxy.reconfigure(with(&after, unchanged));
    assert_eq!(client.exchange(any()).await.text(), "after");
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbefore").await;
    assert_eq!(second.response().await.text(), "before");
    assert!(connection.closed().await.is_empty());
    assert_eq!(second.exchange(any()).await.text(), "after");
}

#[tokio::test]
async fn a_removed_upstream_is_found_no_more_and_a_listener_bound_to_it_leads_nowhere() {
    let (one, two) = (Upstream::hello().await, Upstream::hello().await);
    let named = |upstream: &Upstream, name: &str| {
        let mut settings = settings(upstream.address, "");
        settings.upstream_mut().name = UpstreamName::parse(name).unwrap();
        settings.upstream_mut().routes.mount = MountPath::parse(&format!("/{name}")).unwrap();
        settings
    };
    let both = || {
        let mut both = named(&one, "one");
        both.upstreams.extend(named(&two, "two").settings.upstreams);
        both
    };
    let bound = |name: &str| UpstreamName::parse(name).unwrap();
    let proxy = Proxy::listening(both(), |tcp| vec![tcp.bound_to(bound("two"))]).await;
    let asked = |name: &str| request("GET /user", &Token::any_for(Some(name)), &[], "");
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(asked("two")).await.status, 200);
    let replaced = proxy.reconfigure(named(&one, "one"));
    assert_eq!(replaced.removed, [bound("two")]);
    client.exchange(asked("two")).await.assert_rejected(404, "no_upstream");
    proxy.reconfigure(both());
    assert_eq!(client.exchange(asked("two")).await.status, 200);
    // The listener itself leads to the other one from now on, and then nowhere.
    let leads = |entrances| {
        proxy
            .reconfigurator
            .replace(NextSettings::new(both().settings).with_entrances(entrances))
            .unwrap()
    };
    leads(vec![ListenerDoor::default().bound_to(bound("one"))]);
    assert_eq!(client.exchange(asked("one")).await.status, 200);
    client.exchange(asked("two")).await.assert_rejected(401, "wrong_upstream");
    leads(Vec::new());
    client.exchange(asked("one")).await.assert_rejected(404, "no_upstream");
}

#[tokio::test]
async fn the_names_of_the_proxy_change_too() {
    let upstream = Upstream::hello().await;
    let named = |name: &str| {
        let mut settings = settings(upstream.address, "");
        settings.upstream_mut().routes.hosts = vec![HostName::parse(name).unwrap()];
        settings
    };
    let check = |settings: &Setup| Arc::new(HostCheck::new(settings));
    let first = named("one.test");
    let checked = check(&first);
    let proxy = Proxy::listening(first, |tcp| vec![tcp.checking_hosts(checked)]).await;
    let asked = |host: &str| {
        let token = Token::any();
        format!("GET /user HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n", *token)
    };
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(asked("one.test")).await.status, 200);
    client.exchange(asked("two.test")).await.assert_rejected(421, "unknown_host");
    let next = named("two.test");
    let entrance = ListenerDoor::default().checking_hosts(check(&next));
    let next = NextSettings::new(next.settings).with_entrances(vec![entrance]);
    proxy.reconfigurator.replace(next).unwrap();
    assert_eq!(client.exchange(asked("two.test")).await.status, 200);
    client.exchange(asked("one.test")).await.assert_rejected(421, "unknown_host");
    // Settings alone leave the entrances as they are.
    proxy.reconfigure(named("one.test"));
    client.exchange(asked("one.test")).await.assert_rejected(421, "unknown_host");
}

#[tokio::test]
async fn what_cannot_be_set_up_changes_nothing() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(any()).await.status, 200);
    let mut bad = settings(upstream.address, "");
    bad.limits.exchanges = Quota::of(0);
    bad.upstream_mut().api_root = ApiRoot::parse("https://127.0.0.1:9").unwrap();
    bad.upstream_mut().extra_roots = vec![CertificateDer::from(vec![1, 2, 3])];
    assert!(proxy.reconfigurator.replace(NextSettings::new(bad.settings)).is_err());
    assert_eq!(client.exchange(any()).await.status, 200);
    assert_eq!(upstream.requests()[1].connection, 0, "the connection to the API goes on");
}

/// The streams of a connection by HTTP/2 that begin after the change are of the new configuration,
/// beside one that began before.
#[tokio::test]
async fn streams_of_one_connection_have_the_configuration_in_which_they_began() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::start(with(&upstream, unchanged)).await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) =
        soon(http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)))
            .await
            .unwrap();
    tokio::spawn(connection);
    let token = Token::scoped(&["reading"]).mint();
    let ask = || {
        http::Request::get("http://proxy.test/user")
            .header("authorization", format!("Bearer {}", *token))
            .body(Empty::new())
            .unwrap()
    };
    let first = tokio::spawn(sender.send_request(ask()));
    let mut held = upstream.accept().await;
    held.request().await;
    proxy.reconfigure(with(&upstream, |own| own.scopes = scopes(&[("reading", &["GET /other"])])));
    let second = soon(sender.send_request(ask())).await.unwrap();
    assert_eq!(second.status(), 403);
    held.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    let first = soon(first).await.unwrap().unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(soon(first.collect()).await.unwrap().to_bytes(), "hello");
}
