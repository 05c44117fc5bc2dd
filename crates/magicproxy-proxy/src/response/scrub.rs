//! Scrubber of response bodies: a credential that an upstream echoes does not reach the client. The
//! credential is masked byte for byte, so that lengths stay true.
//!
//! Identity bodies are masked while they stream. A gzip body is inflated beside the stream, and cut
//! off where the credential shows. The limits are written in SECURITY.md: other codings,
//! transformed echoes, responses in ranges.
//!
//! The end of a piece that may be the beginning of the credential is held back until the next bytes
//! are known, or the body ends. A short end, as every other word has, goes on after a moment:
//! `docs/spec/upstreams.md` section 5.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::http::body::ReflectedCredential;
use crate::mask::{SecretMask, fill};

use crate::response::rewrite::GzipMembers;

/// Bytes of inflated text after which a turn is over. The decoder adds a window of 32 KiB at most
/// twice before the limit is checked.
const SLICE_BYTES: usize = 64 * 1024;
/// The most bytes that are held back of a compressed body.
const MAX_HELD_BYTES: usize = 256 * 1024;

/// Scrubber of a body while the body streams.
pub(crate) enum Scrubber {
    Plain(PlainScrubber),
    Gzip(Box<GzipScrubber>),
}

impl Scrubber {
    /// Makes a scrubber for a body that is not compressed.
    pub(crate) fn plain(secret_mask: SecretMask) -> Self {
        Self::Plain(PlainScrubber::new(secret_mask))
    }

    /// Makes a scrubber for a gzip body that stays compressed.
    pub(crate) fn gzip(secret_mask: SecretMask) -> Self {
        let sink =
            Sink { secret_mask: secret_mask.clone(), tail: Vec::new(), found: false, seen: 0 };
        let inflating = Some(GzipMembers::new(sink));
        let (held, plain) = (BytesMut::new(), PlainScrubber::new(secret_mask));
        Self::Gzip(Box::new(GzipScrubber { inflating, chunk: None, held, plain }))
    }

    /// Takes a chunk and returns the bytes to pass on, which may be empty. `None` while the rest of
    /// the chunk takes longer than one turn of an event loop: then [`Self::resume`] goes on.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Option<Bytes>, ReflectedCredential> {
        match self {
            Self::Plain(scrubber) => Ok(Some(scrubber.push(chunk))),
            Self::Gzip(scrubber) => {
                scrubber.chunk = Some((chunk.clone(), chunk));
                scrubber.resume()
            }
        }
    }

    /// True if a part of the last chunk is still to be searched.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Gzip(scrubber) if scrubber.chunk.is_some())
    }

    /// Goes on with the last chunk.
    pub(crate) fn resume(&mut self) -> Result<Option<Bytes>, ReflectedCredential> {
        match self {
            Self::Plain(_) => Ok(Some(Bytes::new())),
            Self::Gzip(scrubber) => scrubber.resume(),
        }
    }

    /// Returns the bytes held back, at the end of the body.
    pub(crate) fn finish(&mut self) -> Bytes {
        match self {
            Self::Plain(scrubber) => scrubber.finish(),
            Self::Gzip(scrubber) => scrubber.finish(),
        }
    }

    /// Returns the number of bytes held back.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Plain(scrubber) => scrubber.unsent(),
            Self::Gzip(scrubber) => {
                let chunk = scrubber.chunk.as_ref().map_or(0, |(chunk, _)| chunk.len());
                chunk + scrubber.held.len() + scrubber.plain.unsent()
            }
        }
    }

    /// True if an end is held back that is short enough to go on after a moment.
    pub(crate) fn holds_short_end(&self) -> bool {
        self.innermost().holds_short_end()
    }

    /// Releases the short end that is held back, and remembers the end: following bytes that
    /// complete the credential are masked.
    pub(crate) fn release_short_end(&mut self) -> Bytes {
        match self {
            Self::Plain(scrubber) => scrubber.release_short_end(),
            Self::Gzip(scrubber) => scrubber.plain.release_short_end(),
        }
    }

    /// Returns the scrubber of the raw bytes.
    fn innermost(&self) -> &PlainScrubber {
        match self {
            Self::Plain(scrubber) => scrubber,
            Self::Gzip(scrubber) => &scrubber.plain,
        }
    }
}

/// Scrubber of raw bytes: masks every occurrence of the secrets, and holds back an end that may
/// begin a secret.
pub(crate) struct PlainScrubber {
    secret_mask: SecretMask,
    /// Bytes as received; the ranges to be masked are in `found`.
    /// INVARIANT: between chunks, a beginning of a secret, shorter than the secret.
    held: BytesMut,
    /// Number of bytes of `held` that went on already, as a short end.
    sent: usize,
    /// True if `held` is no more of any secret than may be shown.
    short: bool,
    /// Occurrences that lie, or end, in `held` or behind `held`. Their bytes stay unmasked until
    /// released, because the other secret may begin in the same bytes.
    found: Vec<Range<usize>>,
    /// Offsets in `held`, one for each secret, at which the search goes on; empty until bytes were
    /// held.
    next: Vec<usize>,
}

impl PlainScrubber {
    fn new(secret_mask: SecretMask) -> Self {
        Self {
            secret_mask,
            held: BytesMut::new(),
            sent: 0,
            short: false,
            found: Vec::new(),
            next: Vec::new(),
        }
    }

    fn push(&mut self, chunk: Bytes) -> Bytes {
        let is_fresh = self.held.is_empty() && self.found.is_empty();
        if is_fresh && !self.secret_mask.is_in(&chunk) && self.secret_mask.partial_end(&chunk) == 0
        {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        self.next.resize(self.secret_mask.secrets().len(), 0);
        let mut partial = 0;
        self.short = true;
        for (secret, next) in self.secret_mask.secrets().iter().zip(&mut self.next) {
            *next = secret.find_all(&self.held, *next, &mut self.found);
            let end = secret.partial_end(self.held.get(*next..).unwrap_or_default());
            self.short &= end <= secret.max_shown();
            partial = partial.max(end);
        }
        self.release(self.held.len() - partial)
    }

    /// Returns the number of bytes that are held and did not go on.
    fn unsent(&self) -> usize {
        self.held.len() - self.sent
    }

    fn holds_short_end(&self) -> bool {
        self.short && self.unsent() > 0
    }

    fn release_short_end(&mut self) -> Bytes {
        if !self.holds_short_end() {
            return Bytes::new();
        }
        let mut end = self.held.clone();
        self.found.iter().for_each(|range| fill(&mut end, range.clone()));
        end.advance(std::mem::replace(&mut self.sent, self.held.len()));
        end.freeze()
    }

    /// Releases the first `length` bytes, masked, without the bytes that went on before.
    fn release(&mut self, length: usize) -> Bytes {
        if length == 0 {
            return Bytes::new();
        }
        let mut released = self.held.split_to(length);
        for range in &mut self.found {
            fill(&mut released, range.clone());
            *range = range.start.saturating_sub(length)..range.end.saturating_sub(length);
        }
        self.found.retain(|range| !range.is_empty());
        self.next.iter_mut().for_each(|next| *next = next.saturating_sub(length));
        let sent = self.sent.min(length);
        self.sent -= sent;
        released.advance(sent);
        released.freeze()
    }

    /// Returns the bytes held, at the end.
    fn finish(&mut self) -> Bytes {
        self.release(self.held.len())
    }
}

/// Scrubber of a gzip body. Inflates a copy of the bytes, and searches the text. Ends the body
/// where the credential shows, because compressed bytes cannot be masked without changing the
/// length.
pub(crate) struct GzipScrubber {
    /// Inflater; `None` once the body turned out not to be gzip that can be read from here.
    inflating: Option<GzipMembers<Sink>>,
    /// Chunk that is being inflated, and the part still to be inflated.
    chunk: Option<(Bytes, Bytes)>,
    held: BytesMut,
    /// Scrubber of the raw bytes: the body may be no gzip at all, or have other bytes behind the
    /// gzip.
    plain: PlainScrubber,
}

/// Progress of a chunk.
enum InflateStep {
    /// A part is still to be inflated.
    Partly,
    Wholly,
    /// The body is not gzip that can be read from here.
    Not,
}

impl GzipScrubber {
    /// Inflates no more than a slice; `None` while more of the chunk remains.
    fn resume(&mut self) -> Result<Option<Bytes>, ReflectedCredential> {
        let Some((chunk, mut rest)) = self.chunk.take() else { return Ok(Some(Bytes::new())) };
        let inflated = self
            .inflating
            .as_mut()
            .map_or(InflateStep::Not, |inflating| inflate(inflating, &mut rest));
        if self.sink().is_some_and(|sink| sink.found) {
            return Err(ReflectedCredential);
        }
        match inflated {
            InflateStep::Partly => {
                self.chunk = Some((chunk, rest));
                return Ok(None);
            }
            InflateStep::Wholly => {}
            InflateStep::Not => self.inflating = None,
        }
        let passed = self.judged(chunk)?;
        Ok(Some(if passed.is_empty() { passed } else { self.plain.push(passed) }))
    }

    /// Returns the bytes that may go on, now that this chunk was searched.
    fn judged(&mut self, chunk: Bytes) -> Result<Bytes, ReflectedCredential> {
        if self.sink().is_some_and(|sink| sink.suspicious()) {
            self.held.extend_from_slice(&chunk);
            // Text that ends in the credential's beginning again and again is no accident.
            return if self.held.len() > MAX_HELD_BYTES {
                Err(ReflectedCredential)
            } else {
                Ok(Bytes::new())
            };
        }
        if self.held.is_empty() {
            return Ok(chunk);
        }
        self.held.extend_from_slice(&chunk);
        Ok(self.held.split().freeze())
    }

    /// Returns the sink of the inflated text, while the body is gzip.
    fn sink(&mut self) -> Option<&mut Sink> {
        self.inflating.as_mut()?.sink()
    }

    fn finish(&mut self) -> Bytes {
        let passed = self.plain.push(self.held.split().freeze());
        [passed, self.plain.finish()].concat().into()
    }
}

/// Inflates until a slice of text has come out, or all of the chunk was read.
fn inflate(inflating: &mut GzipMembers<Sink>, rest: &mut Bytes) -> InflateStep {
    if let Some(sink) = inflating.sink() {
        sink.seen = 0;
    }
    while !rest.is_empty() {
        if inflating.sink().is_some_and(|sink| sink.seen >= SLICE_BYTES) {
            return InflateStep::Partly;
        }
        match inflating.write(rest) {
            Ok(read) if read > 0 => rest.advance(read),
            _ => return InflateStep::Not,
        }
    }
    if inflating.flush().is_ok() { InflateStep::Wholly } else { InflateStep::Not }
}

/// Sink of the inflated text: only the last bytes are kept.
struct Sink {
    secret_mask: SecretMask,
    tail: Vec<u8>,
    found: bool,
    /// Number of bytes written since `seen` was set to 0.
    seen: usize,
}

impl Sink {
    /// True if the text ends in more of the credential's beginning than may be shown.
    fn suspicious(&self) -> bool {
        self.secret_mask.ends_in_much(&self.tail)
    }
}

impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.seen += text.len();
        let overlap = self.secret_mask.longest() - 1;
        self.tail.extend_from_slice(text.get(..overlap).unwrap_or(text));
        self.found |= self.secret_mask.is_in(&self.tail) || self.secret_mask.is_in(text);
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
