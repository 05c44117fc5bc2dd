//! One direction of a WebSocket: bytes pass as they are, and at last perhaps a Close frame of the proxy's own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{CloseCode, FrameScan, Sender, close_frame};

/// So much is read at a time.
const BUFFER_BYTES: usize = 8 * 1024;

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectionEnd {
    /// Who sends has ended, or broken off, and who receives was told.
    Source,
    /// Who receives takes nothing more.
    Sink,
}

/// What is on its way from one side to the other.
#[derive(Debug)]
pub(super) struct Direction {
    sender: Sender,
    frames: FrameScan,
    buffer: Box<[u8]>,
    /// The part of the buffer that is to be written.
    filled: std::ops::Range<usize>,
    is_flushed: bool,
    passed: u64,
    last_moved: Instant,
    /// To be written when it may stand there.
    close: Option<Vec<u8>>,
    /// To be written when the source has ended without one.
    at_end: Option<Vec<u8>>,
    /// The proxy's own Close frame has gone in: what comes now is dropped.
    is_mute: bool,
    source_has_ended: bool,
}

impl Direction {
    /// What this one sends.
    pub(super) fn of(sender: Sender) -> Self {
        Self {
            sender,
            frames: FrameScan::new(sender),
            buffer: vec![0; BUFFER_BYTES].into(),
            filled: 0..0,
            is_flushed: true,
            passed: 0,
            last_moved: Instant::now(),
            close: None,
            at_end: None,
            is_mute: false,
            source_has_ended: false,
        }
    }

    /// Has this told to who receives, should who sends end without a word.
    pub(super) fn tells_at_end(mut self, code: CloseCode, reason: &str) -> Self {
        self.at_end = Some(close_frame(self.sender, code, reason));
        self
    }

    /// Bytes of the sender's that went on.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// When the last of them came.
    pub(super) fn last_moved(&self) -> Instant {
        self.last_moved
    }

    /// Closes it for who receives, behind the frame that is passing.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        if !self.is_mute && !self.frames.has_closed() {
            self.close = Some(close_frame(self.sender, code, reason));
        }
    }

    /// The same at once: where a frame is passing, its rest is dropped, and nothing can be told.
    pub(super) fn stop(&mut self, code: CloseCode, reason: &str) {
        self.close(code, reason);
        self.is_mute |= !self.frames.is_between_frames();
    }

    /// Has its sender sent a Close frame?
    pub(super) fn has_closed(&self) -> bool {
        self.frames.has_closed()
    }

    /// Has who receives got a Close frame, the sender's or the proxy's?
    pub(super) fn is_closed(&self) -> bool {
        self.filled.is_empty()
            && (self.is_mute || self.frames.has_closed() && self.frames.is_between_frames())
    }

    /// Passes on what there is, until one side has ended.
    pub(super) fn poll<S>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut S,
        to: &mut S,
    ) -> Poll<DirectionEnd>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if ready!(self.poll_write(context, to)).is_err() {
                return Poll::Ready(DirectionEnd::Sink);
            }
            if self.begin_close() {
                continue;
            }
            if self.source_has_ended {
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(context));
                return Poll::Ready(DirectionEnd::Source);
            }
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let read = Pin::new(&mut *from).poll_read(context, &mut buffer);
            let length = buffer.filled().len();
            match read {
                Poll::Pending => {
                    if !self.is_flushed {
                        let flushed = ready!(Pin::new(&mut *to).poll_flush(context));
                        self.is_flushed = flushed.is_ok();
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if length > 0 => self.take(length),
                Poll::Ready(_) => {
                    self.source_has_ended = true;
                    self.close = self.close.take().or(self.at_end.take());
                }
            }
        }
    }

    /// What was read.
    fn take(&mut self, length: usize) {
        self.last_moved = Instant::now();
        self.frames.read(self.buffer.get(..length).unwrap_or_default());
        if !self.is_mute {
            self.passed += length as u64;
            self.filled = 0..length;
        }
    }

    /// Puts the proxy's Close frame into the buffer, which is empty, if it may stand here.
    fn begin_close(&mut self) -> bool {
        if self.is_mute || self.frames.has_closed() || !self.frames.is_between_frames() {
            return false;
        }
        let Some(close) = self.close.take() else { return false };
        if let Some(route) = self.buffer.get_mut(..close.len()) {
            route.copy_from_slice(&close);
            (self.filled, self.is_mute) = (0..close.len(), true);
        }
        true
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut S,
    ) -> Poll<std::io::Result<()>> {
        while !self.filled.is_empty() {
            let bytes = self.buffer.get(self.filled.clone()).unwrap_or_default();
            match ready!(Pin::new(&mut *to).poll_write(context, bytes)) {
                Ok(0) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                Ok(written) => self.filled.start += written,
                Err(error) => return Poll::Ready(Err(error)),
            }
            self.is_flushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
