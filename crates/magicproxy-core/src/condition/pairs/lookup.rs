//! Finding a name among the listed ones: listed, a twin of a listed one, or neither.

use crate::condition::folded::FoldedName;
use crate::condition::names::ListedName;

use super::piece::Pair;

/// The place of a name among the listed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The listed name with this number.
    Listed(usize),
    /// A name with keys that the listed name with this number, an `x[*]`, stands for.
    Keyed(usize),
    /// No listed name, but some reader takes the name for the listed name with this number.
    Twin(usize),
    /// No listed name, and no reader takes the name for one.
    Unlisted,
}

/// The listed names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'t> {
    listed: &'t [ListedName],
}

impl<'t> Lookup<'t> {
    pub(super) fn new(listed: &'t [ListedName]) -> Self {
        Self { listed }
    }

    /// Finds the name of a pair.
    pub(super) fn find(&self, pair: &Pair<'_>) -> Place {
        let name = pair.name.as_ref();
        let is_listed = |listed: &ListedName| !listed.has_keys && listed.name == name;
        if let Some(number) = self.listed.iter().position(is_listed) {
            return Place::Listed(number);
        }
        if let Some((number, own)) = self.keyed(name) {
            return self.closer(pair, own).map_or(Place::Keyed(number), Place::Twin);
        }
        self.of_root(pair).map_or(Place::Unlisted, Place::Twin)
    }

    /// Returns the longest `x[*]` that stands for a name.
    fn keyed(&self, name: &str) -> Option<(usize, &ListedName)> {
        if !self.listed.iter().any(|listed| listed.has_keys) {
            return None;
        }
        let begin = begin_of_keys(name);
        let stands_for = |listed: &ListedName| {
            listed.has_keys
                && listed.name.len() >= begin
                && name.strip_prefix(listed.name.as_str()).is_some_and(|keys| keys.starts_with('['))
        };
        let found = self.listed.iter().enumerate().filter(|(_, listed)| stands_for(listed));
        found.max_by_key(|(_, listed)| listed.name.len())
    }

    /// True if an `x[*]` stands for a name.
    pub(super) fn stands_for(&self, name: &str) -> bool {
        self.keyed(name).is_some()
    }

    /// Returns the more exact listed name where some reader puts the value of a name that `own`
    /// stands for: `x[a]` for `x[A]` or `x[a][b]`, where `x[*]` is listed, too.
    fn closer(&self, pair: &Pair<'_>, own: &ListedName) -> Option<usize> {
        let is_closer = |other: &ListedName| {
            other.name.len() > own.name.len() && pair.folded().meets(&other.folded)
        };
        self.listed.iter().position(is_closer)
    }

    /// Returns the listed name that has the root of a name.
    fn of_root(&self, pair: &Pair<'_>) -> Option<usize> {
        let has_root = |other: &ListedName| other.folded.roots().meet(pair.folded().roots());
        self.listed.iter().position(has_root)
    }

    /// True if two listed names may be one place for some reader.
    pub(super) fn may_overlap(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        self.listed.iter().any(|listed| listed.has_keys || !listed.name.bytes().all(is_plain))
    }

    /// True if two names of a text are one place for some reader: two of the listed names that are
    /// `there`, or one of them and one with keys.
    pub(super) fn overlap<'n>(
        &self,
        there: &[usize],
        mut keyed: impl Iterator<Item = &'n FoldedName>,
    ) -> bool {
        let names: Vec<&FoldedName> =
            there.iter().filter_map(|number| Some(&self.listed.get(*number)?.folded)).collect();
        let meets_behind = |(at, name): (usize, &&FoldedName)| {
            names.iter().skip(at + 1).any(|other| name.meets(other))
        };
        !names.is_empty()
            && (names.iter().enumerate().any(meets_behind)
                || keyed.any(|name| names.iter().any(|other| name.meets(other))))
    }
}

/// Returns the place from which a name has keys in brackets, and nothing else.
fn begin_of_keys(name: &str) -> usize {
    let mut before = name;
    while let Some(opened) = before.strip_suffix(']') {
        let Some((rest, key)) = opened.rsplit_once('[') else { break };
        if key.contains(']') {
            break;
        }
        before = rest;
    }
    before.len()
}
