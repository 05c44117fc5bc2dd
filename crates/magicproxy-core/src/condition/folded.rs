//! Names of parameters and fields as the most lenient readers compare them: folded once, and kept
//! as hash values. `conditions.md` section 4.2.
//!
//! Two names with equal values are taken for equal, which denies at worst.

use std::hash::{DefaultHasher, Hasher as _};

use crate::target::{DotReading, lenient_characters, root};

/// The most keys of a name that are compared. Names that differ only behind these meet.
const MAX_COMPARED_KEYS: usize = 16;

/// A folded name: its root and its first keys, in both [readings](DotReading) of dots.
#[derive(Clone, Debug)]
pub(super) struct FoldedName {
    roots: Roots,
    keys: [Box<[FoldedKey]>; 2],
}

/// The roots of a name in both readings of dots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roots([u64; 2]);

/// A key behind the root of a name.
#[derive(Clone, Copy, Debug)]
struct FoldedKey {
    kind: KeyKind,
    hash: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    /// The next free number.
    Empty,
    /// A number in its one spelling.
    Index,
    /// What a lenient reader takes for a number.
    Number,
    Other,
}

#[cfg(test)]
thread_local! {
    /// The number of names that this thread has folded.
    pub(super) static FOLDED_NAMES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl FoldedName {
    pub(super) fn of(name: &str) -> Self {
        #[cfg(test)]
        FOLDED_NAMES.set(FOLDED_NAMES.get() + 1);
        let [inside, underscore] = DotReading::ALL;
        let (first, keys) = (hash(root(name, inside)), folded_keys(name, inside));
        if !name.contains('.') {
            return Self { roots: Roots([first; 2]), keys: [keys.clone(), keys] };
        }
        let second = hash(root(name, underscore));
        Self { roots: Roots([first, second]), keys: [keys, folded_keys(name, underscore)] }
    }

    pub(super) fn roots(&self) -> Roots {
        self.roots
    }

    /// True if some reader puts the values of two names in one place, or one inside of the other.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let roots = self.roots.0.iter().zip(other.roots.0);
        let keys = self.keys.iter().zip(&other.keys);
        roots.zip(keys).any(|((own, other), (own_keys, other_keys))| {
            let mut places = own_keys.iter().zip(other_keys);
            *own == other && places.all(|(own, other)| own.may_be(*other))
        })
    }

    /// Returns the memory behind the name's own place, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.keys.iter().map(|keys| size_of_val(&**keys)).sum()
    }
}

impl Roots {
    /// True if some reader finds the same root in both names.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(own, other)| *own == other)
    }
}

impl FoldedKey {
    fn of(key: &str) -> Self {
        let kind = match key {
            "" => KeyKind::Empty,
            _ if is_index(key) => KeyKind::Index,
            _ if is_number(key) => KeyKind::Number,
            _ => KeyKind::Other,
        };
        Self { kind, hash: hash(lenient_characters(key)) }
    }

    /// True if some reader takes two keys for one.
    fn may_be(self, other: Self) -> bool {
        match (self.kind, other.kind) {
            (KeyKind::Empty, _) | (_, KeyKind::Empty) => true,
            (KeyKind::Number, KeyKind::Number | KeyKind::Index)
            | (KeyKind::Index, KeyKind::Number) => true,
            _ => self.hash == other.hash,
        }
    }
}

fn hash(characters: impl Iterator<Item = char>) -> u64 {
    let mut hasher = DefaultHasher::new();
    characters.for_each(|character| hasher.write_u32(character.into()));
    hasher.finish()
}

/// Returns the first keys behind the root of a name.
fn folded_keys(name: &str, dots: DotReading) -> Box<[FoldedKey]> {
    let begins = move |character: char| dots.ends_root(character);
    let name = name.trim_start_matches(begins);
    let behind = name.find(begins).and_then(|at| name.get(at + 1..));
    let parts = behind.into_iter().flat_map(|behind| behind.split(begins));
    let keys = parts.map(|key| key.split(']').next().unwrap_or_default().trim());
    keys.take(MAX_COMPARED_KEYS).map(FoldedKey::of).collect()
}

/// True if a lenient reader takes a key for a number.
fn is_number(key: &str) -> bool {
    key.strip_prefix(['+', '-']).unwrap_or(key).chars().all(char::is_numeric)
}

/// True if a key is a number in its one spelling.
fn is_index(key: &str) -> bool {
    key == "0" || !key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit())
}
