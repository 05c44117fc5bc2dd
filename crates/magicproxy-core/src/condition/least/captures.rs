//! Tests of captures as automata that run beside the pattern of a path.

use super::text::machines_of;
use crate::condition::Conditions;
use crate::condition::captures::CapturePlace;
use crate::condition::outcome::Outcome;
use crate::condition::steps::Steps;
use crate::condition::value::{Scalar, ValueTest, ValueType};
use crate::pattern::{Budget, Machine, MachinePlace, TextAutomaton};

impl Conditions {
    /// True if the rule has tests of captures.
    pub(crate) fn look_at_captures(&self) -> bool {
        !self.capture_tests().is_empty()
    }

    /// Returns automata for the tests of captures. A test that has none is left out: some paths
    /// that the automata match may then fail the test.
    pub(crate) fn capture_machines(&self, budget: &mut Budget) -> Vec<Machine> {
        let mut machines = Vec::new();
        for (_, place, test) in self.capture_tests() {
            let place = match place {
                CapturePlace::FromStart(before) => MachinePlace::Segment(*before),
                CapturePlace::Between { before, behind: 0 } => MachinePlace::RestBehind(*before),
                CapturePlace::Between { .. } | CapturePlace::FromEnd(_) => continue,
            };
            let of_capture = machines_of_capture(test, budget);
            machines.extend(of_capture.into_iter().map(|machine| machine.at(place)));
        }
        machines
    }

    /// True if the tests of captures are true for a path.
    pub(crate) fn captures_are_true(&self, path: &str) -> bool {
        self.of_captures(path, &mut Steps::new(usize::MAX)) == Outcome::True
    }
}

fn machines_of_capture(test: &ValueTest, budget: &mut Budget) -> Vec<Machine> {
    match test {
        ValueTest::Text(test) => machines_of(test).collect(),
        ValueTest::Integer(range) => vec![Machine::of_integers(range.min, range.max)],
        ValueTest::OneOf(values) => {
            let texts: Vec<String> = values.iter().filter_map(Scalar::to_text).collect();
            let texts = TextAutomaton::of_literals(texts.iter().map(String::as_str), budget);
            texts.iter().map(Machine::of_texts).collect()
        }
        ValueTest::Type(types) if types.has(ValueType::String) => Vec::new(),
        ValueTest::Anything
        | ValueTest::Type(_)
        | ValueTest::List(_)
        | ValueTest::Object(_)
        | ValueTest::Absent => Vec::new(),
    }
}
