//! The client's body on its way up.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{Connection, RequestContent};
use crate::admission::{Holding, Resource, Shortage};
use crate::http::body::{BodyError, IdleTimer, REQUEST_WINDOW};
use crate::http::header::{TrailerFields, filter_request_trailers};

/// The zero of this module's clock.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How far a request body has come: for the response timeout and the log.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Nanoseconds of this module's clock until the last part of it was handed on; 0 where none was.
    moved: AtomicU64,
    bytes: AtomicU64,
    done: AtomicBool,
    waiting: AtomicBool,
}

impl Progress {
    /// When the last part of it, or its end, was handed to the upstream's connection.
    pub(crate) fn last_moved(&self) -> Option<Instant> {
        let moved = self.moved.load(Ordering::Relaxed);
        (moved > 0).then(|| *START + Duration::from_nanos(moved))
    }

    fn note_move(&self) {
        let nanos = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.moved.store(nanos.max(1), Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Has the whole body been handed to the upstream's connection?
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Is the client to send more? It has a time limit of its own.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Why a body could not be read whole.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is longer than what is read whole.
    TooLong,
    /// It ended before its end.
    Content(BodyError),
    /// No more memory may be held for its client.
    Shortage(Shortage),
}

impl From<BodyError> for ReadError {
    fn from(error: BodyError) -> Self {
        Self::Content(error)
    }
}

impl From<Shortage> for ReadError {
    fn from(shortage: Shortage) -> Self {
        Self::Shortage(shortage)
    }
}

/// A request body.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// Boxed: most requests have none, and all of them are moved about.
    stream: Option<Box<Stream>>,
    progress: Arc<Progress>,
}

/// A body that is not at its end.
#[derive(Debug)]
struct Stream {
    source: Source,
    /// What comes before the rest of the source: what [`RequestBody::await_content`] found, or was sent in vain.
    ahead: VecDeque<Frame<Bytes>>,
    idle: IdleTimer,
    /// The fields that go up behind the body. Until it is known which, none does.
    trailers: Option<TrailerFields>,
    /// What is held of memory, where the body was read whole.
    buffered: Option<Holding>,
    /// The same for what was sent in vain.
    unsent: Option<Holding>,
    /// The same for what a client of HTTP/2 may have sent before somebody takes it.
    window: Option<Holding>,
}

/// What was sent of a body.
#[derive(Debug, Default)]
pub(crate) struct SentContent {
    pub(crate) pieces: VecDeque<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
}

#[derive(Debug)]
enum Source {
    Content(RequestContent),
    /// It was read before it is sent.
    Whole(Full<Bytes>),
}

impl Source {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Content(content) => content.poll_frame(context),
            Self::Whole(bytes) => {
                Pin::new(bytes).poll_frame(context).map_err(|never| match never {})
            }
        }
    }

    /// Is it content of HTTP/2, which its client sends as far as its window goes, whether somebody takes it or not?
    fn has_window(&self) -> bool {
        matches!(self, Self::Content(content) if content.has_window())
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Content(content) => content.is_end_stream(),
            Self::Whole(bytes) => bytes.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Content(content) => content.size_hint(),
            Self::Whole(bytes) => bytes.size_hint(),
        }
    }
}

impl RequestBody {
    /// Of the latest request of this connection.
    pub(crate) fn new(incoming: Incoming, idle: Duration, connection: &Arc<Connection>) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        let source = Source::Content(RequestContent::new(incoming, connection));
        let idle = IdleTimer::new(idle, None);
        let stream = Stream {
            source,
            ahead: VecDeque::new(),
            idle,
            trailers: None,
            buffered: None,
            unsent: None,
            window: None,
        };
        Self { stream: Some(Box::new(stream)), progress: Arc::default() }
    }

    /// No body: what most requests carry, and a retry of one.
    pub(crate) fn empty() -> Self {
        /// Nobody changes it, so all can share it.
        static DONE: LazyLock<Arc<Progress>> = LazyLock::new(|| {
            Arc::new(Progress { done: AtomicBool::new(true), ..Progress::default() })
        });
        Self { stream: None, progress: Arc::clone(&DONE) }
    }

    /// The body with these fields in its trailer section, and no others.
    pub(crate) fn with_trailers(mut self, fields: impl FnOnce() -> TrailerFields) -> Self {
        if let Some(stream) = &mut self.stream {
            stream.trailers = Some(fields());
        }
        self
    }

    /// May the body turn out to have no content, with a method that gives content no meaning, or seldom has any? In chunks, or over
    /// HTTP/2 without a length, only its first frame tells.
    pub(crate) fn may_be_empty(&self, method: &Method) -> bool {
        let has_usually_content = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        self.stream.is_some()
            && !has_usually_content
            && self.size_hint().exact().is_none_or(|length| length == 0)
    }

    /// Waits for the first content, the trailers or the end. A body that ends without either becomes [none](Self::empty), so that
    /// its request is sent, and sent once more, as those are that never had one.
    ///
    /// # Errors
    /// Those of the content.
    pub(crate) async fn await_content(&mut self) -> Result<(), BodyError> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        loop {
            match std::future::poll_fn(|context| stream.poll_first(context)).await {
                Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                Some(Ok(frame)) => {
                    stream.ahead.push_back(frame);
                    return Ok(());
                }
                Some(Err(error)) => return Err(error),
                None => {
                    self.progress.done.store(true, Ordering::Relaxed);
                    self.stream = None;
                    return Ok(());
                }
            }
        }
    }

    /// Is there content of which nobody can tell how long it is?
    pub(crate) fn has_unknown_length(&self) -> bool {
        self.stream.is_some() && self.size_hint().exact().is_none()
    }

    /// Reads it whole, if it is no longer than this: what will be sent is what was read. Trailers do not go up. The payer of the
    /// exchange pays for the memory, as the bytes come.
    pub(crate) async fn read_whole(
        &mut self,
        most: usize,
        exchange: &Holding,
    ) -> Result<Bytes, ReadError> {
        if self.size_hint().lower() > most as u64 {
            return Err(ReadError::TooLong);
        }
        let mut bytes = BytesMut::new();
        let mut buffered = exchange.take(Resource::BufferedBytes, 0)?;
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut *self).poll_frame(context)).await
        {
            let frame = frame?;
            let data = frame.into_data().unwrap_or_default();
            if bytes.len() + data.len() > most {
                return Err(ReadError::TooLong);
            }
            buffered.grow(data.len())?;
            bytes.extend_from_slice(&data);
        }
        let bytes = bytes.freeze();
        // Until it was sent again, it is not done.
        self.progress.done.store(bytes.is_empty(), Ordering::Relaxed);
        self.progress.bytes.store(0, Ordering::Relaxed);
        match &mut self.stream {
            Some(stream) if !bytes.is_empty() => {
                stream.source = Source::Whole(Full::new(bytes.clone()));
                stream.buffered = Some(buffered);
            }
            _ => self.stream = None,
        }
        Ok(bytes)
    }

    /// The body as it was before this was sent of it, which was all of it so far. Until it is sent again, it is not done.
    pub(crate) fn unsent(mut self, sent: SentContent, memory: Holding) -> Self {
        let SentContent { pieces, trailers } = sent;
        if let Some(stream) = &mut self.stream {
            let bytes: usize = pieces.iter().map(Bytes::len).sum();
            self.progress.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
            self.progress.done.store(false, Ordering::Relaxed);
            let sent = pieces.into_iter().map(Frame::data).chain(trailers.map(Frame::trailers));
            stream.ahead = sent.chain(std::mem::take(&mut stream.ahead)).collect();
            stream.unsent = Some(memory);
        }
        self
    }

    /// Has this exchange pay for what its client may have sent that waits here: over HTTP/2 the windows of many streams.
    ///
    /// # Errors
    /// No more memory may be held for this client.
    pub(crate) fn hold_window(&mut self, exchange: &Holding) -> Result<(), Shortage> {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.source.has_window()) else {
            return Ok(());
        };
        let window = REQUEST_WINDOW as usize;
        let length =
            stream.source.size_hint().upper().and_then(|length| usize::try_from(length).ok());
        stream.window =
            Some(exchange.take(
                Resource::BufferedBytes,
                length.map_or(window, |length| length.min(window)),
            )?);
        Ok(())
    }

    /// Was it read before it is sent?
    pub(crate) fn is_whole(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| matches!(stream.source, Source::Whole(_)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stream.is_none()
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Stream {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => self.source.poll_frame(context),
        }
    }

    /// Frames without content are no progress: they would keep a request waiting for ever.
    fn poll_first(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.source.poll_frame(context) {
            Poll::Pending => self.idle.poll_expired(context).map(|error| Some(Err(error))),
            polled => polled,
        }
    }

    fn is_at_end(&self) -> bool {
        self.ahead.is_empty() && self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead: u64 =
            self.ahead.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        self.source
            .size_hint()
            .exact()
            .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(ahead + rest))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        let polled = stream.poll_frame(context);
        this.progress.waiting.store(polled.is_pending(), Ordering::Relaxed);
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                stream.idle.progress();
                this.progress.note_move();
                if let Some(data) = frame.data_ref() {
                    this.progress.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                }
                if let Some(trailers) = frame.trailers_mut() {
                    filter_request_trailers(trailers, stream.trailers.as_ref());
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => {
                this.progress.note_move();
                this.progress.done.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => stream.idle.poll_expired(context).map(|error| Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        let Some(stream) = &self.stream else { return true };
        let ended = stream.is_at_end();
        if ended {
            self.progress.done.store(true, Ordering::Relaxed);
        }
        ended
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.as_ref().map_or_else(|| SizeHint::with_exact(0), |stream| stream.size_hint())
    }
}
