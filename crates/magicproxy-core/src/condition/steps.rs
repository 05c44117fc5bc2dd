//! The steps of judging a body. `conditions.md` section 7.

use super::MAX_TESTED_TEXT;
use super::value::ValueTest;

/// The most rules that look into one body.
pub(super) const MAX_JUDGING_RULES: usize = 64;
/// The steps of any body, beside [`STEPS_OF_A_BYTE`] for each of its bytes.
const STEPS_OF_A_BODY: usize = 1_000_000;
const STEPS_OF_A_BYTE: usize = 4;
/// The names or values with which another one is compared in one step.
const COMPARISONS_OF_A_STEP: usize = 16;
/// The steps of splitting a query and comparing its names, for each of its bytes.
const SPLIT_STEPS_OF_A_BYTE: usize = 4;

/// The steps that are left for a body, or for a decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(super) left: usize,
    /// True once more steps were taken than there were.
    pub(super) is_spent: bool,
}

impl Steps {
    /// Returns the steps for a body of this many bytes.
    pub(super) fn of_body(bytes: usize) -> Self {
        let left = STEPS_OF_A_BODY.saturating_add(bytes.saturating_mul(STEPS_OF_A_BYTE));
        Self::new(left)
    }

    /// Returns this many steps.
    pub(crate) fn new(left: usize) -> Self {
        Self { left, is_spent: false }
    }

    /// Returns the steps that are left; `None` once more were taken than there were.
    pub(crate) fn left(self) -> Option<usize> {
        (!self.is_spent).then_some(self.left)
    }

    pub(super) fn take(&mut self, steps: usize) {
        self.is_spent |= steps > self.left;
        self.left = self.left.saturating_sub(steps);
    }
}

/// Returns the steps of testing a value that is not in JSON.
pub(super) fn steps_of_text(test: &ValueTest, text: &str) -> usize {
    let read = 1 + text.len() / COMPARISONS_OF_A_STEP;
    match test {
        ValueTest::Anything | ValueTest::Absent => 1,
        ValueTest::Text(_) if text.len() > MAX_TESTED_TEXT => 1,
        ValueTest::Text(test) => 1 + text.len() * test.passes(),
        ValueTest::OneOf(values) => read + steps_of_search(values.len()),
        ValueTest::Integer(_) | ValueTest::Type(_) | ValueTest::Object(_) => read,
        ValueTest::List(list) => steps_of_text(&list.each, text),
    }
}

/// Returns the steps of finding a name or a value among this many.
pub(super) fn steps_of_search(listed: usize) -> usize {
    1 + listed / COMPARISONS_OF_A_STEP
}

/// Returns the steps of splitting a query.
pub(super) fn steps_of_split(query: &str) -> usize {
    1 + query.len() * SPLIT_STEPS_OF_A_BYTE
}
