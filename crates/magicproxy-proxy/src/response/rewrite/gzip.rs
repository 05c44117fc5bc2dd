//! Inflating of a body while the body streams: `docs/spec/rewriting.md` section 5.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::GzDecoder;

use crate::http::body::GzipError;

/// Number of inflated bytes from which on a piece is passed on. The decoder adds a window of 32 KiB
/// at most twice before the limit is checked.
const PIECE_BYTES: usize = 32 * 1024;

/// Inflater of gzip members, one after the other. Zeros behind a member are skipped, as `gunzip`
/// does: some servers fill up their last block. Clients differ in whether they look for further
/// members behind such zeros; this inflater does.
pub(crate) struct GzipMembers<W: Write> {
    /// Decoder; `None` only while one decoder replaces another.
    decoder: Option<GzDecoder<W>>,
    /// True if a member has ended, and the next has not begun.
    between: bool,
}

impl<W: Write> GzipMembers<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { decoder: Some(GzDecoder::new(sink)), between: false }
    }

    /// Returns the sink of the text.
    pub(crate) fn sink(&mut self) -> Option<&mut W> {
        self.decoder.as_mut().map(GzDecoder::get_mut)
    }

    /// Inflates a part of the input, and returns the number of bytes read: 0 is an error.
    pub(crate) fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        if !self.between {
            let read = self.decoder()?.write(input)?;
            if read > 0 || input.is_empty() {
                return Ok(read);
            }
            self.decoder()?.try_finish()?;
            self.between = true;
        }
        let zeros = input.iter().take_while(|byte| **byte == 0).count();
        if zeros > 0 {
            return Ok(zeros);
        }
        let sink = self.decoder.take().ok_or(io::ErrorKind::Other)?.finish()?;
        self.decoder = Some(GzDecoder::new(sink));
        self.between = false;
        self.decoder()?.write(input)
    }

    /// Writes to the sink everything that can be inflated so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.decoder()?.flush()
    }

    /// Checks that the last member was whole.
    fn finish(&mut self) -> io::Result<()> {
        if self.between { Ok(()) } else { self.decoder()?.try_finish() }
    }

    fn decoder(&mut self) -> io::Result<&mut GzDecoder<W>> {
        self.decoder.as_mut().ok_or_else(|| io::ErrorKind::Other.into())
    }
}

/// Inflater of gzip members, in pieces of bounded length.
pub(crate) struct Inflater {
    members: GzipMembers<Vec<u8>>,
    input: Bytes,
    /// True if everything has come out that can come out without more input.
    flushed: bool,
    began: bool,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self {
            members: GzipMembers::new(Vec::new()),
            input: Bytes::new(),
            flushed: true,
            began: false,
        }
    }

    /// Takes a piece. The last piece must have been used up: [`Self::next`] gave `None`.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.began |= !piece.is_empty();
        self.flushed = piece.is_empty();
        self.input = piece;
    }

    /// Returns the next inflated piece; `None` when more input is needed.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, GzipError> {
        while !self.input.is_empty() {
            let read = self.members.write(&self.input).map_err(|_| GzipError)?;
            if read == 0 {
                return Err(GzipError);
            }
            self.input.advance(read);
            if self.members.sink().is_some_and(|inflated| inflated.len() >= PIECE_BYTES) {
                return Ok(self.take());
            }
        }
        if !self.flushed {
            self.flushed = true;
            self.members.flush().map_err(|_| GzipError)?;
        }
        Ok(self.take())
    }

    /// Checks, at the end of the body, that the body was whole. Returns the rest.
    pub(crate) fn finish(&mut self) -> Result<Option<Bytes>, GzipError> {
        if self.began {
            self.began = false;
            self.members.finish().map_err(|_| GzipError)?;
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Option<Bytes> {
        let inflated = self.members.sink().map(std::mem::take).unwrap_or_default();
        (!inflated.is_empty()).then(|| inflated.into())
    }
}
