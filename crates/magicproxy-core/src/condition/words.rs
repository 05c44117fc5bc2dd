//! Tests in words, for findings and refusals: `must be "main"`, `must be an integer from 1 to 5000`.

use std::fmt::{self, Display, Formatter};

use crate::pattern::TextAutomaton;

use super::finding::{quoted, shortened};
use super::integer::{IntegerRange, MAX_INTEGER};
use super::value::{CountRange, Scalar, TextTest, TypeSet, ValueTest, ValueType};

/// The words for a name that the rule does not list.
pub(crate) const NOT_NAMED: &str = "is not named by the rule";
/// The words for a body that is not shown to whoever explains.
pub(crate) const NOT_OF_SHAPE: &str = "is not what the rule says of it";
/// The words for a name that is there twice.
pub(crate) const TWICE: &str = "is there twice";
/// The words for a name that overrides the method, or carries a token or a credential.
pub(crate) const OVERRIDES: &str = "overrides the method or the credential for some readers";

/// The words for a name with control characters or lone surrogates, or for `__proto__`.
pub(crate) const DOUBTFUL_NAME: &str = "is a name that some readers cut or change";

/// The most values of a list that are shown.
const SHOWN_VALUES: usize = 8;

/// The words of a test, as [`Display`]: they begin with `must`, and name no place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'t>(pub(crate) &'t ValueTest);

/// Returns the words for a name that some readers take for a listed one.
pub(crate) fn taken_for(listed: &str) -> String {
    format!("is taken for `{}` by some readers", shortened(listed))
}

impl Display for Expected<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ValueTest::Anything => formatter.write_str("must be there"),
            ValueTest::Absent => formatter.write_str("must not be there"),
            ValueTest::Object(_) => formatter.write_str("must be an object"),
            ValueTest::OneOf(values) => {
                formatter.write_str("must be ")?;
                one_of(formatter, values.iter().map(ShownScalar))
            }
            ValueTest::Text(test) => text(formatter, test),
            ValueTest::Integer(range) => integer(formatter, *range),
            ValueTest::Type(types) => types_of(formatter, *types),
            ValueTest::List(list) => count(formatter, list.count),
        }
    }
}

/// Writes a value, or some of a list of values.
fn one_of(
    formatter: &mut Formatter<'_>,
    values: impl ExactSizeIterator<Item = impl Display>,
) -> fmt::Result {
    let number = values.len();
    if number > 1 {
        formatter.write_str("one of ")?;
    }
    for (at, value) in values.take(SHOWN_VALUES).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        write!(formatter, "{comma}{value}")?;
    }
    match number.saturating_sub(SHOWN_VALUES) {
        0 => Ok(()),
        more => write!(formatter, " or {more} more"),
    }
}

struct ShownScalar<'t>(&'t Scalar);

impl Display for ShownScalar<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Scalar::Text(text) => formatter.write_str(&quoted(text)),
            Scalar::Integer(value) => write!(formatter, "{value}"),
            Scalar::Boolean(value) => write!(formatter, "{value}"),
            Scalar::Null => formatter.write_str("null"),
        }
    }
}

fn text(formatter: &mut Formatter<'_>, test: &TextTest) -> fmt::Result {
    formatter.write_str("must match ")?;
    let shown = |automaton: &TextAutomaton| {
        let texts = automaton.written().iter();
        texts.map(|text| format!("`{}`", shortened(text))).collect::<Vec<_>>()
    };
    if let Some(globs) = &test.globs {
        one_of(formatter, shown(globs).into_iter())?;
    }
    if test.globs.is_some() && test.patterns.is_some() {
        formatter.write_str(" and ")?;
    }
    if let Some(patterns) = &test.patterns {
        formatter.write_str("the pattern ")?;
        one_of(formatter, shown(patterns).into_iter())?;
    }
    Ok(())
}

fn integer(formatter: &mut Formatter<'_>, range: IntegerRange) -> fmt::Result {
    formatter.write_str("must be an integer")?;
    let IntegerRange { min, max } = range;
    match (min > -MAX_INTEGER, max < MAX_INTEGER) {
        (false, false) => Ok(()),
        (true, false) => write!(formatter, " of at least {min}"),
        (false, true) => write!(formatter, " of at most {max}"),
        (true, true) => write!(formatter, " from {min} to {max}"),
    }
}

fn types_of(formatter: &mut Formatter<'_>, types: TypeSet) -> fmt::Result {
    let kinds = [
        (ValueType::String, "a string"),
        (ValueType::Integer, "an integer"),
        (ValueType::Number, "a number"),
        (ValueType::Boolean, "true or false"),
        (ValueType::Null, "null"),
        (ValueType::Array, "a list"),
        (ValueType::Object, "an object"),
    ];
    formatter.write_str("must be ")?;
    let known = kinds.iter().filter(|(kind, _)| types.has(*kind));
    for (at, (_, name)) in known.enumerate() {
        let or = if at > 0 { " or " } else { "" };
        write!(formatter, "{or}{name}")?;
    }
    Ok(())
}

fn count(formatter: &mut Formatter<'_>, range: CountRange) -> fmt::Result {
    let elements = |number: u64| if number == 1 { "element" } else { "elements" };
    formatter.write_str("must be a list")?;
    match (range.min, range.max) {
        (0, u64::MAX) => Ok(()),
        (min, max) if min == max => write!(formatter, " of {min} {}", elements(min)),
        (min, u64::MAX) => write!(formatter, " of at least {min} {}", elements(min)),
        (0, max) => write!(formatter, " of at most {max} {}", elements(max)),
        (min, max) => write!(formatter, " of {min} to {max} {}", elements(max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::value::ListTest;
    use crate::pattern::Budget;
    use crate::rule::MAX_LIST_STEPS;

    #[track_caller]
    fn check(test: &ValueTest, words: &str) {
        assert_eq!(Expected(test).to_string(), words);
    }

    fn texts(globs: &[&str], patterns: &[&str]) -> ValueTest {
        let mut budget = Budget::new(MAX_LIST_STEPS);
        let globs = (!globs.is_empty())
            .then(|| TextAutomaton::of_globs(globs.iter().copied(), &mut budget).unwrap());
        let patterns = (!patterns.is_empty())
            .then(|| TextAutomaton::of_patterns(patterns.iter().copied(), &mut budget).unwrap());
        ValueTest::Text(TextTest { globs, patterns })
    }

    #[test]
    fn values_have_words() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        check(&ValueTest::OneOf(vec![text("main")]), "must be \"main\"");
        let list = vec![text("bug"), Scalar::Integer(5), Scalar::Boolean(true), Scalar::Null];
        check(&ValueTest::OneOf(list), "must be one of \"bug\", 5, true, null");
        let many = (0..10).map(Scalar::Integer).collect();
        check(&ValueTest::OneOf(many), "must be one of 0, 1, 2, 3, 4, 5, 6, 7 or 2 more");
        check(&ValueTest::Anything, "must be there");
        check(&ValueTest::Absent, "must not be there");
        check(&ValueTest::Object(Box::default()), "must be an object");
    }

    #[test]
    fn forms_of_texts_have_words() {
        check(&texts(&["agent/*"], &[]), "must match `agent/*`");
        check(&texts(&["a/*", "b/*"], &[]), "must match one of `a/*`, `b/*`");
        check(&texts(&[], &["v[0-9]+"]), "must match the pattern `v[0-9]+`");
        check(&texts(&["v*"], &["v[0-9]+"]), "must match `v*` and the pattern `v[0-9]+`");
    }

    #[test]
    fn integers_have_words() {
        for (min, max, words) in [
            (1, 5000, "must be an integer from 1 to 5000"),
            (1, MAX_INTEGER, "must be an integer of at least 1"),
            (-MAX_INTEGER, 9, "must be an integer of at most 9"),
            (-MAX_INTEGER, MAX_INTEGER, "must be an integer"),
        ] {
            check(&ValueTest::Integer(IntegerRange { min, max }), words);
        }
    }

    #[test]
    fn types_have_words() {
        let mut types = TypeSet::default();
        types.add(ValueType::String);
        check(&ValueTest::Type(types), "must be a string");
        types.add(ValueType::Array);
        check(&ValueTest::Type(types), "must be a string or a list");
    }

    #[test]
    fn lists_have_words() {
        for (min, max, words) in [
            (0, u64::MAX, "must be a list"),
            (1, 1, "must be a list of 1 element"),
            (0, 8, "must be a list of at most 8 elements"),
            (1, u64::MAX, "must be a list of at least 1 element"),
            (1, 9, "must be a list of 1 to 9 elements"),
        ] {
            let count = CountRange { min, max };
            check(&ValueTest::List(ListTest { each: Box::new(ValueTest::Anything), count }), words);
        }
    }
}
