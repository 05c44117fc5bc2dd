//! The content of a request, and the rest of the content when the response does not wait for it.
//!
//! The HTTP library ends an HTTP/1 connection whose request was not read to its end, and does not
//! announce the end. So the rest of short content is read and discarded while the response is sent,
//! and the connection goes on. A response to any other request whose content is still on its way
//! announces the end of the connection (RFC 9112 section 9.6). Over HTTP/2 only the stream ends:
//! the HTTP library resets a stream whose rest was not read, without an error code. Some clients,
//! curl 7.88 among them, take the reset for the loss of the response, so that some of the rest is
//! read over HTTP/2, too.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::Notify;

use super::Connection;
use super::push_tap::{PushTap, REST_WITHIN};
use crate::http::body::BodyError;

/// The longest rest, in bytes, that is read to keep the connection.
const MAX_DISCARDED: u64 = 256 * 1024;
/// The longest rest of a stream, in bytes, that is read: a client that stops at the response has
/// seen the response by then.
const MAX_DISCARDED_OF_STREAM: u64 = 1024 * 1024;
/// The longest rest of a refused push, in bytes, that is read: git reads the refusal only after it
/// has sent its pack.
const MAX_DISCARDED_OF_PUSH: u64 = 64 * 1024 * 1024;
/// The longest time for which the rest of a stream is read.
const STREAM_REST_WITHIN: Duration = Duration::from_secs(3);
/// The number of times that the connection's task may run until chunks are read that have already
/// come.
const TURNS: usize = 8;

/// The length of the part of a request's content that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RemainingLength {
    /// A number of bytes; 0 if nothing is to come.
    Bytes(u64),
    /// An unknown length.
    Unknown,
    /// Content that will not be read.
    Unread,
}

impl RemainingLength {
    /// Two numbers that no length of content reaches, so that the enum fits in an atomic.
    const UNKNOWN: u64 = u64::MAX;
    const UNREAD: u64 = u64::MAX - 1;

    fn of_length(length: Option<u64>) -> Self {
        length.filter(|length| *length < Self::UNREAD).map_or(Self::Unknown, Self::Bytes)
    }

    fn from_number(number: u64) -> Self {
        match number {
            Self::UNKNOWN => Self::Unknown,
            Self::UNREAD => Self::Unread,
            bytes => Self::Bytes(bytes),
        }
    }

    fn to_number(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Unknown => Self::UNKNOWN,
            Self::Unread => Self::UNREAD,
        }
    }

    /// True if the length is known and at most `most`.
    fn is_within(self, most: u64) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes <= most)
    }
}

/// The part of the latest request's content that the client has yet to send, or the proxy to take
/// (HTTP/1 only).
#[derive(Debug, Default)]
pub(super) struct RemainingContent {
    /// A [`RemainingLength`] as a number.
    left: AtomicU64,
    /// A [`RemainingLength`] as a number: the part not yet read from the connection, as far as
    /// known. Content that was read need not have been taken.
    unread: AtomicU64,
    is_discarded: AtomicBool,
    /// True if the connection ends with this request, by the client's `Connection: close` or
    /// version.
    is_last: AtomicBool,
    given_up: Notify,
}

impl RemainingContent {
    fn begin(&self, left: RemainingLength) {
        self.set(left);
        self.unread.store(RemainingLength::Unknown.to_number(), Ordering::Relaxed);
        self.is_discarded.store(false, Ordering::Relaxed);
    }

    fn set(&self, left: RemainingLength) {
        self.left.store(left.to_number(), Ordering::Relaxed);
    }

    fn left(&self) -> RemainingLength {
        RemainingLength::from_number(self.left.load(Ordering::Relaxed))
    }

    fn unread(&self) -> RemainingLength {
        RemainingLength::from_number(self.unread.load(Ordering::Relaxed))
    }

    /// True if no content is left.
    pub(super) fn is_over(&self) -> bool {
        self.left() == RemainingLength::Bytes(0)
    }

    /// True if the content is read for nobody. Reading then has the time limit of a head.
    pub(super) fn is_discarded(&self) -> bool {
        !self.is_over() && self.is_discarded.load(Ordering::Relaxed)
    }

    /// True if more of the content is to be read from the connection.
    pub(super) fn is_to_come(&self) -> bool {
        !self.is_over() && self.unread() != RemainingLength::Bytes(0)
    }

    /// Returns the most bytes that may be read, so that nothing behind the content is read with the
    /// content; `None` if the content's end is not known. The HTTP library reads more content only
    /// after everything read before was taken.
    pub(super) fn most(&self) -> Option<u64> {
        match (self.left(), self.unread()) {
            (RemainingLength::Bytes(0) | RemainingLength::Unknown | RemainingLength::Unread, _)
            | (_, RemainingLength::Bytes(0)) => None,
            (RemainingLength::Bytes(left), RemainingLength::Bytes(unread)) => {
                Some(left.min(unread))
            }
            (RemainingLength::Bytes(left), RemainingLength::Unknown | RemainingLength::Unread) => {
                Some(left)
            }
        }
    }

    /// Notes that so many bytes were read, out of the allowance [`most`](Self::most).
    pub(super) fn was_read(&self, most: u64, bytes: usize) {
        self.unread.store(most.saturating_sub(bytes as u64), Ordering::Relaxed);
    }
}

impl Connection {
    /// Notes that a request begins.
    pub(crate) fn begin_content(&self, request: &Request<Incoming>) {
        let has_content = !request.body().is_end_stream() && self.is_http1();
        self.expect_body(has_content);
        let left = match request.body().size_hint().exact() {
            _ if !has_content => RemainingLength::Bytes(0),
            _ if awaits_continue(request) => RemainingLength::Unread,
            known => RemainingLength::of_length(known),
        };
        self.rest.begin(left);
        self.rest.is_last.store(has_content && is_last(request), Ordering::Relaxed);
    }

    /// Returns true if the response to the latest request must announce the end of the connection,
    /// because more content is to come than will be read.
    async fn ends_with_content(&self) -> bool {
        for _ in 0..TURNS {
            if self.rest.left() != RemainingLength::Unknown || !self.rest.is_discarded() {
                break;
            }
            tokio::task::yield_now().await;
        }
        !self.rest.left().is_within(MAX_DISCARDED)
    }

    /// Announces the end of the connection if the connection is to end, and gives up the rest of
    /// the latest request's content if nothing follows it.
    pub(crate) async fn end_content(&self, headers: &mut HeaderMap) {
        if self.ends_with_content().await {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if headers.contains_key(header::CONNECTION) || self.rest.is_last.load(Ordering::Relaxed) {
            self.rest.given_up.notify_one();
        }
    }

    /// True if some of the latest request's content is still to come.
    pub(crate) fn has_rest(&self) -> bool {
        !self.rest.is_over()
    }
}

/// True if the client sends the content only when told to, and perhaps not at all (RFC 9110 section
/// 10.1.1).
fn awaits_continue<B>(request: &Request<B>) -> bool {
    let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    request.version() == Version::HTTP_11
        && request.headers().get_all(header::EXPECT).iter().any(expects)
}

/// True if the client will send no other request on the connection, whatever the response says.
fn is_last<B>(request: &Request<B>) -> bool {
    let values =
        request.headers().get_all(header::CONNECTION).into_iter().map(HeaderValue::as_bytes);
    let mut options = values.flat_map(|value| value.split(|byte| *byte == b','));
    request.version() == Version::HTTP_10
        || options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The content of one request, as read from the connection.
#[derive(Debug)]
pub(crate) struct RequestContent {
    /// `None` only while the value is dropped.
    incoming: Option<Incoming>,
    connection: Arc<Connection>,
    /// The number of the request on its connection.
    number: u64,
    /// Present until the commands of a push were read.
    tap: Option<Box<PushTap>>,
}

impl RequestContent {
    /// Makes the content of the latest request of this connection.
    pub(crate) fn new(incoming: Incoming, connection: &Arc<Connection>) -> Self {
        Self {
            incoming: Some(incoming),
            connection: Arc::clone(connection),
            number: connection.counts().0,
            tap: None,
        }
    }

    /// Tells the commands of a push to `tap`, as the content is read.
    pub(super) fn tap(&mut self, tap: PushTap) {
        self.tap = Some(Box::new(tap));
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *incoming).poll_frame(context);
        // The HTTP library takes a stream reset without an error code for an ended stream.
        if matches!(polled, Poll::Ready(None))
            && !self.connection.is_http1()
            && !incoming.is_end_stream()
        {
            return Poll::Ready(Some(Err(BodyError::Reset)));
        }
        let left = left_after(&polled, incoming);
        self.note(left);
        if self.tap.is_some() {
            self.tap = tapped(self.tap.take(), &polled);
        }
        polled.map_err(BodyError::from)
    }

    /// True for HTTP/2: the content has a window, within which the client sends unasked.
    pub(crate) fn has_window(&self) -> bool {
        !self.connection.is_http1()
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(|incoming| incoming.is_end_stream())
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, |incoming| incoming.size_hint())
    }

    fn note(&self, left: RemainingLength) {
        if self.is_latest() {
            self.connection.rest.set(left);
        }
    }

    /// True if no other request has begun. Once the HTTP library has all of the content, the next
    /// request may begin though nobody took the content.
    fn is_latest(&self) -> bool {
        self.connection.is_http1() && self.connection.counts().0 == self.number
    }
}

/// Shows a tap what came. Returns the tap if it is to see more.
fn tapped<E>(
    tap: Option<Box<PushTap>>,
    polled: &Poll<Option<Result<Frame<Bytes>, E>>>,
) -> Option<Box<PushTap>> {
    let mut tap = tap?;
    match polled {
        Poll::Ready(Some(Ok(frame))) => tap.read(frame.data_ref()?),
        Poll::Ready(_) => return None,
        Poll::Pending => {}
    }
    Some(tap)
}

/// Returns the length still to come after a poll.
fn left_after<E>(
    polled: &Poll<Option<Result<Frame<Bytes>, E>>>,
    incoming: &Incoming,
) -> RemainingLength {
    match polled {
        Poll::Ready(None) => RemainingLength::Bytes(0),
        Poll::Ready(Some(Err(_))) => RemainingLength::Unread,
        Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => RemainingLength::Bytes(0),
        _ => RemainingLength::of_length(incoming.size_hint().exact()),
    }
}

impl Drop for RequestContent {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        let tap = self.tap.take();
        let runtime = tokio::runtime::Handle::try_current();
        if !self.connection.is_http1() {
            if let (false, Ok(runtime)) = (incoming.is_end_stream(), runtime) {
                let within = if tap.is_some() { REST_WITHIN } else { STREAM_REST_WITHIN };
                runtime.spawn(tokio::time::timeout(within, discard_rest_of_stream(incoming, tap)));
            }
            return;
        }
        let rest = &self.connection.rest;
        if !self.is_latest() || rest.is_over() {
            return;
        }
        // The commands of a push are read whatever follows them: the refusal names them.
        let readable = rest.left().is_within(MAX_DISCARDED)
            || rest.left() == RemainingLength::Unknown
            || tap.is_some();
        match runtime {
            Ok(runtime) if readable => {
                rest.is_discarded.store(true, Ordering::Relaxed);
                let (connection, number) = (Arc::clone(&self.connection), self.number);
                runtime.spawn(DiscardedContent { incoming, connection, number, tap }.read());
            }
            _ => rest.set(RemainingLength::Unread),
        }
    }
}

/// Reads unwanted content to the end of its stream, or until the limit.
async fn discard_rest_of_stream<B: Body<Data = Bytes> + Unpin>(
    mut content: B,
    mut tap: Option<Box<PushTap>>,
) {
    let most = if tap.is_some() { MAX_DISCARDED_OF_PUSH } else { MAX_DISCARDED_OF_STREAM };
    let mut read = 0;
    while read <= most {
        let polled = poll_fn(|context| Pin::new(&mut content).poll_frame(context)).await;
        let polled = Poll::Ready(polled);
        tap = tapped(tap, &polled);
        let Poll::Ready(Some(Ok(frame))) = polled else { return };
        read += frame.data_ref().map_or(0, Bytes::len) as u64;
    }
}

/// Returns the length still to come after `read` bytes were discarded. Beyond the limit, the rest
/// is not read.
fn left_behind(read: u64, most: u64, left: RemainingLength) -> RemainingLength {
    if read > most && left != RemainingLength::Bytes(0) { RemainingLength::Unread } else { left }
}

fn data_length<E>(polled: &Poll<Option<Result<Frame<Bytes>, E>>>) -> usize {
    match polled {
        Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
        _ => 0,
    }
}

/// The unwanted content of a request.
struct DiscardedContent {
    incoming: Incoming,
    connection: Arc<Connection>,
    number: u64,
    tap: Option<Box<PushTap>>,
}

impl DiscardedContent {
    /// Reads to the end of the content, or until the limit. The connection bounds the time.
    async fn read(mut self) {
        let most = if self.tap.is_some() { MAX_DISCARDED_OF_PUSH } else { MAX_DISCARDED };
        let mut read = 0;
        loop {
            let incoming = &mut self.incoming;
            let frame = tokio::select! {
                biased;
                frame = poll_fn(|context| Pin::new(&mut *incoming).poll_frame(context)) => frame,
                () = self.connection.rest.given_up.notified() => {
                    return self.note(RemainingLength::Unread);
                }
            };
            let polled = Poll::Ready(frame);
            self.tap = tapped(self.tap.take(), &polled);
            read += data_length(&polled) as u64;
            let left = left_behind(read, most, left_after(&polled, &self.incoming));
            self.note(left);
            if matches!(left, RemainingLength::Bytes(0) | RemainingLength::Unread) {
                return;
            }
        }
    }

    fn note(&self, left: RemainingLength) {
        if self.connection.counts().0 == self.number {
            self.connection.rest.set(left);
        }
    }
}
