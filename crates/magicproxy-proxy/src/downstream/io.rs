//! The byte stream of a client's connection, which ends slow and idle connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::close_delimited::ResetGuard;
use super::frames::ControlFrames;
use super::linger::Linger;
use super::{Connection, Stream};
use crate::admission::{Budget, Holding, Payer, Resource};
use crate::http::probes::probe;
use crate::http::turn::Turn;
use crate::settings::Timeouts;

/// Bytes of a head that are charged to nobody, because every connection has room for them.
const FREE_HEAD_BYTES: usize = 8 * 1024;
/// The step, in bytes, in which a longer head is charged.
const HEAD_STEP: usize = 8 * 1024;
/// The memory for one byte of a head: the HTTP library's buffer doubles.
const BYTES_PER_HEAD_BYTE: usize = 2;

/// The stream of one downstream connection.
///
/// Between requests the stream allows [`Timeouts::client_keep_alive`] until the first byte of a
/// head, and `header` from the first byte to the head's end. A peer that takes nothing of a
/// response is left to [`Socket`](super::Socket). Reading is not limited while a request is in
/// progress, because the body has its own timer.
pub(crate) struct DownstreamIo {
    stream: Stream,
    /// Bytes that were read while the protocol was detected.
    prefix: Bytes,
    connection: Arc<Connection>,
    timeouts: Timeouts,
    /// The numbers of requests begun and ended when the times below were set.
    seen: (u64, u64),
    idle_since: Instant,
    head_since: Option<Instant>,
    read_timer: Option<Pin<Box<Sleep>>>,
    linger: Option<Box<Linger>>,
    head_bytes: HeadBytes,
    turn: Turn,
    /// The count of control frames; HTTP/2 only.
    control_frames: Option<Box<ControlFrames>>,
    /// Armed while close-delimited content is written.
    reset_on_close: Option<ResetGuard>,
    /// True if the system probes the peer (TCP keep-alive).
    is_probed: bool,
}

/// The memory that the next head takes until the head is complete, at the peer's expense. Bytes
/// between the requests of an HTTP/2 connection count alike.
struct HeadBytes {
    budget: Arc<Budget>,
    read: usize,
    charged: usize,
    holding: Option<Holding>,
}

impl HeadBytes {
    fn new(budget: Arc<Budget>) -> Self {
        Self { budget, read: 0, charged: FREE_HEAD_BYTES, holding: None }
    }

    /// Notes that so many more bytes were read. Fails if the peer has used up its share.
    fn add(&mut self, bytes: usize, connection: &Connection) -> io::Result<()> {
        self.read += bytes;
        if self.read <= self.charged {
            return Ok(());
        }
        let more = (self.read - self.charged).next_multiple_of(HEAD_STEP);
        let amount = more * BYTES_PER_HEAD_BYTE;
        let charged = match &mut self.holding {
            Some(holding) => holding.grow(amount),
            None => {
                let payer = Payer::anonymous(Arc::clone(connection.account()));
                self.budget
                    .take(Resource::BufferedBytes, amount, &payer)
                    .map(|holding| self.holding = Some(holding))
            }
        };
        self.charged += more;
        charged.map_err(|shortage| io::Error::new(io::ErrorKind::OutOfMemory, shortage))
    }

    /// Releases the memory of a complete head. A body follows, which has its own limits.
    fn forget(&mut self) {
        if self.read > 0 {
            (self.read, self.charged, self.holding) = (0, FREE_HEAD_BYTES, None);
        }
    }
}

/// The limits of a connection.
pub(crate) struct Bounds {
    pub(crate) timeouts: Timeouts,
    /// The time of the connection's first byte.
    pub(crate) first_byte: Instant,
    /// The budget to which incomplete heads are charged.
    pub(crate) budget: Arc<Budget>,
}

impl DownstreamIo {
    /// Makes the stream of a negotiated connection, whose first head has begun.
    pub(crate) fn new(
        stream: Stream,
        prefix: Bytes,
        connection: Arc<Connection>,
        bounds: Bounds,
    ) -> Self {
        let Bounds { timeouts, first_byte, budget } = bounds;
        connection.scan(&prefix);
        let mut control_frames =
            (!connection.is_http1()).then(|| Box::new(ControlFrames::new(first_byte)));
        if let Some(frames) = &mut control_frames {
            // The prefix is too short to hold too many frames.
            let _ = frames.read(&prefix, 0);
        }
        Self {
            stream,
            prefix,
            connection,
            timeouts,
            seen: (0, 0),
            idle_since: first_byte,
            head_since: Some(first_byte),
            read_timer: None,
            linger: None,
            head_bytes: HeadBytes::new(budget),
            turn: Turn::default(),
            control_frames,
            reset_on_close: None,
            is_probed: false,
        }
    }

    /// Notices requests that began or ended since the last call.
    fn look(&mut self) {
        let counts = self.connection.counts();
        if counts != self.seen {
            if counts.0 != self.seen.0 {
                self.connection.forget();
                self.head_bytes.forget();
            }
            self.seen = counts;
            self.head_since = None;
            if !self.is_busy() {
                self.idle_since = self.connection.idle_since();
            }
        }
    }

    /// Reads up to the end of a request's content, so that the head of the next request is scanned
    /// from its first byte.
    fn poll_read_content(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(most) = self.connection.rest.most() else {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        };
        let before = buffer.filled().len();
        match usize::try_from(most) {
            Ok(most) if most < buffer.remaining() => {
                let mut content = ReadBuf::new(buffer.initialize_unfilled_to(most));
                ready!(Pin::new(&mut self.stream).poll_read(context, &mut content))?;
                let read = content.filled().len();
                buffer.advance(read);
            }
            _ => ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?,
        }
        self.connection.rest.was_read(most, buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }

    /// Arms the reset of the socket in case of an early close, while close-delimited content is
    /// written; and starts probes of a tunnel's peer, which may be silent for long.
    fn before_write(&mut self) {
        if self.connection.is_tunnel() && !self.is_probed {
            self.is_probed = true;
            let limit = self.timeouts.body_idle;
            self.stream.tcp().inspect(|stream| probe(stream, limit));
        }
        if self.connection.close_delimited.has_begun() && self.reset_on_close.is_none() {
            self.reset_on_close = self.stream.tcp().and_then(ResetGuard::arm);
        }
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut self.control_frames, written) {
            frames.wrote(*bytes);
        }
    }

    fn is_busy(&self) -> bool {
        self.seen.0 != self.seen.1
    }

    fn read_deadline(&self) -> Option<Instant> {
        match self.head_since {
            _ if self.is_busy() => None,
            _ if self.connection.rest.is_discarded() => {
                Some(self.idle_since + self.timeouts.header)
            }
            _ if self.connection.rest.is_to_come() => None,
            Some(since) => Some(since + self.timeouts.header),
            None => Some(self.idle_since + self.timeouts.client_keep_alive()),
        }
    }

    fn poll_read_expired(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.read_deadline();
            ready!(self.poll_timer(deadline, context));
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Poll::Ready(());
            }
        }
    }

    /// Returns ready if the deadline has passed; the timer fires at `deadline` at the latest. A
    /// running timer that fires earlier is left alone, because the timer knows the task to wake,
    /// and moving a timer costs more than one check.
    fn poll_timer(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        // hyper does not read again when a request ends, if hyper waited for bytes before: the
        // timer has to run already. The timer fires before the connection has idled for too long,
        // and is moved then.
        let keep_alive = self.timeouts.keep_alive;
        let look = || {
            let idle = Instant::now() + keep_alive;
            deadline.map_or(idle, |deadline| deadline.min(idle)).into()
        };
        let timer = match &mut self.read_timer {
            None => self.read_timer.insert(Box::pin(tokio::time::sleep_until(look()))),
            Some(timer) => {
                let late = deadline.is_some_and(|deadline| timer.deadline() > deadline.into());
                if !late && !timer.is_elapsed() {
                    return Poll::Pending;
                }
                timer.as_mut().reset(look());
                timer
            }
        };
        // Unconstrained, because no second poll follows: a timer that yields to tokio's budget does
        // not run yet.
        std::pin::pin!(tokio::task::unconstrained(timer.as_mut())).poll(context)
    }
}

impl Drop for DownstreamIo {
    fn drop(&mut self) {
        if let (Some(reset), Some(stream)) = (self.reset_on_close.take(), self.stream.tcp()) {
            reset.let_go(stream, Arc::clone(&self.connection));
        }
    }
}

impl AsyncRead for DownstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.look();
        if this.prefix.has_remaining() {
            let length = this.prefix.len().min(buffer.remaining());
            buffer.put_slice(&this.prefix.split_to(length));
            if this.prefix.is_empty() {
                // An empty part would keep the memory of the whole alive.
                this.prefix = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        ready!(this.turn.poll_more(context));
        let before = buffer.filled().len();
        let is_content = this.connection.rest.is_to_come();
        match this.poll_read_content(context, buffer) {
            Poll::Ready(Ok(())) => {
                let read = buffer.filled().get(before..).unwrap_or_default();
                this.turn.note(Some(read.len()));
                if let Some(frames) = &mut this.control_frames {
                    frames.read(read, this.connection.counts().0)?;
                }
                // Frames of other kinds come between HTTP/2 requests. The connection is idle until
                // a request begins.
                if !read.is_empty() && !this.is_busy() && !is_content {
                    this.head_bytes.add(read.len(), &this.connection)?;
                    if this.connection.is_http1() {
                        let now = Instant::now();
                        this.head_since.get_or_insert(now);
                        this.connection.head_read.note(now);
                        this.connection.scan(read);
                    }
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.turn.note(None);
                this.poll_read_expired(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for DownstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.before_write();
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.before_write();
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushes.note();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.connection.close_delimited.is_whole()
            && let (Some(reset), Some(stream)) = (this.reset_on_close.take(), this.stream.tcp())
        {
            reset.disarm(stream);
        }
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        if this.connection.may_bring_more() {
            let linger = this.linger.get_or_insert_default();
            ready!(linger.poll(&mut this.stream, context));
        }
        Poll::Ready(Ok(()))
    }
}
