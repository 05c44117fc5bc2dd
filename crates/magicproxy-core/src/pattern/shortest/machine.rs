//! Automata as a search runs them, side by side.

use std::sync::Arc;

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;

use super::integer::{Digits, IntegerMachine};
use crate::pattern::{Automaton, TextAutomaton};

/// An automaton, and the part of the text that it reads.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    kind: MachineKind,
    place: MachinePlace,
}

#[derive(Clone, Debug)]
enum MachineKind {
    Table(Arc<dense::DFA<Vec<u32>>>),
    /// Integers in their one spelling.
    Integer(IntegerMachine),
    /// Texts without a blank at an end.
    Trimmed,
    /// Paths without empty segments and dot segments.
    CanonicalPath,
}

/// The part of a text that a machine reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MachinePlace {
    Whole,
    /// The segment of a path behind this many others.
    Segment(usize),
    /// All of a path behind this many segments.
    RestBehind(usize),
}

/// The state of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The slashes so far, up to those that matter.
    slashes: usize,
    inner: Inner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Inner {
    Table(StateID),
    Integer(Digits),
    /// Nothing was read.
    Begin,
    /// The last character is a blank.
    Blank,
    /// The last character is a slash.
    Slash,
    /// The segment is this number of dots.
    Dots(u8),
    /// The last character is none of these.
    Other,
}

impl Machine {
    /// Reads a path by the automaton of patterns.
    pub(crate) fn of_path(automaton: &Automaton) -> Self {
        Self::whole(MachineKind::Table(Arc::clone(&automaton.0)))
    }

    /// Reads a text by globs or patterns of conditions.
    pub(crate) fn of_texts(automaton: &TextAutomaton) -> Self {
        Self::whole(MachineKind::Table(automaton.table()))
    }

    /// Reads an integer between `min` and `max`, both included.
    pub(crate) fn of_integers(min: i64, max: i64) -> Self {
        Self::whole(MachineKind::Integer(IntegerMachine::new(min, max)))
    }

    pub(crate) fn trimmed() -> Self {
        Self::whole(MachineKind::Trimmed)
    }

    pub(crate) fn canonical_path() -> Self {
        Self::whole(MachineKind::CanonicalPath)
    }

    fn whole(kind: MachineKind) -> Self {
        Self { kind, place: MachinePlace::Whole }
    }

    pub(crate) fn at(self, place: MachinePlace) -> Self {
        Self { place, ..self }
    }

    pub(super) fn start(&self) -> Option<State> {
        let inner = match &self.kind {
            MachineKind::Table(dfa) => {
                let anchored = start::Config::new().anchored(Anchored::Yes);
                Inner::Table(dfa.start_state(&anchored).ok()?)
            }
            MachineKind::Integer(_) => Inner::Integer(Digits::Nothing),
            MachineKind::Trimmed | MachineKind::CanonicalPath => Inner::Begin,
        };
        Some(State { slashes: 0, inner })
    }

    /// Returns the state behind a byte; `None` where no text goes on from there.
    pub(super) fn next(&self, state: State, byte: u8) -> Option<State> {
        let State { slashes, inner } = state;
        let before = match self.place {
            MachinePlace::Whole => {
                return Some(State { slashes, inner: self.next_inner(inner, byte)? });
            }
            MachinePlace::Segment(before) | MachinePlace::RestBehind(before) => before,
        };
        let reads_on = matches!(self.place, MachinePlace::RestBehind(_)) || byte != b'/';
        // The part begins behind one slash more than segments stand before.
        match slashes.cmp(&(before + 1)) {
            std::cmp::Ordering::Less => {
                Some(State { slashes: slashes + usize::from(byte == b'/'), inner })
            }
            std::cmp::Ordering::Equal if reads_on => {
                Some(State { slashes, inner: self.next_inner(inner, byte)? })
            }
            std::cmp::Ordering::Equal => {
                self.accepts_inner(inner).then_some(State { slashes: slashes + 1, inner })
            }
            std::cmp::Ordering::Greater => Some(state),
        }
    }

    /// True if the text up to this state is matched.
    pub(super) fn accepts(&self, state: State) -> bool {
        match self.place {
            MachinePlace::Whole => self.accepts_inner(state.inner),
            MachinePlace::Segment(before) | MachinePlace::RestBehind(before) => {
                match state.slashes.cmp(&(before + 1)) {
                    std::cmp::Ordering::Less => false,
                    std::cmp::Ordering::Equal => self.accepts_inner(state.inner),
                    std::cmp::Ordering::Greater => true,
                }
            }
        }
    }

    fn next_inner(&self, inner: Inner, byte: u8) -> Option<Inner> {
        match (&self.kind, inner) {
            (MachineKind::Table(dfa), Inner::Table(state)) => {
                let next = dfa.next_state(state, byte);
                let is_over = dfa.is_dead_state(next) || dfa.is_quit_state(next);
                (!is_over).then_some(Inner::Table(next))
            }
            (MachineKind::Integer(integers), Inner::Integer(digits)) => {
                integers.next(digits, byte).map(Inner::Integer)
            }
            (MachineKind::Trimmed, Inner::Begin) if byte == b' ' => None,
            (MachineKind::Trimmed, _) if byte == b' ' => Some(Inner::Blank),
            (MachineKind::Trimmed, _) => Some(Inner::Other),
            (MachineKind::CanonicalPath, inner) => next_of_path(inner, byte),
            (MachineKind::Table(_) | MachineKind::Integer(_), _) => None,
        }
    }

    fn accepts_inner(&self, inner: Inner) -> bool {
        match (&self.kind, inner) {
            (MachineKind::Table(dfa), Inner::Table(state)) => {
                dfa.is_match_state(dfa.next_eoi_state(state))
            }
            (MachineKind::Integer(integers), Inner::Integer(digits)) => integers.accepts(digits),
            (MachineKind::Trimmed, inner) => inner != Inner::Blank,
            (MachineKind::CanonicalPath, inner) => matches!(inner, Inner::Slash | Inner::Other),
            (MachineKind::Table(_) | MachineKind::Integer(_), _) => false,
        }
    }
}

/// Returns the state of a canonical path behind a byte.
fn next_of_path(inner: Inner, byte: u8) -> Option<Inner> {
    match (inner, byte) {
        (Inner::Begin | Inner::Other, b'/') => Some(Inner::Slash),
        (Inner::Slash | Inner::Dots(_), b'/') | (Inner::Begin, _) => None,
        (Inner::Slash, b'.') => Some(Inner::Dots(1)),
        (Inner::Dots(1), b'.') => Some(Inner::Dots(2)),
        _ => Some(Inner::Other),
    }
}
