//! The tunnel of a WebSocket. What flows through it is the client's and the upstream's affair.
//!
//! It counts as an exchange and as a connection until it ends: with either side, with its token's expiry or revocation, after
//! a time without a byte, and at the latest with the drain timeout of a proxy that stops.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Response, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use magicproxy_core::VerifiedToken;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::sync::watch;

use crate::body::ResponseBody;
use crate::clock;
use crate::downstream::{Connection, InFlight};
use crate::header::ResponseFilter;
use crate::revocations::Revocations;
use crate::scrub::Needle;
use crate::upstream::Answer;

/// How often it is looked whether a tunnel may go on.
const LOOK: Duration = Duration::from_secs(1);

/// The client's side of a WebSocket.
pub(super) struct Tunnel {
    on_upgrade: OnUpgrade,
    bounds: TunnelBounds,
    /// Keeps the connection's place, and has it count as busy.
    in_flight: InFlight,
    /// A proxy that stops waits until this is dropped.
    stopped: watch::Receiver<()>,
}

/// What ends a tunnel.
pub(super) struct TunnelBounds {
    /// The token that opened it.
    pub(super) token: Arc<VerifiedToken>,
    pub(super) revocations: Arc<Revocations>,
    /// How long it may be without a byte in either direction.
    pub(super) idle: Duration,
}

impl Tunnel {
    pub(super) fn new(on_upgrade: OnUpgrade, connection: &Arc<Connection>, bounds: TunnelBounds) -> Self {
        Self { on_upgrade, bounds, in_flight: connection.begin(), stopped: connection.stopped() }
    }
}

/// Passes down that the upstream agreed, and joins the two connections.
pub(super) fn open(answer: Answer, tunnel: Tunnel, needle: Option<&Needle>) -> Response<ResponseBody> {
    let mut response = answer.response;
    let upstream = hyper::upgrade::on(&mut response);
    let (mut head, _) = response.into_parts();
    ResponseFilter::new(needle.cloned(), answer.dropped).head(&mut head, &Method::GET);
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let Tunnel { on_upgrade, bounds, in_flight, stopped } = tunnel;
    tokio::spawn(async move {
        if let (Ok(downstream), Ok(upstream)) = tokio::join!(on_upgrade, upstream) {
            let end = bounds.join(downstream, upstream).await;
            tracing::debug!(target: "magicproxy::upstream", ?end, "a WebSocket ended");
        }
        // Until here neither connection counts as idle.
        drop((answer.lease, answer.held, answer.exchange, in_flight, stopped));
    });
    Response::from_parts(head, ResponseBody::full(bytes::Bytes::new()))
}

/// Why a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Broken,
    Idle,
    TokenExpired,
    TokenRevoked,
}

impl TunnelBounds {
    /// Copies in both directions until something ends it.
    async fn join(&self, downstream: Upgraded, upstream: Upgraded) -> End {
        let passed = Arc::new(AtomicU64::new(0));
        let counted = |upgraded| Counted { stream: TokioIo::new(upgraded), passed: Arc::clone(&passed) };
        let (mut downstream, mut upstream) = (counted(downstream), counted(upstream));
        let mut copying = std::pin::pin!(copy_bidirectional(&mut downstream, &mut upstream));
        let (mut seen, mut idle_since) = (0, Instant::now());
        loop {
            if let Some(end) = self.token_end() {
                return end;
            }
            if let Ok(copied) = tokio::time::timeout(self.next_look(), copying.as_mut()).await {
                return if copied.is_ok() { End::Closed } else { End::Broken };
            }
            let now_passed = passed.load(Ordering::Relaxed);
            if now_passed != seen {
                (seen, idle_since) = (now_passed, Instant::now());
            } else if idle_since.elapsed() >= self.idle {
                return End::Idle;
            }
        }
    }

    fn token_end(&self) -> Option<End> {
        if clock::now() >= self.token.refused_from() {
            return Some(End::TokenExpired);
        }
        self.revocations.ensure_live(&self.token).is_err().then_some(End::TokenRevoked)
    }

    fn next_look(&self) -> Duration {
        LOOK.min(self.idle)
    }
}

/// One side of a tunnel, of which the bytes that it gives are counted.
struct Counted {
    stream: TokioIo<Upgraded>,
    passed: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.passed.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
