//! Response body on the way down: the proxy's own words, or the upstream's body as the pipeline
//! made it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};

use super::pipeline::{Pipeline, PipelineOutput};
use crate::admission::Holding;
use crate::downstream::{FlushPoint, UnreadResponse, noted};
use crate::http::body::{BodyError, IdleTimer, MomentTimer, TruncatedBody};
use crate::observe::ongoing::OngoingRequest;
use crate::response::buffered_prefix::{BufferedPrefix, ExchangeGuard};
use crate::response::header::ResponseFilter;
use crate::transport::{Content, PooledConnection};

/// Number of bytes after which other tasks have a turn: a fast upstream and a fast client could
/// else keep an event loop busy alone.
const PASSED_TURN_BYTES: usize = 256 * 1024;

/// Response body, with everything that must live as long as the response. Boxed, because the body
/// is moved several times before sending.
#[derive(Debug)]
pub(crate) struct ResponseBody(Box<ResponseEnd>);

/// Source of a response's body, with everything that must live as long as the response.
#[derive(Debug)]
struct ResponseEnd {
    source: Source,
    exchange: Option<Exchange>,
    /// Place of the response among unread responses of the proxy's own words.
    untaken: Option<UnreadResponse>,
    /// Failure that ends the body early, kept while the bytes before the failure are still being
    /// written.
    failure: Option<Box<BodyError>>,
    /// Protocol that follows the response, if the connection switches to another protocol.
    successor: Option<ProtocolSwitch>,
}

/// Origin of a body's bytes.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every body is the upstream's, and all are in a box"
)]
enum Source {
    Full(Option<Bytes>),
    Upstream(UpstreamBody),
    /// Content made from an upstream's body that was read whole.
    Made {
        bytes: Option<Bytes>,
        _held: ExchangeHold,
    },
}

/// A guard that is kept only for its drop.
struct ExchangeHold(#[expect(dead_code, reason = "it is held, and not looked at")] ExchangeGuard);

impl std::fmt::Debug for ExchangeHold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keep")
    }
}

// For a larger value the system's allocator takes a thousand instructions more.
const _: () = assert!(size_of::<ResponseEnd>() <= 1024);

/// Exchange of a response, which ends with the response.
#[derive(Debug)]
struct Exchange {
    request: OngoingRequest,
    /// Point in the connection's output at which the head, or the last frame, was handed to the
    /// HTTP library.
    handed_over: FlushPoint,
}

/// Function that serves another protocol on the connection of a response, and ends the exchange.
struct ProtocolSwitch(Box<dyn FnOnce(OngoingRequest) + Send>);

impl std::fmt::Debug for ProtocolSwitch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Successor").finish_non_exhaustive()
    }
}

impl Exchange {
    fn completed(&mut self) {
        self.request.completed();
    }
}

impl ResponseBody {
    /// Makes a body of the proxy's own words.
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::of(Source::Full((!bytes.is_empty()).then_some(bytes)))
    }

    /// Makes a body from content made of an upstream's body, with a guard that is held until the
    /// content was passed down.
    pub(crate) fn made(bytes: Bytes, held: ExchangeGuard) -> Self {
        Self::of(Source::Made {
            bytes: (!bytes.is_empty()).then_some(bytes),
            _held: ExchangeHold(held),
        })
    }

    /// Makes a body that streams from the upstream.
    pub(crate) fn upstream(body: UpstreamBody) -> Self {
        Self::of(Source::Upstream(body))
    }

    /// Makes an empty body: another protocol follows the head. The server of the other protocol
    /// ends the exchange.
    pub(crate) fn followed_by(begin: impl FnOnce(OngoingRequest) + Send + 'static) -> Self {
        let mut body = Self::full(Bytes::new());
        body.0.successor = Some(ProtocolSwitch(Box::new(begin)));
        body
    }

    fn of(source: Source) -> Self {
        Self(Box::new(ResponseEnd {
            source,
            exchange: None,
            untaken: None,
            failure: None,
            successor: None,
        }))
    }

    /// True if this content is the proxy's own words, which the client has yet to read.
    pub(crate) fn is_own_words(&self) -> bool {
        matches!(self.0.source, Source::Full(Some(_)))
    }

    /// Holds the place among unread responses until this content was read, or the stream ended.
    pub(crate) fn hold(&mut self, untaken: UnreadResponse) {
        self.0.untaken = Some(untaken);
    }

    /// Ties the exchange's end to the end of this body.
    pub(crate) fn accompany(&mut self, request: OngoingRequest) {
        if let Some(ProtocolSwitch(begin)) = self.0.successor.take() {
            return begin(request);
        }
        let handed_over = request.in_flight().flush_point();
        self.0.exchange = Some(Exchange { request, handed_over });
        self.note_end();
    }

    /// Notes the end as soon as the end is known: the HTTP library need not poll a body whose end
    /// the library knows.
    fn note_end(&mut self) {
        if self.is_end_stream()
            && let Some(exchange) = &mut self.0.exchange
        {
            exchange.completed();
        }
    }

    fn note(&mut self, frame: Option<&Result<Frame<Bytes>, BodyError>>) {
        if let Some(exchange) = &mut self.0.exchange {
            match frame {
                Some(Ok(frame)) => {
                    exchange.handed_over = exchange.request.in_flight().flush_point();
                    exchange.request.record.sent(frame.data_ref().map_or(0, Bytes::len));
                }
                Some(Err(error)) => exchange.request.record.failed(error),
                None => exchange.completed(),
            }
        }
        if !matches!(frame, Some(Err(_))) {
            self.note_end();
        }
    }

    /// Fails when everything before the failure was written: the HTTP library would drop unwritten
    /// bytes.
    fn poll_failure(
        &mut self,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TruncatedBody>>> {
        if let Some(exchange) = &self.0.exchange {
            std::task::ready!(
                exchange.request.in_flight().poll_flushed(exchange.handed_over, context)
            );
        }
        Poll::Ready(self.0.failure.take().map(|failure| Err(TruncatedBody(*failure))))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = TruncatedBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TruncatedBody>>> {
        if self.0.failure.is_some() {
            return self.poll_failure(context);
        }
        let frame = match &mut self.0.source {
            Source::Full(bytes) | Source::Made { bytes, .. } => {
                bytes.take().map(|bytes| Ok(Frame::data(bytes)))
            }
            Source::Upstream(body) => std::task::ready!(noted(Pin::new(body).poll_frame(context))),
        };
        self.note(frame.as_ref());
        if let Some(Err(failure)) = frame {
            self.0.failure = Some(Box::new(failure));
            return self.poll_failure(context);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(TruncatedBody)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0.source {
            Source::Full(bytes) | Source::Made { bytes, .. } => bytes.is_none(),
            Source::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0.source {
            Source::Full(bytes) | Source::Made { bytes, .. } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Source::Upstream(body) => body.size_hint(),
        }
    }
}

/// Response body as received from the upstream, with its connection and everything held for the
/// exchange.
pub(crate) struct ReceivedBody {
    pub(crate) incoming: Content,
    /// HTTP version of the response.
    pub(crate) version: Version,
    /// Connection of the response.
    pub(crate) lease: PooledConnection,
    /// Beginning of the body that was read already.
    pub(crate) prefix: Option<Box<BufferedPrefix>>,
    /// Guard that is held until the body has been passed down.
    pub(crate) held: Option<ExchangeGuard>,
    /// Place of the exchange among exchanges in progress.
    pub(crate) exchange: Holding,
}

pub(crate) struct BodyTreatment {
    pub(crate) pipeline: Pipeline,
    /// Filter of the body's trailers.
    pub(crate) filter: ResponseFilter,
    pub(crate) idle: IdleTimer,
}

pub(crate) struct UpstreamBody {
    incoming: Content,
    /// HTTP version of the response.
    version: Version,
    pipeline: Pipeline,
    /// Filter of the body's trailers.
    filter: ResponseFilter,
    idle: IdleTimer,
    /// Timer of a short end that is held back.
    moment: MomentTimer,
    /// Beginning of the body, read before the head was passed on.
    prefix: Option<Box<BufferedPrefix>>,
    /// Guard that is held until this body is dropped.
    _held: Option<ExchangeGuard>,
    /// Place of the exchange among exchanges in progress, held until this body is dropped.
    _exchange: Holding,
    /// Connection of the body, to be given back at the end; dropped before the end, the connection
    /// is closed.
    lease: Option<PooledConnection>,
    /// Trailers that wait until the last bytes have gone. Boxed, because few responses have any.
    trailers: Option<Box<Frame<Bytes>>>,
    /// True if nothing more comes from the upstream; the pipeline may still hold bytes.
    ended: bool,
    /// Bytes that were passed on since other tasks had a turn.
    passed: usize,
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("UpstreamBody").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl UpstreamBody {
    /// Makes the body from received content: the bytes go through `pipeline`, which searches the
    /// bytes for the credential, and the trailers through `filter`. Neither can be changed
    /// afterwards.
    pub(crate) fn new(received: ReceivedBody, passage: BodyTreatment) -> Self {
        let ReceivedBody { incoming, version, lease, prefix, held, exchange } = received;
        let BodyTreatment { pipeline, filter, idle } = passage;
        let mut body = Self {
            incoming,
            version,
            pipeline,
            filter,
            idle,
            moment: MomentTimer::default(),
            prefix,
            _held: held,
            _exchange: exchange,
            lease: Some(lease),
            trailers: None,
            ended: false,
            passed: 0,
        };
        body.note_source_end();
        if body.ended {
            // The pipeline has no work, not even an end to process.
            body.pipeline = Pipeline::default();
        }
        body
    }

    fn note_source_end(&mut self) {
        self.prefix = self.prefix.take().filter(|prefix| !prefix.is_spent());
        if self.prefix.is_none() && self.incoming.is_end_stream() {
            self.end();
        }
    }

    /// True if the upstream broke an HTTP/2 stream off: the stream ended without an end mark.
    fn is_broken_off(&self) -> bool {
        self.version == Version::HTTP_2 && !self.incoming.is_end_stream()
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    /// Gives other tasks a turn, and asks to be polled again.
    fn yield_turn<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.passed = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_frame(&mut self, frame: Frame<Bytes>) {
        self.idle.progress();
        match frame.into_data() {
            Ok(data) => {
                if !data.is_empty() {
                    self.moment.reset();
                }
                self.pipeline.push(data);
                self.note_source_end();
            }
            Err(mut frame) => {
                if let Some(trailers) = frame.trailers_mut() {
                    self.filter.trailers(trailers);
                    self.pipeline.filter_trailers(trailers);
                }
                self.trailers = Some(Box::new(frame));
                self.end();
            }
        }
    }
}

impl UpstreamBody {
    /// Waits while nothing comes: an end that is held back goes on after a moment, and the wait
    /// fails when it lasts too long.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        if self.pipeline.holds_short_end() && self.moment.poll_passed(context).is_ready() {
            let end = self.pipeline.release_short_end();
            if !end.is_empty() {
                return Poll::Ready(Ok(end));
            }
        }
        self.idle.poll_expired(context).map(Err)
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Err(refused) = self.idle.ensure_live() {
            return Poll::Ready(Some(Err(refused)));
        }
        loop {
            let ended = self.ended;
            if self.passed >= PASSED_TURN_BYTES {
                return self.yield_turn(context);
            }
            match self.pipeline.next(ended) {
                Ok(PipelineOutput::Piece(piece)) => {
                    self.passed += piece.len();
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Ok(PipelineOutput::Busy) => return self.yield_turn(context),
                Ok(PipelineOutput::Nothing) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            if ended {
                return Poll::Ready(self.trailers.take().map(|frame| Ok(*frame)));
            }
            if let Some(mut prefix) = self.prefix.take() {
                if let Some(frame) = prefix.next() {
                    self.prefix = Some(prefix);
                    match frame {
                        Ok(frame) => self.take_frame(frame),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                } else {
                    self.note_source_end();
                }
                continue;
            }
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => self.take_frame(frame),
                Poll::Ready(Some(Err(error))) => {
                    // An upload that ends with its token ends the upstream's connection.
                    let refused = self.idle.ensure_live().err();
                    return Poll::Ready(Some(Err(refused.unwrap_or(error))));
                }
                Poll::Ready(None) if self.is_broken_off() => {
                    return Poll::Ready(Some(Err(BodyError::Truncated)));
                }
                Poll::Ready(None) => self.end(),
                Poll::Pending => {
                    return self.poll_waiting(context).map(|end| Some(end.map(Frame::data)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.pipeline.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let prefix = self.prefix.as_ref().map_or(0, |prefix| prefix.length());
        match (self.incoming.size_hint().exact(), self.pipeline.held()) {
            (Some(to_come), Some(held)) => SizeHint::with_exact(prefix + to_come + held),
            (None, Some(_)) if prefix == 0 => self.incoming.size_hint(),
            _ => SizeHint::default(),
        }
    }
}
