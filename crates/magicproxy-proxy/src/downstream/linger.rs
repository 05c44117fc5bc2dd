//! The end of a connection whose client may still be sending.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};

use crate::http::body::IdleTimer;

/// The time without a byte after which nothing more is expected.
const IDLE: Duration = Duration::from_secs(1);
/// The longest time of lingering: a client that sends for longer does not read the response.
const TOTAL: Duration = Duration::from_secs(10);

/// Reads and discards the bytes that a client still sends after the proxy's last byte, until the
/// client has seen the end of the response and closes.
///
/// A socket that is closed with unread bytes resets the connection, and the reset may overtake the
/// response: the client of a large upload would see "connection reset" in place of the refusal and
/// its explanation (RFC 9112, section 9.6).
#[derive(Debug)]
pub(super) struct Linger {
    timer: IdleTimer,
}

impl Default for Linger {
    fn default() -> Self {
        Self { timer: IdleTimer::new(IDLE, Some(Instant::now() + TOTAL)) }
    }
}

impl Linger {
    /// Ready when the client has closed, or will not close in time.
    pub(super) fn poll(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut space = [std::mem::MaybeUninit::<u8>::uninit(); 8 * 1024];
        loop {
            if self.timer.poll_expired(context).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
            self.timer.progress();
        }
    }
}
