//! Sets of names: which names of a request are listed, with a test for each. `conditions.md`
//! sections 2, 4.2 and 4.3.

use std::borrow::Cow;

use crate::json::lenient;

use super::folded::FoldedName;
use super::value::ValueTest;

/// A name by which readers in JavaScript hand an object the members of another: a member of this
/// name may stand for any other one.
pub(crate) const NAME_OF_PROTOTYPE: &str = "__proto__";

/// The checked NAMES of a rule.
///
/// INVARIANT: at most [`MAX_LISTED_NAMES`](super::MAX_LISTED_NAMES) names, no two of which are twins.
#[derive(Clone, Debug, Default)]
pub(crate) struct NamesTest {
    /// The listed names, in the order of their bytes.
    pub(crate) listed: Vec<ListedName>,
    /// The test of each name that is not listed; `None` where such a name is refused.
    pub(crate) rest: Option<ValueTest>,
}

/// A listed name with its test.
#[derive(Clone, Debug)]
pub(crate) struct ListedName {
    /// The name itself, with its marks and escapes taken off.
    pub(crate) name: String,
    /// The name as the most lenient readers of JSON see it.
    pub(crate) twin_key: String,
    /// The name as the most lenient readers of queries and forms see it.
    pub(super) folded: FoldedName,
    /// True for `x?`: the name may be missing.
    pub(crate) is_optional: bool,
    /// True for `x[*]`: the name stands for each name with one or more keys in brackets behind.
    pub(crate) has_keys: bool,
    pub(crate) test: ValueTest,
}

impl NamesTest {
    pub(crate) fn memory_bytes(&self) -> usize {
        let listed: usize = self.listed.iter().map(ListedName::memory_bytes).sum();
        let unused = self.listed.capacity() - self.listed.len();
        listed
            + unused * size_of::<ListedName>()
            + self.rest.as_ref().map_or(0, ValueTest::memory_bytes)
    }
}

impl ListedName {
    pub(crate) fn memory_bytes(&self) -> usize {
        let names = self.name.len() + self.twin_key.len() + self.folded.memory_bytes();
        size_of::<Self>() + names + self.test.memory_bytes()
    }
}

/// Returns a name as the most lenient readers see it: without case, `_`, `-`, all behind U+0000, and
/// the [marks](without_marks) of OData in front.
pub(crate) fn twin_key(name: &str) -> Cow<'_, str> {
    let seen = match lenient(Cow::Borrowed(name)) {
        seen if seen.contains('-') => Cow::Owned(seen.replace('-', "")),
        seen => seen,
    };
    match seen {
        Cow::Borrowed(seen) => Cow::Borrowed(without_marks(seen)),
        Cow::Owned(seen) => Cow::Owned(without_marks(&seen).to_owned()),
    }
}

/// Returns a folded name without the marks that OData 4.01 lets a client leave out: `$` and
/// `@odata.`. Some readers leave out `@`, too.
fn without_marks(folded: &str) -> &str {
    let name = folded.trim_start_matches('$');
    let Some(name) = name.strip_prefix('@') else { return name };
    name.strip_prefix("odata.").unwrap_or(name)
}

/// The maker of [twin keys](twin_key) of many names, which allocates for none of them in ASCII.
#[derive(Debug, Default)]
pub(crate) struct TwinKeys(String);

impl TwinKeys {
    /// Returns the key of a name.
    #[inline]
    pub(crate) fn of<'n>(&'n mut self, name: &'n str) -> &'n str {
        if is_plain_name(name.as_bytes()) {
            return name;
        }
        self.0.clear();
        if name.is_ascii() {
            let read = name.bytes().take_while(|byte| *byte != 0);
            let kept = read.filter(|byte| !matches!(byte, b'_' | b'-'));
            self.0.extend(kept.map(|byte| char::from(byte.to_ascii_lowercase())));
        } else {
            self.0.push_str(&twin_key(name));
        }
        without_marks(&self.0)
    }
}

/// True if a name has only lower-case letters and digits: it is its own twin key, and every reader
/// reads it alike.
#[inline]
pub(crate) fn is_plain_name(name: &[u8]) -> bool {
    name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_lenient_readers() {
        let mut keys = TwinKeys::default();
        let names = [
            "",
            "a",
            "base",
            "Base",
            "headRef",
            "head_ref",
            "head-ref",
            "_-_",
            "a\0b",
            "A\0B",
            "a.b",
            "\u{7f}",
            "İd",
            "straße",
            "STRA_SSE",
            "größe-",
            "\u{212a}ey",
            "x[0]",
            "A1-z9_",
            "$filter",
            "_$$A",
            "@odata.type",
            "@OData.Type",
            "@type",
            "$@odata.é",
            "odata.type",
        ];
        for name in names {
            assert_eq!(keys.of(name), twin_key(name), "{name:?}");
        }
        for byte in 0..0x80_u8 {
            let name = format!("a{}b", char::from(byte));
            assert_eq!(keys.of(&name), twin_key(&name), "{name:?}");
        }
    }
}
