//! From conditions as written to checked tests. `conditions.md` section 2.

mod name;
mod words;

use serde_json::{Map, Value};

use crate::pattern::{Budget, TextAutomaton};

use super::fault::{ConditionFault, FaultKind};
use super::finding::cut;
use super::folded::FoldedName;
use super::integer::{IntegerRange, MAX_INTEGER};
use super::names::{ListedName, NamesTest};
use super::value::{
    CountRange, ListTest, Scalar, TextTest, TypeSet, ValueTest, ValueType, has_controls,
};
use super::{MAX_LISTED_NAMES, twin_key};

use name::WrittenName;
use words::Words;

/// The most bytes of the conditions of a rule, as JSON.
pub(crate) const MAX_CONDITION_BYTES: usize = 8 * 1024;
/// The most tests of a rule: values, lists, texts and types.
pub(crate) const MAX_TESTS: usize = 256;
/// The most levels of `each` and `object`.
pub(crate) const MAX_TEST_NESTING: usize = 8;
/// The most values in a list of values.
pub(crate) const MAX_LISTED_VALUES: usize = 256;
/// The most bytes of a text in a test.
pub(crate) const MAX_TEST_TEXT: usize = 1_024;

/// The part of a request for which tests are written; it decides which words mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Captures,
    Query,
    Headers,
    Json,
    Form,
}

/// The reader of a rule's conditions, with the work and the tests left, and the way to the place
/// that is read.
pub(super) struct Reader<'b> {
    budget: &'b mut Budget,
    tests: usize,
    nesting: usize,
    way: Vec<String>,
}

impl<'b> Reader<'b> {
    pub(super) fn new(budget: &'b mut Budget) -> Self {
        Self { budget, tests: MAX_TESTS, nesting: 0, way: Vec::new() }
    }

    /// Makes a fault of the present place.
    pub(super) fn fault(&self, kind: impl Into<FaultKind>) -> ConditionFault {
        ConditionFault { place: self.way.join("."), kind: kind.into() }
    }

    /// Reads a part of the conditions below a name.
    pub(super) fn at<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, ConditionFault>,
    ) -> Result<T, ConditionFault> {
        self.way.push(shown(name));
        let result = read(self);
        self.way.pop();
        result
    }

    /// Reads NAMES.
    pub(super) fn names(
        &mut self,
        written: &Value,
        place: Place,
    ) -> Result<NamesTest, ConditionFault> {
        let Value::Object(members) = written else { return Err(self.fault(FaultKind::Names)) };
        if members.keys().filter(|name| *name != "*").count() > MAX_LISTED_NAMES {
            return Err(self.fault(FaultKind::TooManyNames));
        }
        let mut names = NamesTest::default();
        for (written, value) in members {
            self.at(written, |reader| reader.member(&mut names, written, value, place))?;
        }
        Ok(names)
    }

    /// Reads one name of NAMES with its test.
    fn member(
        &mut self,
        names: &mut NamesTest,
        written: &str,
        value: &Value,
        place: Place,
    ) -> Result<(), ConditionFault> {
        if written == "*" {
            if matches!(place, Place::Captures | Place::Headers) {
                return Err(self.fault(FaultKind::RestHere));
            }
            names.rest = Some(self.value(value, place)?);
            return Ok(());
        }
        let name = WrittenName::parse(written).map_err(|kind| self.fault(kind))?;
        name.check(place).map_err(|kind| self.fault(kind))?;
        let test = self.value(value, place)?;
        self.check_absent(&test, &name, place)?;
        let listed = ListedName {
            twin_key: twin_key(&name.text).into_owned(),
            folded: FoldedName::of(&name.text),
            name: name.text,
            is_optional: name.is_optional,
            has_keys: name.has_keys,
            test,
        };
        if let Some(twin) = names.listed.iter().find(|other| listed.is_twin_of(other, place)) {
            return Err(self.fault(FaultKind::Twins(shown(&twin.name))));
        }
        names.listed.push(listed);
        Ok(())
    }

    fn check_absent(
        &self,
        test: &ValueTest,
        name: &WrittenName,
        place: Place,
    ) -> Result<(), ConditionFault> {
        if !matches!(test, ValueTest::Absent) {
            return Ok(());
        }
        if name.is_optional {
            return Err(self.fault(FaultKind::AbsentOptional));
        }
        if place == Place::Captures || name.has_keys {
            return Err(self.fault(FaultKind::AbsentHere));
        }
        Ok(())
    }

    /// Reads a VALUE.
    pub(super) fn value(
        &mut self,
        written: &Value,
        place: Place,
    ) -> Result<ValueTest, ConditionFault> {
        self.tests = self.tests.checked_sub(1).ok_or_else(|| self.fault(FaultKind::TooLarge))?;
        match written {
            Value::Object(words) => self.words(words, place),
            Value::Array(values) => self.values(values, place),
            scalar => Ok(ValueTest::OneOf(vec![self.scalar(scalar, place)?])),
        }
    }

    /// Reads a list of values.
    fn values(&self, values: &[Value], place: Place) -> Result<ValueTest, ConditionFault> {
        if !(1..=MAX_LISTED_VALUES).contains(&values.len()) {
            return Err(self.fault(FaultKind::List));
        }
        let mut scalars = Vec::with_capacity(values.len());
        for value in values {
            if matches!(value, Value::Array(_) | Value::Object(_)) {
                return Err(self.fault(FaultKind::List));
            }
            scalars.push(self.scalar(value, place)?);
        }
        Ok(ValueTest::OneOf(scalars))
    }

    fn scalar(&self, value: &Value, place: Place) -> Result<Scalar, ConditionFault> {
        match value {
            Value::String(text) => self.text(text).map(|()| Scalar::Text(text.clone())),
            Value::Number(_) => self.integer(value).map(Scalar::Integer),
            Value::Bool(value) => Ok(Scalar::Boolean(*value)),
            Value::Null if place == Place::Json => Ok(Scalar::Null),
            Value::Null => Err(self.fault(FaultKind::TextOnly("null"))),
            Value::Array(_) | Value::Object(_) => Err(self.fault(FaultKind::Value)),
        }
    }

    fn text(&self, text: &str) -> Result<(), ConditionFault> {
        if text.len() > MAX_TEST_TEXT || has_controls(text) {
            return Err(self.fault(FaultKind::Text));
        }
        Ok(())
    }

    fn integer(&self, value: &Value) -> Result<i64, ConditionFault> {
        value
            .as_i64()
            .filter(|value| (-MAX_INTEGER..=MAX_INTEGER).contains(value))
            .ok_or_else(|| self.fault(FaultKind::Number))
    }

    /// Reads a VALUE in words.
    fn words(
        &mut self,
        written: &Map<String, Value>,
        place: Place,
    ) -> Result<ValueTest, ConditionFault> {
        let words = Words::parse(written).map_err(|kind| self.fault(kind))?;
        match words {
            Words::Nothing => Ok(ValueTest::Anything),
            Words::Text { glob, pattern } => self.text_test(glob, pattern),
            Words::Range { min, max } => self.range(min, max).map(ValueTest::Integer),
            Words::List { each, count } => self.list(each, count, place),
            Words::Object(names) => self.object(names, place),
            Words::Type(types) => self.types(types, place),
            Words::Absent(Value::Bool(true)) => Ok(ValueTest::Absent),
            Words::Absent(_) => Err(self.fault(FaultKind::AbsentTrue)),
        }
    }

    fn text_test(
        &mut self,
        glob: Option<&Value>,
        pattern: Option<&Value>,
    ) -> Result<ValueTest, ConditionFault> {
        let globs = match glob {
            Some(written) => {
                let globs = self.texts(written)?;
                let compiled = TextAutomaton::of_globs(globs, self.budget);
                Some(compiled.map_err(|error| self.fault(error))?)
            }
            None => None,
        };
        let patterns = match pattern {
            Some(written) => {
                let patterns = self.texts(written)?;
                let compiled = TextAutomaton::of_patterns(patterns, self.budget);
                Some(compiled.map_err(|error| self.fault(error))?)
            }
            None => None,
        };
        Ok(ValueTest::Text(TextTest { globs, patterns }))
    }

    /// Reads a text, or a list of texts.
    fn texts<'v>(&self, written: &'v Value) -> Result<Vec<&'v str>, ConditionFault> {
        let values = match written {
            Value::Array(values) => values.as_slice(),
            other => std::slice::from_ref(other),
        };
        if !(1..=MAX_LISTED_VALUES).contains(&values.len()) {
            return Err(self.fault(FaultKind::List));
        }
        let texts = values.iter().map(|value| value.as_str().ok_or(FaultKind::Value));
        texts.collect::<Result<_, _>>().map_err(|kind| self.fault(kind))
    }

    fn range(
        &self,
        min: Option<&Value>,
        max: Option<&Value>,
    ) -> Result<IntegerRange, ConditionFault> {
        let end = |written: Option<&Value>, missing| match written {
            Some(value) => self.integer(value),
            None => Ok(missing),
        };
        let range = IntegerRange { min: end(min, -MAX_INTEGER)?, max: end(max, MAX_INTEGER)? };
        if range.min > range.max { Err(self.fault(FaultKind::Range)) } else { Ok(range) }
    }

    fn list(
        &mut self,
        each: Option<&Value>,
        count: Option<&Value>,
        place: Place,
    ) -> Result<ValueTest, ConditionFault> {
        if matches!(place, Place::Captures | Place::Headers) {
            return Err(self.fault(FaultKind::TextOnly("each")));
        }
        let count = count.map_or(Ok(CountRange::ANY), |count| self.count(count))?;
        let each = match each {
            Some(written) => {
                self.deeper(|reader| reader.at("each", |reader| reader.value(written, place)))?
            }
            None => ValueTest::Anything,
        };
        let is_plain = !matches!(each, ValueTest::Absent | ValueTest::List(_));
        if matches!(each, ValueTest::Absent) {
            return Err(self.fault(FaultKind::AbsentHere));
        }
        if place != Place::Json && !is_plain {
            return Err(self.fault(FaultKind::TextOnly("each")));
        }
        Ok(ValueTest::List(ListTest { each: Box::new(each), count }))
    }

    fn count(&self, written: &Value) -> Result<CountRange, ConditionFault> {
        let end = |value: &Value| value.as_u64().ok_or_else(|| self.fault(FaultKind::Count));
        let (min, max) = match written {
            Value::Object(ends) => {
                let known = ends.keys().all(|name| matches!(name.as_str(), "min" | "max"));
                if ends.is_empty() || !known {
                    return Err(self.fault(FaultKind::Count));
                }
                let min = ends.get("min").map_or(Ok(0), end)?;
                (min, ends.get("max").map_or(Ok(u64::MAX), end)?)
            }
            exact => (end(exact)?, end(exact)?),
        };
        if min > max { Err(self.fault(FaultKind::Range)) } else { Ok(CountRange { min, max }) }
    }

    fn object(&mut self, names: &Value, place: Place) -> Result<ValueTest, ConditionFault> {
        if place != Place::Json {
            return Err(self.fault(FaultKind::TextOnly("object")));
        }
        let names = self.deeper(|reader| reader.names(names, place))?;
        Ok(ValueTest::Object(Box::new(names)))
    }

    fn types(&self, written: &Value, place: Place) -> Result<ValueTest, ConditionFault> {
        let mut types = TypeSet::default();
        let names = self.texts(written).map_err(|_| self.fault(FaultKind::Type))?;
        for name in names {
            let kind = ValueType::named(name).ok_or_else(|| self.fault(FaultKind::Type))?;
            let is_text =
                matches!(kind, ValueType::String | ValueType::Integer | ValueType::Boolean);
            if place != Place::Json && !is_text {
                return Err(self.fault(FaultKind::TextOnly(kind.name())));
            }
            types.add(kind);
        }
        Ok(ValueTest::Type(types))
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ConditionFault>,
    ) -> Result<T, ConditionFault> {
        if self.nesting == MAX_TEST_NESTING {
            return Err(self.fault(FaultKind::TooDeep));
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }
}

/// Returns a name for a message: in a single line, not too long, and without characters that a
/// terminal obeys.
pub(super) fn shown(name: &str) -> String {
    const SHOWN: usize = 40;
    cut(name, SHOWN)
}
