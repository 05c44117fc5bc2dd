//! Sets of names: which names of a request are listed, with a test for each. `conditions.md`
//! sections 2, 4.2 and 4.3.

use std::borrow::Cow;

use crate::json::lenient;

use super::value::ValueTest;

/// The checked NAMES of a rule.
///
/// INVARIANT: at most [`MAX_NAMES`](super::MAX_NAMES) names, no two of which are twins.
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
    /// True for `x?`: the name may be missing.
    pub(crate) is_optional: bool,
    /// True for `x[*]`: the name stands for each name with one or more keys in brackets behind.
    pub(crate) has_keys: bool,
    pub(crate) test: ValueTest,
}

/// The place of a name of a request in a set of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The listed name with this number.
    Listed(usize),
    /// No listed name, but some reader takes the name for one.
    Twin,
    /// No listed name, and no reader takes the name for one.
    Unlisted,
}

impl NamesTest {
    /// Finds the name of a member of a JSON object.
    pub(crate) fn find_member(&self, name: &str) -> Found {
        if let Some(number) = self.listed.iter().position(|listed| listed.name == name) {
            return Found::Listed(number);
        }
        if self.listed.is_empty() {
            return Found::Unlisted;
        }
        let key = twin_key(name);
        if self.listed.iter().any(|listed| listed.twin_key == key) {
            Found::Twin
        } else {
            Found::Unlisted
        }
    }
}

impl NamesTest {
    pub(crate) fn memory_bytes(&self) -> usize {
        let listed: usize = self.listed.iter().map(ListedName::memory_bytes).sum();
        listed + self.rest.as_ref().map_or(0, ValueTest::memory_bytes)
    }
}

impl ListedName {
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.twin_key.len() + self.test.memory_bytes()
    }
}

/// Returns a name as the most lenient readers see it: without case, `_`, `-`, and all behind U+0000.
pub(crate) fn twin_key(name: &str) -> Cow<'_, str> {
    let seen = lenient(Cow::Borrowed(name));
    if seen.contains('-') { Cow::Owned(seen.replace('-', "")) } else { seen }
}

/// The maker of [twin keys](twin_key) of many names, which allocates for none of them in ASCII.
#[derive(Debug, Default)]
pub(crate) struct TwinKey(String);

impl TwinKey {
    /// Returns the key of a name.
    pub(crate) fn of<'n>(&'n mut self, name: &'n str) -> &'n str {
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
        if name.bytes().all(is_plain) {
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
        &self.0
    }

    /// True if some reader takes the two names for one.
    pub(crate) fn are_twins(&mut self, one: &str, other: &str) -> bool {
        self.of(one) == twin_key(other)
    }
}
