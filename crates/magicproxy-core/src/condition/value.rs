//! Tests of a single value. `conditions.md` sections 2 and 3.1.

use crate::pattern::TextAutomaton;

use super::integer::{Integer, IntegerRange};
use super::names::NamesTest;
use super::outcome::Outcome;
use super::{MAX_TESTED_TEXT, Reason};

/// The checked test of a value.
#[derive(Clone, Debug)]
pub(crate) enum ValueTest {
    /// Any value.
    Anything,
    /// One of these values. Never empty.
    OneOf(Vec<Scalar>),
    /// A text of this form.
    Text(TextTest),
    /// An integer within this range.
    Integer(IntegerRange),
    /// A value of one of these types.
    Type(TypeSet),
    /// A list, or a repeated parameter.
    List(ListTest),
    /// An object of this shape.
    Object(Box<NamesTest>),
    /// No value: the name is not there.
    Absent,
}

/// A value of a rule with which a value of a request is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Null,
}

/// A test of a text by globs, patterns, or both.
#[derive(Clone, Debug)]
pub(crate) struct TextTest {
    /// The globs, one of which matches.
    pub(crate) globs: Option<TextAutomaton>,
    /// The patterns, one of which matches.
    pub(crate) patterns: Option<TextAutomaton>,
}

/// A test of a list.
#[derive(Clone, Debug)]
pub(crate) struct ListTest {
    /// The test of each element.
    pub(crate) each: Box<ValueTest>,
    /// The number of elements.
    pub(crate) count: CountRange,
}

/// A range of numbers of elements, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountRange {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// The types of JSON values. An integer is a number, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueType {
    String,
    Integer,
    Number,
    Boolean,
    Null,
    Array,
    Object,
}

/// A set of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct TypeSet(u8);

impl ValueType {
    const ALL: [(Self, &'static str); 7] = [
        (Self::String, "string"),
        (Self::Integer, "integer"),
        (Self::Number, "number"),
        (Self::Boolean, "boolean"),
        (Self::Null, "null"),
        (Self::Array, "array"),
        (Self::Object, "object"),
    ];

    /// Returns the type of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, own)| *own == name).map(|(kind, _)| *kind)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

impl TypeSet {
    pub(crate) fn add(&mut self, kind: ValueType) {
        self.0 |= 1 << kind as u8;
    }

    pub(crate) fn has(self, kind: ValueType) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl CountRange {
    pub(crate) const ANY: Self = Self { min: 0, max: u64::MAX };

    pub(crate) fn contains(self, count: u64) -> bool {
        (self.min..=self.max).contains(&count)
    }
}

impl TextTest {
    /// Tests a text. `doubt` is the reason where the text cannot be judged.
    pub(crate) fn judge(&self, text: &str, doubt: Reason) -> Outcome {
        if text.len() > MAX_TESTED_TEXT || has_controls(text) {
            return Outcome::Unknown(doubt);
        }
        let plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        let passes = |automaton: &Option<TextAutomaton>| {
            automaton.as_ref().is_none_or(|automaton| automaton.matches(text))
        };
        Outcome::of(plain && passes(&self.globs) && passes(&self.patterns))
    }

    /// Returns the number of automata that each byte of a text passes.
    pub(crate) fn passes(&self) -> usize {
        usize::from(self.globs.is_some()) + usize::from(self.patterns.is_some())
    }
}

impl ValueTest {
    /// Returns the memory of automata and texts, in bytes, without the test's own place.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Anything | Self::Integer(_) | Self::Type(_) | Self::Absent => 0,
            Self::OneOf(values) => values.iter().map(Scalar::memory_bytes).sum(),
            Self::Text(TextTest { globs, patterns }) => {
                [globs, patterns].into_iter().flatten().map(TextAutomaton::memory_bytes).sum()
            }
            Self::List(list) => size_of::<Self>() + list.each.memory_bytes(),
            Self::Object(names) => size_of::<NamesTest>() + names.memory_bytes(),
        }
    }

    /// Tests a text that comes from outside JSON: a capture, a parameter, a field of a header or a
    /// form. `doubt` is the reason where the text cannot be judged.
    pub(crate) fn judge_text(&self, text: &str, doubt: Reason) -> Outcome {
        match self {
            Self::Anything => Outcome::True,
            Self::Absent => Outcome::False,
            Self::Text(test) => test.judge(text, doubt),
            Self::OneOf(values) => one_of(values, text, doubt),
            Self::Integer(range) => match Integer::of(text) {
                Integer::Exact(value) => Outcome::of(range.contains(value)),
                Integer::Doubtful => Outcome::Unknown(doubt),
            },
            Self::Type(types) => text_type(*types, text, doubt),
            // Lists are judged by whoever knows whether a name is repeated; a single text is a list
            // of one.
            Self::List(list) => {
                Outcome::of(list.count.contains(1)).and(list.each.judge_text(text, doubt))
            }
            Self::Object(_) => Outcome::Unknown(doubt),
        }
    }
}

/// Compares a text with the texts of a list.
fn one_of(values: &[Scalar], text: &str, doubt: Reason) -> Outcome {
    if has_controls(text) {
        return Outcome::Unknown(doubt);
    }
    if values.iter().any(|value| value.is_text(text)) {
        return Outcome::True;
    }
    let has_integers = values.iter().any(|value| matches!(value, Scalar::Integer(_)));
    let might_be_a_number = text.chars().any(char::is_numeric);
    if has_integers && might_be_a_number && Integer::of(text) == Integer::Doubtful {
        return Outcome::Unknown(doubt);
    }
    Outcome::False
}

fn text_type(types: TypeSet, text: &str, doubt: Reason) -> Outcome {
    let is_integer = matches!(Integer::of(text), Integer::Exact(_));
    let is_boolean = matches!(text, "true" | "false");
    let passes = types.has(ValueType::String)
        || types.has(ValueType::Integer) && is_integer
        || types.has(ValueType::Boolean) && is_boolean;
    if passes { Outcome::True } else { Outcome::Unknown(doubt) }
}

impl Scalar {
    fn memory_bytes(&self) -> usize {
        let text = if let Self::Text(text) = self { text.len() } else { 0 };
        size_of::<Self>() + text
    }

    /// Returns the text that stands for this value outside JSON.
    pub(crate) fn to_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Integer(value) => Some(value.to_string()),
            Self::Boolean(value) => Some(value.to_string()),
            Self::Null => None,
        }
    }

    /// Returns this value in JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Integer(value) => (*value).into(),
            Self::Boolean(value) => (*value).into(),
            Self::Null => serde_json::Value::Null,
        }
    }

    /// True if this value, written as text, is exactly `text`.
    fn is_text(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Integer(own) => Integer::of(text) == Integer::Exact(*own),
            Self::Boolean(own) => text == if *own { "true" } else { "false" },
            Self::Null => false,
        }
    }
}

/// True if a text has control characters, at which some readers end.
pub(crate) fn has_controls(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
}
