//! A response whose content ends with its connection: clients of HTTP/1.0 have no other framing where the length is not known.
//!
//! A connection that is closed in the middle of such content looks like its end (RFC 9112 section 8), so one that breaks off is
//! reset. The system is told so when the response begins, and told otherwise when the last byte was written: whatever ends the
//! connection between, the end of the process included, resets it. Unix sockets cannot be reset.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::Connection;

/// How long a broken-off response may still be on its way: a reset discards what its client has not received.
const LAST_BYTES: Duration = Duration::from_millis(500);

const FRAMED: u8 = 0;
const BEGUN: u8 = 1;
const IS_WHOLE: u8 = 2;

/// How far the close-delimited content of a connection's last response has come.
#[derive(Debug)]
pub(super) struct CloseDelimitedContent(AtomicU8);

impl Default for CloseDelimitedContent {
    fn default() -> Self {
        Self(AtomicU8::new(FRAMED))
    }
}

impl CloseDelimitedContent {
    /// A response of that kind begins; it is the last of its connection.
    pub(super) fn begin(&self) {
        self.0.store(BEGUN, Ordering::Relaxed);
    }

    /// All content of a response, of whatever kind, was handed to the HTTP library.
    pub(super) fn end(&self) {
        if self.has_begun() {
            self.0.store(IS_WHOLE, Ordering::Relaxed);
        }
    }

    /// Has a response of that kind begun, and not ended?
    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed) == BEGUN
    }

    /// Was all of its content handed over?
    pub(super) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed) == IS_WHOLE
    }
}

/// A connection's socket is reset when it is closed, a moment after it was let go of, unless it was disarmed.
#[derive(Debug)]
pub(super) struct ResetGuard(());

impl ResetGuard {
    /// `None` where the system does not agree.
    pub(super) fn arm(stream: &TcpStream) -> Option<Self> {
        SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok()?;
        Some(Self(()))
    }

    /// The response was written whole.
    pub(super) fn disarm(self, stream: &TcpStream) {
        let _ = SockRef::from(stream).set_linger(None);
    }

    /// The stream is about to be closed: the socket stays for a moment, by a second descriptor, and in its connection's slot, so that
    /// no more sockets are there than may be.
    pub(super) fn let_go(self, stream: &TcpStream, connection: Arc<Connection>) {
        // Without a runtime, at the end of the process, nobody waits; without a second descriptor it is reset at once.
        if let (Ok(socket), Ok(runtime)) =
            (SockRef::from(stream).try_clone(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                tokio::time::sleep(LAST_BYTES).await;
                drop((socket, connection));
            });
        }
    }
}
