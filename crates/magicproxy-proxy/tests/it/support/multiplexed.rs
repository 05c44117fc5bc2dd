//! An upstream that speaks HTTP/2 over TLS, and counts what comes to it.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use magicproxy_proxy::settings::{ApiRoot, UpstreamProtocol};
use rustls::crypto::aws_lc_rs;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Setup;
use super::proxy::{OnlyUpstream as _, settings};
use super::{Certificate, Proxy, soon};

type ClientResponse = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// `/big` is answered without end, `/held` when it is released, everything else at once. What came to `/echo` is noted.
pub(crate) struct Multiplexed {
    pub(crate) address: SocketAddr,
    certificate: Certificate,
    counts: Arc<Mutex<Counts>>,
    changed: watch::Sender<()>,
    released: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// What came, by connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: Vec<ConnectionCounts>,
    /// All paths.
    pub(crate) seen: HashSet<String>,
    /// What came to `/echo`.
    pub(crate) content: Vec<SeenContent>,
    /// Bytes of responses without end that were taken.
    pub(crate) poured: usize,
}

/// A request with its content.
#[derive(Clone, Debug)]
pub(crate) struct SeenContent {
    pub(crate) method: String,
    /// The names of its header fields.
    pub(crate) fields: Vec<String>,
    /// Did its head end the stream?
    pub(crate) ended_at_once: bool,
    pub(crate) body: String,
    pub(crate) trailers: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionCounts {
    /// Paths, in the order in which they came.
    pub(crate) paths: Vec<String>,
    /// Streams that are open, and the most that were.
    pub(crate) open: usize,
    pub(crate) peak: usize,
    /// Streams that were ended before their response was whole.
    pub(crate) reset: usize,
    pub(crate) closed: bool,
}

impl Counts {
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.connections
            .iter()
            .flat_map(|connection| &connection.paths)
            .map(String::as_str)
            .collect()
    }

    pub(crate) fn open(&self) -> usize {
        self.connections.iter().map(|connection| connection.open).sum()
    }

    pub(crate) fn reset(&self) -> usize {
        self.connections.iter().map(|connection| connection.reset).sum()
    }

    pub(crate) fn by_path(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.paths().into_iter().for_each(|path| *counts.entry(path).or_default() += 1);
        counts
    }
}

impl Multiplexed {
    /// One that allows so many streams.
    pub(crate) async fn allowing(streams: u32) -> Self {
        let certificate = Certificate::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, acceptor) = (listener.local_addr().unwrap(), acceptor(&certificate));
        let (changed, released) = (watch::Sender::new(()), watch::Sender::new(false));
        let counts = Arc::<Mutex<Counts>>::default();
        let stage = Stage {
            counts: Arc::clone(&counts),
            changed: changed.clone(),
            released: released.clone(),
            connection: 0,
        };
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stage = stage.clone();
                stage.connection = stage.count(|counts| {
                    counts.connections.push(ConnectionCounts::default());
                    counts.connections.len() - 1
                });
                tokio::spawn(stage.serve(acceptor.clone(), stream, streams));
            }
        });
        Self { address, certificate, counts, changed, released, serving }
    }

    /// A proxy before it.
    pub(crate) async fn proxy(&self, change: impl FnOnce(&mut Setup)) -> Proxy {
        proxy_over_http2(self.address, &self.certificate, change).await
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap().clone()
    }

    /// Waits until what was counted is so.
    #[track_caller]
    pub(crate) fn until(&self, is_so: impl Fn(&Counts) -> bool) -> impl Future<Output = ()> {
        let (mut changes, counts) = (self.changed.subscribe(), Arc::clone(&self.counts));
        soon(async move {
            while !is_so(&counts.lock().unwrap()) {
                changes.changed().await.unwrap();
            }
        })
    }

    /// Answers what is held, and will be.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A proxy before an upstream that speaks HTTP/2.
pub(super) async fn proxy_over_http2(
    address: SocketAddr,
    certificate: &Certificate,
    change: impl FnOnce(&mut Setup),
) -> Proxy {
    let mut settings = settings(address, "");
    let upstream = settings.upstream_mut();
    upstream.api_root = ApiRoot::parse(&format!("https://{address}")).unwrap();
    upstream.extra_roots = vec![certificate.der.clone()];
    upstream.protocol = UpstreamProtocol::Negotiated;
    change(&mut settings);
    Proxy::start(settings).await
}

pub(super) fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let builder =
        rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder
        .with_single_cert(vec![certificate.der.clone()], certificate.key.clone_key())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[derive(Clone)]
struct Stage {
    counts: Arc<Mutex<Counts>>,
    changed: watch::Sender<()>,
    released: watch::Sender<bool>,
    connection: usize,
}

impl Stage {
    fn count<T>(&self, count: impl FnOnce(&mut Counts) -> T) -> T {
        let result = count(&mut self.counts.lock().unwrap());
        self.changed.send_replace(());
        result
    }

    async fn serve(self, acceptor: TlsAcceptor, stream: TcpStream, streams: u32) {
        if let Ok(stream) = acceptor.accept(stream).await {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(streams);
            let stage = self.clone();
            let service = service_fn(move |request| stage.clone().response(request));
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
        self.count(|counts| counts.connections[self.connection].closed = true);
    }

    async fn response(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<ClientResponse>, Infallible> {
        let path = request.uri().path().to_owned();
        self.count(|counts| {
            counts.seen.insert(path.clone());
            let connection = &mut counts.connections[self.connection];
            connection.paths.push(path.clone());
            connection.open += 1;
            connection.peak = connection.peak.max(connection.open);
        });
        let mut released = self.released.subscribe();
        let (mut open, mut length) = (Open { stage: self, answered: false }, 60_000);
        if path.starts_with("/big") {
            return Ok(Response::new(Endless(open).boxed()));
        }
        if path.starts_with("/held") {
            released.wait_for(|released| *released).await.unwrap();
        }
        if path == "/echo" {
            let (head, body) = request.into_parts();
            let ended_at_once = body.is_end_stream();
            let content = body.collect().await.unwrap();
            let trailers = content.trailers().is_some();
            let fields = head.headers.keys().map(|name| name.as_str().to_owned()).collect();
            let body = String::from_utf8(content.to_bytes().to_vec()).unwrap();
            let seen = SeenContent {
                method: head.method.to_string(),
                fields,
                ended_at_once,
                body,
                trailers,
            };
            open.stage.count(|counts| counts.content.push(seen));
            length = 0;
        } else if !path.starts_with("/early") {
            let _ = request.into_body().collect().await;
        }
        open.answered = true;
        Ok(Response::new(Full::new(Bytes::from(vec![b'x'; length])).boxed()))
    }
}

/// A stream, until its response was handed over or it was reset.
struct Open {
    stage: Stage,
    answered: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stage.count(|counts| {
            let connection = &mut counts.connections[self.stage.connection];
            connection.open -= 1;
            connection.reset += usize::from(!self.answered);
        });
    }
}

struct Endless(Open);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const PART: &[u8] = &[b'x'; 16 * 1024];
        self.0.stage.count(|counts| counts.poured += PART.len());
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PART)))))
    }
}
