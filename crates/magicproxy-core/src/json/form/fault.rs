//! The faults of a JSON text that has another form than expected: each fault with the place of its
//! member.

use std::fmt;

use super::super::shape::ValueKind;
use super::value::ValueFault;

/// A fault of a JSON text. Holds no text out of the JSON, which may be a secret, except a misspelt
/// name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormFault {
    /// The member, as `allowed[2].method`; empty for the whole text.
    place: String,
    kind: FormFaultKind,
}

/// The kinds of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormFaultKind {
    /// A text that is not JSON; lines and columns are counted from 1.
    #[error("it is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// The line at which reading stopped.
        line: usize,
        /// The column at which reading stopped.
        column: usize,
    },
    /// A text of valid JSON in which no single fault was found, although its reader refused the
    /// text.
    #[error("expected {0}")]
    Whole(&'static str),
    /// A value of another kind.
    #[error("expected {expected}, got {found}")]
    Kind {
        /// The expected value, in words.
        expected: &'static str,
        /// The kind of the value found.
        found: ValueKind,
    },
    /// A value of the right kind that its reader does not accept.
    #[error(transparent)]
    Value(ValueFault),
    /// A required member that is absent.
    #[error("it is missing: expected {0}")]
    Missing(&'static str),
    /// A known member that occurs twice.
    #[error("it is there twice: expected it once")]
    Repeated,
    /// A name of the writer's choice that occurs twice.
    #[error("a name is there twice: expected each once")]
    RepeatedName,
    /// An unknown member; the object's known members are listed.
    #[error("a member is not known: expected {}", quoted(.0))]
    Unknown(Vec<&'static str>),
    /// A member whose name differs little from a known name.
    #[error("`{written}` is not known: expected `{meant}`")]
    Misspelt {
        /// The name as written in the text.
        written: String,
        /// The known name.
        meant: &'static str,
    },
}

impl FormFault {
    pub(super) fn new(place: String, kind: FormFaultKind) -> Self {
        Self { place, kind }
    }

    /// The member, as `allowed[2].method`; empty for the whole text.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The kind of the fault.
    #[must_use]
    pub fn kind(&self) -> &FormFaultKind {
        &self.kind
    }
}

impl fmt::Display for FormFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(formatter, "{}: ", self.place)?;
        }
        self.kind.fmt(formatter)
    }
}

impl std::error::Error for FormFault {}

/// The faults of a JSON text, at least one, in the order of the text. Made by a form for a text
/// that was refused, and safe to show: no fault repeats the text, apart from misspelt names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormFaults(Vec<FormFault>);

impl FormFaults {
    pub(super) fn new(faults: Vec<FormFault>) -> Self {
        Self(faults)
    }

    /// Makes the fault of a whole text.
    pub(super) fn of_whole(kind: FormFaultKind) -> Self {
        Self(vec![FormFault { place: String::new(), kind }])
    }

    /// The faults, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &FormFault> {
        self.0.iter()
    }
}

impl IntoIterator for FormFaults {
    type Item = FormFault;
    type IntoIter = std::vec::IntoIter<FormFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Prints all faults in one line.
impl fmt::Display for FormFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(formatter, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FormFaults {}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
