//! Connections from clients: timed, counted, and told apart by their first bytes.
//!
//! Time limits that concern a connection as a whole live here, below HTTP, where slow peers of every kind look alike.

mod close_delimited;
pub(crate) mod connections;
mod content;
mod flush;
mod frames;
mod head;
pub mod host_check;
mod io;
mod linger;
pub mod listener;
mod open;
mod protocol;
mod request_body;
mod socket;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use http::{StatusCode, header};
use hyper::Request;
use tokio::sync::watch;

use crate::admission::Account;
use crate::peer::Peer;
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
pub(crate) use request_body::{Progress, ReadError, RequestBody, SentContent};
pub(crate) use socket::{Socket, Stream, Transport};
pub(crate) use stream::{Streams, noted, noted_own_words};
pub(crate) use words::UnreadResponse;

/// Refusals after which a connection ends that never had an admitted request: a client that means well asks for a token first.
const MAX_REFUSALS: u32 = 64;
/// The same where it had some.
const MAX_REFUSALS_OF_ADMITTED: u32 = 1024;

/// Who opened a connection.
#[derive(Debug)]
pub(crate) struct ConnectedClient {
    /// None on a Unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// What this address holds of the proxy's resources.
    pub(crate) account: Arc<Account>,
    /// Its place among the open connections; a WebSocket keeps it until it ends.
    pub(crate) slot: ConnectionSlot,
    /// Tells when the proxy is to stop, which waits until all of these are dropped.
    pub(crate) stopped: watch::Receiver<()>,
}

/// What the service knows about the connection that a request came on.
#[derive(Debug)]
pub(crate) struct Connection {
    client: ConnectedClient,
    activity: Arc<Activity>,
    listener: Arc<ListenerContext>,
    worker: WorkerId,
    /// The latest request announced a body (HTTP/1 only).
    has_body: AtomicBool,
    /// What was seen since the last request began (HTTP/1 only): the raw head of the next one.
    head: Option<Mutex<HeadScan>>,
    head_read: HeadTime,
    /// Responses of the proxy's own words that were not taken yet (HTTP/2 only).
    untaken: AtomicUsize,
    flushes: Flushes,
    close_delimited: CloseDelimitedContent,
    rest: RemainingContent,
    /// Has a tunnel begun, whose sides may be silent for long?
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

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            address: self.client.address.map(|address| address.ip()),
            scheme: self.listener.scheme(),
        }
    }

    /// The account of the address that it came from.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.client.account
    }

    /// What holds for every connection of the listener that this one came by.
    pub(crate) fn listener(&self) -> &ListenerContext {
        &self.listener
    }

    /// The thread that serves it.
    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Tells when the proxy is to stop.
    pub(crate) fn stopped(&self) -> watch::Receiver<()> {
        self.client.stopped.clone()
    }

    /// Ready when the connection is to end. To be polled by its own task alone.
    pub(crate) fn poll_ending(&self, context: &mut Context<'_>) -> Poll<()> {
        self.activity.poll_ending(context)
    }

    /// Has a new connection its place?
    pub(crate) fn is_evicted(&self) -> bool {
        self.activity.is_evicted()
    }

    /// Is no request of it in progress?
    pub(crate) fn is_idle(&self) -> bool {
        self.activity.is_idle()
    }

    /// Was any request of it admitted?
    pub(crate) fn had_admitted(&self) -> bool {
        self.activity.had_admitted()
    }

    /// A request begins, whose head was read at that time.
    pub(crate) fn begin(self: &Arc<Self>) -> (InFlight, Instant) {
        self.activity.begin();
        (
            InFlight { connection: Arc::clone(self) },
            self.head_read.take().unwrap_or_else(Instant::now),
        )
    }

    /// A request of it was admitted.
    pub(crate) fn admitted(&self) {
        self.activity.admitted();
    }

    /// A request of it was refused for this reason. Tells whether the connection is to end with it: after many refusals, and
    /// after the first for want of a token where its slot is wanted.
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

    /// The content of its last response begins, which only the end of the connection will end.
    pub(crate) fn begin_close_delimited(&self) {
        self.close_delimited.begin();
    }

    /// A tunnel follows.
    pub(crate) fn begin_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Relaxed)
    }

    /// The request that begins now announces a body, or not.
    fn expect_body(&self, has_body: bool) {
        self.has_body.store(has_body, Ordering::Relaxed);
    }

    /// More of a body may be on its way than was read.
    fn may_bring_more(&self) -> bool {
        self.has_body.load(Ordering::Relaxed)
    }

    /// Has there been a request on it?
    pub(crate) fn has_begun(&self) -> bool {
        self.counts().0 > 0
    }

    fn counts(&self) -> (u64, u64) {
        self.activity.counts()
    }

    /// The end of its latest request.
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

    /// Did the raw head of this request hold a `Content-Length`? `None` when the head was not seen whole. To be asked once
    /// for each request, for what was read belongs to it alone.
    ///
    /// hyper drops `Content-Length` from a request that also has `Transfer-Encoding` and goes on; a client that sends both
    /// is attacking somebody, so it is refused, and the raw head is the only place where both can be seen.
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

/// Is this a head from its beginning to its end, or several, without a `Transfer-Encoding`? Then nothing in it is ever asked for,
/// and it need not be kept. A mistake here would have a request refused, and never let one pass: a head that was not seen holds
/// no proof that it has no `Content-Length`.
fn is_whole_and_plain(bytes: &[u8]) -> bool {
    let mut lines = memchr::memchr_iter(b'\n', bytes).filter_map(|end| bytes.get(end + 1));
    bytes.ends_with(b"\r\n\r\n") && !lines.any(|first| first.eq_ignore_ascii_case(&b't'))
}

/// A request in progress on a connection, until its owner, `observe::ongoing::OngoingRequest`, ends it.
#[derive(Debug)]
pub(crate) struct InFlight {
    connection: Arc<Connection>,
}

impl InFlight {
    /// It is over, now.
    pub(crate) fn end(&self, now: Instant) {
        self.connection.activity.end_of_request(now);
    }

    /// Who sent it.
    #[cfg(test)]
    pub(crate) fn client(&self) -> Option<std::net::IpAddr> {
        self.connection.client.address.map(|address| address.ip())
    }

    /// Now, between two flushes of the connection.
    pub(crate) fn flush_point(&self) -> FlushPoint {
        self.connection.flushes.now()
    }

    /// Ready when the connection was flushed since then.
    pub(crate) fn poll_flushed(&self, since: FlushPoint, context: &Context<'_>) -> Poll<()> {
        self.connection.flushes.poll_since(since, context)
    }

    /// All of the response's content was handed over.
    pub(crate) fn response_is_whole(&self) {
        self.connection.close_delimited.end();
    }
}
