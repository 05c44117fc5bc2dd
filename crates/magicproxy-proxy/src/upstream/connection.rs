//! A connection to the upstream by either protocol, and the streams of one that speaks HTTP/2.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use pin_project_lite::pin_project;

use super::pool::Charge;
use super::resend::Heard;
use super::signals::Signals;
use crate::body::RequestBody;

/// How long a connection that was just given back may take to get ready.
const READY_WITHIN: Duration = Duration::from_millis(20);
/// How many streams one counts for that was ended early, for as long as its connection lives. Upstreams close connections on which
/// many streams are reset, and with them every exchange on them: so such a connection gets no further stream well before.
const STREAMS_OF_RESET: usize = 2;

/// A connection to the upstream.
#[derive(Debug)]
pub(super) enum Connection {
    Http1(Exclusive),
    /// With room for one stream, which was taken.
    Http2(Multiplexed),
}

/// Why a request got no answer.
pub(super) enum SendError {
    /// Not a byte of it was written.
    NotSent(Box<Request<RequestBody>>),
    /// Some of it may have been.
    Failed(hyper::Error),
}

impl Connection {
    pub(super) fn version(&self) -> Version {
        match self {
            Self::Http1(_) => Version::HTTP_11,
            Self::Http2(_) => Version::HTTP_2,
        }
    }

    /// Hands the request over at once; what is returned only waits for the answer, so that it need not hold the request.
    pub(super) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + use<> {
        let sent = match self {
            Self::Http1(connection) => {
                connection.signals.begin();
                Sent::Http1 { waiting: connection.sender.try_send_request(request) }
            }
            Self::Http2(connection) => Sent::Http2 { waiting: connection.sender.try_send_request(request) },
        };
        async move {
            sent.await.map_err(|mut error| match error.take_message() {
                Some(request) => SendError::NotSent(Box::new(request)),
                None => SendError::Failed(error.into_error()),
            })
        }
    }

    /// Has the socket looked at before the next request is written: one that cannot be sent again once it was.
    pub(super) fn look_first(&self) {
        if let Self::Http1(connection) = self {
            connection.signals.look_first();
        }
    }

    /// Did any of a response come to the request that was sent last?
    pub(super) fn heard(&self) -> Heard {
        match self {
            Self::Http1(connection) => connection.signals.heard(),
            // A stream that fails has no head, and of the other streams' bytes it knows nothing.
            Self::Http2(_) => Heard::Nothing,
        }
    }

    pub(super) async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_ready().await,
            Self::Http2(connection) => !connection.is_closed(),
        }
    }

    /// When it gets its last request.
    pub(super) fn retires_at(&self) -> Option<Instant> {
        match self {
            Self::Http1(connection) => Some(connection.retires_at),
            Self::Http2(connection) => connection.retires_at(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.sender.is_closed(),
            Self::Http2(connection) => connection.is_closed(),
        }
    }
}

/// A connection that carries one exchange at a time.
#[derive(Debug)]
pub(super) struct Exclusive {
    sender: http1::SendRequest<RequestBody>,
    signals: Arc<Signals>,
    /// When it gets its last request.
    retires_at: Instant,
}

impl Exclusive {
    pub(super) fn new(sender: http1::SendRequest<RequestBody>, signals: Arc<Signals>, retires_at: Instant) -> Self {
        Self { sender, signals, retires_at }
    }

    async fn is_ready(&mut self) -> bool {
        let Self { sender, .. } = self;
        if sender.is_closed() || sender.is_ready() {
            return !sender.is_closed();
        }
        // Its answer was just read to the end: hyper is about to notice that too.
        matches!(Box::pin(tokio::time::timeout(READY_WITHIN, sender.ready())).await, Ok(Ok(())))
    }
}

/// A connection that carries many exchanges at once. It ends when the last of its clones is dropped and its last stream has ended.
#[derive(Clone, Debug)]
pub(super) struct Multiplexed {
    sender: http2::SendRequest<RequestBody>,
    streams: Arc<Streams>,
    /// When it gets its last stream; never, where nobody says so.
    retires_at: Option<Instant>,
}

impl Multiplexed {
    pub(super) fn new(sender: http2::SendRequest<RequestBody>, streams: Arc<Streams>) -> Self {
        Self { sender, streams, retires_at: None }
    }

    /// The same, which gets its last stream then.
    pub(super) fn retiring(self, then: Instant) -> Self {
        Self { retires_at: Some(then), ..self }
    }

    /// When it gets its last stream.
    pub(super) fn retires_at(&self) -> Option<Instant> {
        self.retires_at
    }

    pub(super) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// The streams of one HTTP/2 connection.
#[derive(Default)]
pub(super) struct Streams {
    /// How many it may have at once: the upstream's word, and no more than ours. Zero until the upstream has spoken.
    limit: AtomicUsize,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    open: usize,
    reset: usize,
    idle_since: Option<Instant>,
    /// What those pay who had streams reset, until the connection ends.
    charges: Vec<Charge>,
    has_ended: bool,
}

impl Streams {
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Is there room for one more?
    pub(super) fn have_room(&self) -> bool {
        let counted = self.counted();
        counted.open + STREAMS_OF_RESET * counted.reset < self.limit()
    }

    /// Have so many been reset that there will never be room again?
    pub(super) fn are_used_up(&self) -> bool {
        STREAMS_OF_RESET * self.counted().reset >= self.limit()
    }

    pub(super) fn begin(&self) {
        self.counted().open += 1;
    }

    /// One has ended as it should.
    pub(super) fn end(&self) {
        let mut counted = self.counted();
        counted.open = counted.open.saturating_sub(1);
        counted.idle_since = Some(Instant::now());
    }

    /// One was ended early: who did that pays for it until the connection ends.
    pub(super) fn reset(&self, mut charge: Charge) {
        self.end();
        charge.multiply(STREAMS_OF_RESET);
        let mut counted = self.counted();
        counted.reset += 1;
        if !counted.has_ended {
            counted.charges.push(charge);
            return;
        }
        drop(counted);
        drop(charge);
    }

    /// The connection has ended.
    pub(super) fn end_all(&self) {
        let mut counted = self.counted();
        counted.has_ended = true;
        let charges = std::mem::take(&mut counted.charges);
        drop(counted);
        drop(charges);
    }

    /// Since when there is none, if there is none.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let counted = self.counted();
        if counted.open == 0 { counted.idle_since } else { None }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Streams").field("limit", &self.limit).finish_non_exhaustive()
    }
}

type Outcome = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

pin_project! {
    /// Waits for an answer by either protocol.
    #[project = SentProjection]
    enum Sent<A, B> {
        Http1 { #[pin] waiting: A },
        Http2 { #[pin] waiting: B },
    }
}

impl<A: Future<Output = Outcome>, B: Future<Output = Outcome>> Future for Sent<A, B> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match self.project() {
            SentProjection::Http1 { waiting } => waiting.poll(context),
            SentProjection::Http2 { waiting } => waiting.poll(context),
        }
    }
}
