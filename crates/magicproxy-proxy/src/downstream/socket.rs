//! Sockets of clients: TCP or a Unix socket, in the clear or in TLS.
//!
//! One type serves all of them, so that HTTP is compiled once. Writes are timed at the bottom,
//! below TLS: TLS buffers some of the written bytes, so that above TLS a peer that takes nothing
//! looks like a peer that has taken everything.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::server::TlsStream;

use crate::http::write_stall::WriteStall;
use crate::metrics::Metrics;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A connected socket that no runtime watches: on its way from the accepting runtime to the serving
/// runtime.
#[derive(Debug)]
pub(crate) enum UnregisteredSocket {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl Transport {
    pub(crate) fn park(self) -> io::Result<UnregisteredSocket> {
        Ok(match self {
            Self::Tcp(stream) => UnregisteredSocket::Tcp(stream.into_std()?),
            #[cfg(unix)]
            Self::Unix(stream) => UnregisteredSocket::Unix(stream.into_std()?),
        })
    }
}

impl UnregisteredSocket {
    /// Registers the socket. To be called on the runtime that is to watch the socket.
    pub(crate) fn unpark(self) -> io::Result<Transport> {
        Ok(match self {
            Self::Tcp(stream) => Transport::Tcp(TcpStream::from_std(stream)?),
            #[cfg(unix)]
            Self::Unix(stream) => Transport::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// A socket that fails when the peer takes no more bytes.
#[derive(Debug)]
pub(crate) struct Socket {
    transport: Transport,
    writes: WriteStall,
    /// The metrics of the process, which count the bytes.
    metrics: Arc<Metrics>,
    /// The number of bytes that may still be read; unbounded once TLS is set up.
    allowance: Option<usize>,
}

/// The stream of a connection, in the clear or in TLS; HTTP reads and writes on top.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    /// Boxed, because a TLS stream is large.
    Tls(Box<TlsStream<Socket>>),
}

/// Evaluates the same expression for a socket of either kind.
macro_rules! on_transport {
    ($transport:expr, $stream:ident => $what:expr) => {
        match $transport {
            Transport::Tcp($stream) => $what,
            #[cfg(unix)]
            Transport::Unix($stream) => $what,
        }
    };
}

/// Evaluates the same expression in the clear and in TLS.
macro_rules! on_stream {
    ($self:ident, $stream:ident => $what:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $what,
            Stream::Tls($stream) => $what,
        }
    };
}

impl Transport {
    /// Returns the user id of the peer on a Unix socket.
    pub(crate) fn user(&self) -> Option<u32> {
        match self {
            Self::Tcp(_) => None,
            #[cfg(unix)]
            Self::Unix(stream) => stream.peer_cred().ok().map(|credentials| credentials.uid()),
        }
    }

    /// Writes as many bytes as the socket takes at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        on_transport!(self, stream => stream.try_write(bytes))
    }
}

impl Socket {
    /// Makes a socket. A write may wait for `stall` without the peer taking a byte.
    pub(crate) fn new(transport: Transport, stall: Duration, metrics: Arc<Metrics>) -> Self {
        Self { transport, writes: WriteStall::new(stall), metrics, allowance: None }
    }

    /// Counts the bytes of a write.
    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.metrics.client_traffic().sent(*bytes);
        }
    }

    /// Sets the number of bytes that may still be read; `None` removes the bound.
    pub(super) fn allow(&mut self, allowance: Option<usize>) {
        self.allowance = allowance;
    }

    /// Waits for the first byte, or the end, without a buffer.
    pub(super) async fn readable(&self) -> io::Result<()> {
        on_transport!(&self.transport, stream => stream.readable().await)
    }
}

impl Stream {
    /// Returns the TCP socket below; `None` for a Unix socket.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        };
        match &socket.transport {
            Transport::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Transport::Unix(_) => None,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = on_transport!(&mut self.transport, stream => Pin::new(stream).poll_read(context, buffer));
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.metrics.client_traffic().received(bytes);
        }
        if let Some(allowance) = &mut self.allowance {
            *allowance = allowance.checked_sub(bytes).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "a longer handshake than is allowed")
            })?;
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = on_transport!(&mut self.transport, stream => Pin::new(stream).poll_write(context, bytes));
        self.note_written(&written);
        self.writes.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = on_transport!(&mut self.transport, stream => Pin::new(stream).poll_write_vectored(context, slices));
        self.note_written(&written);
        self.writes.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_transport!(&mut self.transport, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_transport!(&mut self.transport, stream => Pin::new(stream).poll_shutdown(context))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
