//! A connection to the upstream by either protocol, and the streams of one that speaks HTTP/2.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use pin_project_lite::pin_project;
use tokio::sync::{mpsc, oneshot, watch};

use super::content::Content;
use super::http2::{StreamRequest, WireState, exchange};
use super::pool::{Charge, Payload};
use super::resend::ResponseBytes;
use super::signals::Signals;
use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::http::body::BodyError;

/// How long a connection that was just given back may take to get ready.
const READY_WITHIN: Duration = Duration::from_millis(20);
/// How many streams one counts for that was ended early, for as long as its connection lives. Upstreams close connections on which
/// many streams are reset, and with them every exchange on them: so such a connection gets no further stream well before.
const STREAMS_OF_RESET: usize = 2;

/// A connection to the upstream.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(ExclusiveConnection),
    /// With room for one stream, which was taken.
    Http2(SharedConnection),
}

/// Why a request got no response.
pub(crate) enum SendError {
    /// Not a byte of it was written.
    NotSent(Box<Request<RequestBody>>),
    /// The upstream said that it has not processed the request, and takes no further one on this connection. The request is there
    /// again where all of it still is.
    Unprocessed(Option<Box<Request<RequestBody>>>),
    /// The client's content broke on its way up a stream.
    Content(BodyError),
    /// The stream failed; some of the request may have been processed.
    Stream(h2::Error, ResponseBytes),
    /// The same over HTTP/1.1.
    Failed(hyper::Error),
}

/// What a request on a stream needs besides.
pub(crate) struct StreamOptions {
    /// For content that may have to be sent twice.
    pub(crate) memory: Option<Holding>,
    /// The place of content that may fill the connection's window.
    pub(crate) upload: Option<UploadSlot>,
    /// Once the other side of this is gone, the request is no longer to be sent.
    pub(crate) given_up: Option<watch::Receiver<()>>,
}

impl Connection {
    pub(crate) fn version(&self) -> Version {
        match self {
            Self::Http1(_) => Version::HTTP_11,
            Self::Http2(_) => Version::HTTP_2,
        }
    }

    /// Hands the request over; over HTTP/1.1 at once, and what is returned only waits for the response, so that it need not hold the
    /// request.
    pub(crate) fn send(
        &mut self,
        request: Request<RequestBody>,
        sending: StreamOptions,
    ) -> impl Future<Output = Result<Response<Content>, SendError>> + use<> {
        match self {
            Self::Http1(connection) => {
                connection.signals.begin();
                Sent::Http1 { waiting: connection.sender.try_send_request(request) }
            }
            Self::Http2(connection) => {
                let exchange = exchange(connection.clone(), request, sending);
                Sent::Http2 {
                    waiting: Box::pin(async move { exchange.await.map(Content::of_stream) }),
                }
            }
        }
    }

    /// Has the socket looked at before the next request is written: one that cannot be sent again once it was.
    pub(crate) fn look_first(&self) {
        match self {
            Self::Http1(connection) => connection.signals.look_first(),
            Self::Http2(connection) => connection.signals.look_first(),
        }
    }

    /// Did any of a response come to the request that was sent last? A stream tells with its failure.
    pub(crate) fn heard(&self) -> ResponseBytes {
        match self {
            Self::Http1(connection) => connection.signals.heard(),
            Self::Http2(_) => ResponseBytes::Nothing,
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
pub(crate) struct ExclusiveConnection {
    sender: http1::SendRequest<RequestBody>,
    signals: Arc<Signals>,
    /// When it gets its last request.
    retires_at: Instant,
}

impl ExclusiveConnection {
    pub(super) fn new(
        sender: http1::SendRequest<RequestBody>,
        signals: Arc<Signals>,
        retires_at: Instant,
    ) -> Self {
        Self { sender, signals, retires_at }
    }

    async fn is_ready(&mut self) -> bool {
        let Self { sender, .. } = self;
        if sender.is_closed() || sender.is_ready() {
            return !sender.is_closed();
        }
        // Its response was just read to the end: hyper is about to notice that too.
        matches!(Box::pin(tokio::time::timeout(READY_WITHIN, sender.ready())).await, Ok(Ok(())))
    }
}

/// A connection that carries many exchanges at once. It ends when the last of its clones is dropped and its last stream has ended.
#[derive(Clone, Debug)]
pub(crate) struct SharedConnection {
    requests: mpsc::UnboundedSender<StreamRequest>,
    streams: Arc<Streams>,
    /// Of its socket.
    signals: Arc<Signals>,
    /// When it gets its last stream; never, where nobody says so.
    retires_at: Option<Instant>,
}

impl SharedConnection {
    pub(super) fn new(
        requests: mpsc::UnboundedSender<StreamRequest>,
        streams: Arc<Streams>,
        signals: Arc<Signals>,
    ) -> Self {
        Self { requests, streams, signals, retires_at: None }
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

    /// Hands a request over, if there is still somebody to take it.
    pub(super) fn hand_over(&self, request: StreamRequest) -> bool {
        self.requests.send(request).is_ok()
    }

    /// The reply to a request that was handed over; none where there was none before the connection's task ended. A request that is
    /// handed over while the task ends may lie in its queue for as long as anybody could hand over another.
    pub(super) async fn reply<T>(&self, mut reply: oneshot::Receiver<T>) -> Option<T> {
        tokio::select! {
            biased;
            reply = &mut reply => reply.ok(),
            () = self.requests.closed() => reply.try_recv().ok(),
        }
    }

    /// Does it take no further request?
    pub(super) fn is_closed(&self) -> bool {
        self.streams.is_retired() || self.requests.is_closed()
    }
}

/// The streams of one HTTP/2 connection.
#[derive(Default)]
pub(super) struct Streams {
    /// How many it may have at once: the upstream's word, and no more than ours. Zero until the upstream has spoken.
    limit: AtomicUsize,
    /// Gets it no further stream?
    is_retired: AtomicBool,
    wire: Arc<WireState>,
    counted: Mutex<CountedStream>,
}

#[derive(Default)]
struct CountedStream {
    open: usize,
    reset: usize,
    /// Content that may fill the connection's window and was not sent whole yet.
    uploads: usize,
    idle_since: Option<Instant>,
    /// What those pay who had streams reset, until the connection ends.
    charges: Vec<Charge>,
    has_ended: bool,
    /// Wakes the connection's task.
    driver: Option<Waker>,
}

impl Streams {
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// What was noted of its bytes.
    pub(super) fn wire(&self) -> &Arc<WireState> {
        &self.wire
    }

    /// The connection gets no further stream: the upstream takes none, or did not answer on it.
    pub(super) fn retire(&self) {
        if self.is_retired.swap(true, Ordering::SeqCst) {
            return;
        }
        // Requests that wait for a stream there are to go elsewhere.
        let driver = self.counted().driver.clone();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Notes who is to hear that no further stream is to be opened.
    pub(super) fn note_driver(&self, waker: &Waker) {
        let mut counted = self.counted();
        if !counted.driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            counted.driver = Some(waker.clone());
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::SeqCst)
    }

    /// Is there room for one more?
    pub(super) fn have_room(&self, payload: Payload) -> bool {
        if self.wire.is_clogged() {
            return false;
        }
        let counted = self.counted();
        let is_window_free = payload == Payload::None || counted.uploads == 0;
        is_window_free && counted.open + STREAMS_OF_RESET * counted.reset < self.limit()
    }

    pub(super) fn are_open(&self) -> bool {
        self.counted().open > 0
    }

    /// Are more open than the upstream allows since it has thought better of it?
    pub(super) fn are_too_many(&self) -> bool {
        self.counted().open > self.limit()
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
        charge.end_upload();
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
        let driver = counted.driver.take();
        let charges = std::mem::take(&mut counted.charges);
        drop(counted);
        drop((charges, driver));
    }

    /// Since when there is none, if there is none.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let counted = self.counted();
        if counted.open == 0 { counted.idle_since } else { None }
    }

    fn counted(&self) -> MutexGuard<'_, CountedStream> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a stream's content that may fill its connection's window, until all of it was sent.
#[derive(Debug)]
pub(crate) struct UploadSlot(Arc<Streams>);

impl UploadSlot {
    /// A place, for content that needs one.
    pub(super) fn begin(streams: &Arc<Streams>, payload: Payload) -> Option<Self> {
        (payload == Payload::Large).then(|| {
            streams.counted().uploads += 1;
            Self(Arc::clone(streams))
        })
    }
}

impl Drop for UploadSlot {
    fn drop(&mut self) {
        self.0.counted().uploads -= 1;
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Streams").field("limit", &self.limit).finish_non_exhaustive()
    }
}

type WindowTurn = Pin<Box<dyn Future<Output = Result<Response<Content>, SendError>> + Send>>;

pin_project! {
    /// Waits for a response by either protocol.
    #[project = SentProjection]
    enum Sent<A> {
        Http1 { #[pin] waiting: A },
        Http2 { waiting: WindowTurn },
    }
}

impl<A> Future for Sent<A>
where
    A: Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>,
{
    type Output = Result<Response<Content>, SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SentProjection::Http1 { waiting } => waiting.poll(context).map(|sent| match sent {
                Ok(response) => Ok(response.map(Content::Http1)),
                Err(mut error) => Err(match error.take_message() {
                    Some(request) => SendError::NotSent(Box::new(request)),
                    None => SendError::Failed(error.into_error()),
                }),
            }),
            SentProjection::Http2 { waiting } => waiting.as_mut().poll(context),
        }
    }
}
