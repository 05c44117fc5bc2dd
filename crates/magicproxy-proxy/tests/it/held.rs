//! Requests that are held between the decision and the sending: once the token is revoked or has ended, or a reload forbids the
//! request, nothing of it is sent, wherever it waited.
//!
//! Each [`Place`] is tried with each [`Fate`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::PluginName;
use magicproxy_core::state::StateStore;
use magicproxy_core::{Scope, ScopeName, UnverifiedToken};
use magicproxy_proxy::services::{RevocationList, Revocations};
use magicproxy_state::MemoryStore;
use serde_json::json;
use zeroize::Zeroizing;

use crate::support::{
    AllowingPlugin, Checkpoint, Client, ClientResponse, Framed, HEADERS, OnlyUpstream as _, Proxy,
    Setup, SlowTakes, Token, Upstream, UpstreamConnection, WatchedStore, all, now, parse, request,
    rules, settings,
};

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first part of content that may be none.
    Content,
    /// The whole body, for a plugin.
    PluginBody,
    Plugin,
    /// The whole body, for the items of a list.
    ItemsBody,
    /// The upstream's list of items.
    Lookup,
    /// The state store, which counts the request.
    Store,
    /// A place among the connections to the upstream.
    Queue,
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Nothing,
    Revoked,
    Expired,
    /// A reload after which the ceiling has no room for the request.
    Forbidden,
    /// A reload that changes nothing.
    Reloaded,
}

use Place::{Content, ItemsBody, Lookup, Plugin, PluginBody, Queue, Store};

const PLACES: [Place; 7] = [Content, PluginBody, Plugin, ItemsBody, Lookup, Store, Queue];
const FATES: [Fate; 5] =
    [Fate::Nothing, Fate::Revoked, Fate::Expired, Fate::Forbidden, Fate::Reloaded];

/// A head of 200 with no content.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const LISTING: &str = r#"{"rrsets":[]}"#;
const ITEMS: &str =
    r#"{"rrsets":[{"name":"a.example.com.","type":"TXT","changetype":"REPLACE","records":[1]}]}"#;

/// A response to a lookup: there are no items.
fn listing() -> String {
    let length = LISTING.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
    format!("{head}{length}\r\n\r\n{LISTING}")
}

impl Place {
    fn token(self, fate: Fate) -> Zeroizing<String> {
        let token = match self {
            PluginBody | Plugin => Token::scoped(&["asked"]),
            ItemsBody | Lookup => {
                Token::ruled(&json!([{ "method": "PATCH", "route": "/zones/{zone}",
                "list_items": { "list": "rrsets", "key": ["name", "type"], "creates": { "changetype": "REPLACE" },
                    "deletes": { "changetype": "DELETE" }, "deletes_if_empty": "records" } }]))
            }
            Store => Token::allowing(&["* /.*"]).limited("total=9"),
            Content | Queue => Token::allowing(&["* /.*"]),
        };
        match fate {
            // The leeway of half a minute is over in two seconds.
            Fate::Expired => token.living(now() - 3600, now() - 28).mint(),
            _ => token.mint(),
        }
    }

    fn line(self) -> &'static str {
        match self {
            Content => "DELETE /held",
            ItemsBody | Lookup => "PATCH /zones/example.com.",
            PluginBody | Plugin | Store | Queue => "POST /held",
        }
    }

    /// The body, as far as it is sent at first, and the rest.
    fn body(self) -> (Vec<String>, [&'static str; 2]) {
        let chunked = vec!["Transfer-Encoding: chunked".to_owned()];
        let sized = |length: usize| {
            vec![format!("Content-Length: {length}"), "Content-Type: application/json".to_owned()]
        };
        match self {
            Content => (chunked, ["", "0\r\n\r\n"]),
            PluginBody => (sized(4), ["bo", "dy"]),
            ItemsBody => (sized(ITEMS.len()), ITEMS.split_at(9).into()),
            Lookup => (sized(ITEMS.len()), [ITEMS, ""]),
            Plugin | Store | Queue => (sized(4), ["body", ""]),
        }
    }

    fn setup(self, address: std::net::SocketAddr) -> Setup {
        let mut setup = settings(address, "");
        let plugins = vec![PluginName::parse("slow").unwrap()];
        let scope = Scope::new(&parse(&["* /.*"]), plugins).unwrap();
        Arc::make_mut(&mut setup.upstream_mut().scopes)
            .insert(ScopeName::parse("asked").unwrap(), scope);
        if self == Queue {
            setup.limits.upstream_connections_per_origin = 1;
        }
        setup
    }

    fn waits_for_client(self) -> bool {
        matches!(self, Content | PluginBody | ItemsBody)
    }
}

/// A request that is held, and what holds it.
struct Held {
    place: Place,
    upstream: Upstream,
    proxy: Proxy,
    client: Client,
    revocations: Arc<Revocations>,
    token: Zeroizing<String>,
    checkpoint: Arc<Checkpoint>,
    /// Another request in progress, or a lookup.
    other: Option<(Option<Client>, UpstreamConnection)>,
}

impl Held {
    async fn begin(place: Place, fate: Fate) -> Self {
        let (mut upstream, checkpoint) = (Upstream::held().await, Checkpoint::new());
        let (mut setup, revocations) =
            (place.setup(upstream.address), Arc::<Revocations>::default());
        let store: Arc<dyn StateStore> = match place {
            Store => Arc::new(WatchedStore::new(SlowTakes(Arc::clone(&checkpoint)))),
            _ => Arc::new(MemoryStore::new()),
        };
        let plugin = match place {
            PluginBody => AllowingPlugin::ReadsBody,
            _ => AllowingPlugin::Waits(Arc::clone(&checkpoint)),
        };
        setup.services.revocations = Arc::clone(&revocations);
        setup.services.state = Some(store);
        setup.services.plugins = Some(Arc::new(plugin));
        let proxy = Proxy::start(setup).await;
        let mut other = None;
        if place == Queue {
            let mut first = Client::connect(&proxy).await;
            first.send(request("GET /first", &Token::any(), &[], "")).await;
            let mut connection = upstream.accept().await;
            connection.request().await;
            other = Some((Some(first), connection));
        }
        let (token, (lines, [body, _])) = (place.token(fate), place.body());
        let mut client = Client::connect(&proxy).await;
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        client.send(request(place.line(), &token, &lines, body)).await;
        match place {
            Plugin | Store => checkpoint.reached().await,
            Lookup => {
                let mut connection = upstream.accept().await;
                assert_eq!(connection.request().await.method, "GET");
                other = Some((None, connection));
            }
            // Nothing outside of the proxy tells of it.
            Content | PluginBody | ItemsBody | Queue => {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
        Self { place, upstream, proxy, client, revocations, token, checkpoint, other }
    }

    /// Lets it happen, and waits until the request was held for long.
    async fn meet(&self, fate: Fate) {
        match fate {
            Fate::Nothing => {}
            Fate::Revoked => {
                let chain = UnverifiedToken::parse(&self.token).unwrap().chain().unwrap().id();
                let chains = HashSet::from([chain]);
                self.revocations.replace(RevocationList { chains, ..Default::default() });
            }
            Fate::Expired => tokio::time::sleep(Duration::from_millis(2_000)).await,
            Fate::Forbidden => {
                let mut setup = self.place.setup(self.upstream.address);
                setup.upstream_mut().ceiling = Some(rules(&["GET /nothing"]));
                self.proxy.reconfigure(setup);
            }
            Fate::Reloaded => drop(self.proxy.reconfigure(self.place.setup(self.upstream.address))),
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }

    /// Ends the wait.
    async fn release(&mut self) {
        let (_, [_, rest]) = self.place.body();
        match self.place {
            place if place.waits_for_client() => self.client.try_send(rest).await,
            Plugin | Store => self.checkpoint.open(),
            _ => {
                let (first, connection) = self.other.as_mut().unwrap();
                let listing = listing();
                connection.send(if self.place == Lookup { &listing } else { OK }).await;
                if let Some(first) = first {
                    assert_eq!(first.response().await.status, 200);
                }
            }
        }
    }

    /// The request goes up, perhaps after a lookup, and is answered.
    async fn assert_sent(mut self, told: &str) {
        let mut kept = self.other.take().map(|(_, connection)| connection);
        loop {
            let mut connection = match kept.take() {
                None => self.upstream.accept().await,
                Some(mut connection) => tokio::select! {
                    fresh = self.upstream.accept() => fresh,
                    () = connection.readable() => connection,
                },
            };
            let seen = connection.request().await;
            if self.place == ItemsBody && seen.method == "GET" {
                connection.send(listing()).await;
                kept = Some(connection);
                continue;
            }
            assert_eq!(format!("{} {}", seen.method, seen.target), self.place.line(), "{told}");
            connection.send(OK).await;
            break;
        }
        assert_eq!(self.client.response().await.status, 200, "{told}");
    }

    /// The request is refused, and nothing of it is sent.
    async fn assert_refused(mut self, told: &str, expected: &[(u16, &str)]) {
        let response: ClientResponse = self.client.response().await;
        let came = (response.status, response.code());
        let is_expected = |(status, code): &(u16, &str)| (*status, (*code).to_owned()) == came;
        assert!(expected.iter().any(is_expected), "{told}: {}", response.text());
        if response.status == 503 {
            assert_eq!(response.one("retry-after"), Some("1"), "{told}");
        }
        // No connection has a request on it, now or later.
        let Self { mut upstream, proxy, other, .. } = self;
        drop(proxy);
        let mut connections: Vec<_> = other.into_iter().map(|(_, connection)| connection).collect();
        let moment = Duration::from_millis(100);
        while let Ok(connection) = tokio::time::timeout(moment, upstream.accept()).await {
            connections.push(connection);
        }
        for mut connection in connections {
            let rest = connection.until_closed_or_idle().await;
            assert!(rest.is_empty(), "{told}: {}", String::from_utf8_lossy(&rest));
        }
    }
}

async fn check(place: Place, fate: Fate) {
    let told = format!("{place:?} {fate:?}");
    let mut held = Held::begin(place, fate).await;
    held.meet(fate).await;
    held.release().await;
    match fate {
        Fate::Nothing => held.assert_sent(&told).await,
        Fate::Revoked => held.assert_refused(&told, &[(401, "revoked_token")]).await,
        Fate::Expired => held.assert_refused(&told, &[(401, "expired_token")]).await,
        Fate::Forbidden => held.assert_refused(&told, &[(403, "beyond_ceiling")]).await,
        // What a plugin decided is not asked again.
        Fate::Reloaded if matches!(place, Plugin | PluginBody) => {
            held.assert_refused(&told, &[(503, "reconfigured")]).await;
        }
        Fate::Reloaded => held.assert_sent(&told).await,
    }
}

#[tokio::test]
async fn a_held_request_is_looked_at_again_before_it_is_sent() {
    for place in PLACES {
        all(FATES.map(|fate| check(place, fate)).into()).await;
    }
}

/// The wait for a connection is a place, too: in a TLS handshake.
#[tokio::test]
async fn a_request_in_a_handshake_is_looked_at_again_before_it_is_sent() {
    for fate in [Fate::Nothing, Fate::Revoked] {
        let upstream = Framed::new().await;
        let revocations = Arc::<Revocations>::default();
        let shared = Arc::clone(&revocations);
        let proxy = upstream.proxy(|setup| setup.services.revocations = shared).await;
        let token = Token::any();
        let mut client = Client::connect(&proxy).await;
        client.send(request("POST /held", &token, &[], "")).await;
        let socket = upstream.socket().await;
        if fate == Fate::Revoked {
            let chain = UnverifiedToken::parse(&token).unwrap().chain().unwrap().id();
            let chains = HashSet::from([chain]);
            revocations.replace(RevocationList { chains, ..Default::default() });
        }
        let mut connection = upstream.handshake(socket).await.unwrap();
        connection.settings(&[]).await;
        if fate == Fate::Nothing {
            let seen = connection.request().await;
            connection.respond(seen.stream).await;
            assert_eq!(client.response().await.status, 200);
            continue;
        }
        client.response().await.assert_rejected(401, "revoked_token");
        drop(proxy);
        assert!(connection.closed().await.iter().all(|frame| frame.kind != HEADERS));
    }
}

/// A client that sends no content cannot have its request wait for longer than for a head.
#[tokio::test]
async fn the_wait_for_content_is_bounded_like_a_head() {
    let upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |setup| {
        setup.timeouts.header = Duration::from_millis(200);
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    let line = ["Transfer-Encoding: chunked"];
    client.send(request("DELETE /held", &Token::any(), &line, "")).await;
    client.response().await.assert_rejected(408, "request_timeout");
    assert!(!upstream.has_client());
}
