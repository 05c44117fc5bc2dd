//! Each family counts what happened, under the labels of the page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use magicproxy_core::plugin::{
    FailedCalls, Interests, PluginFuture, PluginHost, PluginName, PluginRequest, PluginResponse,
    PluginScope, Verdict,
};
use magicproxy_core::state::{FullScope, Partition, StoreError, StoreFuture};
use magicproxy_core::{
    ChainId, Kem, KeyLifetime, KeyRing, KeySetKey, OwnerSecret, PrivateKey, Scope, ScopeName,
    SealingKey, TokenVersion, UnixTime,
};
use magicproxy_proxy::listener::Listener;
use magicproxy_proxy::metrics::Metrics;
use magicproxy_proxy::services::{RevocationList, Revocations, SharedKeys, TokenIssuer};
use magicproxy_proxy::settings::Quota;
use magicproxy_state::MemoryStore;
use tokio::net::TcpListener;

use super::document::Document;
use super::{CLIENT, SERVER, ask, watched};
use crate::support::{
    Call, Certificate, Client, Framed, NAME, OnlyUpstream as _, Proxy, Token, Upstream, Watch,
    WatchedStore, now, parse, request, settings, soon,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// The series of a family, without the name of the upstream.
#[track_caller]
fn check(document: &Document, name: &str, expected: &[&str]) {
    let upstream = format!("upstream={NAME} ");
    let shown: Vec<String> =
        document.shown(name).iter().map(|series| series.replace(&upstream, "")).collect();
    assert_eq!(shown, expected, "{name}");
}

#[tokio::test]
async fn units_of_limits_and_operations_of_the_store() {
    let upstream = Upstream::hello().await;
    let store = Arc::new(MemoryStore::new());
    let (proxy, metrics) = watched(&upstream, |setup| setup.services.state = Some(store)).await;
    for (limit, statuses) in [
        ("total=1", &[200, 403, 403][..]),
        ("requests=2/60s", &[200, 200, 429]),
        ("concurrent=1", &[200]),
    ] {
        let token = Token::allowing(&["GET /.*"]).limited(limit).mint();
        for (number, status) in statuses.iter().enumerate() {
            let path = format!("/limit-{limit}-{number}").replace(['=', '/'], "-");
            assert_eq!(ask(&proxy, &format!("GET /{path}"), &token).await, *status, "{limit}");
        }
    }
    let document = Document::of(&metrics);
    check(
        &document,
        "magicproxy_limit_takes_total",
        &[
            "limit=concurrent result=taken 1",
            "limit=requests result=refused 1",
            "limit=requests result=taken 2",
            "limit=total result=refused 2",
            "limit=total result=taken 1",
        ],
    );
    check(&document, "magicproxy_store_failures_total", &[]);
    // The unit is given back beside the end of its request.
    let counted = "magicproxy_store_operation_seconds_count";
    soon(async {
        while Document::of(&metrics).sum(counted, &[("operation", "give_back")]) < 1.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    check(&Document::of(&metrics), counted, &["operation=give_back 1", "operation=take 7"]);
}

/// A store that fails in each way, one after the other.
#[derive(Debug, Default)]
struct Failing(std::sync::atomic::AtomicUsize);

impl Watch for Failing {
    fn before(&self, call: Call) -> StoreFuture<'_, ()> {
        assert_eq!(call, Call::Take);
        let number = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move {
            Err(match number {
                0 => StoreError::Full(FullScope::Store),
                1 | 2 => StoreError::Unavailable("gone".to_owned()),
                3 => StoreError::Corrupt("row".to_owned()),
                _ => StoreError::TooLong,
            })
        })
    }
}

#[tokio::test]
async fn failures_of_the_store() {
    let upstream = Upstream::hello().await;
    let store = Arc::new(WatchedStore::new(Failing::default()));
    let (proxy, metrics) = watched(&upstream, |setup| setup.services.state = Some(store)).await;
    let token = Token::allowing(&["GET /.*"]).limited("total=9").mint();
    for number in 0..5 {
        assert!(ask(&proxy, &format!("GET /store-fails/{number}"), &token).await >= 500);
    }
    check(
        &Document::of(&metrics),
        "magicproxy_store_failures_total",
        &[
            "operation=take reason=corrupt 1",
            "operation=take reason=full 1",
            "operation=take reason=too_long 1",
            "operation=take reason=unavailable 2",
        ],
    );
}

/// Plugins that do what their names say.
#[derive(Debug)]
struct Named;

const PLUGINS: [&str; 4] = ["abstains", "allows", "denies", "forgets"];

impl PluginHost for Named {
    fn interests(&self, plugin: &PluginName) -> Option<Arc<Interests>> {
        let responses = matches!(plugin.as_str(), "allows" | "forgets");
        Some(Arc::new(Interests { responses, ..Interests::default() }))
    }

    fn longest_body(&self, _: &PluginName) -> usize {
        262_144
    }

    fn decide<'p>(
        &'p self,
        plugin: &'p PluginName,
        _: &'p PluginRequest,
        _: PluginScope,
    ) -> PluginFuture<'p, Verdict> {
        let verdict = match plugin.as_str() {
            "abstains" => Verdict::Abstain,
            "denies" => Verdict::Deny("no".to_owned()),
            _ => Verdict::Allow,
        };
        Box::pin(async { verdict })
    }

    fn observe<'p>(
        &'p self,
        plugin: &'p PluginName,
        _: &'p PluginRequest,
        _: &'p PluginResponse,
        _: PluginScope,
    ) -> PluginFuture<'p, bool> {
        Box::pin(async { plugin.as_str() == "allows" })
    }

    fn failed_calls(&self) -> Vec<FailedCalls> {
        let plugin = PluginName::parse("forgets").unwrap();
        vec![FailedCalls { plugin, reason: "unrecorded", count: 7 }]
    }
}

#[tokio::test]
async fn calls_of_plugins() {
    let upstream = Upstream::hello().await;
    let (proxy, metrics) = watched(&upstream, |setup| {
        setup.services.plugins = Some(Arc::new(Named));
        let scopes = Arc::make_mut(&mut setup.upstream_mut().scopes);
        for name in PLUGINS {
            let plugin = PluginName::parse(name).unwrap();
            let scope = Scope::new(&parse(&["GET /.*"]), vec![plugin]).unwrap();
            scopes.insert(ScopeName::parse(name).unwrap(), scope);
        }
    })
    .await;
    for (name, status) in PLUGINS.into_iter().zip([200, 200, 403, 502]) {
        let token = Token::scoped(&[name]).mint();
        assert_eq!(ask(&proxy, &format!("GET /plugin-{name}"), &token).await, status, "{name}");
    }
    let document = Document::of(&metrics);
    check(
        &document,
        "magicproxy_plugin_calls_total",
        &[
            "outcome=abstain plugin=abstains 1",
            "outcome=allow plugin=allows 1",
            "outcome=allow plugin=forgets 1",
            "outcome=deny plugin=denies 1",
            "outcome=noted plugin=allows 1",
            "outcome=unrecorded plugin=forgets 1",
        ],
    );
    let failures = ["plugin=forgets reason=unrecorded 7"];
    check(&document, "magicproxy_plugin_failures_total", &failures);
}

#[tokio::test]
async fn amounts_held_their_limits_and_what_is_refused() {
    let mut upstream = Upstream::held().await;
    let quota = |total| Quota { total, per_owner: 1, per_peer: 2, reserved: 0 };
    let (proxy, metrics) = watched(&upstream, |setup| {
        setup.limits.exchanges = quota(3);
        setup.limits.upstream_connections = quota(4);
        setup.limits.upstream_queue = quota(5);
        setup.limits.buffered_bytes = quota(6 << 20);
        setup.limits.inspected_bytes = quota(7 << 20);
        setup.limits.own_responses = quota(8);
    })
    .await;
    let mut held = Vec::new();
    let tokens = [Token::any(), Token::any(), Token::any()];
    // The owner's share, and then the peer's.
    for (token, code) in
        [(0, ""), (0, "owner_share"), (0, "owner_share"), (1, ""), (2, "peer_share")]
    {
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /held", &tokens[token], &[], "")).await;
        if code.is_empty() {
            let mut connection = upstream.accept().await;
            connection.request().await;
            held.push((client, connection));
        } else {
            client.response().await.assert_rejected(429, code);
        }
    }
    let document = Document::of(&metrics);
    let holds = ["resource=exchanges 2", "resource=upstream_connections 2"];
    check(&document, "magicproxy_admission_held", &holds);
    check(
        &document,
        "magicproxy_admission_limit",
        &[
            "resource=buffered_bytes 6291456",
            "resource=exchanges 3",
            "resource=inspected_bytes 7340032",
            "resource=own_responses 8",
            "resource=upstream_connections 4",
            "resource=upstream_queue 5",
        ],
    );
    let refused = ["resource=exchanges share=owner 2", "resource=exchanges share=peer 1"];
    check(&document, "magicproxy_admission_refused_total", &refused);
}

#[tokio::test]
async fn connections_of_clients_and_those_that_are_refused() {
    let mut upstream = Upstream::held().await;
    let (proxy, metrics) = watched(&upstream, |setup| {
        setup.limits.connections = 5;
        setup.limits.connections_per_peer = 2;
    })
    .await;
    // Connections with a request in progress make way for nobody.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /held", &Token::any(), &[], "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        held.push((client, connection));
    }
    for _ in 0..3 {
        assert_eq!(Client::connect(&proxy).await.response().await.status, 503);
    }
    let document = Document::of(&metrics);
    check(&document, "magicproxy_client_connections", &[" 2"]);
    check(&document, "magicproxy_client_connections_limit", &[" 5"]);
    check(&document, "magicproxy_client_connections_refused_total", &["share=peer 3"]);
}

/// The first request has the only connection; the second waits, and is counted once it has one.
#[tokio::test]
async fn requests_that_wait_for_a_connection() {
    let mut upstream = Upstream::held().await;
    let (proxy, metrics) =
        watched(&upstream, |setup| setup.limits.upstream_connections_per_origin = 1).await;
    let mut first = Client::connect(&proxy).await;
    first.send(request("GET /first", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let mut second = Client::connect(&proxy).await;
    second.send(request("GET /second", &Token::any(), &[], "")).await;
    let waiting =
        || Document::of(&metrics).sum("magicproxy_upstream_connection_waiting_requests", &[]);
    soon(async {
        while waiting() < 1.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let waits = "magicproxy_upstream_connection_wait_seconds_count";
    check(&Document::of(&metrics), waits, &["1"]);
    connection.send(OK).await;
    assert_eq!(first.response().await.status, 200);
    connection.request().await;
    check(&Document::of(&metrics), waits, &["2"]);
    assert_eq!(waiting(), 0.0);
    connection.send(OK).await;
    assert_eq!(second.response().await.status, 200);
}

/// Durations are in seconds, and lie between what the upstream and the client saw.
#[tokio::test]
async fn durations_of_requests() {
    let mut upstream = Upstream::held().await;
    let (proxy, metrics) = watched(&upstream, |_| ()).await;
    let (token, path) = (Token::any(), "/durations");
    let began = Instant::now();
    let asking = ask(&proxy, "GET /durations", &token);
    let answering = async {
        let mut connection = upstream.accept().await;
        assert_eq!(connection.request().await.target, path);
        let came = Instant::now();
        while came.elapsed() < Duration::from_millis(30) {
            tokio::task::yield_now().await;
        }
        let shortest = came.elapsed();
        connection.send(OK).await;
        (connection, shortest)
    };
    let asked = async { (asking.await, began.elapsed()) };
    let ((status, longest), (_connection, shortest)) = tokio::join!(asked, answering);
    assert_eq!(status, 200);
    let document = Document::of(&metrics);
    for name in [SERVER, CLIENT] {
        let family = name.strip_suffix("_count").unwrap();
        let sum = document.sum(&format!("{family}_sum"), &[]);
        let bounds = shortest.as_secs_f64()..=longest.as_secs_f64();
        assert!(bounds.contains(&sum), "{name}: {sum} not in {bounds:?}");
        let bucket = |bound| document.sum(&format!("{family}_bucket"), &[("le", bound)]);
        assert_eq!([bucket("0.025"), bucket("+Inf")], [0.0, 1.0], "{name}");
    }
}

#[tokio::test]
async fn the_certificate_that_clients_see() {
    let upstream = Upstream::hello().await;
    let setup = settings(upstream.address, "");
    let metrics = Arc::clone(&setup.services.metrics);
    let tls = Listener::tcp(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
        .with_tls(Certificate::new().server());
    let proxy = Proxy::listening(setup, |listener| vec![listener, tls]).await;
    // It listens.
    assert_eq!(ask(&proxy, "GET /certificate", &Token::any()).await, 200);
    let document = Document::of(&metrics);
    // The dates of a certificate of which nobody says any: 1975-01-01 and 4096-01-01.
    check(&document, "magicproxy_certificate_start_timestamp_seconds", &[" 157766400"]);
    check(&document, "magicproxy_certificate_expiry_timestamp_seconds", &[" 67090118400"]);
}

#[tokio::test]
async fn revocations_by_kind_and_their_age() {
    let upstream = Upstream::hello().await;
    let numbered = |most: u32| (0..most).map(|number| format!("{number:032x}"));
    let issuer = |key| TokenIssuer { version: TokenVersion::V2, key, minter: None };
    let list = RevocationList {
        chains: numbered(2).map(|digits| ChainId::parse(&digits).unwrap()).collect(),
        ids: numbered(3).collect(),
        minted: [("a".to_owned(), numbered(4).map(issuer).collect())].into(),
        owners: numbered(5).map(|name| Partition::of(&[name.as_bytes()])).collect(),
        keys: numbered(6).collect(),
        before: Some(UnixTime(1)),
    };
    let revocations = Arc::new(Revocations::unknown());
    let read = Instant::now();
    revocations.refresh(list, read, Duration::from_secs(600));
    let shared = Arc::clone(&revocations);
    let (_proxy, metrics) = watched(&upstream, |setup| setup.services.revocations = shared).await;
    let document = Document::of(&metrics);
    check(
        &document,
        "magicproxy_revocations",
        &[
            "kind=before 1",
            "kind=chain 2",
            "kind=id 3",
            "kind=key 6",
            "kind=minted_id 4",
            "kind=owner 5",
        ],
    );
    let age = |document: &Document| document.sum("magicproxy_revocations_age_seconds", &[]);
    assert!(age(&document) <= read.elapsed().as_secs_f64() + 0.002);
    while read.elapsed() < Duration::from_millis(20) {
        tokio::task::yield_now().await;
    }
    assert!(age(&Document::of(&metrics)) >= 0.01);
    // A list that does not age has no age.
    revocations.replace(RevocationList::default());
    check(&Document::of(&metrics), "magicproxy_revocations_age_seconds", &[]);
    check(&Document::of(&metrics), "magicproxy_revocations", &[]);
}

#[tokio::test]
async fn keys_by_use_and_the_age_of_the_newest() {
    let at = |age: u64| UnixTime(now() - age);
    let retired = |age| KeyLifetime {
        created: Some(at(age)),
        retired: Some(at(500)),
        ..KeyLifetime::default()
    };
    let signing = || PrivateKey::generate(2048).unwrap();
    let sealing = |age| SealingKey::generate(Kem::X25519, at(age)).unwrap();
    let listed = |age| KeySetKey::generate(at(age)).unwrap();
    let ring = KeyRing::new(signing(), vec![signing(), signing()]).unwrap();
    let ring = ring
        .with_sealing(vec![
            sealing(2_000),
            sealing(4_000),
            sealing(600).with_lifetime(retired(600)),
        ])
        .unwrap();
    let ring =
        ring.with_key_set(vec![listed(6_000), listed(700).with_lifetime(retired(700))]).unwrap();
    let ring = ring.with_owner_secret(Some(OwnerSecret::generate(at(8_000)).unwrap()));
    let (keys, upstream) = (Arc::new(SharedKeys::new(ring)), Upstream::hello().await);
    let shared = Arc::clone(&keys);
    let (_proxy, metrics) = watched(&upstream, |setup| setup.services.keys = shared).await;
    let document = Document::of(&metrics);
    check(
        &document,
        "magicproxy_keys",
        &[
            "state=active use=key_set 1",
            "state=active use=sealing 2",
            "state=active use=signing 1",
            "state=retired use=key_set 1",
            "state=retired use=sealing 1",
            "state=retired use=signing 2",
        ],
    );
    let age =
        |purpose| Document::of(&metrics).sum("magicproxy_key_age_seconds", &[("use", purpose)]);
    for (purpose, made) in [("sealing", 2_000.0), ("key_set", 6_000.0), ("owner", 8_000.0)] {
        assert!((made..made + 1_000.0).contains(&age(purpose)), "{purpose}: {}", age(purpose));
    }
    let other = KeyRing::new(signing(), Vec::new()).unwrap();
    keys.replace(other.with_sealing(vec![sealing(0)]).unwrap());
    assert!(age("sealing") < 1_000.0);
    check(
        &Document::of(&metrics),
        "magicproxy_keys",
        &["state=active use=sealing 1", "state=active use=signing 1"],
    );
}

/// A connection by HTTP/2: made, used, and kept.
#[tokio::test]
async fn connections_by_http2_by_state() {
    let (upstream, mut metrics) = (Framed::new().await, Arc::<Metrics>::default());
    let proxy = upstream.proxy(|setup| metrics = Arc::clone(&setup.services.metrics)).await;
    let connections = |expected: &str| {
        check(&Document::of(&metrics), "magicproxy_upstream_connections", &[expected]);
    };
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /http2", &Token::any(), &[], "")).await;
    let socket = upstream.socket().await;
    connections("state=connecting 1");
    let mut connection = upstream.handshake(socket).await.unwrap();
    connection.settings(&[]).await;
    let seen = connection.request().await;
    connections("protocol=2 state=in_use 1");
    connection.respond(seen.stream).await;
    assert_eq!(client.response().await.status, 200);
    let idle = [("protocol", "2"), ("state", "idle")];
    soon(async {
        while Document::of(&metrics).sum("magicproxy_upstream_connections", &idle) < 1.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    connections("protocol=2 state=idle 1");
}

#[test]
fn the_process() {
    let before = now() as f64;
    let metrics = Arc::<Metrics>::default();
    let document = Document::of(&metrics);
    let version = format!("version={} 1", env!("CARGO_PKG_VERSION"));
    check(&document, "magicproxy_build_info", &[&version]);
    let started = document.sum("process_start_time_seconds", &[]);
    assert!((before..=now() as f64).contains(&started), "{started}");
}
