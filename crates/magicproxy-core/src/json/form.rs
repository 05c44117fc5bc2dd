//! The form that a JSON text should have, and what is wrong with one that has another: each fault by the name of its member,
//! with what was expected there. No text out of the JSON is repeated, for it may be a secret.
//!
//! Asked only once reading has failed: the reader's own types decide what is accepted. The same form makes the JSON Schema that
//! editors are given.

mod check;
mod fault;
mod schema;
mod value;

use serde::de::DeserializeOwned;

use super::shape::Shape;

pub use super::shape::ValueKind;
pub use fault::{FormFault, FormFaultKind, FormFaults};
pub use value::ValueFault;

/// A form of JSON values.
#[derive(Debug)]
pub struct Form {
    /// In words: what a person should write.
    pub expected: &'static str,
    /// The kind of its values.
    pub kind: Kind,
}

/// The kinds of values that a form takes.
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
    /// Any value.
    Any,
    /// A whole number that is not negative.
    Number,
    /// A whole number from the first to the second.
    NumberWithin(u64, u64),
    /// A number, or a text.
    NumberOrText,
    /// A list.
    List(&'static Form),
    /// A list, or one value instead of a list of one.
    Many(&'static Form),
    /// The same, of one to so many values.
    UpTo(usize, &'static Form),
    /// A text of this form, or an object with these members.
    TextOrObject(&'static Form, &'static [Member]),
    /// An object with these members.
    Object(&'static [Member]),
    /// An object with names of the writer's choice.
    Map(&'static Form),
}

/// A member of an object.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// The form of its value.
    pub form: &'static Form,
    /// Whether it must be there.
    pub presence: Presence,
}

/// Whether a member must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Needed,
    /// It need not.
    Optional,
    /// It need not, and null is as good as nothing.
    Nullable,
    /// Exactly one of the object's alternatives must be there, whole: this member is of the alternative of this number.
    Alternative(u8),
    /// It need not, and only where an operator writes: for others it is not known.
    Operators,
}

impl Member {
    /// A member of this form.
    #[must_use]
    pub const fn new(name: &'static str, form: &'static Form, presence: Presence) -> Self {
        Self { name, form, presence }
    }
}

impl Form {
    /// Reads a JSON object of this form.
    ///
    /// # Errors
    /// [`FormFaults`]: every fault, with the name of its member and what was expected there.
    pub fn read<T: DeserializeOwned>(&self, json: &[u8]) -> Result<T, FormFaults> {
        super::object(json).map_err(|error| self.faults(json, &error))
    }

    /// Every fault of a JSON text; `reader` is the error of the one who could not read it.
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

    /// The faults of a JSON text that was read, and is not accepted for what its lists hold: a member that is not in the form is told
    /// first, as where reading ends at it.
    pub(crate) fn faults_of_read(&self, json: &[u8]) -> Option<FormFaults> {
        self.faults_of(&serde_json::from_slice(json).ok()?)
    }

    fn faults_of(&self, shape: &Shape) -> Option<FormFaults> {
        Some(check::faults_of(self, shape)).filter(|faults| !faults.is_empty()).map(FormFaults::new)
    }
}
