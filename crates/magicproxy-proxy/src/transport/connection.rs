//! Connection to the upstream by either protocol, and the streams of a connection by HTTP/2.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use pin_project_lite::pin_project;
use tokio::sync::{mpsc, oneshot, watch};

use super::content::Content;
use super::http2::{StreamRequest, WireState, exchange};
use super::pool::{Charge, Payload, Pool};
use super::resend::ResponseBytes;
use super::signals::Signals;
use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::http::body::BodyError;
use crate::services::token_watch::{LOOK, TokenWatch};

/// Time within which a connection that was just given back must become ready.
const READY_WITHIN: Duration = Duration::from_millis(20);
/// Streams that count for one stream that was ended early, for as long as the connection lives.
/// Upstreams close connections on which many streams are reset, and end every exchange on the
/// connection: so a connection with many resets gets no further stream well before.
const STREAMS_OF_RESET: usize = 2;

/// Connection to the upstream. Made by the connector; requests get a connection from a pool, inside
/// of a `PooledConnection`.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(ExclusiveConnection),
    /// A connection with room for one stream, which was taken.
    Http2(SharedConnection),
}

/// Reason for which a request got no response.
pub(crate) enum SendError {
    /// Not a byte of the request was written, nor will be.
    NotSent(Box<Request<RequestBody>>),
    /// The upstream said that the request was not processed, and takes no further request on this
    /// connection. The request is returned where all of the request is still at hand.
    Unprocessed(Option<Box<Request<RequestBody>>>),
    /// The client's content broke on the way up a stream.
    Content(BodyError),
    /// The stream failed; some of the request may have been processed.
    Stream(h2::Error, ResponseBytes),
    /// The connection by HTTP/1.1 failed; some of the request may have been processed.
    Failed(hyper::Error),
}

/// Options for a request on a stream.
pub(crate) struct StreamOptions {
    /// Memory for content that may have to be sent twice.
    pub(crate) memory: Option<Holding>,
    /// Slot of content that may fill the connection's window.
    pub(crate) upload: Option<UploadSlot>,
    /// Signal that the exchange was given up: once the sender of this channel is gone, the request
    /// is no longer to be sent.
    pub(crate) given_up: Option<watch::Receiver<()>>,
    /// The decision on the request, as of the handover.
    pub(crate) decision: Option<DecisionAge>,
}

/// The decision on a request that is handed over, and may wait for a stream. Defends against
/// requests that wait behind a full socket, and are sent though their token was revoked meanwhile,
/// or another configuration forbids the requests.
#[derive(Debug)]
pub(crate) struct DecisionAge {
    watch: TokenWatch,
    since: Instant,
}

impl DecisionAge {
    /// Makes the age of a decision that was confirmed at the time `since`. The watch has seen the
    /// list of revocations of that time.
    pub(crate) fn new(watch: TokenWatch, since: Instant) -> Self {
        Self { watch, since }
    }

    /// True if the request is to be looked at again before anything of it is sent.
    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= LOOK || self.watch.has_changed()
    }
}

impl Connection {
    pub(crate) fn version(&self) -> Version {
        match self {
            Self::Http1(_) => Version::HTTP_11,
            Self::Http2(_) => Version::HTTP_2,
        }
    }

    /// Hands the request over. Over HTTP/1.1 the request is handed over at once, and the returned
    /// future only waits for the response, so that the future need not hold the request.
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

    /// Makes the socket look for a close before the next request is written: for a request that
    /// cannot be sent again once written.
    pub(crate) fn look_first(&self) {
        match self {
            Self::Http1(connection) => connection.signals.look_first(),
            Self::Http2(connection) => connection.signals.look_first(),
        }
    }

    /// Tells whether any bytes of a response came to the request that was sent last. A failed
    /// stream tells with the stream's error.
    pub(crate) fn heard(&self) -> ResponseBytes {
        match self {
            Self::Http1(connection) => connection.signals.heard(),
            Self::Http2(_) => ResponseBytes::Nothing,
        }
    }

    /// True if the connection can take a request now. Waits up to [`READY_WITHIN`] for a connection
    /// by HTTP/1.1.
    pub(super) async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_ready().await,
            Self::Http2(connection) => !connection.is_closed(),
        }
    }

    /// Time after which the connection gets no new request.
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

/// Connection by HTTP/1.1, which carries one exchange at a time.
#[derive(Debug)]
pub(crate) struct ExclusiveConnection {
    sender: http1::SendRequest<RequestBody>,
    signals: Arc<Signals>,
    /// Time after which the connection gets no new request.
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
        // The response was just read to the end, and hyper is about to notice the end, too.
        matches!(Box::pin(tokio::time::timeout(READY_WITHIN, sender.ready())).await, Ok(Ok(())))
    }
}

/// Connection by HTTP/2, which carries many exchanges at once. The connection ends when the last
/// clone is dropped and the last stream has ended.
#[derive(Clone, Debug)]
pub(crate) struct SharedConnection {
    requests: mpsc::UnboundedSender<StreamRequest>,
    streams: Arc<Streams>,
    /// Signals of the connection's socket.
    signals: Arc<Signals>,
    /// Time after which the connection gets no new stream; none where no time was set.
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

    /// Returns the same connection, which gets no new stream after `then`.
    pub(super) fn retiring(self, then: Instant) -> Self {
        Self { retires_at: Some(then), ..self }
    }

    /// Time after which the connection gets no new stream.
    pub(super) fn retires_at(&self) -> Option<Instant> {
        self.retires_at
    }

    pub(super) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// Hands a request over to the connection's task; false if the task has ended.
    pub(super) fn hand_over(&self, request: StreamRequest) -> bool {
        self.requests.send(request).is_ok()
    }

    /// Waits for the reply to a request that was handed over; none where the connection's task
    /// ended without a reply. A request that is handed over while the task ends may lie in the
    /// task's queue for as long as any other request could be handed over.
    pub(super) async fn reply<T>(&self, mut reply: oneshot::Receiver<T>) -> Option<T> {
        tokio::select! {
            biased;
            reply = &mut reply => reply.ok(),
            () = self.requests.closed() => reply.try_recv().ok(),
        }
    }

    /// True if the connection takes no further request.
    pub(super) fn is_closed(&self) -> bool {
        self.streams.is_retired() || self.requests.is_closed()
    }
}

/// Streams of one HTTP/2 connection.
#[derive(Default)]
pub(super) struct Streams {
    /// Most concurrent streams: the upstream's limit, and no more than ours. Zero until the
    /// upstream has announced a limit.
    limit: AtomicUsize,
    /// True if the connection gets no further stream.
    is_retired: AtomicBool,
    wire: Arc<WireState>,
    counted: Mutex<CountedStream>,
    /// Pool of the connection; none before the first stream.
    pool: OnceLock<Weak<Pool>>,
}

/// Counts of the streams of one connection, behind a lock.
#[derive(Default)]
struct CountedStream {
    open: usize,
    reset: usize,
    /// Number of uploads that may fill the connection's window and are not sent whole yet.
    uploads: usize,
    idle_since: Option<Instant>,
    /// Charges of payers who had streams reset, held until the connection ends.
    charges: Vec<Charge>,
    has_ended: bool,
    /// Waker of the connection's task.
    driver: Option<Waker>,
}

impl Streams {
    /// Returns the most concurrent streams of the connection.
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets the most concurrent streams of the connection, and returns the most until now.
    pub(super) fn set_limit(&self, limit: usize) -> usize {
        self.limit.swap(limit, Ordering::Relaxed)
    }

    /// Notes the pool in which requests wait for a stream.
    pub(super) fn note_pool(&self, pool: &Arc<Pool>) {
        let counted = self.counted();
        if self.pool.set(Arc::downgrade(pool)).is_ok() && !counted.has_ended {
            pool.note_http2_begin();
        }
    }

    /// Gives a turn to requests that wait: there may be room for a stream though no stream has
    /// ended.
    pub(super) fn tell_of_room(&self) {
        if let Some(pool) = self.pool.get().and_then(Weak::upgrade) {
            pool.note_room();
        }
    }

    /// Returns the notes taken on the connection's bytes.
    pub(super) fn wire(&self) -> &Arc<WireState> {
        &self.wire
    }

    /// Retires the connection, which gets no further stream: the upstream takes none, or sent no
    /// response on the connection.
    pub(super) fn retire(&self) {
        if self.is_retired.swap(true, Ordering::SeqCst) {
            return;
        }
        // Requests that wait for a stream of this connection are to go elsewhere.
        let driver = self.counted().driver.clone();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Notes the task that must hear when no further stream is to be opened.
    pub(super) fn note_driver(&self, waker: &Waker) {
        let mut counted = self.counted();
        if !counted.driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            counted.driver = Some(waker.clone());
        }
    }

    /// True if the connection gets no further stream.
    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::SeqCst)
    }

    /// True if there is room for one more stream with such a payload.
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

    /// True if more streams are open than the upstream allows, after the upstream has lowered the
    /// limit.
    pub(super) fn are_too_many(&self) -> bool {
        self.counted().open > self.limit()
    }

    /// True if so many streams have been reset that there will never be room again.
    pub(super) fn are_used_up(&self) -> bool {
        STREAMS_OF_RESET * self.counted().reset >= self.limit()
    }

    /// Counts a new stream.
    pub(super) fn begin(&self) {
        self.counted().open += 1;
    }

    /// Notes that a stream has ended properly.
    pub(super) fn end(&self) {
        let mut counted = self.counted();
        counted.open = counted.open.saturating_sub(1);
        counted.idle_since = Some(Instant::now());
    }

    /// Notes that a stream was ended early: the payer stays charged until the connection ends.
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

    /// Notes that the connection has ended.
    pub(super) fn end_all(&self) {
        let mut counted = self.counted();
        let had_ended = std::mem::replace(&mut counted.has_ended, true);
        let driver = counted.driver.take();
        let charges = std::mem::take(&mut counted.charges);
        let pool = self.pool.get().filter(|_| !had_ended);
        drop(counted);
        drop((charges, driver));
        if let Some(pool) = pool.and_then(Weak::upgrade) {
            pool.note_http2_end();
        }
    }

    /// Time since which no stream is open; none while a stream is open.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let counted = self.counted();
        if counted.open == 0 { counted.idle_since } else { None }
    }

    fn counted(&self) -> MutexGuard<'_, CountedStream> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slot of a stream's content that may fill the connection's window, held until all of the content
/// was sent.
#[derive(Debug)]
pub(crate) struct UploadSlot(Arc<Streams>);

impl UploadSlot {
    /// Takes a slot, for content that needs a slot.
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
        self.0.tell_of_room();
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Streams").field("limit", &self.limit).finish_non_exhaustive()
    }
}

type WindowTurn = Pin<Box<dyn Future<Output = Result<Response<Content>, SendError>> + Send>>;

pin_project! {
    /// Future that waits for a response by either protocol.
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
