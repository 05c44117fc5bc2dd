//! Finding a name among the listed ones: listed, a twin of a listed one, or neither.

use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hasher as _};

use crate::condition::names::ListedName;
use crate::target::{DotReading, lenient_characters, root};

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

/// The listed names, with the roots of each as soon as they are needed.
pub(super) struct Lookup<'t> {
    listed: &'t [ListedName],
    roots: OnceCell<Vec<Roots>>,
}

/// The roots of a name in both [readings](DotReading) of dots, as hash values. Two roots with equal
/// values are taken for equal, which denies at worst.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roots([u64; 2]);

impl<'t> Lookup<'t> {
    pub(super) fn new(listed: &'t [ListedName]) -> Self {
        Self { listed, roots: OnceCell::new() }
    }

    /// Finds the name of a pair.
    pub(super) fn find(&self, pair: &Pair<'_>) -> Place {
        let name = pair.name.as_ref();
        let is_listed = |listed: &ListedName| !listed.has_keys && listed.name == name;
        if let Some(number) = self.listed.iter().position(is_listed) {
            return Place::Listed(number);
        }
        if let Some((number, own)) = self.keyed(name) {
            return self.closer(name, own).map_or(Place::Keyed(number), Place::Twin);
        }
        self.of_root(pair).map_or(Place::Unlisted, Place::Twin)
    }

    /// Returns the longest `x[*]` that stands for a name.
    fn keyed(&self, name: &str) -> Option<(usize, &ListedName)> {
        let stands_for = |listed: &ListedName| {
            listed.has_keys && name.strip_prefix(listed.name.as_str()).is_some_and(are_keys)
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
    fn closer(&self, name: &str, own: &ListedName) -> Option<usize> {
        let is_closer =
            |other: &ListedName| other.name.len() > own.name.len() && may_meet(name, &other.name);
        self.listed.iter().position(is_closer)
    }

    /// Returns the listed name that has the root of a name.
    fn of_root(&self, pair: &Pair<'_>) -> Option<usize> {
        if self.listed.is_empty() {
            return None;
        }
        let own = pair.roots();
        let of_listed = || self.listed.iter().map(|listed| Roots::of(&listed.name)).collect();
        self.roots.get_or_init(of_listed).iter().position(|other| other.meet(own))
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
        mut keyed: impl Iterator<Item = &'n str>,
    ) -> bool {
        let names: Vec<&str> = there
            .iter()
            .filter_map(|number| Some(self.listed.get(*number)?.name.as_str()))
            .collect();
        let meets_behind = |(at, name): (usize, &&str)| {
            names.iter().skip(at + 1).any(|other| may_meet(name, other))
        };
        names.iter().enumerate().any(meets_behind)
            || keyed.any(|name| names.iter().any(|other| may_meet(name, other)))
    }
}

impl Roots {
    pub(super) fn of(name: &str) -> Self {
        Self(DotReading::ALL.map(|dots| {
            let mut hasher = DefaultHasher::new();
            root(name, dots).for_each(|character| hasher.write_u32(character.into()));
            hasher.finish()
        }))
    }

    /// True if some reader finds the same root in both names.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(own, other)| *own == other)
    }
}

/// True if a text is one or more keys in brackets, and nothing else.
fn are_keys(text: &str) -> bool {
    let mut rest = text;
    while let Some(opened) = rest.strip_prefix('[') {
        match opened.split_once(']') {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    !text.is_empty() && rest.is_empty()
}

/// True if some reader puts the values of two names in one place, or one inside of the other.
fn may_meet(one: &str, other: &str) -> bool {
    DotReading::ALL.into_iter().any(|dots| {
        root(one, dots).eq(root(other, dots))
            && keys(one, dots).zip(keys(other, dots)).all(|(one, other)| may_be_one_key(one, other))
    })
}

/// Returns the keys behind the root of a name.
fn keys(name: &str, dots: DotReading) -> impl Iterator<Item = &str> {
    let begins = move |character: char| dots.ends_root(character);
    let name = name.trim_start_matches(begins);
    let behind = name.find(begins).and_then(|at| name.get(at + 1..));
    let parts = behind.map(|behind| behind.split(begins));
    parts.into_iter().flatten().map(|key| key.split(']').next().unwrap_or_default().trim())
}

/// True if some reader takes two keys for one. An empty key stands for the next free number.
fn may_be_one_key(one: &str, other: &str) -> bool {
    one.is_empty()
        || other.is_empty()
        || lenient_characters(one).eq(lenient_characters(other))
        || is_number(one) && is_number(other) && !(is_index(one) && is_index(other))
}

/// True if a lenient reader takes a key for a number.
fn is_number(key: &str) -> bool {
    key.strip_prefix(['+', '-']).unwrap_or(key).chars().all(char::is_numeric)
}

/// True if a key is a number in its one spelling.
fn is_index(key: &str) -> bool {
    key == "0" || !key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit())
}
