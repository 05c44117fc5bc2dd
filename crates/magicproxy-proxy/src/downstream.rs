//! Connections from clients: timed, counted, and told apart by their first bytes.
//!
//! Time limits for a connection as a whole are enforced in this module, below HTTP, so that slow
//! peers of every kind are treated alike.

mod close_delimited;
pub(crate) mod connections;
mod content;
mod flush;
mod frames;
mod head;
mod held_body;
pub mod host_check;
mod io;
mod linger;
pub mod listener;
mod open;
mod protocol;
mod push_tap;
mod request_body;
mod socket;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use http::{StatusCode, header};
use hyper::Request;
use tokio::sync::watch;

use crate::admission::Account;
use crate::metrics::{Metrics, SchemeLabel};
use crate::peer::{Peer, Scheme};
use crate::worker::WorkerId;
use close_delimited::CloseDelimitedContent;
use connections::{Activity, ConnectionEnd, ConnectionSlot};
use content::RemainingContent;
use flush::Flushes;
use head::{HeadScan, HeadTime};
use listener::ListenerContext;

pub(crate) use content::RequestContent;
pub(crate) use flush::FlushPoint;
pub(crate) use io::{Bounds, DownstreamIo};
pub(crate) use open::{NegotiatedConnection, open};
pub(crate) use protocol::Protocol;
pub(crate) use push_tap::{PushListener, PushTap, is_push};
pub(crate) use request_body::{BodyPrefix, Progress, ReadError, RequestBody, SentContent};
pub(crate) use socket::{Socket, Stream, Transport};
pub(crate) use stream::{Streams, noted, noted_own_words};
pub(crate) use words::UnreadResponse;

/// The number of refusals after which a connection ends that never had an admitted request: a
/// client that means well asks for a token first.
const MAX_REFUSALS: u32 = 64;
/// The number of refusals after which a connection ends that had an admitted request.
const MAX_REFUSALS_OF_ADMITTED: u32 = 1024;

/// The signal that the proxy is to stop. The stop waits until every receiver is dropped.
pub(crate) type StopSignal = watch::Receiver<Option<StopTimes>>;

/// The times at which a proxy that stops ends what could go on for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopTimes {
    /// The end of connections without a request. Earlier, a request on such a connection is served,
    /// and its response says that the connection ends.
    pub(crate) idle: Instant,
    /// The end of WebSockets.
    pub(crate) tunnels: Instant,
}

/// Returns the times of a stop that was signalled. A sender that is dropped leaves no time.
pub(crate) fn stop_times(signal: &StopSignal) -> StopTimes {
    let now = Instant::now();
    signal.borrow().unwrap_or(StopTimes { idle: now, tunnels: now })
}

/// The client at the other end of a connection, with its account and its slot.
#[derive(Debug)]
pub(crate) struct ConnectedClient {
    /// The client's address; `None` on a Unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// The account of this address: the amounts that it holds of the proxy's resources.
    pub(crate) account: Arc<Account>,
    /// The connection's slot among the open connections; a WebSocket keeps the slot until its end.
    pub(crate) slot: ConnectionSlot,
    pub(crate) stopped: StopSignal,
    /// The metrics of the process.
    pub(crate) metrics: Arc<Metrics>,
}

/// The state of a client's connection, for the service of its requests.
#[derive(Debug)]
pub(crate) struct Connection {
    client: ConnectedClient,
    activity: Arc<Activity>,
    listener: Arc<ListenerContext>,
    worker: WorkerId,
    /// True if the latest request announced a body (HTTP/1 only).
    has_body: AtomicBool,
    /// The raw bytes since the last request began (HTTP/1 only): the head of the next request.
    head: Option<Mutex<HeadScan>>,
    head_read: HeadTime,
    /// The number of responses of the proxy's own words that the client has not taken yet (HTTP/2
    /// only).
    untaken: AtomicUsize,
    flushes: Flushes,
    close_delimited: CloseDelimitedContent,
    rest: RemainingContent,
    /// True if a tunnel has begun, whose sides may be silent for long.
    is_tunnel: AtomicBool,
}

impl Connection {
    pub(crate) fn new(
        client: ConnectedClient,
        listener: Arc<ListenerContext>,
        protocol: Protocol,
        worker: WorkerId,
    ) -> Arc<Self> {
        let head = (protocol == Protocol::Http1).then(Mutex::default);
        let activity = Arc::clone(client.slot.activity());
        Arc::new(Self {
            client,
            activity,
            listener,
            worker,
            has_body: AtomicBool::new(false),
            head,
            head_read: HeadTime::default(),
            untaken: AtomicUsize::new(0),
            flushes: Flushes::default(),
            close_delimited: CloseDelimitedContent::default(),
            rest: RemainingContent::default(),
            is_tunnel: AtomicBool::new(false),
        })
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer {
            address: self.client.address.map(|address| address.ip()),
            scheme: self.listener.scheme(),
        }
    }

    /// Returns the account of the client's address.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.client.account
    }

    /// Returns the context that all connections of the same listener share.
    pub(crate) fn listener(&self) -> &ListenerContext {
        &self.listener
    }

    /// Returns the worker thread that serves the connection.
    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Returns the signal that the proxy is to stop.
    pub(crate) fn stopped(&self) -> StopSignal {
        self.client.stopped.clone()
    }

    /// True if the proxy is to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        // The receiver itself never looks, so a change stays one. A sender that is dropped has
        // stopped, too.
        self.client.stopped.has_changed().unwrap_or(true)
    }

    /// Ready when the connection is to end. Only the connection's own task may poll.
    pub(crate) fn poll_ending(&self, context: &mut Context<'_>) -> Poll<()> {
        self.activity.poll_ending(context)
    }

    /// True if a new connection has taken the slot of this connection.
    pub(crate) fn is_evicted(&self) -> bool {
        self.activity.is_evicted()
    }

    /// True if no request of the connection is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.activity.is_idle()
    }

    /// True if a request of the connection was admitted.
    pub(crate) fn had_admitted(&self) -> bool {
        self.activity.had_admitted()
    }

    /// Notes that a request begins. Returns the request's guard, and the time at which its head was
    /// read.
    pub(crate) fn begin(self: &Arc<Self>) -> (InFlight, Instant) {
        self.activity.begin();
        (
            InFlight { connection: Arc::clone(self) },
            self.head_read.take().unwrap_or_else(Instant::now),
        )
    }

    /// Notes that a request of the connection was admitted.
    pub(crate) fn admitted(&self) {
        self.activity.admitted();
    }

    /// Notes that a request was refused with this status. Returns true if the connection is to end
    /// with the refusal: after many refusals, and after the first refusal for want of a token if
    /// few slots are left.
    pub(crate) fn refused(&self, status: StatusCode) -> bool {
        let (refused, had_admitted) = (self.activity.refused(), self.activity.had_admitted());
        let most = if had_admitted { MAX_REFUSALS_OF_ADMITTED } else { MAX_REFUSALS };
        let unknown = status == StatusCode::UNAUTHORIZED && !had_admitted;
        let ends = refused >= most || unknown && self.client.slot.is_wanted();
        if ends && !self.is_http1() {
            self.activity.end(ConnectionEnd::Retired);
        }
        ends
    }

    fn is_http1(&self) -> bool {
        self.head.is_some()
    }

    /// Notes that the content of the last response begins, which only the end of the connection
    /// will end.
    pub(crate) fn begin_close_delimited(&self) {
        self.close_delimited.begin();
    }

    /// Notes that a tunnel follows.
    pub(crate) fn begin_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Relaxed)
    }

    /// Notes whether the request that begins now announces a body.
    fn expect_body(&self, has_body: bool) {
        self.has_body.store(has_body, Ordering::Relaxed);
    }

    /// True if more of a body than was read may be on its way.
    fn may_bring_more(&self) -> bool {
        self.has_body.load(Ordering::Relaxed)
    }

    /// True if the connection has had a request.
    pub(crate) fn has_begun(&self) -> bool {
        self.counts().0 > 0
    }

    fn counts(&self) -> (u64, u64) {
        self.activity.counts()
    }

    /// Returns the time at which the latest request ended.
    fn idle_since(&self) -> Instant {
        self.activity.idle_since()
    }

    fn scan(&self, bytes: &[u8]) {
        if let Some(head) = &self.head {
            let mut head = head.lock().unwrap_or_else(PoisonError::into_inner);
            if !(head.is_fresh() && is_whole_and_plain(bytes)) {
                head.read(bytes);
            }
        }
    }

    fn forget(&self) {
        if let Some(head) = &self.head {
            *head.lock().unwrap_or_else(PoisonError::into_inner) = HeadScan::default();
        }
    }

    /// Returns true if the raw head of the request held a `Content-Length`; `None` if the head was
    /// not seen whole. To be called once for each request, because the bytes read belong to that
    /// request alone.
    ///
    /// hyper drops `Content-Length` from a request that also has `Transfer-Encoding` and goes on. A
    /// client that sends both is attacking somebody (request smuggling), so the request is refused,
    /// and only the raw head shows both fields.
    pub(crate) fn has_content_length<B>(&self, request: &Request<B>) -> Option<bool> {
        let mut head = self.head.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let head = std::mem::take(&mut *head);
        let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        if chunked {
            head.has_content_length(request.method(), request.headers().len())
        } else {
            None
        }
    }
}

/// Returns true if the bytes are a whole head, or several, without a `Transfer-Encoding`. Nobody
/// asks for anything in such a head, so the head need not be kept. A mistake here would have a
/// request refused, and never let a request pass: a head that was not seen is no proof that
/// `Content-Length` is absent.
fn is_whole_and_plain(bytes: &[u8]) -> bool {
    let mut lines = memchr::memchr_iter(b'\n', bytes).filter_map(|end| bytes.get(end + 1));
    bytes.ends_with(b"\r\n\r\n") && !lines.any(|first| first.eq_ignore_ascii_case(&b't'))
}

/// A request in progress on a connection, until its owner, `observe::ongoing::OngoingRequest`, ends
/// the request.
#[derive(Debug)]
pub(crate) struct InFlight {
    connection: Arc<Connection>,
}

impl InFlight {
    /// Notes that the request ended at `now`.
    pub(crate) fn end(&self, now: Instant) {
        self.connection.activity.end_of_request(now);
    }

    /// Returns the metrics of the process.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.connection.client.metrics
    }

    /// Returns the scheme of the client's URL.
    pub(crate) fn scheme(&self) -> SchemeLabel {
        match self.connection.listener.scheme() {
            Scheme::Http => SchemeLabel::Http,
            Scheme::Https => SchemeLabel::Https,
        }
    }

    /// Returns the address at the other end of the connection; `None` on a Unix socket.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.connection.client.address.map(|address| address.ip())
    }

    /// Returns the address of the client that sent the request.
    #[cfg(test)]
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.connection.client.address.map(|address| address.ip())
    }

    /// Returns the current point in the sequence of the connection's flushes.
    pub(crate) fn flush_point(&self) -> FlushPoint {
        self.connection.flushes.now()
    }

    /// Ready when the connection was flushed after this point.
    pub(crate) fn poll_flushed(&self, since: FlushPoint, context: &Context<'_>) -> Poll<()> {
        self.connection.flushes.poll_since(since, context)
    }

    /// Notes that all of the response's content was handed over.
    pub(crate) fn response_is_whole(&self) {
        self.connection.close_delimited.end();
    }
}
