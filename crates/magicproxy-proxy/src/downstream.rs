//! Connections from callers: timed, counted, and told apart by their first bytes.
//!
//! Time limits that concern a connection as a whole live here, below HTTP, where slow peers of every kind look alike.

mod io;
mod protocol;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(crate) use io::DownstreamIo;
pub(crate) use protocol::{Protocol, detect};

/// The longest head that is kept for [`Connection::has_content_length`]; longer heads are refused before.
const MAX_HEAD_BYTES: usize = 80 * 1024;

/// What the service knows about the connection that a request came on.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// Requests begun on this connection, ever.
    begun: AtomicU64,
    /// Of these, ended.
    ended: AtomicU64,
    /// What was read since the last request began (HTTP/1 only): the raw head of the next one.
    head: Option<Mutex<Vec<u8>>>,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, protocol: Protocol) -> Arc<Self> {
        let head = (protocol == Protocol::Http1).then(Mutex::default);
        Arc::new(Self { peer, begun: AtomicU64::new(0), ended: AtomicU64::new(0), head })
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight { connection: Arc::clone(self) }
    }

    fn counts(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }

    fn record(&self, bytes: &[u8]) {
        if let Some(head) = &self.head {
            let mut head = head.lock().unwrap_or_else(PoisonError::into_inner);
            if head.len() + bytes.len() <= MAX_HEAD_BYTES {
                head.extend_from_slice(bytes);
            }
        }
    }

    fn forget(&self) {
        if let Some(head) = &self.head {
            let mut head = head.lock().unwrap_or_else(PoisonError::into_inner);
            head.clear();
            head.shrink_to(4 * 1024);
        }
    }

    /// Did the raw head of the present request hold a `Content-Length`? `None` when the head was not seen whole.
    ///
    /// hyper drops `Content-Length` from a request that also has `Transfer-Encoding` and goes on; a caller that sends both
    /// is attacking somebody, so it is refused, and the raw head is the only place where both can be seen.
    pub(crate) fn has_content_length(&self, method: &str) -> Option<bool> {
        let head = self.head.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        content_length_in_head(&head, method)
    }
}

fn content_length_in_head(raw: &[u8], method: &str) -> Option<bool> {
    let start = raw.iter().position(|byte| !b"\r\n".contains(byte))?;
    let raw = raw.get(start..)?;
    raw.strip_prefix(method.as_bytes())?.strip_prefix(b" ")?;
    let mut lines = raw.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut found = false;
    lines.next()?;
    for line in &mut lines {
        if line.is_empty() {
            return Some(found);
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        found |= name.trim_ascii().eq_ignore_ascii_case(b"content-length");
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
