//! Every request ends once, however it ends and whatever the log shows.

mod content;
mod limits;
mod streams;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use magicproxy_core::limit::Limit;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreFuture,
    TakeResult, UnixMillis,
};
use magicproxy_core::{
    Credential, KeyRing, PatternMode, PrivateKey, RawRule, Rule, RuleSource, TokenSpec, UnixTime,
    UnnamedTokens, UpstreamName,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::*;
use crate::clock;
use crate::observe::ongoing::ended::{self, EndedRequest};
use crate::services::SharedKeys;
use crate::settings::{PageOrigin, PageOrigins, RouteSettings, Settings, fixture};

/// An API that answers as the path says.
async fn serve_upstream(mut stream: TcpStream) {
    let mut read = Vec::new();
    while read_head(&mut stream, &mut read).await {
        let head = String::from_utf8(std::mem::take(&mut read)).unwrap();
        let said = match head.split(' ').nth(1).unwrap() {
            "/whole" if head.starts_with("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "/whole" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "/chunked" => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            }
            "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/part" | "/broken" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
            "/ws" | "/ws-ends" => {
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
            }
            "/rude" => return,
            // Once all of the content has come, which ends so.
            "/taken" => {
                while stream.read_u8().await.is_ok_and(|byte| byte != b'!') {}
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            // Until the connection ends.
            "/ws-late" => {
                let _ = stream.read_u8().await;
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
            }
            _ => "",
        };
        // Some have gone.
        if stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
        if head.contains("/broken") || head.contains("/ws-ends") {
            return;
        }
    }
}

/// Reads one head, or whatever comes until the end.
async fn read_head(stream: &mut TcpStream, read: &mut Vec<u8>) -> bool {
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// A store in which something is wrong.
#[derive(Debug)]
struct Panicking;

impl StateStore for Panicking {
    fn read(
        &self,
        _: Partition,
        _: Vec<Vec<u8>>,
        _: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        panic!("on purpose")
    }
    fn list(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: usize,
        _: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        panic!("on purpose")
    }
    fn apply_within(
        &self,
        _: BoundedPartition,
        _: Vec<Condition>,
        _: Vec<Change>,
        _: UnixTime,
    ) -> StoreFuture<'_, bool> {
        panic!("on purpose")
    }
    fn take_within(
        &self,
        _: BoundedPartition,
        _: Vec<Demand>,
        _: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        panic!("on purpose")
    }
    fn renew(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: Holder,
        _: u64,
        _: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        panic!("on purpose")
    }
    fn give_back(&self, _: Partition, _: Vec<u8>, _: Holder) -> StoreFuture<'_, ()> {
        panic!("on purpose")
    }
    fn ping(&self) -> StoreFuture<'_, ()> {
        panic!("on purpose")
    }
}

/// A proxy before that API.
struct Stage {
    address: SocketAddr,
    token: String,
    /// One whose requests are counted in the store.
    counted: String,
    stop: Arc<Notify>,
    running: JoinHandle<()>,
    /// Who has sent how many requests, and what their records must say.
    sent: Vec<(IpAddr, usize, &'static str)>,
}

/// A connection from an address that no other one of this process has: there is a network of them on loopback.
async fn connect(proxy: SocketAddr) -> TcpStream {
    static CLIENTS: AtomicU16 = AtomicU16::new(0);
    let [high, low] = CLIENTS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 77, high, low), 0).into()).unwrap();
    socket.connect(proxy).await.unwrap()
}

fn client_of(stream: &TcpStream) -> IpAddr {
    stream.local_addr().unwrap().ip()
}

fn minted(keys: &KeyRing, limit: Option<Limit>) -> String {
    let now = clock::now();
    let rules = Rule::parse_list(&[RawRule::Text("* /.*".to_owned())], PatternMode::Whole).unwrap();
    let request = TokenSpec {
        credential: Credential::parse(Zeroizing::new("a-credential".to_owned())).unwrap(),
        source: RuleSource::Rules(rules),
        upstream: Some(UpstreamName::parse("api").unwrap()),
        unnamed: UnnamedTokens::Refuse,
        issued_at: now,
        expires_at: UnixTime(now.0 + 600),
        not_before: None,
        subject: None,
        explain: false,
        limit,
    };
    keys.mint(&request).unwrap().token.to_string()
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let upstream = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let root = format!("http://{}", upstream.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = upstream.accept().await {
                tokio::spawn(serve_upstream(stream));
            }
        });
        let mut own = fixture::upstream("api", &root, RouteSettings::default());
        let changed = Arc::get_mut(&mut own).unwrap();
        changed.websocket = true;
        changed.allow_origins =
            PageOrigins::of(vec![PageOrigin::parse("https://page.example").unwrap()]).unwrap();
        let keys = Arc::new(SharedKeys::new(
            KeyRing::new(PrivateKey::generate(2048).unwrap(), Vec::new()).unwrap(),
        ));
        let (token, counted) =
            (minted(&keys.current(), None), minted(&keys.current(), Some(Limit::Total(9))));
        let services = Services { state: Some(Arc::new(Panicking)), ..Services::of_keys(keys) };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = fixture::settings(vec![own]);
        change(&mut settings);
        let server = Server::new(settings, services).unwrap();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let running = tokio::spawn(async move {
            server.run(vec![Listener::tcp(listener)], async move { stopped.notified().await }).await
        });
        Self { address, token, counted, stop, running, sent: Vec::new() }
    }

    /// Sends these requests on one connection; each record must say this.
    async fn send(&mut self, requests: &[String], says: &'static str) -> TcpStream {
        let mut stream = connect(self.address).await;
        stream.write_all(requests.concat().as_bytes()).await.unwrap();
        self.sent.push((client_of(&stream), requests.len(), says));
        stream
    }

    /// Sends one that has begun.
    async fn begin(&mut self, request: String, says: &'static str) -> TcpStream {
        let stream = self.send(&[request], says).await;
        ended::wait_begun(client_of(&stream), 1).await;
        stream
    }

    fn request(&self, line: &str, fields: &str) -> String {
        format!(
            "{line} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {}\r\n{fields}\r\n",
            self.token
        )
    }

    /// All of the responses, and the end of the connection.
    async fn ask(&mut self, requests: &[String], says: &'static str) {
        let mut stream = self.send(requests, says).await;
        let mut responses = Vec::new();
        // Whatever comes: some are broken off.
        let _ = stream.read_to_end(&mut responses).await;
    }

    /// Sends a request, reads until this was said, and goes away.
    async fn leave(&mut self, request: String, until: &str, says: &'static str) {
        let mut stream = self.send(&[request], says).await;
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains(until) {
            said.push(stream.read_u8().await.unwrap());
        }
    }
}

impl Stage {
    /// Stops the proxy, while clients still hold this, and looks at every record.
    async fn ended<T>(self, held: T) {
        self.stop.notify_one();
        self.running.await.unwrap();
        drop(held);
        for (client, requests, says) in &self.sent {
            let ended = ended::wait(*client, *requests).await;
            check(&ended, *requests, says);
        }
    }
}

const CLOSE: &str = "Connection: close\r\n";
const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// Requests of every ending.
async fn every_ending() {
    let mut stage = Stage::new().await;
    let whole = |stage: &Stage, line: &str| stage.request(line, CLOSE);
    for line in ["GET /whole", "HEAD /whole", "GET /chunked", "GET /none"] {
        stage.ask(&[whole(&stage, line)], "allowed 20").await;
    }
    let kept = [
        stage.request("GET /whole", ""),
        stage.request("GET /none", ""),
        whole(&stage, "GET /chunked"),
    ];
    stage.ask(&kept, "allowed 20").await;
    // Refused, before anything is known of it and later.
    stage
        .ask(&[format!("GET /whole HTTP/1.1\r\nHost: api\r\n{CLOSE}\r\n")], "missing_token 401")
        .await;
    stage
        .ask(&[format!("GET /whole HTTP/1.1\r\nHost: a\r\nHost: b\r\n{CLOSE}\r\n")], "host 400")
        .await;
    stage.ask(&[whole(&stage, "GET /a//b")], "target_empty_segment 400").await;
    stage.ask(&[whole(&stage, "GET /__magictoken")], "control 200").await;
    stage.ask(&[whole(&stage, "GET /__magictoken/no")], "not_found 404").await;
    // The upstream's fault.
    stage.ask(&[whole(&stage, "POST /rude")], "upstream_closed 502").await;
    stage.ask(&[whole(&stage, "GET /broken")], "aborted=Some(\"").await;
    // The client goes.
    let silent = stage.send(&[stage.request("GET /silent", "")], "undecided 0|allowed 0").await;
    let part = stage.request("GET /part", "");
    stage.leave(part, "hello", "aborted=Some(\"the client went away\")").await;
    // Tunnels: the client goes, the upstream goes, the proxy stops.
    let tunnel = stage.request("GET /ws", HANDSHAKE);
    stage.leave(tunnel.clone(), "\r\n\r\n", "client_gone").await;
    let ended = stage.request("GET /ws-ends", HANDSHAKE);
    stage.ask(&[ended], "upstream_gone").await;
    let mut open = stage.send(&[tunnel], "stopped").await;
    assert!(read_head(&mut open, &mut Vec::new()).await);
    // Something panics.
    let counted = whole(&stage, "GET /whole").replace(&stage.token, &stage.counted);
    stage.ask(&[counted], "allowed 0").await;
    drop(silent);
    stage.ended(open).await;
}

#[track_caller]
fn check(ended: &[EndedRequest], requests: usize, says: &str) {
    assert_eq!(ended.len(), requests, "{says}: {ended:#?}");
    for EndedRequest { record, .. } in ended {
        assert!(says.split('|').any(|says| record.contains(says)), "expected {says} in {record}");
        if says.starts_with("allowed") {
            // Nothing of a record depends on who reads it.
            for part in ["Some(\"api\")", "Some(\"/", "Some(\"* /.*\")", "token=true"] {
                assert!(record.contains(part), "{part} in {record}");
            }
        }
        assert!(!record.contains(" 200 ") || record.contains("timed=true"), "{record}");
        let hello = record.starts_with("allowed 200")
            && record.contains("aborted=None")
            && record.contains("GET ");
        assert!(!hello || record.contains("out=5"), "{record}");
    }
}

/// Shows everything, or nothing.
struct Shown(AtomicBool);

static SHOWN: Shown = Shown(AtomicBool::new(true));

impl tracing::Subscriber for &'static Shown {
    fn register_callsite(
        &self,
        _: &'static tracing::Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        self.0.load(Ordering::SeqCst)
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn every_request_ends_once_whatever_the_log_shows() {
    tracing::subscriber::set_global_default(&SHOWN).unwrap();
    for shown in [true, false] {
        SHOWN.0.store(shown, Ordering::SeqCst);
        every_ending().await;
        limits::every_ending().await;
        streams::every_ending().await;
    }
}
