//! Socket towards the upstream that is given up when the upstream takes no more bytes.
//!
//! hyper writes all buffered bytes before closing a connection. Without a limit, an exchange that
//! was given up would hold the connections of both sides for as long as the upstream does not read.

#[cfg(test)]
mod tests;

use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::pool::Socket;
use super::signals::Signals;
use crate::http::turn::Turn;
use crate::http::write_stall::WriteStall;

/// Most bytes that are read while the runtime has not heard of the bytes yet.
const LOOK_BYTES: usize = 1024;

/// Socket towards the upstream, or towards the outbound proxy, with a time limit for writes. Made
/// by the connector, below TLS.
pub(super) struct UpstreamIo {
    stream: TcpStream,
    writes: WriteStall,
    /// Socket, counted until the stream is closed.
    socket: Option<Arc<Socket>>,
    turn: Turn,
    signals: Arc<Signals>,
}

impl UpstreamIo {
    pub(super) fn new(stream: TcpStream, limit: Duration, socket: Option<Arc<Socket>>) -> Self {
        let (writes, signals) = (WriteStall::new(limit), Arc::default());
        Self { stream, writes, socket, turn: Turn::default(), signals }
    }

    /// Sends small writes at once.
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)
    }

    /// Returns the signals between the socket and the connection's user.
    pub(super) fn signals(&self) -> Arc<Signals> {
        Arc::clone(&self.signals)
    }

    /// Counts the bytes of a write.
    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        if let (Some(socket), Poll::Ready(Ok(bytes))) = (&self.socket, written) {
            socket.note_written(*bytes);
        }
    }

    /// Reads bytes that the socket holds and the runtime has not heard of yet.
    fn read_unheard(&self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = SockRef::from(&self.stream);
        let read = match socket.peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => Ok(0),
            Ok(_) => {
                (&*socket).read(buffer.initialize_unfilled_to(LOOK_BYTES.min(buffer.remaining())))
            }
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => {
                buffer.advance(bytes);
                Poll::Ready(Ok(()))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// Returns the result of a write. A write that the peer refuses counts as done: the peer has closed
/// the connection, perhaps after sending a response that can still be read, and reading tells of
/// the end. HTTP libraries give up at a write that fails.
fn unless_reset(written: Poll<io::Result<usize>>, bytes: usize) -> Poll<io::Result<usize>> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    match written {
        Poll::Ready(Err(error))
            if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) =>
        {
            Poll::Ready(Ok(bytes))
        }
        written => written,
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A turn bounds the reading of interim responses without end, which help nobody.
        let looks = self.signals.is_look_due();
        if !looks {
            ready!(self.turn.poll_more(context));
        }
        let before = buffer.filled().len();
        let mut read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if looks && read.is_pending() {
            read = self.read_unheard(buffer);
        }
        let bytes = buffer.filled().len() - before;
        if let Some(socket) = self.socket.as_ref().filter(|_| bytes > 0) {
            socket.note_read(bytes);
        }
        self.turn.note(read.is_ready().then_some(bytes));
        read
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_written(&written);
        let written = unless_reset(written, bytes.len());
        self.writes.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_written(&written);
        let written = unless_reset(written, slices.iter().map(|slice| slice.len()).sum());
        self.writes.watch(context, written)
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
