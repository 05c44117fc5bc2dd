//! Patterns that need no automaton: literals, and classes repeated without bound, each of which ends where its text does.
//!
//! Most rules are of this kind, and an automaton for one costs a hundred times as much. It matches what the automaton would:
//! behind a repeated class comes the end, or a literal whose first byte the class does not hold, so there is one place where
//! the repetition can end, and it is found by going on while it can. `rules.md` section 4.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// A template is so small that its automaton is sure to obey the limits of `rules.md` section 2.
const MAX_LITERAL_BYTES: usize = 100;
const MAX_CLASSES: usize = 16;

/// A pattern of this kind.
///
/// INVARIANT: the first piece is a literal that begins with `/`; a `Class` is the last piece or stands before a `Literal` whose
/// first byte it does not hold; no literal is empty.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Debug)]
enum Piece {
    Literal(Box<[u8]>),
    /// So many bytes of a class, at least `min`.
    Class {
        bytes: Bytes,
        min: usize,
    },
}

impl Template {
    /// Of a pattern that is to match the whole path, if it is of this kind.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let parts = match hir.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            _ => std::slice::from_ref(hir),
        };
        let pieces = parts.iter().map(Piece::of).collect::<Option<Box<[Piece]>>>()?;
        is_sound(&pieces).then_some(Self { pieces })
    }

    /// Does it match the whole of the path?
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let mut rest = Some(path);
        for piece in &self.pieces {
            rest = rest.and_then(|rest| piece.strip(rest));
        }
        rest.is_some_and(<[u8]>::is_empty)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.pieces) + literal_bytes(&self.pieces)
    }
}

impl Piece {
    fn of(hir: &Hir) -> Option<Self> {
        match hir.kind() {
            HirKind::Literal(literal) => Some(Self::Literal(literal.0.clone())),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            // Greedy or not, the end is the same.
            HirKind::Repetition(Repetition { min: min @ (0 | 1), max: None, sub, .. }) => match sub.kind() {
                HirKind::Class(Class::Bytes(class)) => {
                    let mut bytes = Bytes::default();
                    class.iter().for_each(|range| (range.start()..=range.end()).for_each(|byte| bytes.insert(byte)));
                    Some(Self::Class { bytes, min: usize::from(*min == 1) })
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Is there one place where it ends, when this comes next?
    fn ends_before(&self, next: Option<&Self>) -> bool {
        match (self, next) {
            (Self::Literal(_), _) | (Self::Class { .. }, None) => true,
            (Self::Class { bytes, .. }, Some(Self::Literal(text))) => text.first().is_some_and(|first| !bytes.contains(*first)),
            (Self::Class { .. }, Some(Self::Class { .. })) => false,
        }
    }

    /// What is behind it, if a path that begins with `rest` begins with it.
    fn strip<'p>(&self, rest: &'p [u8]) -> Option<&'p [u8]> {
        match self {
            Self::Literal(text) => rest.strip_prefix(&**text),
            Self::Class { bytes, min } => {
                let length = rest.iter().position(|byte| !bytes.contains(*byte)).unwrap_or(rest.len());
                if length >= *min { rest.get(length..) } else { None }
            }
        }
    }
}

/// The invariant, and the size.
fn is_sound(pieces: &[Piece]) -> bool {
    let begins = matches!(pieces.first(), Some(Piece::Literal(text)) if text.starts_with(b"/"));
    let mut followed = pieces.iter().zip(pieces.iter().skip(1).map(Some).chain([None]));
    begins && is_small(pieces) && followed.all(|(piece, next)| piece.ends_before(next))
}

fn is_small(pieces: &[Piece]) -> bool {
    let classes = pieces.iter().filter(|piece| matches!(piece, Piece::Class { .. })).count();
    classes <= MAX_CLASSES && literal_bytes(pieces) <= MAX_LITERAL_BYTES
}

fn literal_bytes(pieces: &[Piece]) -> usize {
    let lengths = pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => text.len(),
        Piece::Class { .. } => 0,
    });
    lengths.sum()
}

/// A set of bytes.
#[derive(Debug, Default)]
struct Bytes([u64; 4]);

impl Bytes {
    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
    }

    fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte / 64)).is_some_and(|word| word >> (byte % 64) & 1 == 1)
    }
}
