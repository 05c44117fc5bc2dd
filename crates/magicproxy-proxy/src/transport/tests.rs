//! Kept connections whose end lies in the socket before the runtime has heard of it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use http::{HeaderValue, Method, Request};
use magicproxy_core::{
    Acceptance, Credential, KeyRing, PatternMode, PrivateKey, RawRule, Rule, RuleSource, Scopes,
    TokenSpec, UnixTime, UnnamedTokens, VerifyContext,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::connection::{
    Connection, DecisionAge, SendError, SharedConnection, StreamOptions, Streams,
};
use super::pool::{ConnectionNeed, ConnectionUse, Kind, Payload};
use super::*;
use crate::admission::{Account, Budget, Holding, Payer, Resource};
use crate::downstream::RequestBody;
use crate::services::token_watch::{LOOK, TokenWatch};
use crate::services::{RevocationList, Revocations};
use crate::settings::{RouteSettings, UpstreamProtocol, UpstreamSettings, fixture};
use crate::worker::WorkerId;

/// An origin, and who waits there.
struct Stage {
    origin: Origin,
    place: Holding,
    /// Tells the server to end its connection, and hears when it has.
    end: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Stage {
    /// The server answers one request, and ends its connection when it is told to.
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let upstream = fixture::upstream(
            "api",
            &format!("http://{}", listener.local_addr().unwrap()),
            RouteSettings::default(),
        );
        let ((end, told), (done, ended)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            response(&mut stream);
            let () = told.recv().unwrap();
            stream.shutdown(Shutdown::Both).unwrap();
            done.send(()).unwrap();
        });
        Self::before(&upstream, end, ended)
    }

    fn before(
        upstream: &Arc<UpstreamSettings>,
        end: mpsc::Sender<()>,
        ended: mpsc::Receiver<()>,
    ) -> Self {
        let settings = fixture::settings(vec![Arc::clone(upstream)]);
        let sockets = CountedSockets::unread(settings.limits.upstream_connections.total);
        let transport = TransportSettings::of(&settings, upstream);
        let origin = Origin::new(&transport, &upstream.api_root, &sockets).unwrap();
        let place = Budget::new(&settings.limits)
            .take(Resource::Exchanges, 1, &Payer::anonymous(Arc::<Account>::default()))
            .unwrap();
        Self { origin, place, end, ended }
    }

    /// The same by HTTP/2.
    fn over_http2(end: Http2End) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .der()
            .clone();
        let mut upstream = fixture::upstream(
            "api",
            &format!("https://{}", listener.local_addr().unwrap()),
            RouteSettings::default(),
        );
        let of_upstream = Arc::get_mut(&mut upstream).unwrap();
        of_upstream.extra_roots = vec![certificate.clone()];
        of_upstream.protocol = UpstreamProtocol::Negotiated;
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let ((send_end, told), (done, ended)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            let tls = ServerConnection::new(Arc::new(config)).unwrap();
            let socket = listener.accept().unwrap().0;
            socket.set_nodelay(true).unwrap();
            let mut stream = StreamOwned::new(tls, socket);
            response_over_http2(&mut stream);
            if told.recv().is_err() {
                return;
            }
            end.of(&mut stream);
            done.send(()).unwrap();
            // The socket stays as it is until the test is over.
            let _ = told.recv();
        });
        Self::before(&upstream, send_end, ended)
    }

    async fn lease(&self) -> PooledConnection {
        self.origin
            .acquire(
                ConnectionNeed {
                    worker: WorkerId::new(0),
                    kind: Kind::Any,
                    payload: Payload::None,
                    asked: Instant::now(),
                },
                &self.place,
            )
            .await
            .unwrap_or_else(|_| panic!("no connection"))
    }
}

fn response(stream: &mut TcpStream) {
    let (mut read, mut buffer) = (0, [0; 4096]);
    while !buffer[..read].ends_with(b"\r\n\r\n") {
        read += stream.read(&mut buffer[read..]).unwrap();
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
}

fn request(method: Method) -> Request<RequestBody> {
    Request::builder().method(method).uri("/").body(RequestBody::empty()).unwrap()
}

/// How a server ends a connection of HTTP/2.
#[derive(Clone, Copy, Debug)]
enum Http2End {
    Fin,
    CloseNotify,
    GoAway,
    GoAwayAndFin,
}

impl Http2End {
    fn of(self, stream: &mut StreamOwned<ServerConnection, TcpStream>) {
        if matches!(self, Self::GoAway | Self::GoAwayAndFin) {
            stream.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).unwrap();
        }
        if matches!(self, Self::CloseNotify) {
            stream.conn.send_close_notify();
        }
        stream.flush().unwrap();
        if matches!(self, Self::Fin | Self::GoAwayAndFin) {
            stream.sock.shutdown(Shutdown::Write).unwrap();
        }
    }
}

/// Takes one request, and answers it with a head alone.
fn response_over_http2(stream: &mut StreamOwned<ServerConnection, TcpStream>) {
    const PREFACE_BYTES: usize = 24;
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(&SETTINGS).unwrap();
    stream.read_exact(&mut [0; PREFACE_BYTES]).unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let [high, middle, low, kind, flags, ..] = head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        stream.read_exact(&mut vec![0; length]).unwrap();
        match (kind, flags & 1) {
            (1, 1) => return stream.write_all(&[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]).unwrap(),
            (4, 0) => stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).unwrap(),
            _ => {}
        }
    }
}

/// A request with a target as HTTP/2 wants it.
pub(super) fn absolute(method: Method) -> Request<RequestBody> {
    Request::builder().method(method).uri("https://127.0.0.1/").body(RequestBody::empty()).unwrap()
}

fn plain() -> StreamOptions {
    StreamOptions { memory: None, upload: None, given_up: None, decision: None }
}

/// This thread runs all of the runtime, and waits for the server without it: the runtime has no chance to hear of the end.
#[tokio::test]
async fn an_end_that_nobody_has_heard_of_is_seen_before_a_request_is_written() {
    let stage = Stage::new();
    let mut lease = stage.lease().await;
    let sent = lease.connection().unwrap().send(request(Method::GET), plain());
    assert!(sent.await.is_ok());
    lease.give_back();
    let mut lease = stage.lease().await;
    assert_eq!(lease.pooled, ConnectionUse::Yes);
    stage.end.send(()).unwrap();
    stage.ended.recv().unwrap();
    let connection = lease.connection().unwrap();
    assert!(connection.is_ready().await, "the runtime has heard of it: this test tests nothing");
    connection.look_first();
    let sent = connection.send(request(Method::POST), plain());
    assert!(matches!(sent.await, Err(SendError::NotSent(_))));
}

#[tokio::test]
async fn an_end_of_http2_that_nobody_has_heard_of_is_seen_before_a_request_is_written() {
    for end in [Http2End::Fin, Http2End::CloseNotify, Http2End::GoAway, Http2End::GoAwayAndFin] {
        let stage = Stage::over_http2(end);
        let mut lease = stage.lease().await;
        let sent = lease.connection().unwrap().send(absolute(Method::GET), plain());
        lease.share();
        assert!(sent.await.is_ok());
        lease.give_back();
        let mut lease = stage.lease().await;
        assert_eq!(lease.pooled, ConnectionUse::Yes);
        stage.end.send(()).unwrap();
        stage.ended.recv().unwrap();
        let connection = lease.connection().unwrap();
        assert!(
            connection.is_ready().await,
            "the runtime has heard of it: this test tests nothing"
        );
        connection.look_first();
        let sent = connection.send(absolute(Method::POST), plain());
        assert!(matches!(sent.await, Err(SendError::NotSent(_))), "{end:?}");
    }
}

/// Whoever has a connection of HTTP/2 made sends the first request on it: others find it afterwards.
#[tokio::test]
async fn nobody_overtakes_who_made_a_connection() {
    let stage = Stage::over_http2(Http2End::Fin);
    let mut first = stage.lease().await;
    let mut second = pin!(stage.lease());
    assert!(
        now(second.as_mut()).is_pending(),
        "it was found before its first request was handed over"
    );
    first.share();
    assert_eq!(second.await.pooled, ConnectionUse::Yes);
}

/// One that was given up before it was sent leaves the connection to others.
#[tokio::test]
async fn a_connection_that_was_not_used_is_found_by_others() {
    let stage = Stage::over_http2(Http2End::Fin);
    stage.lease().await.discard();
    assert_eq!(stage.lease().await.pooled, ConnectionUse::Yes);
}

/// What a future comes to that must not wait.
pub(super) fn now<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A request may come to lie in the queue of a task that has ended, where nobody drops it.
#[test]
fn nobody_waits_for_a_task_that_has_ended() {
    let ending = || {
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        (
            SharedConnection::new(sender, Arc::default(), Arc::default()),
            requests,
            oneshot::channel(),
        )
    };
    let (connection, requests, (_lies_there, waiting)) = ending();
    drop(requests);
    assert_eq!(now(connection.reply::<u8>(waiting)), Poll::Ready(None));
    let (connection, requests, (reply, waiting)) = ending();
    reply.send(7).unwrap();
    drop(requests);
    assert_eq!(
        now(connection.reply::<u8>(waiting)),
        Poll::Ready(Some(7)),
        "it was replied to before the end"
    );
    let (connection, _requests, (reply, waiting)) = ending();
    drop(reply);
    assert_eq!(now(connection.reply::<u8>(waiting)), Poll::Ready(None));
}

/// Requests wait for a stream in the connection's task, which must hear that there will be none.
#[test]
fn the_task_of_a_connection_hears_that_it_is_retired() {
    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let (streams, woken) = (Streams::default(), Arc::<Woken>::default());
    streams.note_driver(&Waker::from(Arc::clone(&woken)));
    streams.retire();
    streams.retire();
    assert_eq!(woken.0.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(streams.is_retired());
}

/// A connection of HTTP/2 over a pipe that holds little, and the other side of it, which has agreed to this many streams.
pub(super) async fn piped(streams: u32) -> (SharedConnection, tokio::io::DuplexStream) {
    const PIPE_BYTES: usize = 512;
    let (near, mut far) = tokio::io::duplex(PIPE_BYTES);
    let bounds = http2::Http2Bounds { streams: 100, silence: Duration::from_secs(600) };
    let making =
        tokio::spawn(async move { http2::http2_connection(near, Arc::default(), bounds).await });
    far.write_all(&limit_of_streams(streams)).await.unwrap();
    let connection = making.await.unwrap().unwrap_or_else(|_| panic!("no connection"));
    (connection, far)
}

/// SETTINGS with `SETTINGS_MAX_CONCURRENT_STREAMS`.
fn limit_of_streams(streams: u32) -> Vec<u8> {
    [&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3], &streams.to_be_bytes()[..]].concat()
}

/// The streams of all HEADERS that come until nothing more does.
pub(super) async fn heads_until_silence(far: &mut tokio::io::DuplexStream) -> Vec<u32> {
    const PREFACE_BYTES: usize = 24;
    let mut bytes = Vec::new();
    // Everything runs in this thread: once the driver has had so many turns without a byte, it has none.
    let mut quiet = 0;
    while quiet < 50 {
        match now(far.read_buf(&mut bytes)) {
            Poll::Ready(read) => quiet = if read.unwrap() == 0 { return Vec::new() } else { 0 },
            Poll::Pending => quiet += 1,
        }
        tokio::task::yield_now().await;
    }
    let (mut rest, mut heads) = (&bytes[PREFACE_BYTES..], Vec::new());
    while let [high, middle, low, kind, _, stream @ ..] = rest {
        let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
        if *kind == 1 {
            heads.push(u32::from_be_bytes(stream[..4].try_into().unwrap()));
        }
        rest = &rest[9 + length..];
    }
    heads
}

fn wordy() -> Request<RequestBody> {
    let mut request = absolute(Method::GET);
    request.headers_mut().insert("x-words", HeaderValue::from_str(&"~w".repeat(4_000)).unwrap());
    request
}

/// What waits in the task of a connection whose socket takes nothing can be given up, and is not sent when it takes something again.
#[tokio::test]
async fn what_is_given_up_behind_a_full_socket_is_not_sent() {
    let (connection, mut far) = piped(100).await;
    let mut connection = Connection::Http2(connection);
    let mut first = pin!(connection.send(wordy(), plain()));
    for _ in 0..50 {
        assert!(now(first.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    let left = connection.send(absolute(Method::POST), plain());
    let (gone, given_up) = watch::channel(());
    let answered = connection
        .send(absolute(Method::POST), StreamOptions { given_up: Some(given_up), ..plain() });
    let mut kept = pin!(connection.send(absolute(Method::POST), plain()));
    drop((left, gone));
    assert_eq!(heads_until_silence(&mut far).await, [1, 3], "a request that was given up was sent");
    assert!(matches!(answered.await, Err(SendError::NotSent(_))));
    assert!(now(kept.as_mut()).is_pending());
}

/// A limit that is lowered in the moment in which a request is handed over leaves it to another connection.
#[tokio::test]
async fn a_request_beyond_a_limit_that_was_just_lowered_is_not_sent() {
    let (connection, mut far) = piped(2).await;
    let streams = Arc::clone(connection.streams());
    let mut connection = Connection::Http2(connection);
    streams.begin();
    let mut first = pin!(connection.send(absolute(Method::GET), plain()));
    assert_eq!(heads_until_silence(&mut far).await, [1]);
    assert!(now(first.as_mut()).is_pending());
    streams.begin();
    far.write_all(&limit_of_streams(1)).await.unwrap();
    let second = connection.send(absolute(Method::POST), plain());
    assert!(matches!(second.await, Err(SendError::NotSent(_))));
}

/// The watch of a token, and the list that may revoke it.
fn watched_token() -> (TokenWatch, Arc<Revocations>) {
    const NOW: UnixTime = UnixTime(2_000_000_000);
    let keys = KeyRing::new(PrivateKey::generate(2048).unwrap(), Vec::new()).unwrap();
    let rules = [RawRule::Text("* /.*".to_owned())];
    let spec = TokenSpec {
        credential: Credential::parse(Zeroizing::new("a-credential".to_owned())).unwrap(),
        source: RuleSource::Rules(Rule::parse_list(&rules, PatternMode::Whole).unwrap()),
        upstream: None,
        unnamed: UnnamedTokens::Accept,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 600),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    let text = keys.mint(&spec).unwrap().token;
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    let token = Arc::new(keys.verify(&text, &context).unwrap());
    let revocations = Arc::<Revocations>::default();
    (TokenWatch::new(&revocations, &token), revocations)
}

/// What waits behind a full socket is looked at again before it is sent, where the list of revocations has changed or the decision
/// is old.
#[tokio::test]
async fn what_was_decided_before_a_wait_is_handed_back_unsent() {
    let later = Instant::now() + Duration::from_secs(3_600);
    let before = Instant::now().checked_sub(LOOK).unwrap();
    for (since, is_changed, sent) in
        [(later, false, &[1, 3][..]), (before, false, &[1]), (later, true, &[1])]
    {
        let (connection, mut far) = piped(100).await;
        let mut connection = Connection::Http2(connection);
        let mut first = pin!(connection.send(wordy(), plain()));
        for _ in 0..50 {
            assert!(now(first.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        let (watch, revocations) = watched_token();
        let decision = Some(DecisionAge::new(watch, since));
        let options = StreamOptions { decision, ..plain() };
        let mut waiting = pin!(connection.send(absolute(Method::POST), options));
        assert!(now(waiting.as_mut()).is_pending());
        if is_changed {
            let ids = ["another".to_owned()].into();
            revocations.replace(RevocationList { ids, ..RevocationList::default() });
        }
        assert_eq!(heads_until_silence(&mut far).await, sent, "{is_changed}");
        let outcome = now(waiting.as_mut());
        let is_handed_back = matches!(outcome, Poll::Ready(Err(SendError::NotSent(_))));
        assert_eq!(is_handed_back, sent.len() == 1, "{is_changed}");
    }
}
