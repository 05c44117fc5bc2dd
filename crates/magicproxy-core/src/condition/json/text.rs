//! The raw text of a name or a value of a JSON body, between its quotes.

use std::borrow::Cow;

use memchr::memchr;

use crate::condition::MAX_TESTED_TEXT;

/// The most bytes that an escape takes for one byte of the text: `\u0041`.
const MAX_BYTES_OF_ESCAPE: usize = 6;

/// A text as written between its quotes, with what its escapes stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawText<'b> {
    /// UTF-8, without control characters but for U+007F.
    pub(super) bytes: &'b [u8],
    pub(super) escapes: Escapes,
}

/// The kinds of escapes in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Escapes {
    /// True if the text has escapes.
    pub(super) any: bool,
    /// True if an escape stands for a control character.
    pub(super) control: bool,
    /// True if an escape is a surrogate without its other half.
    pub(super) lone_surrogate: bool,
}

/// An escape behind its backslash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escape {
    /// The number of bytes behind the backslash.
    pub(super) length: usize,
    is_control: bool,
    is_lone_surrogate: bool,
}

impl Escapes {
    /// Notes a further escape.
    pub(super) fn note(&mut self, escape: Escape) {
        self.any = true;
        self.control |= escape.is_control;
        self.lone_surrogate |= escape.is_lone_surrogate;
    }
}

impl Escape {
    /// Reads the escape at the beginning of a text, behind the backslash; the two halves of a pair
    /// of surrogates are one escape. `None` if it is no escape of RFC 8259.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let one = |is_control| Self { length: 1, is_control, is_lone_surrogate: false };
        match text {
            [b'"' | b'\\' | b'/', ..] => Some(one(false)),
            [b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(one(true)),
            [b'u', digits @ ..] => Some(Self::of_code(code_unit(digits)?, digits.get(4..)?)),
            _ => None,
        }
    }

    /// Returns the escape of a code unit, with the text behind its digits.
    fn of_code(unit: u16, behind: &[u8]) -> Self {
        let is_paired = matches!(unit, 0xd800..=0xdbff)
            && matches!(behind, [b'\\', b'u', digits @ ..]
                if matches!(code_unit(digits), Some(0xdc00..=0xdfff)));
        Self {
            length: if is_paired { 11 } else { 5 },
            is_control: matches!(unit, ..0x20 | 0x7f),
            is_lone_surrogate: matches!(unit, 0xd800..=0xdfff) && !is_paired,
        }
    }
}

/// Reads four hexadecimal digits.
fn code_unit(digits: &[u8]) -> Option<u16> {
    let mut unit = 0;
    for digit in digits.get(..4)? {
        let value = char::from(*digit).to_digit(16)?;
        unit = unit << 4 | u16::try_from(value).ok()?;
    }
    Some(unit)
}

impl<'b> RawText<'b> {
    /// True if some readers end at a character of the text, or drop or replace one.
    pub(super) fn has_controls(&self) -> bool {
        let Escapes { control, lone_surrogate, .. } = self.escapes;
        control || lone_surrogate || memchr(0x7f, self.bytes).is_some()
    }

    /// Returns the text with its escapes undone; `None` if the text is too long to be tested, or
    /// has a lone surrogate.
    pub(super) fn decoded(&self) -> Option<Cow<'b, str>> {
        let longest = if self.escapes.any { MAX_BYTES_OF_ESCAPE } else { 1 } * MAX_TESTED_TEXT;
        if self.bytes.len() > longest { None } else { self.decoded_name() }
    }

    /// Returns a name, however long, with its escapes undone; `None` if it has a lone surrogate.
    pub(super) fn decoded_name(&self) -> Option<Cow<'b, str>> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        if !self.escapes.any {
            return Some(Cow::Borrowed(text));
        }
        serde_json::from_str(&format!("\"{text}\"")).ok().map(Cow::Owned)
    }
}
