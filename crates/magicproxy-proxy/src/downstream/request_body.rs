//! The client's request body on its way to the upstream.

mod prefix;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::held_body::{HeldBody, Pace};
use super::push_tap::PushTap;
use super::{Connection, RequestContent};
use crate::admission::{Holding, Resource, Shortage};
use crate::http::body::{BodyError, IdleTimer, REQUEST_WINDOW};
use crate::http::header::{TrailerFields, filter_request_trailers};
use crate::services::token_watch::TokenWatch;
use crate::settings::Timeouts;

pub(crate) use prefix::BodyPrefix;

/// The time from which this module counts nanoseconds.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The most bytes of a held body that are handed on at once, so that the connection to the upstream
/// says how fast the body goes.
const SENT_PIECE_BYTES: usize = 64 * 1024;

/// The progress of a request body to the upstream, for the response timeout and the log.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Nanoseconds since [`START`] at which the last part of the body was handed on; 0 before the
    /// first part.
    moved: AtomicU64,
    bytes: AtomicU64,
    done: AtomicBool,
    waiting: AtomicBool,
}

impl Progress {
    /// Returns the time at which the last part of the body, or its end, was handed to the
    /// upstream's connection.
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

    /// True if the whole body was handed to the upstream's connection.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// True if the client is to send more, for which the client has a time limit of its own.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A reason for which a body could not be read whole.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The body is longer than this limit, in bytes.
    TooLong(usize),
    /// The body broke off before its end.
    Content(BodyError),
    /// No more memory may be held for the client.
    Shortage(Shortage),
    /// The body came more slowly than a held body may.
    Slow,
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

/// The body of a request, with its progress; empty, streaming or read whole.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// The unread body. Boxed, because most requests have no body, and all of them are moved about.
    stream: Option<Box<Stream>>,
    progress: Arc<Progress>,
}

/// A body before its end.
#[derive(Debug)]
struct Stream {
    source: Source,
    /// Frames before the rest of the source: found by [`RequestBody::await_content`], or sent in
    /// vain.
    buffered_frames: VecDeque<Frame<Bytes>>,
    idle: IdleTimer,
    /// The time limit of a body that is held.
    pace: Duration,
    /// The fields that go up in the trailer section. No field goes up before the selection is
    /// known.
    trailers: Option<TrailerFields>,
    /// The memory held for content that was sent in vain.
    unsent: Option<Holding>,
    /// The memory held for content that an HTTP/2 client may send ahead.
    window: Option<Holding>,
}

/// The content of a body that was already sent.
#[derive(Debug, Default)]
pub(crate) struct SentContent {
    pub(crate) pieces: VecDeque<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
}

#[derive(Debug)]
enum Source {
    Content(RequestContent),
    /// The unsent rest of a body that was read before it is sent.
    Whole(Bytes),
}

impl Source {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Content(content) => content.poll_frame(context),
            Self::Whole(rest) if rest.is_empty() => Poll::Ready(None),
            Self::Whole(rest) => {
                let piece = rest.split_to(rest.len().min(SENT_PIECE_BYTES));
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
        }
    }

    /// True for content of HTTP/2: its client sends up to the end of the window, before anybody
    /// takes the content.
    fn has_window(&self) -> bool {
        matches!(self, Self::Content(content) if content.has_window())
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Content(content) => content.is_end_stream(),
            Self::Whole(rest) => rest.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Content(content) => content.size_hint(),
            Self::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
        }
    }
}

impl RequestBody {
    /// Makes the body of the latest request of this connection.
    pub(crate) fn new(
        incoming: Incoming,
        timeouts: &Timeouts,
        connection: &Arc<Connection>,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        let source = Source::Content(RequestContent::new(incoming, connection));
        let idle = IdleTimer::new(timeouts.body_idle, None);
        let stream = Stream {
            source,
            buffered_frames: VecDeque::new(),
            idle,
            pace: timeouts.inspected_body,
            trailers: None,
            unsent: None,
            window: None,
        };
        Self { stream: Some(Box::new(stream)), progress: Arc::default() }
    }

    /// Makes an empty body, for most requests and for a retry of a request without a body.
    pub(crate) fn empty() -> Self {
        /// Shared by all empty bodies, because nobody changes it.
        static DONE: LazyLock<Arc<Progress>> = LazyLock::new(|| {
            Arc::new(Progress { done: AtomicBool::new(true), ..Progress::default() })
        });
        Self { stream: None, progress: Arc::clone(&DONE) }
    }

    /// Selects the fields that pass in the trailer section, and no others.
    pub(crate) fn with_trailers(mut self, fields: impl FnOnce() -> TrailerFields) -> Self {
        if let Some(stream) = &mut self.stream {
            stream.trailers = Some(fields());
        }
        self
    }

    /// Lets no part of the body pass, and not its end, once this token is no longer accepted.
    pub(crate) fn watch(&mut self, watch: &TokenWatch) {
        if let Some(stream) = &mut self.stream {
            stream.idle.watch(watch.clone());
        }
    }

    /// Checks that the token was not revoked meanwhile, before a part of the body passes that was
    /// taken before.
    ///
    /// # Errors
    /// [`BodyError::Token`].
    pub(crate) fn ensure_live(&mut self) -> Result<(), BodyError> {
        self.stream.as_mut().map_or(Ok(()), |stream| stream.idle.ensure_live())
    }

    /// True if the body may turn out to have no content, with a method that gives content no
    /// meaning, or seldom has any. In chunks, or over HTTP/2 without a length, only the first frame
    /// tells.
    pub(crate) fn may_be_empty(&self, method: &Method) -> bool {
        let has_usually_content = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        self.stream.is_some()
            && !has_usually_content
            && self.size_hint().exact().is_none_or(|length| length == 0)
    }

    /// Waits for the first content, the trailers or the end, for so long at most. A body that ends without content and
    /// trailers becomes [empty](Self::empty), so that the request is sent, and sent again, like a
    /// request without a body.
    ///
    /// # Errors
    /// The errors of the content.
    pub(crate) async fn await_content(&mut self, most: Duration) -> Result<(), BodyError> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let until = Instant::now() + most;
        loop {
            let first = std::future::poll_fn(|context| stream.poll_first(context));
            match tokio::time::timeout_at(until, first).await.map_err(|_| BodyError::Idle)? {
                Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                Some(Ok(frame)) => {
                    stream.buffered_frames.push_back(frame);
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

    /// True if the body has content of unknown length.
    pub(crate) fn has_unknown_length(&self) -> bool {
        self.stream.is_some() && self.size_hint().exact().is_none()
    }

    /// Holds the whole body in memory, up to `most` bytes: the bytes that were read are the bytes
    /// that will be sent. A body that is held already is not read again. Trailers do not go up. The
    /// payer of the exchange pays for what has come until the last clone of the bytes is gone.
    ///
    /// # Errors
    /// A body of known length is refused before the client is asked for it where there is no room
    /// for it, any body as soon as what came is too much, or came too slowly.
    pub(crate) async fn hold_whole(
        &mut self,
        most: usize,
        exchange: &Holding,
    ) -> Result<Bytes, ReadError> {
        let size = self.size_hint();
        if size.lower() > most as u64 {
            return Err(ReadError::TooLong(most));
        }
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let length = size.exact().and_then(|length| usize::try_from(length).ok());
        let mut held = HeldBody::new(length, most, exchange)?;
        let pace = Pace::new(Instant::now(), self.held_pace());
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut *self).poll_frame(context));
            let frame = tokio::time::timeout_at(pace.deadline(held.len()), frame).await;
            let Some(frame) = frame.map_err(|_| ReadError::Slow)? else { break };
            held.append(&frame?.into_data().unwrap_or_default())?;
        }
        let bytes = held.into_bytes();
        self.becomes_whole(bytes.clone());
        Ok(bytes)
    }

    /// Returns the time limit of a body that is held ([`Pace`]).
    fn held_pace(&self) -> Duration {
        self.stream.as_ref().map_or(Duration::MAX, |stream| stream.pace)
    }

    /// Returns the whole body, if nothing of it has to be read any more.
    fn held(&self) -> Option<Bytes> {
        match &self.stream {
            None => Some(Bytes::new()),
            Some(stream) => match &stream.source {
                Source::Whole(rest) => stream.buffered_frames.is_empty().then(|| rest.clone()),
                Source::Content(_) => None,
            },
        }
    }

    /// Restores the body to its state before `sent` was sent, which must be everything sent so far.
    /// The body is not done until it is sent again.
    pub(crate) fn unsent(mut self, sent: SentContent, memory: Holding) -> Self {
        let SentContent { pieces, trailers } = sent;
        if let Some(stream) = &mut self.stream {
            let bytes: usize = pieces.iter().map(Bytes::len).sum();
            self.progress.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
            self.progress.done.store(false, Ordering::Relaxed);
            let sent = pieces.into_iter().map(Frame::data).chain(trailers.map(Frame::trailers));
            stream.buffered_frames =
                sent.chain(std::mem::take(&mut stream.buffered_frames)).collect();
            stream.unsent = Some(memory);
        }
        self
    }

    /// Charges the exchange for content that waits in the proxy because the client may send ahead:
    /// over HTTP/2 the windows of many streams.
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

    /// Tells the commands of a push to `tap`, as the content is read.
    pub(crate) fn tap(&mut self, tap: PushTap) {
        if let Some(Source::Content(content)) =
            self.stream.as_mut().map(|stream| &mut stream.source)
        {
            content.tap(tap);
        }
    }

    /// True if the body was read before it is sent.
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
        match self.buffered_frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => self.source.poll_frame(context),
        }
    }

    /// Polls for a first frame. Frames without content are no progress: they would keep a request
    /// waiting for ever.
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
        self.buffered_frames.is_empty() && self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let buffered_frames: u64 = self
            .buffered_frames
            .iter()
            .filter_map(Frame::data_ref)
            .map(|data| data.len() as u64)
            .sum();
        self.source
            .size_hint()
            .exact()
            .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(buffered_frames + rest))
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
        let mut polled = stream.poll_frame(context);
        // The end counts, too: without it, what was sent before is no whole body.
        if matches!(polled, Poll::Ready(None | Some(Ok(_))))
            && let Err(refused) = stream.idle.ensure_live()
        {
            polled = Poll::Ready(Some(Err(refused)));
        }
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
