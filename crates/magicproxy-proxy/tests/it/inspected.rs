//! Request bodies that a rule or a plugin must see: held whole within a bound, paid for from a budget with shares, sent byte for byte,
//! and given back however the request ends. A client that asks first (`Expect: 100-continue`) tells what was taken: only a request
//! that has its memory is told to go on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use magicproxy_core::plugin::{
    Interests, PluginFuture, PluginHost, PluginName, PluginRequest, PluginResponse, PluginScope,
    Verdict,
};
use magicproxy_core::{Network, PatternMode, RawRule, Rule, Scope, ScopeName};
use magicproxy_proxy::metrics::Metrics;
use magicproxy_proxy::settings::Quota;
use magicproxy_state::MemoryStore;
use serde_json::json;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::http2;
use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Setup, Token, Upstream, request,
    settings, soon,
};

/// The bound of the proxies here, in bytes: longer than the first step of a body of unknown length, and no multiple of anything.
const CAP: usize = 300_007;
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A plugin that reads bodies up to a length of its own, when it is let.
#[derive(Debug)]
struct Reader {
    longest: usize,
    verdict: Verdict,
    turns: Semaphore,
    lengths: Mutex<Vec<usize>>,
}

impl Reader {
    fn of(longest: usize, verdict: Verdict) -> Arc<Self> {
        Arc::new(Self { longest, verdict, turns: Semaphore::new(1_000), lengths: Mutex::default() })
    }
}

impl PluginHost for Reader {
    fn interests(&self, _: &PluginName) -> Option<Arc<Interests>> {
        Some(Arc::new(Interests { request_body: true, ..Interests::default() }))
    }

    fn longest_body(&self, _: &PluginName) -> usize {
        self.longest
    }

    fn decide<'p>(
        &'p self,
        _: &'p PluginName,
        request: &'p PluginRequest,
        _: PluginScope,
    ) -> PluginFuture<'p, Verdict> {
        let shown = request.body.as_deref().map_or(0, <[u8]>::len);
        self.lengths.lock().unwrap().push(shown);
        Box::pin(async {
            self.turns.acquire().await.unwrap().forget();
            self.verdict.clone()
        })
    }

    fn observe<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        _: &'p PluginResponse,
        _: PluginScope,
    ) -> PluginFuture<'p, bool> {
        Box::pin(async { true })
    }
}

/// Who looks into the body.
#[derive(Clone, Copy, Debug)]
enum Inspector {
    Plugin,
    Rule,
    Both,
}

impl Inspector {
    const ALL: [Self; 3] = [Self::Plugin, Self::Rule, Self::Both];

    fn token(self) -> Zeroizing<String> {
        match self {
            Self::Plugin => Token::scoped(&["plugin"]).mint(),
            Self::Rule => Token::ruled(&rule()).mint(),
            Self::Both => Token::scoped(&["both"]).mint(),
        }
    }
}

/// A rule that takes a value out of the body.
fn rule() -> serde_json::Value {
    json!([{ "method": "POST", "path": "/held", "grants": ["GET /held/{request.name}"] }])
}

/// A body of this length that such a rule understands.
fn body(length: usize) -> String {
    let empty = r#"{"name":"x","filling":""}"#;
    empty.replace(":\"\"", &format!(":\"{}\"", "y".repeat(length - empty.len())))
}

/// A proxy whose tokens inspect up to [`CAP`], with its metrics.
async fn proxy(
    upstream: &Upstream,
    reader: &Arc<Reader>,
    change: impl FnOnce(&mut Setup),
) -> (Proxy, Arc<Metrics>) {
    let mut setup = settings(upstream.address, "");
    setup.services.plugins = Some(Arc::clone(reader) as Arc<dyn PluginHost>);
    setup.services.state = Some(Arc::new(MemoryStore::new()));
    let own = setup.upstream_mut();
    own.max_inspected_body = CAP;
    let scopes = Arc::make_mut(&mut own.scopes);
    let plugins = || vec![PluginName::parse("reader").unwrap()];
    let raw: Vec<RawRule> = serde_json::from_value(rule()).unwrap();
    let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
    scopes.insert(ScopeName::parse("plugin").unwrap(), Scope::new(&[], plugins()).unwrap());
    scopes.insert(ScopeName::parse("both").unwrap(), Scope::new(&rules, plugins()).unwrap());
    change(&mut setup);
    let metrics = Arc::clone(&setup.services.metrics);
    (Proxy::start(setup).await, metrics)
}

/// The bytes held for inspection, as the metrics tell.
fn held(metrics: &Arc<Metrics>) -> usize {
    let (_, text) = metrics.encode(None);
    let line = "magicproxy_admission_held{resource=\"inspected_bytes\"} ";
    let value = text.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    value.parse().unwrap()
}

/// Waits until so many bytes are held.
async fn until_held(metrics: &Arc<Metrics>, bytes: usize) {
    soon(async {
        while held(metrics) != bytes {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// How a body comes.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Http1Length,
    Http1Chunks,
    Http2Length,
    Http2NoLength,
}

impl Framing {
    const ALL: [Self; 4] =
        [Self::Http1Length, Self::Http1Chunks, Self::Http2Length, Self::Http2NoLength];

    /// Sends a request, and gives status and content of the response.
    async fn ask(self, proxy: &Proxy, token: &str, body: &str) -> (u16, Vec<u8>) {
        match self {
            Self::Http1Length | Self::Http1Chunks => {
                let mut client = Client::connect(proxy).await;
                client.try_send(self.http1(token, body)).await;
                let response = client.response().await;
                (response.status, response.body)
            }
            Self::Http2Length | Self::Http2NoLength => {
                let mut sender = http2::connect(proxy).await;
                let mut asked = http2::ask("POST /held", token, body);
                let json = "application/json".parse().unwrap();
                asked.headers_mut().insert("content-type", json);
                if matches!(self, Self::Http2NoLength) {
                    *asked.body_mut() = Pieces::of(body).boxed();
                }
                let (head, body) = http2::response(&mut sender, asked).await;
                (head.status().as_u16(), body)
            }
        }
    }

    fn http1(self, token: &str, body: &str) -> Vec<u8> {
        let json = "Content-Type: application/json";
        if matches!(self, Self::Http1Length) {
            let length = format!("Content-Length: {}", body.len());
            return request("POST /held", token, &[json, &length], body);
        }
        let mut chunks = String::new();
        for piece in body.as_bytes().chunks(70_001) {
            chunks += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
        }
        request("POST /held", token, &[json, "Transfer-Encoding: chunked"], &(chunks + "0\r\n\r\n"))
    }
}

/// A body that does not tell its length.
struct Pieces(VecDeque<Bytes>);

impl Pieces {
    fn of(body: &str) -> Self {
        Self(body.as_bytes().chunks(10_001).map(Bytes::copy_from_slice).collect())
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

fn code(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    body["code"].as_str().unwrap().to_owned()
}

/// However a body comes and whoever looks into it: at the bound it goes up, byte for byte and with its length; one byte beyond,
/// nothing does.
#[tokio::test]
async fn at_the_bound_and_one_past_it() {
    let upstream = Upstream::hello().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let (proxy, metrics) = proxy(&upstream, &reader, |_| ()).await;
    for inspector in Inspector::ALL {
        let token = inspector.token();
        for framing in Framing::ALL {
            let (longest, longer) = (body(CAP), body(CAP + 1));
            let (status, _) = framing.ask(&proxy, &token, &longest).await;
            assert_eq!(status, 200, "{inspector:?} {framing:?}");
            let seen = upstream.only_request();
            assert_eq!(seen.body, longest.as_bytes(), "{inspector:?} {framing:?}");
            assert_eq!(seen.all("content-length"), [CAP.to_string()]);
            assert!(seen.all("transfer-encoding").is_empty());
            upstream.take_requests();
            let (status, refusal) = framing.ask(&proxy, &token, &longer).await;
            assert_eq!(
                (status, code(&refusal).as_str()),
                (413, "body_too_large"),
                "{inspector:?} {framing:?}"
            );
            assert!(String::from_utf8_lossy(&refusal).contains(&CAP.to_string()));
            assert!(upstream.requests().is_empty());
            until_held(&metrics, 0).await;
        }
    }
    assert!(reader.lengths.lock().unwrap().iter().all(|length| *length == CAP));
}

/// A plugin has a bound of its own; the lesser of both holds.
#[tokio::test]
async fn a_plugin_takes_no_more_than_it_can_hold() {
    for (longest, bound) in [(CAP / 2, CAP / 2), (CAP * 2, CAP)] {
        let upstream = Upstream::hello().await;
        let reader = Reader::of(longest, Verdict::Allow);
        let (proxy, _) = proxy(&upstream, &reader, |_| ()).await;
        for framing in Framing::ALL {
            for (length, status) in [(bound, 200), (bound + 1, 413)] {
                let token = Inspector::Plugin.token();
                let (got, _) = framing.ask(&proxy, &token, &body(length)).await;
                assert_eq!(got, status, "{longest} {length} {framing:?}");
            }
        }
        assert!(reader.lengths.lock().unwrap().iter().all(|length| *length == bound));
    }
}

/// Whoever asks nobody to look streams what they like, and holds nothing.
#[tokio::test]
async fn plain_tokens_stream() {
    let mut upstream = Upstream::held().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let none = Quota { total: 1, per_owner: 1, per_peer: 1, reserved: 0 };
    let change = |setup: &mut Setup| setup.settings.limits.inspected_bytes = none;
    let (proxy, metrics) = proxy(&upstream, &reader, change).await;
    let mut client = Client::connect(&proxy).await;
    let sent = body(3 * CAP);
    let asked = Framing::Http1Length.http1(&Token::any(), &sent);
    let (first, rest) = asked.split_at(asked.len() - CAP);
    client.send(first).await;
    let mut connection = upstream.accept().await;
    connection.head().await;
    connection.exactly(CAP).await;
    assert_eq!(held(&metrics), 0);
    client.send(rest).await;
    connection.exactly(2 * CAP).await;
    connection.send(OK).await;
    assert_eq!(client.response().await.status, 200);
}

/// Who is told to go on (`100 Continue`) finds room for its body; who does not is refused before, however long its body would be.
#[tokio::test]
async fn a_client_that_asks_first_is_answered_before_its_body_comes() {
    let upstream = Upstream::hello().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let quota = Quota { total: 1 << 30, per_owner: CAP - 1, per_peer: 1 << 30, reserved: 0 };
    let change = |setup: &mut Setup| setup.settings.limits.inspected_bytes = quota;
    let (proxy, metrics) = proxy(&upstream, &reader, change).await;
    for inspector in Inspector::ALL {
        let token = inspector.token();
        for (length, status, code) in [
            (CAP + 1, 413, "body_too_large"),
            (1 << 40, 413, "body_too_large"),
            (CAP, 429, "owner_share"),
        ] {
            let response = asking(&proxy, &token, &[], length).await.err().unwrap();
            response.assert_rejected(status, code);
        }
        let mut client = asking(&proxy, &token, &[], CAP - 1).await.unwrap();
        assert_eq!(held(&metrics), 16 * 1024, "what has not come is not paid for");
        client.send(body(CAP - 1)).await;
        assert_eq!(client.response().await.status, 200);
        until_held(&metrics, 0).await;
    }
}

/// A client that announced a body, and was told to go on.
async fn asking(
    proxy: &Proxy,
    token: &str,
    lines: &[&str],
    length: usize,
) -> Result<Client, ClientResponse> {
    let mut client = Client::connect(proxy).await;
    let length = format!("Content-Length: {length}");
    let own = ["Content-Type: application/json", "Expect: 100-continue", &length];
    client.send(request("POST /held", token, &[lines, &own].concat(), "")).await;
    let mut response = client.response_head().await;
    if response.status == 100 {
        return Ok(client);
    }
    client.body(&mut response).await;
    Err(response)
}

/// Announces bodies, and sends all but their last byte, until one is refused; gives those that wait, and the refusal.
async fn exhaust(
    (proxy, metrics): (&Proxy, &Arc<Metrics>),
    mut token: impl FnMut() -> Zeroizing<String>,
    sender: &str,
) -> (Vec<Client>, ClientResponse) {
    let mut waiting = Vec::new();
    loop {
        match asking(proxy, &token(), &[sender], CAP).await {
            Ok(mut client) => {
                let before = held(metrics) - 16 * 1024;
                client.send(&body(CAP).as_bytes()[1..]).await;
                until_held(metrics, before + CAP).await;
                waiting.push(client);
            }
            Err(refusal) => return (waiting, refusal),
        }
    }
}

const QUOTA: Quota = Quota { total: 8 * CAP, per_owner: 2 * CAP, per_peer: 4 * CAP, reserved: CAP };

fn shared(setup: &mut Setup) {
    setup.settings.limits.inspected_bytes = QUOTA;
    setup.settings.trusted_proxies.networks = vec![Network::parse("127.0.0.0/8").unwrap()];
}

/// Many clients send long bodies but for their ends: one owner takes its share and no more, all owners of one peer take theirs, and all
/// strangers leave the reserve. Who needs no inspection is served through all of it, and who is honest beside them too.
#[tokio::test]
async fn the_budget_has_shares() {
    const ONE: &str = "X-Forwarded-For: 192.0.2.1";
    const OTHER: &str = "X-Forwarded-For: 192.0.2.2";
    const THIRD: &str = "X-Forwarded-For: 192.0.2.3";
    let upstream = Upstream::hello().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let (proxy, metrics) = proxy(&upstream, &reader, shared).await;
    let token = Inspector::Rule.token();
    let (owner, refusal) = exhaust((&proxy, &metrics), || token.clone(), ONE).await;
    assert_eq!(owner.len() * CAP, QUOTA.per_owner);
    refusal.assert_rejected(429, "owner_share");
    assert_eq!(refusal.one("retry-after"), Some("1"));
    let (peer, refusal) = exhaust((&proxy, &metrics), || Inspector::Rule.token(), ONE).await;
    assert_eq!((owner.len() + peer.len()) * CAP, QUOTA.per_peer);
    refusal.assert_rejected(429, "peer_share");
    assert_eq!(refusal.one("retry-after"), Some("1"));
    // The honest client beside them.
    let honest = async |sender| {
        let mut client = asking(&proxy, &Inspector::Both.token(), &[sender], CAP).await.unwrap();
        client.send(body(CAP)).await;
        assert_eq!(client.response().await.status, 200);
    };
    honest(OTHER).await;
    until_held(&metrics, QUOTA.per_peer / CAP * CAP).await;
    let (others, refusal) = exhaust((&proxy, &metrics), || Inspector::Plugin.token(), OTHER).await;
    assert_eq!(others.len() * CAP, QUOTA.total - QUOTA.reserved - QUOTA.per_peer);
    refusal.assert_rejected(503, "overloaded");
    assert_eq!(refusal.one("retry-after"), Some("1"));
    assert_eq!(held(&metrics), QUOTA.total - QUOTA.reserved);
    let refusal = asking(&proxy, &Inspector::Plugin.token(), &[THIRD], CAP).await.err().unwrap();
    refusal.assert_rejected(503, "overloaded");
    upstream.take_requests();
    for framing in Framing::ALL {
        assert_eq!(framing.ask(&proxy, &Token::any(), &body(2 * CAP)).await.0, 200, "{framing:?}");
    }
    assert_eq!(upstream.requests().len(), Framing::ALL.len());
    // Those who leave give all of it back.
    drop((owner, peer, others));
    until_held(&metrics, 0).await;
    honest(ONE).await;
}

/// Any number of clients may announce bodies: what does not come takes nothing from others, and ends in time.
#[tokio::test]
async fn announcements_hold_no_share() {
    let upstream = Upstream::hello().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let (proxy, metrics) = proxy(&upstream, &reader, shared).await;
    let (token, sender) = (Inspector::Rule.token(), "X-Forwarded-For: 192.0.2.1");
    let mut silent = Vec::new();
    for _ in 0..QUOTA.per_owner / CAP + 6 {
        silent.push(asking(&proxy, &token, &[sender], CAP).await.unwrap());
    }
    assert_eq!(held(&metrics), silent.len() * 16 * 1024);
    assert_eq!(Framing::Http1Length.ask(&proxy, &token, &body(CAP)).await.0, 200);
    drop(silent);
    until_held(&metrics, 0).await;
}

/// A body that is held has to be whole in time, though each byte comes soon after the one before.
#[tokio::test]
async fn a_slow_body_is_408() {
    let upstream = Upstream::hello().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let change = |setup: &mut Setup| {
        setup.settings.timeouts.inspected_body = std::time::Duration::from_millis(300);
    };
    let (proxy, metrics) = proxy(&upstream, &reader, change).await;
    for inspector in Inspector::ALL {
        for framing in [Framing::Http1Length, Framing::Http1Chunks] {
            let asked = framing.http1(&inspector.token(), &body(CAP));
            let mut client = Client::connect(&proxy).await;
            client.send(&asked[..asked.len() - 1]).await;
            client.response().await.assert_rejected(408, "request_timeout");
            until_held(&metrics, 0).await;
        }
    }
    assert!(upstream.requests().is_empty());
}

/// Tokens that no stranger mints have the reserve, and are not charged to their address.
#[tokio::test]
async fn the_reserve_is_for_tokens_that_no_stranger_mints() {
    let upstream = Upstream::hello().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let change = |setup: &mut Setup| {
        shared(setup);
        setup.close_mint();
    };
    let (proxy, metrics) = proxy(&upstream, &reader, change).await;
    let sender = "X-Forwarded-For: 192.0.2.1";
    let (waiting, refusal) = exhaust((&proxy, &metrics), || Inspector::Rule.token(), sender).await;
    assert_eq!(waiting.len() * CAP, QUOTA.total);
    refusal.assert_rejected(503, "overloaded");
    assert_eq!(held(&metrics), QUOTA.total);
}

/// A body of unknown length is refused when it has used up the share, and gives back what it held.
#[tokio::test]
async fn a_body_of_unknown_length_pays_as_it_comes() {
    let upstream = Upstream::hello().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let quota = Quota { total: 1 << 30, per_owner: CAP / 2, per_peer: 1 << 30, reserved: 0 };
    let change = |setup: &mut Setup| setup.settings.limits.inspected_bytes = quota;
    let (proxy, metrics) = proxy(&upstream, &reader, change).await;
    for inspector in Inspector::ALL {
        for framing in [Framing::Http1Chunks, Framing::Http2NoLength] {
            let token = inspector.token();
            let (status, refusal) = framing.ask(&proxy, &token, &body(CAP)).await;
            assert_eq!((status, code(&refusal).as_str()), (429, "owner_share"), "{framing:?}");
            until_held(&metrics, 0).await;
            assert_eq!(framing.ask(&proxy, &token, &body(CAP / 4)).await.0, 200);
            assert_eq!(upstream.only_request().body.len(), CAP / 4);
            upstream.take_requests();
        }
    }
    until_held(&metrics, 0).await;
}

/// Clients that leave at any time: with half a body, in the plugin's turn, before the response. All bytes come back.
#[tokio::test]
async fn who_leaves_gives_all_back() {
    let mut upstream = Upstream::held().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let (proxy, metrics) = proxy(&upstream, &reader, |_| ()).await;
    for inspector in Inspector::ALL {
        let token = inspector.token();
        for framing in [Framing::Http1Length, Framing::Http1Chunks] {
            let asked = framing.http1(&token, &body(CAP));
            let mut client = Client::connect(&proxy).await;
            client.send(&asked[..asked.len() / 2]).await;
            soon(async {
                while held(&metrics) == 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            drop(client);
            until_held(&metrics, 0).await;
        }
    }
    // In the plugin's turn.
    let turns = reader.turns.forget_permits(1_000);
    let mut client = Client::connect(&proxy).await;
    client.send(Framing::Http1Length.http1(&Inspector::Both.token(), &body(CAP))).await;
    soon(async {
        while reader.lengths.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(held(&metrics), CAP);
    drop(client);
    until_held(&metrics, 0).await;
    reader.turns.add_permits(turns);
    // Over HTTP/2, a stream that is reset.
    let mut sender = http2::connect(&proxy).await;
    let mut asked = http2::ask("POST /held", &Inspector::Plugin.token(), "");
    *asked.body_mut() = Stuck(Some(Bytes::from(body(CAP / 2)))).boxed();
    let sent = tokio::spawn(async move { sender.send_request(asked).await.map(drop) });
    soon(async {
        while held(&metrics) < CAP / 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sent.abort();
    until_held(&metrics, 0).await;
    // Before the upstream has taken anything.
    let mut client = Client::connect(&proxy).await;
    client.send(Framing::Http1Length.http1(&Inspector::Plugin.token(), &body(CAP))).await;
    let connection = upstream.accept().await;
    drop(client);
    until_held(&metrics, 0).await;
    drop(connection);
}

/// A body that begins and never ends.
struct Stuck(Option<Bytes>);

impl hyper::body::Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
    }
}

/// The memory is held for as long as somebody needs the bytes: a plugin's body until it has gone up, a rule's values until the
/// response. Who looks after another finds the same bytes.
#[tokio::test]
async fn the_bytes_are_held_once_and_for_as_long_as_they_are_needed() {
    let mut upstream = Upstream::held().await;
    let reader = Reader::of(usize::MAX, Verdict::Allow);
    let (proxy, metrics) = proxy(&upstream, &reader, |_| ()).await;
    for (inspector, after) in
        [(Inspector::Plugin, 0), (Inspector::Rule, CAP), (Inspector::Both, CAP)]
    {
        let mut client = Client::connect(&proxy).await;
        client.send(Framing::Http1Length.http1(&inspector.token(), &body(CAP))).await;
        let mut connection = upstream.accept().await;
        assert_eq!(connection.request().await.body.len(), CAP);
        until_held(&metrics, after).await;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
        until_held(&metrics, 0).await;
    }
}

/// Requests that end without a byte sent give back as well.
#[tokio::test]
async fn who_is_refused_gives_all_back() {
    let absent = Upstream::absent().await;
    for (verdict, status) in [(Verdict::Deny("no".to_owned()), 403), (Verdict::Allow, 502)] {
        let reader = Reader::of(usize::MAX, verdict);
        let (proxy, metrics) = proxy(&absent, &reader, |_| ()).await;
        for framing in Framing::ALL {
            let token = Inspector::Both.token();
            assert_eq!(framing.ask(&proxy, &token, &body(CAP)).await.0, status, "{framing:?}");
            until_held(&metrics, 0).await;
        }
    }
    // An upstream that answers before it has read.
    let early = Upstream::scripted(|_| Reply::last("HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n"));
    let (early, reader) = (early.await, Reader::of(usize::MAX, Verdict::Allow));
    let (proxy, metrics) = proxy(&early, &reader, |_| ()).await;
    for framing in Framing::ALL {
        let token = Inspector::Both.token();
        assert_eq!(framing.ask(&proxy, &token, &body(CAP)).await.0, 413, "{framing:?}");
        until_held(&metrics, 0).await;
    }
}
