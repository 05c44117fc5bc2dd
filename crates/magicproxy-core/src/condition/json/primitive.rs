//! Tests of values that are neither objects nor lists.

use std::borrow::Cow;

use crate::condition::MAX_TESTED_TEXT;
use crate::condition::finding::{FoundValue, shortened};
use crate::condition::integer::Integer;
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::steps::{Steps, steps_of_search};
use crate::condition::value::{Scalar, TextTest, TypeSet, ValueTest, ValueType};

use super::scanner::Primitive;

use super::text::RawText;

/// The outcome for a value that readers could take for an allowed one, or not.
const DOUBT: Outcome = Outcome::Unknown(Reason::JsonValue);
/// More bytes than an integer has that is not out of range.
const LONG_NUMBER: usize = 20;

/// A value with what several tests ask about it, found once.
#[derive(Debug)]
pub(super) struct JudgedValue<'b> {
    value: Primitive<'b>,
    has_controls: Option<bool>,
    decoded: Option<Option<Cow<'b, str>>>,
}

/// Tests the type of an object or a list.
pub(super) fn judge_type(test: &ValueTest, kind: ValueType) -> Outcome {
    match test {
        ValueTest::Anything => Outcome::True,
        ValueTest::Absent => Outcome::False,
        ValueTest::Type(types) => Outcome::of(types.has(kind)),
        ValueTest::OneOf(_)
        | ValueTest::Text(_)
        | ValueTest::Integer(_)
        | ValueTest::List(_)
        | ValueTest::Object(_) => DOUBT,
    }
}

impl<'b> JudgedValue<'b> {
    pub(super) fn new(value: Primitive<'b>) -> Self {
        Self { value, has_controls: None, decoded: None }
    }

    pub(super) fn judge(&mut self, test: &ValueTest, steps: &mut Steps) -> Outcome {
        match (test, self.value) {
            (ValueTest::Anything, _) => Outcome::True,
            (ValueTest::Absent, _) => Outcome::False,
            (ValueTest::OneOf(values), Primitive::Text(text)) => self.one_of(values, text, steps),
            (ValueTest::OneOf(values), _) => self.one_scalar_of(values, steps),
            (ValueTest::Text(test), Primitive::Text(text)) => self.text(test, text, steps),
            (ValueTest::Integer(range), Primitive::Number(number)) => {
                steps.take(1);
                match integer(number) {
                    Integer::Exact(value) => Outcome::of(range.contains(value)),
                    Integer::Doubtful => DOUBT,
                }
            }
            (ValueTest::Type(types), value) => {
                steps.take(1);
                judge_primitive_type(*types, value)
            }
            (
                ValueTest::Text(_)
                | ValueTest::Integer(_)
                | ValueTest::List(_)
                | ValueTest::Object(_),
                _,
            ) => {
                steps.take(1);
                DOUBT
            }
        }
    }

    /// Compares a text with the texts of a list.
    fn one_of(&mut self, values: &[Scalar], text: RawText<'b>, steps: &mut Steps) -> Outcome {
        steps.take(steps_of_search(values.len()));
        let mut texts = values.iter().filter_map(|value| match value {
            Scalar::Text(listed) => Some(listed.as_str()),
            Scalar::Integer(_) | Scalar::Boolean(_) | Scalar::Null => None,
        });
        let Some(first) = texts.next() else { return DOUBT };
        if *self.has_controls.get_or_insert_with(|| text.has_controls()) {
            return DOUBT;
        }
        // A text that is too long to be decoded is longer than each listed one.
        match self.decoded.get_or_insert_with(|| text.decoded()) {
            Some(text) => Outcome::of(*text == first || texts.any(|listed| *text == listed)),
            None => Outcome::False,
        }
    }

    /// Compares a number, a boolean or null with the values of its kind in a list.
    fn one_scalar_of(&self, values: &[Scalar], steps: &mut Steps) -> Outcome {
        steps.take(steps_of_search(values.len()));
        let scalar = match self.value {
            Primitive::Text(_) => return DOUBT,
            Primitive::Boolean(value) => Scalar::Boolean(value),
            Primitive::Null => Scalar::Null,
            Primitive::Number(number) => match integer(number) {
                Integer::Exact(value) => Scalar::Integer(value),
                Integer::Doubtful => return DOUBT,
            },
        };
        let kind = std::mem::discriminant(&scalar);
        if values.contains(&scalar) {
            Outcome::True
        } else if values.iter().any(|value| std::mem::discriminant(value) == kind) {
            Outcome::False
        } else {
            DOUBT
        }
    }

    fn text(&mut self, test: &TextTest, text: RawText<'b>, steps: &mut Steps) -> Outcome {
        match self.decoded.get_or_insert_with(|| text.decoded()) {
            Some(text) if text.len() <= MAX_TESTED_TEXT => {
                steps.take(1 + text.len() * test.passes());
                // Nothing is matched beyond the bound.
                if steps.is_spent { DOUBT } else { test.judge(text, Reason::JsonValue) }
            }
            _ => {
                steps.take(1);
                DOUBT
            }
        }
    }

    /// Shows the value in a message.
    pub(super) fn shown(&mut self) -> FoundValue {
        match self.value {
            Primitive::Text(text) => match self.decoded.get_or_insert_with(|| text.decoded()) {
                Some(text) => FoundValue::of_text(text),
                None => FoundValue::Type("a text that is too long or has a lone surrogate"),
            },
            Primitive::Number(number) => {
                FoundValue::Shown(shortened(std::str::from_utf8(number).unwrap_or_default()))
            }
            Primitive::Boolean(true) => FoundValue::Type("true"),
            Primitive::Boolean(false) => FoundValue::Type("false"),
            Primitive::Null => FoundValue::Type("null"),
        }
    }
}

/// Reads a number of JSON as an integer.
fn integer(number: &[u8]) -> Integer {
    match std::str::from_utf8(number) {
        Ok(number) if number.len() < LONG_NUMBER => Integer::of(number),
        _ => Integer::Doubtful,
    }
}

fn judge_primitive_type(types: TypeSet, value: Primitive<'_>) -> Outcome {
    match value {
        Primitive::Text(_) => Outcome::of(types.has(ValueType::String)),
        Primitive::Boolean(_) => Outcome::of(types.has(ValueType::Boolean)),
        Primitive::Null => Outcome::of(types.has(ValueType::Null)),
        Primitive::Number(_) if types.has(ValueType::Number) => Outcome::True,
        Primitive::Number(number) if types.has(ValueType::Integer) => match integer(number) {
            Integer::Exact(_) => Outcome::True,
            Integer::Doubtful => DOUBT,
        },
        Primitive::Number(_) => Outcome::False,
    }
}
