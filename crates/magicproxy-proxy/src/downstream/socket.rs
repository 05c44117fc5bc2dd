//! What a connection's bytes travel on: TCP or a Unix socket, in the clear or in TLS.
//!
//! One type for all of them, so that HTTP is compiled once. Writes are timed at the very bottom: TLS keeps some of what it
//! is given, and above it a peer that takes nothing looks like one that has taken all.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::server::TlsStream;

use crate::http::write_stall::WriteStall;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A connected socket that no runtime watches: on its way from the one that accepted it to the one that serves it.
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
    /// To be called on the runtime that is to watch it.
    pub(crate) fn unpark(self) -> io::Result<Transport> {
        Ok(match self {
            Self::Tcp(stream) => Transport::Tcp(TcpStream::from_std(stream)?),
            #[cfg(unix)]
            Self::Unix(stream) => Transport::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// A socket that ends when its peer takes nothing any more.
#[derive(Debug)]
pub(crate) struct Socket {
    transport: Transport,
    writes: WriteStall,
    /// How much more may be read; nothing bounds it once TLS is set up.
    allowance: Option<usize>,
}

/// The stream that HTTP is spoken on.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    /// Boxed: it is large, and few things are.
    Tls(Box<TlsStream<Socket>>),
}

/// Does the same with whichever socket it is.
macro_rules! on_transport {
    ($transport:expr, $stream:ident => $what:expr) => {
        match $transport {
            Transport::Tcp($stream) => $what,
            #[cfg(unix)]
            Transport::Unix($stream) => $what,
        }
    };
}

/// Does the same in the clear and in TLS.
macro_rules! on_stream {
    ($self:ident, $stream:ident => $what:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $what,
            Stream::Tls($stream) => $what,
        }
    };
}

impl Transport {
    /// Who connected, on a Unix socket.
    pub(crate) fn user(&self) -> Option<u32> {
        match self {
            Self::Tcp(_) => None,
            #[cfg(unix)]
            Self::Unix(stream) => stream.peer_cred().ok().map(|credentials| credentials.uid()),
        }
    }

    /// Writes what the socket takes at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        on_transport!(self, stream => stream.try_write(bytes))
    }
}

impl Socket {
    /// `stall` is how long a write may wait without the peer taking a byte.
    pub(crate) fn new(transport: Transport, stall: Duration) -> Self {
        Self { transport, writes: WriteStall::new(stall), allowance: None }
    }

    /// Only so many more bytes may be read, until this is called again.
    pub(super) fn allow(&mut self, allowance: Option<usize>) {
        self.allowance = allowance;
    }

    /// Waits for the first byte, or the end, without keeping a buffer for it.
    pub(super) async fn readable(&self) -> io::Result<()> {
        on_transport!(&self.transport, stream => stream.readable().await)
    }
}

impl Stream {
    /// The socket below, unless it is a Unix socket.
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
        if let Some(allowance) = &mut self.allowance {
            *allowance =
                allowance.checked_sub(buffer.filled().len() - before).ok_or_else(|| {
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
        self.writes.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = on_transport!(&mut self.transport, stream => Pin::new(stream).poll_write_vectored(context, slices));
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
