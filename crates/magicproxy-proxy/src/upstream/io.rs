//! A socket towards the upstream that is given up when the other side takes nothing any more.
//!
//! hyper writes what it has before it lets go of a connection. Without a limit, an exchange that was given up would hold the
//! connections of both sides for as long as the upstream does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::pool::Socket;
use crate::turn::Turn;
use crate::write_stall::WriteStall;

pub(super) struct UpstreamIo {
    stream: TcpStream,
    writes: WriteStall,
    /// Counted until the stream is closed.
    _socket: Socket,
    turn: Turn,
}

impl UpstreamIo {
    pub(super) fn new(stream: TcpStream, limit: Duration, socket: Socket) -> Self {
        Self { stream, writes: WriteStall::new(limit), _socket: socket, turn: Turn::default() }
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Interim responses without end are read for nobody's good.
        ready!(self.turn.poll_more(context));
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        self.turn.note(read.is_ready().then_some(bytes));
        read
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.writes.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
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
