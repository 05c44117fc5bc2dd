//! The expected form of a JSON text, and the faults of a text with another form: each fault by the
//! name of its member, with the expected value in words. No text out of the JSON is repeated,
//! because the text may be a secret.
//!
//! Used only after reading has failed: the reader's own types decide what is accepted. The same
//! form makes the JSON Schema for editors.

mod check;
mod fault;
mod schema;
mod value;

use serde::de::DeserializeOwned;

use super::shape::Shape;

pub use super::shape::ValueKind;
pub use fault::{FormFault, FormFaultKind, FormFaults};
pub use value::ValueFault;

/// A form of JSON values, with words for the person who writes such a value. Forms are constants; a
/// form does not decide what is accepted, but explains a refusal.
#[derive(Debug)]
pub struct Form {
    /// The expected value, in words for the person who writes the JSON.
    pub expected: &'static str,
    /// The kind of the form's values.
    pub kind: Kind,
}

/// The kinds of values in a form.
#[derive(Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A text in which this regular expression is found.
    TextLike(&'static str),
    /// `true` or `false`.
    Flag,
    /// `true`.
    True,
    /// A value of any kind.
    Any,
    /// A whole number that is not negative.
    Number,
    /// A whole number from the first to the second, both included.
    NumberWithin(u64, u64),
    /// A number, or a text.
    NumberOrText,
    /// A list.
    List(&'static Form),
    /// A list, or a single value in place of a list with one item.
    Many(&'static Form),
    /// A list of one to this many values, or a single value in place of a list with one item.
    UpTo(usize, &'static Form),
    /// A text of this form, or an object with these members.
    TextOrObject(&'static Form, &'static [Member]),
    /// A text of this form, or an object: with the members of the second list if it has the first
    /// one of them, and else with those of the first list.
    TextOrEither(&'static Form, &'static [Member], &'static [Member]),
    /// An object with these members.
    Object(&'static [Member]),
    /// An object with names of the writer's choice.
    Map(&'static Form),
}

/// A member of an object.
#[derive(Debug)]
pub struct Member {
    /// The member's name.
    pub name: &'static str,
    /// The form of the member's value.
    pub form: &'static Form,
    /// The member's presence: required, optional, or an alternative.
    pub presence: Presence,
}

/// Rules for a member's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A required member.
    Needed,
    /// An optional member.
    Optional,
    /// An optional member for which null means absence.
    Nullable,
    /// A member of the alternative with this number. Exactly one of the object's alternatives must
    /// be present, with all of its members.
    Alternative(u8),
    /// An optional member for operators only. For all other writers the member is unknown.
    Operators,
}

impl Member {
    /// Makes a member of this form.
    #[must_use]
    pub const fn new(name: &'static str, form: &'static Form, presence: Presence) -> Self {
        Self { name, form, presence }
    }
}

impl Form {
    /// Reads a JSON object of this form.
    ///
    /// # Errors
    /// [`FormFaults`]: every fault, with the name of its member and the expected value.
    pub fn read<T: DeserializeOwned>(&self, json: &[u8]) -> Result<T, FormFaults> {
        super::object(json).map_err(|error| self.faults(json, &error))
    }

    /// Finds every fault of a JSON text. `reader` is the error with which the text's own reader
    /// refused the text.
    pub(crate) fn faults(&self, json: &[u8], reader: &serde_json::Error) -> FormFaults {
        let Ok(shape) = serde_json::from_slice::<Shape>(json) else {
            return FormFaults::of_whole(FormFaultKind::Syntax {
                line: reader.line(),
                column: reader.column(),
            });
        };
        self.faults_of(&shape).unwrap_or_else(|| {
            FormFaults::of_whole(
                ValueFault::of(reader)
                    .map_or(FormFaultKind::Whole(self.expected), FormFaultKind::Value),
            )
        })
    }

    /// Finds the faults of a JSON text that was read, and is refused for the contents of its lists.
    /// An unknown member comes first, because reading would have stopped at the unknown member.
    pub(crate) fn faults_of_read(&self, json: &[u8]) -> Option<FormFaults> {
        self.faults_of(&serde_json::from_slice(json).ok()?)
    }

    fn faults_of(&self, shape: &Shape) -> Option<FormFaults> {
        Some(check::faults_of(self, shape)).filter(|faults| !faults.is_empty()).map(FormFaults::new)
    }
}
