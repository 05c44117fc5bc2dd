//! Byte stream below the HTTP/2 library. The stream notes facts that the library does not tell: the
//! last request that an upstream processes before the connection closes (GOAWAY, RFC 9113 section
//! 6.8), whether any bytes come at all, and whether the upstream takes written bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::FRAME_HEADER_BYTES;

/// Type of a GOAWAY frame (RFC 9113 section 6.8).
const GOAWAY: u8 = 7;
/// Length of the last stream's identifier in the content of a GOAWAY frame.
const LAST_STREAM_BYTES: usize = 4;

/// Notes on the bytes of one connection.
#[derive(Debug)]
pub(in crate::transport) struct WireState {
    /// Number of reads that brought bytes.
    reads: AtomicU64,
    /// Last stream that the upstream processes; no later stream is processed.
    last_stream: AtomicU32,
    is_closing: AtomicBool,
    /// True if the socket takes nothing more at the moment.
    is_clogged: AtomicBool,
    /// True if nothing is to be read now.
    holds_reads: AtomicBool,
}

impl Default for WireState {
    fn default() -> Self {
        Self {
            reads: AtomicU64::new(0),
            last_stream: AtomicU32::new(u32::MAX),
            is_closing: AtomicBool::new(false),
            is_clogged: AtomicBool::new(false),
            holds_reads: AtomicBool::new(false),
        }
    }
}

impl WireState {
    /// Returns the number of reads that brought bytes.
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// True if the upstream said that the request of this stream is not processed.
    pub(super) fn excludes(&self, stream: u32) -> bool {
        stream > self.last_stream.load(Ordering::SeqCst)
    }

    /// True if the upstream said that no further requests are taken.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    /// True if the socket took nothing at the last write or flush.
    pub(in crate::transport) fn is_clogged(&self) -> bool {
        self.is_clogged.load(Ordering::Relaxed)
    }

    /// Runs `run` while nothing is read; afterwards the connection must be polled again.
    pub(super) fn holding_reads<T>(&self, run: impl FnOnce() -> T) -> T {
        self.holds_reads.store(true, Ordering::Relaxed);
        let result = run();
        self.holds_reads.store(false, Ordering::Relaxed);
        result
    }

    fn note_last_stream(&self, last: u32) {
        // A later GOAWAY only lowers the last stream.
        self.last_stream.fetch_min(last, Ordering::SeqCst);
        self.is_closing.store(true, Ordering::SeqCst);
    }
}

/// Byte stream towards an upstream that speaks HTTP/2.
pub(super) struct Wire<S> {
    stream: S,
    signals: Arc<WireState>,
    frames: Frames,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, signals: Arc<WireState>) -> Self {
        Self { stream, signals, frames: Frames::default() }
    }

    fn note_write<T>(&self, written: Poll<T>) -> Poll<T> {
        self.signals.is_clogged.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.signals.holds_reads.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        if !bytes.is_empty() {
            this.signals.reads.fetch_add(1, Ordering::Relaxed);
            this.frames.read(bytes, &mut |last| this.signals.note_last_stream(last));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes as much as fits its buffer; only the flush waits for the socket.
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.note_write(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Parser that finds GOAWAY among the frames.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes left to skip of a frame that was looked at.
    skip: usize,
    /// Header of a frame and, of a GOAWAY, the beginning of the content.
    seen: [u8; FRAME_HEADER_BYTES + LAST_STREAM_BYTES],
    filled: usize,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8], last_stream: &mut impl FnMut(u32)) {
        while !bytes.is_empty() {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            while self.skip == 0
                && let Some((byte, rest)) = bytes.split_first()
            {
                bytes = rest;
                self.take(*byte, last_stream);
            }
        }
    }

    fn take(&mut self, byte: u8, last_stream: &mut impl FnMut(u32)) {
        if let Some(place) = self.seen.get_mut(self.filled) {
            *place = byte;
        }
        self.filled += 1;
        let [high, middle, low, kind, _, _, _, _, _, last @ ..] = self.seen;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let is_goaway = kind == GOAWAY && length >= LAST_STREAM_BYTES;
        let wanted = FRAME_HEADER_BYTES + if is_goaway { LAST_STREAM_BYTES } else { 0 };
        if self.filled < FRAME_HEADER_BYTES || self.filled < wanted {
            return;
        }
        if is_goaway {
            // The first bit is reserved (RFC 9113 section 6.8).
            last_stream(u32::from_be_bytes(last) & (u32::MAX >> 1));
        }
        self.skip = length + FRAME_HEADER_BYTES - wanted;
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 0], content].concat()
    }

    fn found(bytes: &[u8], piece: usize) -> Vec<u32> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        bytes.chunks(piece).for_each(|piece| frames.read(piece, &mut |last| found.push(last)));
        found
    }

    #[test]
    fn goaway_is_found_however_the_bytes_come() {
        let goaway = |last: u32, more: &[u8]| {
            frame(GOAWAY, &[&last.to_be_bytes(), &[0; 4][..], more].concat())
        };
        let bytes = [
            frame(4, &[]),
            frame(0, &[GOAWAY; 300]),
            frame(0, &[GOAWAY; 70_000]),
            goaway(0x8000_0007, b"debug data"),
            frame(4, &[7; 12]),
            goaway(3, b""),
            frame(0, b""),
        ]
        .concat();
        for piece in 1..40 {
            assert_eq!(found(&bytes, piece), [7, 3], "in pieces of {piece}");
        }
        // One that is too short is the library's to refuse.
        assert!(found(&frame(GOAWAY, &[0; 3]), 5).is_empty());
    }

    /// Takes what is written, as TLS does, and may not get it out.
    struct Held {
        is_full: bool,
    }

    impl AsyncWrite for Held {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.is_full { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_full_socket_shows_in_the_flush() {
        let state = Arc::new(WireState::default());
        let mut wire = Wire::new(Held { is_full: false }, Arc::clone(&state));
        let mut context = Context::from_waker(std::task::Waker::noop());
        for is_full in [false, true, false] {
            wire.stream.is_full = is_full;
            assert!(Pin::new(&mut wire).poll_write(&mut context, b"frame").is_ready());
            assert_eq!(Pin::new(&mut wire).poll_flush(&mut context).is_pending(), is_full);
            assert_eq!(state.is_clogged(), is_full);
        }
    }

    #[test]
    fn a_stream_is_excluded_only_beyond_the_last() {
        let signals = WireState::default();
        assert!(!signals.excludes(9) && !signals.is_closing());
        signals.note_last_stream(u32::MAX >> 1);
        assert!(!signals.excludes(9) && signals.is_closing());
        signals.note_last_stream(7);
        assert!(signals.excludes(9) && !signals.excludes(7));
        signals.note_last_stream(11);
        assert!(signals.excludes(9), "it never rises");
    }
}
