//! A scan of the raw head of an HTTP/1 request for `Content-Length`, which the HTTP library may
//! drop.
//!
//! hyper drops `Content-Length` from a request that also has `Transfer-Encoding` and goes on; a
//! client that sends both is attacking somebody (request smuggling). The scan keeps only the state
//! that the question needs, so that a slow head costs no memory.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;

const CONTENT_LENGTH: &[u8] = b"content-length";
/// The longest method that is compared; a longer method never matches.
const MAX_SCANNED_METHOD: usize = 24;

/// The state of the scan of a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadScan {
    place: HeadPosition,
    /// The beginning of the request line.
    method: ShortText<MAX_SCANNED_METHOD>,
    /// The name of the field that is being read.
    name: ShortText<{ CONTENT_LENGTH.len() }>,
    /// Lines behind the request line.
    fields: usize,
    has_content_length: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum HeadPosition {
    /// Before the request line, where empty lines may stand (RFC 9112 section 2.2).
    #[default]
    Before,
    Method,
    /// In the request line, behind the method.
    RequestLine,
    /// At the beginning of a field, or at the end of the head.
    LineStart,
    /// Behind a carriage return at the beginning of a line.
    EmptyLine,
    Name,
    Value,
    /// Behind the head.
    End,
}

/// The first bytes of a text, and its length.
#[derive(Clone, Copy, Debug)]
struct ShortText<const MAX: usize> {
    bytes: [u8; MAX],
    length: usize,
}

impl<const MAX: usize> Default for ShortText<MAX> {
    fn default() -> Self {
        Self { bytes: [0; MAX], length: 0 }
    }
}

impl<const MAX: usize> ShortText<MAX> {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
        }
        self.length += 1;
    }

    /// Returns the whole text; `None` if the text was longer than the limit.
    fn whole(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length)
    }
}

impl HeadScan {
    pub(super) fn is_fresh(&self) -> bool {
        self.place == HeadPosition::Before
    }

    /// Scans more of the head. Bytes behind the end of the head are ignored.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.place, byte) {
                (HeadPosition::End, _) => return,
                (HeadPosition::Before, b'\r' | b'\n') => {}
                (HeadPosition::RequestLine | HeadPosition::Value, b'\n') => {
                    self.place = HeadPosition::LineStart
                }
                (HeadPosition::Before | HeadPosition::Method, b' ') => {
                    self.place = HeadPosition::RequestLine
                }
                (HeadPosition::Before | HeadPosition::Method, _) => {
                    self.place = HeadPosition::Method;
                    self.method.push(*byte);
                }
                (HeadPosition::RequestLine | HeadPosition::Value, _) => {}
                (HeadPosition::LineStart | HeadPosition::EmptyLine, b'\n') => {
                    self.place = HeadPosition::End
                }
                (HeadPosition::LineStart, b'\r') => self.place = HeadPosition::EmptyLine,
                (HeadPosition::LineStart | HeadPosition::EmptyLine | HeadPosition::Name, _) => {
                    self.read_name(*byte)
                }
            }
        }
    }

    fn read_name(&mut self, byte: u8) {
        if self.place != HeadPosition::Name {
            self.place = HeadPosition::Name;
            self.name = ShortText::default();
            self.fields += 1;
        }
        match byte {
            b':' | b'\n' => {
                self.has_content_length |=
                    self.name.whole().is_some_and(|name| name.eq_ignore_ascii_case(CONTENT_LENGTH));
                self.place =
                    if byte == b':' { HeadPosition::Value } else { HeadPosition::LineStart };
            }
            // White space inside or around a name is ignored: a text that is a name without the
            // white space counts as the name.
            _ if byte.is_ascii_whitespace() => {}
            _ => self.name.push(byte),
        }
    }

    /// Returns true if this head held a `Content-Length`; `None` if the head was not seen whole, or
    /// is not the head of a request with this method and number of fields. Bytes that come while
    /// another exchange is in progress are not seen, so that the scan may begin in the middle of a
    /// field that looks like a request line. hyper drops no field but `Content-Length`.
    pub(super) fn has_content_length(&self, method: &Method, fields: usize) -> Option<bool> {
        if self.method.whole()? != method.as_str().as_bytes()
            || self.place < HeadPosition::LineStart
        {
            return None;
        }
        if self.has_content_length {
            return Some(true);
        }
        (self.place == HeadPosition::End && self.fields == fields).then_some(false)
    }
}

/// The time at which the last part of a head was read that no request has taken yet (HTTP/1 only).
/// The clock is read for each part anyhow, to bound the time of the head.
#[derive(Debug, Default)]
pub(super) struct HeadTime(AtomicU64);

/// The time from which [`HeadTime`] counts nanoseconds.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl HeadTime {
    pub(super) fn note(&self, now: Instant) {
        let nanos =
            u64::try_from(now.saturating_duration_since(*START).as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos.max(1), Ordering::Relaxed);
    }

    /// Takes the time, which is the beginning of one request.
    pub(super) fn take(&self) -> Option<Instant> {
        let nanos = self.0.load(Ordering::Relaxed);
        self.0.store(0, Ordering::Relaxed);
        (nanos > 0).then(|| *START + Duration::from_nanos(nanos))
    }
}
