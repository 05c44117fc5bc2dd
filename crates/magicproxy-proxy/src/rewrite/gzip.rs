//! Inflating a body while it streams: `docs/spec/rewriting.md` section 5.

use std::io::Write;

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;

/// From so many bytes on, what was inflated goes on. The decoder adds its window of 32 KiB at most twice before that is seen.
const PIECE_BYTES: usize = 32 * 1024;

/// A body that is announced as gzip is none, breaks off, or has something else behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer is not the gzip that it says it is")]
pub(crate) struct NotGzip;

/// Inflates members of gzip, in pieces of bounded length.
pub(crate) struct Inflater {
    decoder: MultiGzDecoder<Vec<u8>>,
    input: Bytes,
    /// Has all come out that can come out without more input?
    flushed: bool,
    began: bool,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), input: Bytes::new(), flushed: true, began: false }
    }

    /// Gives it a piece. The last one must have been used up: [`Self::next`] gave `None`.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.began |= !piece.is_empty();
        self.flushed = piece.is_empty();
        self.input = piece;
    }

    /// The next of what can be inflated so far; `None` when there is no more.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, NotGzip> {
        while !self.input.is_empty() {
            let read = self.decoder.write(&self.input).map_err(|_| NotGzip)?;
            if read == 0 {
                return Err(NotGzip);
            }
            self.input.advance(read);
            if self.decoder.get_ref().len() >= PIECE_BYTES {
                return Ok(self.take());
            }
        }
        if !self.flushed {
            self.flushed = true;
            self.decoder.flush().map_err(|_| NotGzip)?;
        }
        Ok(self.take())
    }

    /// The body has ended: was it whole? Gives the rest.
    pub(crate) fn finish(&mut self) -> Result<Option<Bytes>, NotGzip> {
        if self.began {
            self.began = false;
            self.decoder.try_finish().map_err(|_| NotGzip)?;
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Option<Bytes> {
        let inflated = std::mem::take(self.decoder.get_mut());
        (!inflated.is_empty()).then(|| inflated.into())
    }
}
