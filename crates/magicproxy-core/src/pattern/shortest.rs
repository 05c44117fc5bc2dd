//! The shortest text that several automata match together: for advice and for tests, never for
//! decisions.

mod integer;
mod machine;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashSet;

use super::{MAX_PAIRS, is_path_byte};

pub(crate) use machine::{Machine, MachinePlace};

use machine::State;

/// The least value that tests allow together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Least<T> {
    Found(T),
    /// No value passes all tests. Holds the place of the tests in a rule.
    Nothing(String),
    /// Finding out takes too long.
    TooCostly,
}

/// The steps left for searches: sets of states that are visited.
#[derive(Debug)]
pub(crate) struct SearchSteps(Cell<usize>);

/// The characters of a text, in the order in which they are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Characters {
    /// Visible ASCII and blanks.
    Visible,
    /// Those of a path.
    Path,
    /// Those of a path that every setting of an upstream reads alike.
    PlainPath,
}

impl<T> Least<T> {
    pub(crate) fn nothing() -> Self {
        Self::Nothing(String::new())
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Least<U> {
        match self {
            Self::Found(value) => Least::Found(change(value)),
            Self::Nothing(place) => Least::Nothing(place),
            Self::TooCostly => Least::TooCostly,
        }
    }

    /// Returns this value, or else the other one.
    pub(crate) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Found(_) => self,
            Self::Nothing(ref place) => match other() {
                Self::Nothing(_) if !place.is_empty() => self,
                other => other,
            },
            Self::TooCostly => match other() {
                Self::Nothing(_) => self,
                other => other,
            },
        }
    }

    /// Names the place of the tests below a name.
    pub(crate) fn within(self, name: &str) -> Self {
        match self {
            Self::Nothing(place) if place.is_empty() => Self::Nothing(name.to_owned()),
            Self::Nothing(place) => Self::Nothing(format!("{name}.{place}")),
            other => other,
        }
    }

    /// Returns whether a value passes; `None` where finding out takes too long.
    pub(crate) fn exists(&self) -> Option<bool> {
        match self {
            Self::Found(_) => Some(true),
            Self::Nothing(_) => Some(false),
            Self::TooCostly => None,
        }
    }
}

impl SearchSteps {
    pub(crate) fn new() -> Self {
        Self(Cell::new(MAX_PAIRS))
    }

    /// The steps taken so far.
    pub(crate) fn taken(&self) -> usize {
        MAX_PAIRS - self.0.get()
    }

    fn take(&self) -> Option<()> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(())
    }
}

impl Characters {
    /// Returns the characters: letters and digits first.
    fn bytes(self) -> Vec<u8> {
        let is_member = |byte: &u8| match self {
            Self::Visible => matches!(byte, b' '..=b'~'),
            Self::Path => is_path_byte(*byte),
            Self::PlainPath => is_path_byte(*byte) && !matches!(byte, b'%' | b';'),
        };
        let mut bytes: Vec<u8> = (0..0x80).filter(is_member).collect();
        bytes.sort_by_key(|byte| match byte {
            b'a'..=b'z' => 0,
            b'0'..=b'9' => 1,
            b'A'..=b'Z' => 2,
            b'/' => 4,
            b' ' => 5,
            _ => 3,
        });
        bytes
    }
}

/// A text under search: the states after it, and the text before its last character.
struct Visited {
    states: Vec<State>,
    before: usize,
    byte: u8,
}

/// Returns the shortest text that all machines match.
pub(crate) fn shortest(
    machines: &[Machine],
    characters: Characters,
    steps: &SearchSteps,
) -> Least<String> {
    let bytes = characters.bytes();
    let Some(start) = machines.iter().map(Machine::start).collect::<Option<Vec<_>>>() else {
        return Least::nothing();
    };
    let mut seen = HashSet::from([start.clone()]);
    let mut visited = vec![Visited { states: start, before: 0, byte: 0 }];
    let mut at = 0;
    while let Some(Visited { states, .. }) = visited.get(at) {
        if machines.iter().zip(states).all(|(machine, state)| machine.accepts(*state)) {
            return Least::Found(text_of(&visited, at));
        }
        if steps.take().is_none() {
            return Least::TooCostly;
        }
        let states = states.clone();
        for byte in &bytes {
            let next =
                machines.iter().zip(&states).map(|(machine, state)| machine.next(*state, *byte));
            let Some(next) = next.collect::<Option<Vec<_>>>() else { continue };
            if seen.insert(next.clone()) {
                visited.push(Visited { states: next, before: at, byte: *byte });
            }
        }
        at += 1;
    }
    Least::nothing()
}

/// Returns the text that leads to a set of states.
fn text_of(visited: &[Visited], mut at: usize) -> String {
    let mut text = Vec::new();
    while at > 0
        && let Some(Visited { before, byte, .. }) = visited.get(at)
    {
        text.push(char::from(*byte));
        at = *before;
    }
    text.iter().rev().collect()
}
