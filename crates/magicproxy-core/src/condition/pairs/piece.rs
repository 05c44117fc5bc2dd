//! A piece between two `&`: split, decoded once, and refused where readers differ.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::condition::MAX_TESTED_TEXT;
use crate::condition::folded::FoldedName;
use crate::condition::names::NAME_OF_PROTOTYPE;
use crate::condition::value::has_controls;
use crate::target::{is_same_name, names_method};

use super::BadSyntax;

/// The most bytes of a decoded name. A listed name has at most 128.
const MAX_PAIR_NAME_BYTES: usize = 1_024;

/// The meaning of a `+` that is not encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plus {
    IsBlank,
    IsItself,
}

/// A decoded piece.
///
/// INVARIANT: the name is not empty, has no control character, no `__proto__` and no further layer of
/// percent-encoding; its brackets are balanced, not nested, and not at its beginning.
#[derive(Clone, Debug)]
pub(super) struct Pair<'t> {
    pub(super) name: Cow<'t, str>,
    /// The value, [shortened]; `None` without `=`.
    pub(super) value: Option<Cow<'t, str>>,
    pub(super) role: Role,
    folded: OnceLock<FoldedName>,
}

/// The meaning of a name to the server, whatever a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Ordinary,
    /// Some reader takes the field for another method, or for a credential.
    Override,
}

impl<'t> Pair<'t> {
    pub(super) fn read(piece: &'t str, plus: Plus) -> Result<Self, BadSyntax> {
        if piece.contains(';') {
            return Err(BadSyntax);
        }
        let (name, value) = match piece.split_once('=') {
            Some((_, value)) if ends_name_for_some(value) => return Err(BadSyntax),
            Some((name, value)) => (name, Some(value)),
            None => (piece, None),
        };
        let name = decode(name, plus)?;
        if !is_name(&name) {
            return Err(BadSyntax);
        }
        let value = value.map(|value| decode(value, plus)).transpose()?.map(shortened);
        Ok(Self { value, ..Self::named(name) })
    }

    /// Makes a pair without a value. The name must be one by [`is_name`].
    pub(super) fn named(name: Cow<'t, str>) -> Self {
        Self { name, value: None, role: Role::Ordinary, folded: OnceLock::new() }
    }

    /// Makes a copy that borrows nothing.
    pub(super) fn into_owned(self) -> Pair<'static> {
        Pair {
            name: Cow::Owned(self.name.into_owned()),
            value: self.value.map(|value| Cow::Owned(value.into_owned())),
            role: self.role,
            folded: self.folded,
        }
    }

    /// Makes the pair a field of a form, which many rules may judge. In a query a parameter that
    /// overrides the method was refused before.
    pub(super) fn of_form(self, guarded: &[String]) -> Self {
        let is_override = names_method(&self.name)
            || guarded.iter().any(|guarded| is_same_name(&self.name, guarded));
        Self { role: if is_override { Role::Override } else { Role::Ordinary }, ..self }
    }

    /// Returns the name as lenient readers compare it, folded once.
    pub(super) fn folded(&self) -> &FoldedName {
        self.folded.get_or_init(|| FoldedName::of(&self.name))
    }
}

/// Shortens a long value to a text with the same outcome in every test, so that a value of any
/// length is read once, however many rules judge it.
///
/// A text over [`MAX_TESTED_TEXT`] bytes equals no text of a rule and is no integer. What still
/// counts is whether a control character or a digit is anywhere in it.
fn shortened(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.len() <= 2 * MAX_TESTED_TEXT {
        return value;
    }
    let (kept, behind) = value.split_at(value.ceil_char_boundary(MAX_TESTED_TEXT + 1));
    let mut short = kept.to_owned();
    if has_controls(behind) {
        short.push('\0');
    }
    if behind.contains(char::is_numeric) {
        short.push('0');
    }
    Cow::Owned(short)
}

/// Decodes a text once. Copies it only where something is encoded.
fn decode(text: &str, plus: Plus) -> Result<Cow<'_, str>, BadSyntax> {
    match decoded_bytes(text, plus)? {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(text)),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| BadSyntax),
    }
}

/// Decodes a text once, into bytes that may be no text.
pub(super) fn decoded_bytes(text: &str, plus: Plus) -> Result<Cow<'_, [u8]>, BadSyntax> {
    let is_encoded = |byte: u8| byte == b'%' || byte == b'+' && plus == Plus::IsBlank;
    if !text.bytes().any(is_encoded) {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| is_encoded(*byte)) {
        let (before, behind) = rest.split_at(at);
        out.extend_from_slice(before);
        let (byte, length) = match behind {
            [b'%', high, low, ..] => (decoded_byte(*high, *low).ok_or(BadSyntax)?, 3),
            [b'+', ..] => (b' ', 1),
            _ => return Err(BadSyntax),
        };
        out.push(byte);
        rest = behind.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(Cow::Owned(out))
}

/// Returns the byte that two hexadecimal digits stand for.
fn decoded_byte(high: u8, low: u8) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(value(high)? << 4 | value(low)?).ok()
}

/// True if some reader ends the name of a piece in what is the value for others: at a `]`, encoded
/// or not, before a `=`.
pub(super) fn ends_name_for_some(value: &str) -> bool {
    value.rsplit_once('=').is_some_and(|(before, _)| before.split('=').any(ends_in_bracket))
}

/// True if some reader ends the name of a piece here, before a `=`.
pub(super) fn ends_in_bracket(text: &str) -> bool {
    text.ends_with(']') || text.ends_with("%5D") || text.ends_with("%5d")
}

/// True if a decoded name is one for every reader.
pub(super) fn is_name(name: &str) -> bool {
    let first = name.trim_start().chars().next();
    !name.is_empty()
        && name.len() <= MAX_PAIR_NAME_BYTES
        // Some readers drop a `?` before a query.
        && !matches!(first, Some('[' | ']' | '?'))
        && !has_controls(name)
        && !name.contains(NAME_OF_PROTOTYPE)
        && !has_triplet(name)
        && has_flat_brackets(name)
}

/// True if a decoded text holds a further layer of percent-encoding.
fn has_triplet(text: &str) -> bool {
    let is_triplet = |window: &[u8]| match window {
        [b'%', high, low] => decoded_byte(*high, *low).is_some(),
        _ => false,
    };
    text.as_bytes().windows(3).any(is_triplet)
}

/// True if each `[` is closed before the next one, and each `]` closes one.
fn has_flat_brackets(name: &str) -> bool {
    let mut is_open = false;
    for byte in name.bytes() {
        match (byte, is_open) {
            (b'[', false) => is_open = true,
            (b']', true) => is_open = false,
            (b'[' | b']', _) => return false,
            _ => {}
        }
    }
    !is_open
}
