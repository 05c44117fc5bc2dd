//! Request's content on the way up a stream of HTTP/2, as fast as the upstream's windows allow.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use http_body::Body as _;

use crate::admission::Holding;
use crate::downstream::{RequestBody, SentContent};
use crate::http::body::BodyError;
use crate::transport::connection::UploadSlot;

/// Most bytes of sent content that are kept in case the upstream says that the request was not
/// processed: as many as a stream may send before the upstream has enlarged the window (RFC 9113
/// section 6.9.2).
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// Request's content and the stream for the content.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    body: RequestBody,
    /// Content that waits for the stream's window.
    next: Option<Bytes>,
    /// Sent content; none where some of the sent content was not kept.
    sent: Option<KeptContent>,
    /// Slot of the content in the connection's window.
    slot: Option<UploadSlot>,
    is_done: bool,
}

/// Sent content, with the memory that is reserved for the content.
struct KeptContent {
    content: SentContent,
    memory: Holding,
}

/// End of an upload.
pub(super) enum UploadEnd {
    Done,
    /// The client's content broke. The stream was reset.
    Broken(BodyError),
    /// The upstream takes no more; the reason is in the upstream's response.
    Stopped,
}

impl Upload {
    pub(super) fn new(
        stream: SendStream<Bytes>,
        body: RequestBody,
        memory: Option<Holding>,
        slot: Option<UploadSlot>,
    ) -> Self {
        let is_done = body.is_empty();
        let sent = memory.map(|memory| KeptContent { content: SentContent::default(), memory });
        Self { stream, body, next: None, sent, slot, is_done }
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Forgets the sent content: the upstream has responded, so the content is not sent again.
    pub(super) fn forget_sent(&mut self) {
        self.sent = None;
    }

    /// Sends all content that is at hand. A finished upload stays finished.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<UploadEnd> {
        if self.is_done {
            return Poll::Ready(UploadEnd::Done);
        }
        let end = ready!(self.poll_end(context));
        self.is_done = true;
        self.slot = None;
        if let UploadEnd::Broken(_) = &end {
            self.stream.send_reset(Reason::CANCEL);
        }
        Poll::Ready(end)
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<UploadEnd> {
        loop {
            if self.stream.poll_reset(context).is_ready() {
                return Poll::Ready(UploadEnd::Stopped);
            }
            if let Some(next) = self.next.take() {
                match self.poll_room(context) {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => return Poll::Ready(UploadEnd::Stopped),
                    Poll::Pending => {
                        self.next = Some(next);
                        return Poll::Pending;
                    }
                }
                // The wait for room has no limit of its own.
                if let Err(refused) = self.body.ensure_live() {
                    return Poll::Ready(UploadEnd::Broken(refused));
                }
                let ends = self.body.is_end_stream();
                if let Some(end) = self.send(next, ends) {
                    return Poll::Ready(end);
                }
            }
            let frame = match ready!(std::pin::Pin::new(&mut self.body).poll_frame(context)) {
                None => {
                    return Poll::Ready(self.send(Bytes::new(), true).unwrap_or(UploadEnd::Done));
                }
                Some(Err(error)) => return Poll::Ready(UploadEnd::Broken(error)),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    // One byte of the connection's window is enough to be woken; with more, a
                    // stream would keep the window from others.
                    self.stream.reserve_capacity(1);
                    self.next = Some(data);
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return Poll::Ready(self.send_trailers(trailers));
                    }
                }
            }
        }
    }

    /// Ready with true if the stream's window has room, with false if the stream takes nothing
    /// more.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        while self.stream.capacity() == 0 {
            if !matches!(ready!(self.stream.poll_capacity(context)), Some(Ok(_))) {
                return Poll::Ready(false);
            }
        }
        Poll::Ready(true)
    }

    /// Sends content; returns the upload's end, where the upload has ended with this content.
    fn send(&mut self, data: Bytes, ends: bool) -> Option<UploadEnd> {
        self.keep(&data);
        match self.stream.send_data(data, ends) {
            Ok(()) => ends.then_some(UploadEnd::Done),
            Err(_) => Some(UploadEnd::Stopped),
        }
    }

    fn send_trailers(&mut self, trailers: HeaderMap) -> UploadEnd {
        self.stream.reserve_capacity(0);
        if let Some(sent) = &mut self.sent {
            sent.content.trailers = Some(trailers.clone());
        }
        match self.stream.send_trailers(trailers) {
            Ok(()) => UploadEnd::Done,
            Err(_) => UploadEnd::Stopped,
        }
    }

    fn keep(&mut self, data: &Bytes) {
        let Some(sent) = &mut self.sent else { return };
        // Content that was read whole before the request was sent stays in memory anyway.
        let fits = self.body.is_whole()
            || sent.memory.amount() + data.len() <= MAX_KEPT_BYTES
                && sent.memory.grow(data.len()).is_ok();
        if data.is_empty() {
            return;
        }
        if fits {
            sent.content.pieces.push_back(data.clone());
        } else {
            self.sent = None;
        }
    }

    /// Returns the content as it was before sending, where all sent content was kept.
    pub(super) fn into_unsent(self) -> Option<RequestBody> {
        let Self { body, next, sent, .. } = self;
        if body.is_empty() {
            return Some(body);
        }
        let KeptContent { mut content, memory } = sent?;
        content.pieces.extend(next);
        Some(body.unsent(content, memory))
    }
}
