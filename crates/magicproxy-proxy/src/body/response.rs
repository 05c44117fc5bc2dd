//! The answer's body on its way down: the proxy's own words, or the upstream's, scrubbed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyError, IdleTimer};
use crate::access_log::AccessRecord;
use crate::downstream::{InFlight, noted};
use crate::header::filter_trailers;
use crate::scrub::{Needle, Scrubber};
use crate::upstream::Lease;

/// A response body, with what must live as long as the answer does.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    exchange: Option<Box<Exchange>>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "almost every body is the upstream's: boxing it would cost each of them")]
enum Source {
    Full(Option<Bytes>),
    Upstream(UpstreamBody),
}

/// Ends with the answer: the log line is written and the connection counts as idle again.
#[derive(Debug)]
struct Exchange {
    record: AccessRecord,
    _in_flight: InFlight,
}

impl ResponseBody {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self { source: Source::Full((!bytes.is_empty()).then_some(bytes)), exchange: None }
    }

    pub(crate) fn upstream(body: UpstreamBody) -> Self {
        Self { source: Source::Upstream(body), exchange: None }
    }

    /// Ties the exchange's end to the end of this body.
    pub(crate) fn accompany(&mut self, record: AccessRecord, in_flight: InFlight) {
        self.exchange = Some(Box::new(Exchange { record, _in_flight: in_flight }));
        self.note_end();
    }

    /// The HTTP library need not poll a body whose end it knows: note it as soon as it is known.
    fn note_end(&mut self) {
        if self.is_end_stream()
            && let Some(exchange) = &mut self.exchange
        {
            exchange.record.completed();
        }
    }

    fn note(&mut self, frame: Option<&Result<Frame<Bytes>, BodyError>>) {
        if let Some(exchange) = &mut self.exchange {
            match frame {
                Some(Ok(frame)) => exchange.record.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(error)) => exchange.record.failed(error),
                None => exchange.record.completed(),
            }
        }
        if !matches!(frame, Some(Err(_))) {
            self.note_end();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match &mut self.source {
            Source::Full(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Source::Upstream(body) => std::task::ready!(noted(Pin::new(body).poll_frame(context))),
        };
        self.note(frame.as_ref());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_none(),
            Source::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Upstream(body) => body.size_hint(),
        }
    }
}

/// The upstream's body.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    scrubber: Option<Scrubber>,
    needle: Option<Needle>,
    idle: IdleTimer,
    /// The connection it comes from, to be given back at the end; dropped before the end, it is closed.
    lease: Option<Lease>,
    /// Trailers that wait for held bytes to go first.
    trailers: Option<Frame<Bytes>>,
    ended: bool,
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("UpstreamBody").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl UpstreamBody {
    pub(crate) fn new(incoming: Incoming, idle: IdleTimer, lease: Lease) -> Self {
        let mut body = Self { incoming, scrubber: None, needle: None, idle, lease: Some(lease), trailers: None, ended: false };
        body.note_source_end();
        body
    }

    /// Looks for the credential in the body, by `scrubber`, and in the trailers.
    pub(crate) fn scrubbed(mut self, needle: Needle, scrubber: Scrubber) -> Self {
        self.scrubber = (!self.ended).then_some(scrubber);
        self.needle = Some(needle);
        self
    }

    fn note_source_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn take_frame(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, BodyError> {
        self.idle.progress();
        match frame.into_data() {
            Ok(data) => {
                let passed = match &mut self.scrubber {
                    Some(scrubber) => scrubber.push(data)?,
                    None => data,
                };
                self.note_source_end();
                let passed = if self.ended { self.with_held(passed) } else { passed };
                Ok((!passed.is_empty()).then(|| Frame::data(passed)))
            }
            Err(mut frame) => {
                if let Some(trailers) = frame.trailers_mut() {
                    filter_trailers(trailers, self.needle.as_ref());
                }
                self.end();
                let held = self.with_held(Bytes::new());
                if held.is_empty() {
                    return Ok(Some(frame));
                }
                self.trailers = Some(frame);
                Ok(Some(Frame::data(held)))
            }
        }
    }

    /// At the end of the body nothing is held back any more.
    fn with_held(&mut self, passed: Bytes) -> Bytes {
        let held = self.scrubber.as_mut().map(Scrubber::finish).unwrap_or_default();
        if held.is_empty() { passed } else { [passed, held].concat().into() }
    }

    fn held(&self) -> u64 {
        self.scrubber.as_ref().map_or(0, |scrubber| scrubber.held() as u64)
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.ended {
                return Poll::Ready(self.trailers.take().map(Ok));
            }
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(passed) = self.take_frame(frame).transpose() {
                        return Poll::Ready(Some(passed));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => {
                    self.end();
                    let held = self.with_held(Bytes::new());
                    return Poll::Ready((!held.is_empty()).then(|| Ok(Frame::data(held))));
                }
                Poll::Pending => return self.idle.poll_expired(context).map(|error| Some(Err(error))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.size_hint();
        if let Some(exact) = hint.exact() {
            hint = SizeHint::with_exact(exact + self.held());
        }
        hint
    }
}
