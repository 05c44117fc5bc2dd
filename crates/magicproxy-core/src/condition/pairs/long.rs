//! A long value of a form, decoded a part at a time, so that a body of one field holds up nobody.

use crate::condition::MAX_TESTED_TEXT;
use crate::condition::value::has_controls;

use super::BadSyntax;
use super::piece::{Plus, decoded_bytes, ends_in_bracket, ends_name_for_some};

/// The longest piece that is read in one go, and the longest part of a longer one, in bytes.
pub(super) const PART_BYTES: usize = 2 * MAX_TESTED_TEXT;
/// The most bytes at the end of a part that belong to the next one: of a character, of which the
/// last byte is encoded.
const MAX_CUT_BYTES: usize = 6;

/// A value that is being decoded.
#[derive(Debug, Default)]
pub(super) struct LongValue {
    /// The first decoded bytes: more than [`MAX_TESTED_TEXT`], if there are so many.
    begin: String,
    behind: Behind,
    /// The beginning of a character whose other bytes are in the next part.
    unfinished: Vec<u8>,
    /// True if the part before ends in a bracket, at which some reader ends the name.
    is_after_bracket: bool,
}

/// The traits of a text that count, however long it is.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    has_controls: bool,
    has_digits: bool,
}

impl Behind {
    fn add(&mut self, text: &str) {
        self.has_controls |= has_controls(text);
        self.has_digits |= text.contains(char::is_numeric);
    }
}

impl LongValue {
    /// Decodes a part, as cut by [`uncut`].
    pub(super) fn add(&mut self, part: &[u8]) -> Result<(), BadSyntax> {
        let part = std::str::from_utf8(part).map_err(|_| BadSyntax)?;
        let ends_name = self.is_after_bracket && part.starts_with('=') || ends_name_for_some(part);
        if ends_name || part.contains(';') {
            return Err(BadSyntax);
        }
        self.is_after_bracket = ends_in_bracket(part);
        let mut bytes = std::mem::take(&mut self.unfinished);
        bytes.extend_from_slice(&decoded_bytes(part, Plus::IsBlank)?);
        let valid = match std::str::from_utf8(&bytes) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(BadSyntax),
        };
        self.unfinished = bytes.split_off(valid);
        let decoded = String::from_utf8(bytes).map_err(|_| BadSyntax)?;
        let room = (MAX_TESTED_TEXT + 1).saturating_sub(self.begin.len()).min(decoded.len());
        let (begin, behind) = decoded.split_at(decoded.ceil_char_boundary(room));
        self.begin.push_str(begin);
        self.behind.add(behind);
        Ok(())
    }

    /// Returns a text with the outcome of the whole value in every test.
    ///
    /// A text over [`MAX_TESTED_TEXT`] bytes equals no text of a rule and is no integer. What still
    /// counts is whether a control character or a digit is anywhere in it.
    pub(super) fn finish(mut self) -> Result<String, BadSyntax> {
        if !self.unfinished.is_empty() {
            return Err(BadSyntax);
        }
        if self.behind.has_controls {
            self.begin.push('\0');
        }
        if self.behind.has_digits {
            self.begin.push('0');
        }
        Ok(self.begin)
    }
}

/// Returns the longest part at the beginning of a text, up to `most`, that cuts no character and no
/// triplet. Anything in a text that has neither.
pub(super) fn uncut(text: &[u8], most: usize) -> usize {
    let is_cut = |at: usize| {
        let is_inside = text.get(at).is_some_and(|byte| (0x80..0xc0).contains(byte));
        let before = text.get(at.saturating_sub(2)..at).unwrap_or_default();
        is_inside || before.contains(&b'%')
    };
    let least = most.saturating_sub(MAX_CUT_BYTES);
    (least..=most).rev().find(|at| !is_cut(*at)).unwrap_or(most)
}
