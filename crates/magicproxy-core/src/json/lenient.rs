//! Member names as lenient readers of JSON compare names: `state.md` section 2.5.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

/// Returns a member's name as the most lenient readers see the name. Two names of an object with
/// equal results are the same member to some server: Go's `encoding/json` and .NET compare without
/// regard to case, readers in C stop at U+0000, and protobuf's JSON has `recordType` for
/// `record_type`.
///
/// Names that differ for every known reader may come out equal too (`ß` and `ss`): doubt is denial.
pub(crate) fn lenient(name: Cow<'_, str>) -> Cow<'_, str> {
    let is_lenient =
        |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'_' && byte != 0;
    if name.bytes().all(is_lenient) {
        return name;
    }
    let read = name.split('\0').next().unwrap_or_default();
    Cow::Owned(read.chars().flat_map(folded).filter(|character| *character != '_').collect())
}

/// The combining dot in the lower case of `İ`, behind the `i`. Turkish readers leave the dot out.
const DOT_ABOVE: char = '\u{307}';

/// Returns the character without its case. The three mappings give one text for all characters that
/// Unicode's simple or full case folding takes for equal: `K` U+212A is `k`, `ſ` is `s`, `ẞ` is
/// `ss`, and `ı` is `i`, as Turkish readers have it.
/// The [`DOT_ABOVE`] is left out.
pub(crate) fn folded(character: char) -> impl Iterator<Item = char> {
    let lower = character.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    lower.filter(|character| *character != DOT_ABOVE)
}

/// The names of an object's members as lenient readers compare names; no two are equal.
#[derive(Debug)]
pub(crate) struct LenientNames<'n> {
    members: &'n Map<String, Value>,
    names: HashSet<Cow<'n, str>>,
}

impl<'n> LenientNames<'n> {
    /// Reads the names of an object. Returns `None` if a lenient reader takes two of the members
    /// for the same member.
    pub(crate) fn of(members: &'n Map<String, Value>) -> Option<Self> {
        let mut names = HashSet::with_capacity(members.len());
        members
            .keys()
            .all(|name| names.insert(lenient(Cow::Borrowed(name))))
            .then_some(Self { members, names })
    }

    /// True if a lenient reader finds a member of this name where a strict reader finds none.
    pub(crate) fn misspell(&self, name: &str) -> bool {
        !self.members.contains_key(name) && self.names.contains(&lenient(Cow::Borrowed(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn are_one(one: &str, other: &str) {
        assert_eq!(lenient(Cow::Borrowed(one)), lenient(Cow::Borrowed(other)), "{one:?} {other:?}");
    }

    #[test]
    fn names_that_some_reader_takes_for_one_are_equal() {
        for (one, other) in [
            ("type", "TYPE"),
            ("type", "tyPe"),
            ("key", "\u{212a}ey"),
            ("disabled", "di\u{17f}abled"),
            ("strasse", "straße"),
            ("strasse", "STRASSE"),
            ("straße", "STRAẞE"),
            ("id", "İd"),
            ("i\u{307}d", "İd"),
            ("id", "ıd"),
            ("ID", "ıd"),
            ("größe", "GRÖSSE"),
            ("σ", "ς"),
            ("σ", "Σ"),
            ("ω", "\u{2126}"),
            ("å", "\u{212b}"),
            ("µ", "μ"),
            ("θ", "ϑ"),
            ("θ", "ϴ"),
            ("ι", "\u{345}"),
            ("ǆ", "ǅ"),
            ("\u{390}", "\u{1fd3}"),
            ("\u{fb05}", "\u{fb06}"),
            ("ꭰ", "Ꭰ"),
            ("𐐨", "𐐀"),
            ("type", "type\0"),
            ("type", "TYPE\0x"),
            ("record_type", "recordType"),
            ("type", "_type"),
        ] {
            are_one(one, other);
        }
    }

    #[test]
    fn other_names_are_not() {
        for (one, other) in [
            ("type", "types"),
            ("type", "ty-pe"),
            ("name", "names"),
            ("a", "á"),
            ("a", "а"),
            ("1", "１"),
            ("", "a"),
        ] {
            assert_ne!(
                lenient(Cow::Borrowed(one)),
                lenient(Cow::Borrowed(other)),
                "{one:?} {other:?}"
            );
        }
    }

    /// Checks every character with its upper and lower case: all come out equal.
    #[test]
    fn no_character_differs_from_its_own_cases() {
        for character in '\0'..=char::MAX {
            let cases =
                [character.to_lowercase().to_string(), character.to_uppercase().to_string()];
            cases.iter().for_each(|case| are_one(&character.to_string(), case));
        }
    }
}
