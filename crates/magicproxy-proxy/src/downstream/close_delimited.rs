//! Responses whose content ends with the connection: clients of HTTP/1.0 have no other framing for
//! an unknown length.
//!
//! A connection that is closed in the middle of close-delimited content looks complete (RFC 9112
//! section 8), so a response that breaks off is reset. The system is told to reset when the
//! response begins, and told otherwise when the last byte was written: any end of the connection in
//! between, the end of the process included, resets the connection. Unix sockets cannot be reset.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::Connection;

/// The time for which a broken-off response may still be on its way: a reset discards bytes that
/// the client has not received.
const LAST_BYTES: Duration = Duration::from_millis(500);

const FRAMED: u8 = 0;
const BEGUN: u8 = 1;
const IS_WHOLE: u8 = 2;

/// The progress of close-delimited content in a connection's last response.
#[derive(Debug)]
pub(super) struct CloseDelimitedContent(AtomicU8);

impl Default for CloseDelimitedContent {
    fn default() -> Self {
        Self(AtomicU8::new(FRAMED))
    }
}

impl CloseDelimitedContent {
    /// Notes the beginning of a close-delimited response, the last response of its connection.
    pub(super) fn begin(&self) {
        self.0.store(BEGUN, Ordering::Relaxed);
    }

    /// Notes that all content of a response, close-delimited or not, was handed to the HTTP
    /// library.
    pub(super) fn end(&self) {
        if self.has_begun() {
            self.0.store(IS_WHOLE, Ordering::Relaxed);
        }
    }

    /// True if close-delimited content has begun, and not ended.
    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed) == BEGUN
    }

    /// True if all of the close-delimited content was handed over.
    pub(super) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed) == IS_WHOLE
    }
}

/// The duty to reset a connection's socket when the socket is closed, a moment after its release,
/// unless the guard was disarmed.
#[derive(Debug)]
pub(super) struct ResetGuard(());

impl ResetGuard {
    /// Arms the reset; `None` if the system refuses.
    pub(super) fn arm(stream: &TcpStream) -> Option<Self> {
        SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok()?;
        Some(Self(()))
    }

    /// Disarms the reset, because the response was written whole.
    pub(super) fn disarm(self, stream: &TcpStream) {
        let _ = SockRef::from(stream).set_linger(None);
    }

    /// Keeps the socket open for a moment, by a second descriptor, when the stream is about to be
    /// closed. The socket stays in its connection's slot, so that the number of sockets stays
    /// within the limit.
    pub(super) fn let_go(self, stream: &TcpStream, connection: Arc<Connection>) {
        // Without a runtime, at the end of the process, nobody waits. Without a second descriptor
        // the socket is reset at once.
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
