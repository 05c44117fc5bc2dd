//! Conditions: the tests of a rule on the captures of its route, and on the query, the header
//! fields and the body of a request. Specification: `conditions.md`.

mod finding;
mod integer;
mod names;
mod outcome;
mod value;
mod words;

pub use finding::{Finding, FoundValue};
pub(crate) use integer::{Integer, IntegerRange, MAX_INTEGER};
pub(crate) use names::{Found, ListedName, NamesTest};
pub use outcome::{Outcome, Reason};
pub(crate) use value::{CountRange, ListTest, Scalar, TextTest, TypeSet, ValueTest, ValueType};

/// The most bytes of a text that is matched by a glob or a pattern.
pub(crate) const MAX_TESTED_TEXT: usize = 8 * 1024;
/// The most names in one set of names. A bit of a `u64` for each tells which were seen.
pub(crate) const MAX_NAMES: usize = 64;
