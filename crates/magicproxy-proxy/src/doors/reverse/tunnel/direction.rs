//! A direction of a WebSocket: bytes pass unchanged, at last perhaps followed by a Close frame of
//! the proxy's own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{CloseCode, FrameScan, Sender, close_frame};

/// The most bytes read at a time.
const BUFFER_BYTES: usize = 8 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectionEnd {
    /// The sending side has ended or broken off, and the receiving side was told.
    Source,
    /// The receiving side takes nothing more.
    Sink,
}

/// The bytes on their way from one side to the other, and the state of their frames.
#[derive(Debug)]
pub(super) struct Direction {
    sender: Sender,
    frames: FrameScan,
    buffer: Box<[u8]>,
    /// The part of the buffer still to be written.
    filled: std::ops::Range<usize>,
    is_flushed: bool,
    passed: u64,
    last_moved: Instant,
    /// The Close frame to write as soon as no frame is under way.
    close: Option<Vec<u8>>,
    /// The Close frame to write if the source ends without a Close frame.
    at_end: Option<Vec<u8>>,
    /// True once the proxy's own Close frame is in the buffer, or a frame was cut off by
    /// [`Self::stop`]: bytes of the source are then dropped.
    is_mute: bool,
    source_has_ended: bool,
}

impl Direction {
    /// Makes the direction of the frames from `sender`.
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

    /// Sets the Close frame for the receiving side, should the sending side end without a Close
    /// frame.
    pub(super) fn tells_at_end(mut self, code: CloseCode, reason: &str) -> Self {
        self.at_end = Some(close_frame(self.sender, code, reason));
        self
    }

    /// Returns the number of the sender's bytes passed on.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Returns the time of the last byte from the sender.
    pub(super) fn last_moved(&self) -> Instant {
        self.last_moved
    }

    /// Closes the WebSocket for the receiving side, behind the frame under way.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        if !self.is_mute && !self.frames.has_closed() {
            self.close = Some(close_frame(self.sender, code, reason));
        }
    }

    /// Closes the WebSocket at once. The rest of a frame under way is dropped; then no Close frame
    /// can be sent.
    pub(super) fn stop(&mut self, code: CloseCode, reason: &str) {
        self.close(code, reason);
        self.is_mute |= !self.frames.is_between_frames();
    }

    /// True if the sending side has sent a Close frame.
    pub(super) fn has_closed(&self) -> bool {
        self.frames.has_closed()
    }

    /// True if the receiving side has got a Close frame, the sender's or the proxy's, or gets
    /// nothing more after [`Self::stop`].
    pub(super) fn is_closed(&self) -> bool {
        self.filled.is_empty()
            && (self.is_mute || self.frames.has_closed() && self.frames.is_between_frames())
    }

    /// Passes on all bytes available, until a side has ended.
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

    /// Takes the bytes just read.
    fn take(&mut self, length: usize) {
        self.last_moved = Instant::now();
        self.frames.read(self.buffer.get(..length).unwrap_or_default());
        if !self.is_mute {
            self.passed += length as u64;
            self.filled = 0..length;
        }
    }

    /// Puts the proxy's Close frame into the empty buffer, if no frame is under way. Returns true
    /// if there is something to write.
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
