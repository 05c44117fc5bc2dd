//! Simple patterns, matched without an automaton: a few ways lead through the pattern, each a row
//! of literals and classes, and each class can end in a single place only.
//!
//! Most rules are of this kind, and an automaton for a simple rule costs a hundred times as much. A
//! class repeated a fixed number of times ends after that number. Behind a class repeated without
//! bound stands the end of the pattern, or a literal whose first byte is not in the class. So the
//! class ends where its bytes end, and the place is found by reading on: by a
//! [`Tree`](super::Tree), which matches the same paths as an automaton. `rules.md` section 4.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::{MAX_DFA_BYTES, MAX_NFA_BYTES, MAX_PATTERN_STEPS};

/// The most ways through a pattern, all its alternatives multiplied.
const MAX_WAYS: usize = 16;
/// The most states that an automaton of the pattern may have. A larger pattern is not looked at
/// closely: a look would take longer than the refusal.
const MAX_STATES: usize = 512;

/// A simple pattern as its ways. Made by [`Template::of`] from a parsed pattern that matches whole
/// paths.
///
/// INVARIANT: each way begins with a literal that begins with `/`; a class that is repeated without
/// bound is the last piece, or stands before a literal whose first byte is not in the class; no
/// literal is empty; the pattern's automaton would obey the limits of `rules.md` sections 2 and 4.
#[derive(Debug)]
pub(crate) struct Template {
    ways: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Literal(Box<[u8]>),
    Class(Bytes, Times),
}

/// The number of bytes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Exactly(usize),
    /// This many bytes or more.
    From(usize),
}

impl Template {
    /// Reads a pattern for whole paths. Returns `None` if the pattern is not simple.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let ways = ways(hir)?;
        (ways.iter().all(|way| is_sound(way)) && is_small(&ways)).then_some(Self { ways })
    }

    /// The number of pieces of all ways together: the work of putting the template into a tree.
    pub(super) fn pieces(&self) -> usize {
        self.ways.iter().map(Vec::len).sum()
    }

    /// The ways through the pattern. A path that fits any way matches the pattern.
    pub(super) fn ways(&self) -> &[Vec<Piece>] {
        &self.ways
    }
}

/// Returns the ways through a part of a pattern, or `None` if the part is not simple or has too
/// many ways.
fn ways(hir: &Hir) -> Option<Vec<Vec<Piece>>> {
    let ways = match hir.kind() {
        HirKind::Empty => vec![Vec::new()],
        HirKind::Literal(literal) => vec![vec![Piece::Literal(literal.0.clone())]],
        HirKind::Class(class) => vec![vec![Piece::Class(Bytes::of(class)?, Times::Exactly(1))]],
        HirKind::Capture(capture) => ways(&capture.sub)?,
        HirKind::Repetition(repetition) => repeated(repetition)?,
        HirKind::Concat(parts) => {
            parts.iter().try_fold(vec![Vec::new()], |before, part| joined(before, ways(part)?))?
        }
        HirKind::Alternation(parts) => parts.iter().map(ways).collect::<Option<Vec<_>>>()?.concat(),
        HirKind::Look(_) => return None,
    };
    // Each piece is a state at least; a pattern with too many pieces is not copied from level to
    // level.
    let pieces: usize = ways.iter().map(Vec::len).sum();
    (ways.len() <= MAX_WAYS && pieces <= MAX_STATES).then_some(ways)
}

/// Returns the ways through a repetition, greedy or lazy: as each piece can end in a single place
/// only, the place is the same.
fn repeated(repetition: &Repetition) -> Option<Vec<Vec<Piece>>> {
    if (repetition.min, repetition.max) == (0, Some(1)) {
        let mut ways = ways(&repetition.sub)?;
        ways.push(Vec::new());
        return Some(ways);
    }
    let HirKind::Class(class) = repetition.sub.kind() else { return None };
    let min = usize::try_from(repetition.min).ok()?;
    let times = match repetition.max {
        None if min <= 1 => Times::From(min),
        Some(max) if max == repetition.min => Times::Exactly(min),
        _ => return None,
    };
    Some(vec![vec![Piece::Class(Bytes::of(class)?, times)]])
}

/// Returns each way of `before` followed by each way of `behind`.
fn joined(mut before: Vec<Vec<Piece>>, behind: Vec<Vec<Piece>>) -> Option<Vec<Vec<Piece>>> {
    if let [only] = behind.as_slice() {
        for way in &mut before {
            way.extend_from_slice(only);
        }
        return Some(before);
    }
    if before.len() * behind.len() > MAX_WAYS {
        return None;
    }
    let mut joined = Vec::with_capacity(before.len() * behind.len());
    for way in &before {
        for next in &behind {
            joined.push([way.as_slice(), next].concat());
        }
    }
    Some(joined)
}

fn is_sound(way: &[Piece]) -> bool {
    let begins = matches!(way.first(), Some(Piece::Literal(text)) if text.starts_with(b"/"));
    let mut followed = way.iter().zip(way.iter().skip(1).map(Some).chain([None]));
    begins && followed.all(|(piece, next)| piece.ends_before(next))
}

/// True if the automaton of a pattern with these ways would obey the limits. Counted generously,
/// with less than half of each limit allowed.
fn is_small(ways: &[Vec<Piece>]) -> bool {
    let pieces = || ways.iter().flatten();
    // A state for each byte, and a few besides.
    let states = pieces().map(Piece::states).fold(8, usize::saturating_add);
    if states > MAX_STATES {
        return false;
    }
    let mut tells = Bytes::default();
    pieces().for_each(|piece| piece.tells_apart(&mut tells));
    let row = (tells.count() + 2).next_power_of_two();
    let transitions: usize = pieces().map(|piece| piece.states() * piece.ranges()).sum();
    let (nfa, dfa) = (states * 32 + transitions * 16, states * row * size_of::<u32>());
    let steps = states * row * 2 * ways.len();
    nfa <= MAX_NFA_BYTES / 2 && dfa <= MAX_DFA_BYTES / 2 && steps <= MAX_PATTERN_STEPS / 2
}

impl Piece {
    /// True if the piece ends in a single place when `next` follows.
    fn ends_before(&self, next: Option<&Self>) -> bool {
        match (self, next) {
            (Self::Literal(_) | Self::Class(_, Times::Exactly(_)), _) | (_, None) => true,
            (Self::Class(bytes, _), Some(Self::Literal(text))) => {
                text.first().is_some_and(|first| !bytes.contains(*first))
            }
            (Self::Class(..), Some(Self::Class(..))) => false,
        }
    }

    fn states(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Class(_, Times::Exactly(times)) => *times,
            Self::Class(_, Times::From(_)) => 3,
        }
    }

    fn ranges(&self) -> usize {
        match self {
            Self::Literal(_) => 1,
            Self::Class(bytes, _) => bytes.borders().count(),
        }
    }

    /// Adds the bytes that the piece may treat in another way than the byte before.
    fn tells_apart(&self, tells: &mut Bytes) {
        match self {
            Self::Literal(text) => text.iter().for_each(|byte| {
                tells.insert(*byte);
                tells.insert(byte.saturating_add(1));
            }),
            Self::Class(bytes, _) => *tells = tells.with(bytes.borders()),
        }
    }
}

impl Times {
    /// Returns the number of bytes that this piece takes from the beginning of `rest`: exactly its
    /// number, or all bytes of the class. `None` if `rest` does not fit.
    pub(super) fn taken(self, bytes: &Bytes, rest: &[u8]) -> Option<usize> {
        match self {
            Self::Exactly(times) => {
                rest.get(..times).filter(|text| bytes.span(text) == times).map(|_| times)
            }
            Self::From(min) => Some(bytes.span(rest)).filter(|length| *length >= min),
        }
    }
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    /// Reads a class of bytes, or of characters of a single byte each, as the parser makes from
    /// `(a|b)`.
    fn of(class: &Class) -> Option<Self> {
        let class = match class {
            Class::Bytes(class) => class.clone(),
            Class::Unicode(class) => class.to_byte_class()?,
        };
        let mut bytes = Self::default();
        class
            .iter()
            .for_each(|range| (range.start()..=range.end()).for_each(|byte| bytes.insert(byte)));
        Some(bytes)
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
    }

    fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte / 64)).is_some_and(|word| word >> (byte % 64) & 1 == 1)
    }

    /// Returns the number of bytes of the set at the beginning of a text.
    fn span(&self, text: &[u8]) -> usize {
        text.iter().position(|byte| !self.contains(*byte)).unwrap_or(text.len())
    }

    /// Returns the bytes at which membership changes: either the byte is in the set or the byte
    /// before, and not both.
    fn borders(&self) -> Self {
        let [a, b, c, d] = self.0;
        // Each byte's bit, beside the bit of the byte before.
        Self([a ^ (a << 1), b ^ (b << 1 | a >> 63), c ^ (c << 1 | b >> 63), d ^ (d << 1 | c >> 63)])
    }

    fn with(self, other: Self) -> Self {
        let [a, b, c, d] = self.0;
        let [e, f, g, h] = other.0;
        Self([a | e, b | f, c | g, d | h])
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}
