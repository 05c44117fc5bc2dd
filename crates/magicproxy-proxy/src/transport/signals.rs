//! Signals between a connection's socket and the requests on the connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::resend::ResponseBytes;

/// Signals shared by the socket of a connection and the connection's user.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// True if the next read is to look at the socket itself.
    look: AtomicBool,
    /// True if bytes were read since the last request began.
    heard: AtomicBool,
}

impl Signals {
    /// Notes that a request begins.
    pub(super) fn begin(&self) {
        self.heard.store(false, Ordering::Relaxed);
    }

    /// Makes the socket look for a close before the next request is written: the runtime learns of
    /// new bytes only when the runtime polls the system, so a FIN may lie there unseen. Takes one
    /// system call.
    pub(super) fn look_first(&self) {
        self.look.store(true, Ordering::Release);
    }

    /// True if the socket is to be looked at; true only once for each request to look.
    pub(super) fn is_look_due(&self) -> bool {
        self.look.load(Ordering::Relaxed) && self.look.swap(false, Ordering::Acquire)
    }

    /// Tells whether bytes came since the last request began.
    pub(super) fn heard(&self) -> ResponseBytes {
        if self.heard.load(Ordering::Relaxed) {
            ResponseBytes::Something
        } else {
            ResponseBytes::Nothing
        }
    }

    fn hear(&self) {
        if !self.heard.load(Ordering::Relaxed) {
            self.heard.store(true, Ordering::Relaxed);
        }
    }
}

/// Stream above TLS that notes when bytes were read.
pub(super) struct WatchedStream<S> {
    stream: S,
    signals: Arc<Signals>,
}

impl<S> WatchedStream<S> {
    pub(super) fn new(stream: S, signals: Arc<Signals>) -> Self {
        Self { stream, signals }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.signals.hear();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
