//! Connections from callers: timed, counted, and told apart by their first bytes.
//!
//! Time limits that concern a connection as a whole live here, below HTTP, where slow peers of every kind look alike.

mod io;
mod linger;
mod open;
mod protocol;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use http::header;
use hyper::Request;

use crate::admission::Account;
use crate::listener::{Entrance, Peer};
use crate::serve::WorkerId;

pub(crate) use io::DownstreamIo;
pub(crate) use open::{Opened, open};
pub(crate) use protocol::Protocol;
pub(crate) use socket::{Socket, Stream, Transport};
pub(crate) use stream::{Streams, noted};

/// The longest head that is kept for [`Connection::has_content_length`]; longer heads are refused before.
const MAX_HEAD_BYTES: usize = 80 * 1024;

/// Who opened a connection.
#[derive(Debug)]
pub(crate) struct ConnectedClient {
    /// None on a Unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// What this address holds of the proxy's resources.
    pub(crate) account: Arc<Account>,
}

/// What the service knows about the connection that a request came on.
#[derive(Debug)]
pub(crate) struct Connection {
    client: ConnectedClient,
    listener: Arc<Entrance>,
    worker: WorkerId,
    /// Requests begun on this connection, ever.
    begun: AtomicU64,
    /// Of these, ended.
    ended: AtomicU64,
    /// The latest request announced a body (HTTP/1 only).
    has_body: AtomicBool,
    /// What was read since the last request began (HTTP/1 only): the raw head of the next one.
    head: Option<Mutex<Vec<u8>>>,
}

impl Connection {
    pub(crate) fn new(client: ConnectedClient, listener: Arc<Entrance>, protocol: Protocol, worker: WorkerId) -> Arc<Self> {
        let head = (protocol == Protocol::Http1).then(Mutex::default);
        Arc::new(Self {
            client,
            listener,
            worker,
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            has_body: AtomicBool::new(false),
            head,
        })
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        Peer { address: self.client.address.map(|address| address.ip()), scheme: self.listener.scheme() }
    }

    /// The account of the address that it came from.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.client.account
    }

    /// What holds for every connection of the listener that this one came by.
    pub(crate) fn listener(&self) -> &Entrance {
        &self.listener
    }

    /// The thread that serves it.
    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight { connection: Arc::clone(self) }
    }

    fn is_http1(&self) -> bool {
        self.head.is_some()
    }

    /// The request that begins now announces a body, or not.
    pub(crate) fn expect_body(&self, has_body: bool) {
        self.has_body.store(has_body && self.is_http1(), Ordering::Relaxed);
    }

    /// More of a body may be on its way than was read.
    fn may_bring_more(&self) -> bool {
        self.has_body.load(Ordering::Relaxed)
    }

    fn counts(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }

    fn record(&self, bytes: &[u8]) {
        if let Some(head) = &self.head {
            let mut head = head.lock().unwrap_or_else(PoisonError::into_inner);
            if head.is_empty() && is_whole_and_plain(bytes) {
                return;
            }
            // What does not fit is body: one read may bring much of it behind the head.
            let fits = bytes.len().min(MAX_HEAD_BYTES.saturating_sub(head.len()));
            head.extend_from_slice(bytes.get(..fits).unwrap_or_default());
        }
    }

    fn forget(&self) {
        if let Some(head) = &self.head {
            let mut head = head.lock().unwrap_or_else(PoisonError::into_inner);
            *head = Vec::new();
        }
    }

    /// Did the raw head of this request hold a `Content-Length`? `None` when the head was not seen whole. To be asked once
    /// for each request, for what was read belongs to it alone.
    ///
    /// hyper drops `Content-Length` from a request that also has `Transfer-Encoding` and goes on; a caller that sends both
    /// is attacking somebody, so it is refused, and the raw head is the only place where both can be seen.
    pub(crate) fn has_content_length<B>(&self, request: &Request<B>) -> Option<bool> {
        let mut head = self.head.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        // Its memory goes, too: a connection that idles is to be small.
        let head = std::mem::take(&mut *head);
        let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        if chunked { content_length_in_head(&head, request) } else { None }
    }
}

/// Is this a head from its beginning to its end, or several, without a `Transfer-Encoding`? Then nothing in it is ever asked for,
/// and it need not be kept. A mistake here would have a request refused, and never let one pass: a head that was not seen holds
/// no proof that it has no `Content-Length`.
fn is_whole_and_plain(bytes: &[u8]) -> bool {
    let mut lines = memchr::memchr_iter(b'\n', bytes).filter_map(|end| bytes.get(end + 1));
    bytes.ends_with(b"\r\n\r\n") && !lines.any(|first| first.eq_ignore_ascii_case(&b't'))
}

/// Bytes that come while another exchange is in progress are not seen, so these may begin in the middle of a field that
/// looks like a request line. hyper drops no field but `Content-Length`: a head without one that was seen whole has as many
/// lines as the request has fields.
fn content_length_in_head<B>(raw: &[u8], request: &Request<B>) -> Option<bool> {
    let start = raw.iter().position(|byte| !b"\r\n".contains(byte))?;
    let raw = raw.get(start..)?;
    raw.strip_prefix(request.method().as_str().as_bytes())?.strip_prefix(b" ")?;
    let lines = raw.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for (fields, line) in lines.skip(1).enumerate() {
        if line.is_empty() {
            return (fields == request.headers().len()).then_some(false);
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            return Some(true);
        }
    }
    None
}

/// A request in progress on a connection; ends when dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    connection: Arc<Connection>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.connection.ended.fetch_add(1, Ordering::Relaxed);
    }
}
