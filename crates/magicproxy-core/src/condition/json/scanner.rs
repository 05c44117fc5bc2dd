//! A strict pull scanner of JSON: RFC 8259 to the last byte, in UTF-8, 64 levels deep at most. It
//! copies nothing, keeps no tree, and pauses anywhere, inside a long text, too.
//!
//! Own code, because a decision needs the exact spelling of numbers, tells lone surrogates and
//! control characters in escapes from others, and must pause.

use super::text::{Escape, Escapes, RawText};

/// The most levels of objects and lists.
pub(super) const MAX_DEPTH: u32 = 64;
/// The fewest bytes to read on for: more than a character of UTF-8.
const MIN_EXTENSION: usize = 16;

/// A scanner over a whole body, of which a first part may be read.
#[derive(Debug)]
pub(super) struct Scanner<'b> {
    body: &'b [u8],
    /// The first part of the body, which may be read. It is valid UTF-8.
    readable: &'b [u8],
    at: usize,
    expects: Expected,
    /// The number of open objects and lists.
    depth: u32,
    /// The kinds of the open objects and lists, a bit for each, the innermost last: 1 for objects.
    kinds: u64,
    /// The token in which reading paused.
    begun: Option<Begun>,
    /// The depth to which values are skipped.
    skipping_to: Option<u32>,
}

/// A step of reading.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'b> {
    Event(Event<'b>),
    /// The readable part is read; more of the body follows.
    Paused,
    /// The body is read, and is one JSON value.
    End,
    /// The body is not JSON within bounds.
    Fault,
}

/// A part of a JSON text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'b> {
    ObjectStart,
    ObjectEnd,
    ListStart,
    ListEnd,
    Name(RawText<'b>),
    Value(Primitive<'b>),
}

/// A value that is neither an object nor a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Primitive<'b> {
    Text(RawText<'b>),
    /// A number as written.
    Number(&'b [u8]),
    Boolean(bool),
    Null,
}

/// The parts of the grammar that may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

/// A token that is read in part.
#[derive(Clone, Copy, Debug)]
enum Begun {
    Text { start: usize, escapes: Escapes },
    Number { start: usize, part: NumberPart },
}

/// The part of a number that was read last.
#[derive(Clone, Copy, Debug)]
enum NumberPart {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    Power,
}

impl<'b> Scanner<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self {
            body,
            readable: &[],
            at: 0,
            expects: Expected::Value,
            depth: 0,
            kinds: 0,
            begun: None,
            skipping_to: None,
        }
    }

    /// Makes about this many bytes behind the position readable. Returns false if they are not
    /// UTF-8.
    #[must_use]
    pub(super) fn extend(&mut self, bytes: usize) -> bool {
        let checked = self.readable.len();
        let end = self.at.saturating_add(bytes.max(MIN_EXTENSION));
        if end <= checked {
            return true;
        }
        let window = self.body.get(checked..end).or(self.body.get(checked..)).unwrap_or_default();
        let valid = match std::str::from_utf8(window) {
            Ok(text) => text.len(),
            // The window may end inside a character, the body may not.
            Err(error)
                if error.error_len().is_none() && checked + window.len() < self.body.len() =>
            {
                error.valid_up_to()
            }
            Err(_) => return false,
        };
        self.readable = self.body.get(..checked + valid).unwrap_or_default();
        true
    }

    /// Skips the value of the name that was read last: only its grammar counts.
    pub(super) fn skip_value(&mut self) {
        self.skipping_to = Some(self.depth);
    }

    /// Skips the rest of the object or list that was opened last, with its end.
    pub(super) fn skip_rest(&mut self) {
        self.skipping_to = Some(self.depth.saturating_sub(1));
    }

    /// Reads up to the next event that is not skipped.
    pub(super) fn next(&mut self) -> Step<'b> {
        loop {
            let step = self.token();
            let (Step::Event(_), Some(depth)) = (&step, self.skipping_to) else { return step };
            let is_behind_value = matches!(self.expects, Expected::CommaOrEnd | Expected::Nothing);
            if self.depth == depth && is_behind_value {
                self.skipping_to = None;
            }
        }
    }

    fn token(&mut self) -> Step<'b> {
        match self.begun.take() {
            Some(Begun::Text { start, escapes }) => return self.text(start, escapes),
            Some(Begun::Number { start, part }) => return self.number(start, part),
            None => {}
        }
        while let Some(byte) = self.readable.get(self.at) {
            self.at += 1;
            match (self.expects, byte) {
                (_, b' ' | b'\n' | b'\r' | b'\t') => {}
                (Expected::Colon, b':') => self.expects = Expected::Value,
                (Expected::CommaOrEnd, b',') => {
                    self.expects =
                        if self.is_in_object() { Expected::Name } else { Expected::Value };
                }
                (Expected::Name | Expected::NameOrEnd, b'"') => {
                    return self.text(self.at, Escapes::default());
                }
                (Expected::CommaOrEnd, b'}') if self.is_in_object() => {
                    return self.close(Event::ObjectEnd);
                }
                (Expected::NameOrEnd, b'}') => return self.close(Event::ObjectEnd),
                (Expected::CommaOrEnd, b']') if !self.is_in_object() => {
                    return self.close(Event::ListEnd);
                }
                (Expected::ValueOrEnd, b']') => return self.close(Event::ListEnd),
                (Expected::Value | Expected::ValueOrEnd, byte) => return self.value(*byte),
                _ => return Step::Fault,
            }
        }
        match self.expects {
            _ if !self.is_all_readable() => Step::Paused,
            Expected::Nothing => Step::End,
            _ => Step::Fault,
        }
    }

    /// Reads a value, of which the first byte is read.
    fn value(&mut self, first: u8) -> Step<'b> {
        let start = self.at.saturating_sub(1);
        match first {
            b'"' => self.text(self.at, Escapes::default()),
            b'{' => self.open(Event::ObjectStart),
            b'[' => self.open(Event::ListStart),
            b'-' => self.number(start, NumberPart::Minus),
            b'0' => self.number(start, NumberPart::Zero),
            b'1'..=b'9' => self.number(start, NumberPart::Whole),
            b't' => self.word(b"rue", Primitive::Boolean(true)),
            b'f' => self.word(b"alse", Primitive::Boolean(false)),
            b'n' => self.word(b"ull", Primitive::Null),
            _ => Step::Fault,
        }
    }

    fn open(&mut self, event: Event<'b>) -> Step<'b> {
        if self.depth == MAX_DEPTH {
            return Step::Fault;
        }
        let is_object = matches!(event, Event::ObjectStart);
        self.depth += 1;
        self.kinds = self.kinds << 1 | u64::from(is_object);
        self.expects = if is_object { Expected::NameOrEnd } else { Expected::ValueOrEnd };
        Step::Event(event)
    }

    fn close(&mut self, event: Event<'b>) -> Step<'b> {
        self.depth = self.depth.saturating_sub(1);
        self.kinds >>= 1;
        self.end_value();
        Step::Event(event)
    }

    fn end_value(&mut self) {
        self.expects = if self.depth == 0 { Expected::Nothing } else { Expected::CommaOrEnd };
    }

    fn is_in_object(&self) -> bool {
        self.kinds & 1 == 1
    }

    fn is_all_readable(&self) -> bool {
        self.readable.len() == self.body.len()
    }

    /// Reads the rest of `true`, `false` or `null`. A word is short, and its bytes are ASCII, so it
    /// may end behind the readable part.
    fn word(&mut self, rest: &[u8], value: Primitive<'b>) -> Step<'b> {
        let behind = self.body.get(self.at..).unwrap_or_default();
        if !behind.starts_with(rest) {
            return Step::Fault;
        }
        self.at += rest.len();
        self.end_value();
        Step::Event(Event::Value(value))
    }

    /// Reads the rest of a name or a text that starts at `start`.
    fn text(&mut self, start: usize, mut escapes: Escapes) -> Step<'b> {
        loop {
            self.at += plain_bytes(self.readable.get(self.at..).unwrap_or_default());
            match self.readable.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    // An escape is short and ASCII: it may end behind the readable part.
                    let behind = self.body.get(self.at + 1..).unwrap_or_default();
                    let Some(escape) = Escape::read(behind) else { return Step::Fault };
                    escapes.note(escape);
                    self.at += 1 + escape.length;
                }
                Some(_) => return Step::Fault,
                None if self.is_all_readable() => return Step::Fault,
                None => {
                    self.begun = Some(Begun::Text { start, escapes });
                    return Step::Paused;
                }
            }
        }
        let bytes = self.body.get(start..self.at).unwrap_or_default();
        self.at += 1;
        let text = RawText { bytes, escapes };
        if matches!(self.expects, Expected::Name | Expected::NameOrEnd) {
            self.expects = Expected::Colon;
            return Step::Event(Event::Name(text));
        }
        self.end_value();
        Step::Event(Event::Value(Primitive::Text(text)))
    }

    /// Reads the rest of a number that starts at `start`.
    fn number(&mut self, start: usize, mut part: NumberPart) -> Step<'b> {
        while let Some(byte) = self.readable.get(self.at) {
            let Some(next) = part.followed_by(*byte) else { break };
            part = next;
            self.at += 1;
        }
        if self.at >= self.readable.len() && !self.is_all_readable() {
            self.begun = Some(Begun::Number { start, part });
            return Step::Paused;
        }
        if !part.may_end() {
            return Step::Fault;
        }
        self.end_value();
        let number = self.body.get(start..self.at).unwrap_or_default();
        Step::Event(Event::Value(Primitive::Number(number)))
    }
}

impl NumberPart {
    /// Returns the part of a number to which a further byte belongs; `None` if the byte stands
    /// behind the number.
    fn followed_by(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::ExponentSign),
            (Self::Exponent | Self::ExponentSign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }
}

/// Returns the number of bytes before the first quote, backslash or control byte. Looks at eight
/// bytes in a step.
fn plain_bytes(text: &[u8]) -> usize {
    let (steps, rest) = text.as_chunks::<8>();
    for (number, step) in steps.iter().enumerate() {
        let marks = special_bytes(u64::from_le_bytes(*step));
        if marks != 0 {
            return number * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    text.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Marks quotes, backslashes and control bytes among eight bytes by their highest bit. Of the
/// marks the lowest is exact; those above it may be wrong.
fn special_bytes(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x80 * ONES;
    // A byte less than `n` borrows from its highest bit, unless that bit was set.
    let below = |bytes: u64, n: u64| bytes.wrapping_sub(n * ONES) & !bytes & HIGHEST;
    let quotes = below(bytes ^ (u64::from(b'"') * ONES), 1);
    let backslashes = below(bytes ^ (u64::from(b'\\') * ONES), 1);
    quotes | backslashes | below(bytes, 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place among plain ones, next to every other special byte.
    #[test]
    fn the_first_special_byte_is_found() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut text = [b'a'; 20];
                text[at] = byte;
                let is_special = matches!(byte, b'"' | b'\\' | ..0x20);
                let expected = if is_special { at } else { text.len() };
                assert_eq!(plain_bytes(&text), expected, "{byte} at {at}");
                for special in [b'"', b'\\', 0, 0x1f] {
                    text[19] = special;
                    assert_eq!(plain_bytes(&text), if is_special { at } else { 19 });
                }
            }
        }
        for other in [0x21, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
            assert_eq!(plain_bytes(&[other; 32]), 32, "{other}");
        }
    }
}
