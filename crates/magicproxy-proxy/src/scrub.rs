//! An upstream that echoes the credential does not hand it to the caller: exact matches are masked, byte for byte, so that
//! lengths stay true.
//!
//! Identity bodies are masked while they stream. A gzip body is inflated beside the stream and cut off where the credential
//! shows. What this cannot see is written in SECURITY.md: other codings, transformed echoes, answers in ranges.

#[cfg(test)]
mod tests;

use std::io::Write;

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use magicproxy_core::Credential;
use memchr::memmem::Finder;
use zeroize::Zeroizing;

/// Shorter credentials would be found in innocent text.
const MIN_NEEDLE_BYTES: usize = 8;
/// A compressed chunk is held back while the text so far ends in at least so many bytes of the credential.
const HOLD_BYTES: usize = 4;
/// The most that is held back of a compressed body.
const MAX_HELD_BYTES: usize = 256 * 1024;

/// What is looked for: a credential.
#[derive(Clone)]
pub(crate) struct Needle {
    secret: Zeroizing<Vec<u8>>,
    finder: Finder<'static>,
}

impl Needle {
    /// `None` for a credential too short to be told from innocent text.
    pub(crate) fn new(credential: &Credential) -> Option<Self> {
        let secret = credential.expose().as_bytes();
        (secret.len() >= MIN_NEEDLE_BYTES)
            .then(|| Self { secret: Zeroizing::new(secret.to_vec()), finder: Finder::new(secret).into_owned() })
    }

    /// The bytes with every occurrence masked; `None` when there is none.
    pub(crate) fn masked(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.finder.find(bytes)?;
        let mut masked = bytes.to_vec();
        self.mask(&mut masked);
        Some(masked)
    }

    fn mask(&self, bytes: &mut [u8]) {
        let mut start = 0;
        while let Some(at) = bytes.get(start..).and_then(|rest| self.finder.find(rest)) {
            let end = start + at + self.secret.len();
            if let Some(found) = bytes.get_mut(start + at..end) {
                found.fill(b'*');
            }
            start = end;
        }
    }

    /// How many bytes at the end of `bytes` are a beginning of the secret, without being all of it.
    fn partial_end(&self, bytes: &[u8]) -> usize {
        let longest = bytes.len().min(self.secret.len() - 1);
        let ends_with = |length: &usize| self.secret.get(..*length).is_some_and(|start| bytes.ends_with(start));
        (1..=longest).rev().find(ends_with).unwrap_or(0)
    }
}

impl std::fmt::Debug for Needle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Needle(***)")
    }
}

/// The credential showed in a compressed body, which cannot be masked without changing its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer holds the credential")]
pub(crate) struct Reflected;

/// Looks at a body while it streams.
#[expect(clippy::large_enum_variant, reason = "most bodies are plain: boxing them would cost each of them")]
pub(crate) enum Scrubber {
    /// Identity coding.
    Plain(PlainScrubber),
    /// gzip.
    Gzip(Box<GzipScrubber>),
}

impl Scrubber {
    pub(crate) fn plain(needle: Needle) -> Self {
        Self::Plain(PlainScrubber::new(needle))
    }

    pub(crate) fn gzip(needle: Needle) -> Self {
        let sink = Sink { needle: needle.clone(), tail: Vec::new(), found: false };
        let inflating = Some(MultiGzDecoder::new(sink));
        Self::Gzip(Box::new(GzipScrubber { inflating, held: BytesMut::new(), plain: PlainScrubber::new(needle) }))
    }

    /// Takes a chunk and gives what may go on; it may be empty.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Bytes, Reflected> {
        match self {
            Self::Plain(scrubber) => Ok(scrubber.push(chunk)),
            Self::Gzip(scrubber) => scrubber.push(chunk),
        }
    }

    /// What was held back, at the end of the body.
    pub(crate) fn finish(&mut self) -> Bytes {
        match self {
            Self::Plain(scrubber) => scrubber.held.split().freeze(),
            Self::Gzip(scrubber) => scrubber.finish(),
        }
    }

    /// How many bytes are held back.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Plain(scrubber) => scrubber.held.len(),
            Self::Gzip(scrubber) => scrubber.held.len() + scrubber.plain.held.len(),
        }
    }
}

pub(crate) struct PlainScrubber {
    needle: Needle,
    /// INVARIANT: a beginning of the secret, shorter than it.
    held: BytesMut,
}

impl PlainScrubber {
    fn new(needle: Needle) -> Self {
        Self { needle, held: BytesMut::new() }
    }

    fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() && self.needle.finder.find(&chunk).is_none() {
            let partial = self.needle.partial_end(&chunk);
            if partial == 0 {
                return chunk;
            }
        }
        self.held.extend_from_slice(&chunk);
        self.needle.mask(&mut self.held);
        let partial = self.needle.partial_end(&self.held);
        self.held.split_to(self.held.len() - partial).freeze()
    }
}

pub(crate) struct GzipScrubber {
    /// `None` once the body turned out not to be gzip that can be read from here.
    inflating: Option<MultiGzDecoder<Sink>>,
    held: BytesMut,
    /// Looks at the bytes as they are: the body may be no gzip at all, or have something else behind it.
    plain: PlainScrubber,
}

impl GzipScrubber {
    fn push(&mut self, chunk: Bytes) -> Result<Bytes, Reflected> {
        let passed = self.inflate(chunk)?;
        Ok(if passed.is_empty() { passed } else { self.plain.push(passed) })
    }

    fn inflate(&mut self, chunk: Bytes) -> Result<Bytes, Reflected> {
        let Some(inflating) = &mut self.inflating else { return Ok(chunk) };
        let inflated = inflating.write_all(&chunk).and_then(|()| inflating.flush());
        if inflating.get_ref().found {
            return Err(Reflected);
        }
        if inflated.is_err() {
            self.inflating = None;
        } else if inflating.get_ref().suspicious() {
            self.held.extend_from_slice(&chunk);
            // Text that ends in the credential's beginning again and again is no accident.
            return if self.held.len() > MAX_HELD_BYTES { Err(Reflected) } else { Ok(Bytes::new()) };
        }
        if self.held.is_empty() {
            return Ok(chunk);
        }
        self.held.extend_from_slice(&chunk);
        Ok(self.held.split().freeze())
    }

    fn finish(&mut self) -> Bytes {
        let passed = self.plain.push(self.held.split().freeze());
        [passed, self.plain.held.split().freeze()].concat().into()
    }
}

/// Where the inflated text goes: only its last bytes are kept.
struct Sink {
    needle: Needle,
    tail: Vec<u8>,
    found: bool,
}

impl Sink {
    fn suspicious(&self) -> bool {
        self.needle.partial_end(&self.tail) >= HOLD_BYTES
    }
}

impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let overlap = self.needle.secret.len() - 1;
        self.tail.extend_from_slice(text.get(..overlap).unwrap_or(text));
        self.found |= self.needle.finder.find(&self.tail).is_some() || self.needle.finder.find(text).is_some();
        if text.len() > overlap {
            self.tail.clear();
            self.tail.extend_from_slice(text.get(text.len() - overlap..).unwrap_or_default());
        } else if self.tail.len() > overlap {
            self.tail.drain(..self.tail.len() - overlap);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
