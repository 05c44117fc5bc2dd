//! The places of a body at which one rule's tests are not true, for `explain`.

use crate::condition::finding::{Finding, Findings, FoundValue, shortened};
use crate::condition::names::NamesTest;
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::value::{ListTest, ValueTest, ValueType};
use crate::condition::words::{self, Expected};

use super::primitive::JudgedValue;
use super::text::RawText;
use super::watch::{Sight, Watch};

/// The findings so far, and the way to the place that is read.
#[derive(Debug, Default)]
pub(super) struct Trace {
    findings: Findings,
    /// The way to the innermost open object or list: `json.labels`.
    way: String,
    /// The lengths of the ways to the objects and lists around it.
    lengths: Vec<usize>,
    /// The last step: `.name` or `[2]`.
    step: String,
}

impl Trace {
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_vec()
    }

    pub(super) fn enter_body(&mut self, kind: ValueType) {
        let is_list = kind == ValueType::Array;
        if is_list { "json_each" } else { "json" }.clone_into(&mut self.way);
        self.lengths.push(0);
    }

    /// Goes into the value of the last step.
    pub(super) fn enter(&mut self) {
        self.lengths.push(self.way.len());
        self.way.push_str(&self.step);
    }

    pub(super) fn leave(&mut self) {
        let length = self.lengths.pop().unwrap_or_default();
        self.way.truncate(length);
    }

    pub(super) fn element(&mut self, number: u64) {
        self.step = format!("[{number}]");
    }

    /// Notes the whole body, which cannot be judged.
    pub(super) fn fail(&mut self, reason: Reason) {
        let outcome = Outcome::Unknown(reason);
        self.findings = Findings::default();
        self.findings.add(outcome, || Finding {
            place: "json".to_owned(),
            outcome,
            found: FoundValue::Unread,
            expected: format!("cannot be judged: {reason}"),
        });
    }

    /// Notes a body of another type than the rule's.
    pub(super) fn other_body(&mut self, kind: ValueType) {
        let outcome = Outcome::Unknown(Reason::JsonValue);
        let (found, expected) = match kind {
            ValueType::Array => ("a list", "must be an object"),
            ValueType::Object => ("an object", "must be a list"),
            _ => ("neither an object nor a list", "must be one of them"),
        };
        self.findings.add(outcome, || Finding {
            place: "json".to_owned(),
            outcome,
            found: FoundValue::Type(found),
            expected: expected.to_owned(),
        });
    }

    /// Notes an object or a list at the last step, where another value is expected.
    pub(super) fn other_type(&mut self, outcome: Outcome, kind: ValueType, test: &ValueTest) {
        let found = if kind == ValueType::Array { "a list" } else { "an object" };
        self.note(outcome, FoundValue::Type(found), Expected(test).to_string());
    }

    /// Notes a value at the last step.
    pub(super) fn value(
        &mut self,
        outcome: Outcome,
        value: &mut JudgedValue<'_>,
        test: &ValueTest,
    ) {
        if outcome != Outcome::True {
            self.note(outcome, value.shown(), Expected(test).to_string());
        }
    }

    /// Goes to a member, and notes its name if the name itself is not right.
    pub(super) fn name(&mut self, name: &[u8], sight: Sight<'_>, names: &NamesTest) {
        self.step = format!(".{}", shortened(&String::from_utf8_lossy(name)));
        let (outcome, expected) = match sight {
            Sight::Tested(..) | Sight::Passes => return,
            Sight::Forbidden(test) => (Outcome::False, Expected(test).to_string()),
            Sight::Unlisted => (Outcome::False, words::NOT_NAMED.to_owned()),
            Sight::Twice => (Outcome::Unknown(Reason::JsonTwice), words::TWICE.to_owned()),
            Sight::Twin(number) => {
                let listed = names.listed.get(number).map_or("", |listed| listed.name.as_str());
                (Outcome::Unknown(Reason::JsonTwin), words::taken_for(listed))
            }
            Sight::Overrides => {
                (Outcome::Unknown(Reason::JsonOverride), words::OVERRIDES.to_owned())
            }
        };
        self.note(outcome, FoundValue::Unread, expected);
    }

    /// Notes a name with control characters or lone surrogates.
    pub(super) fn doubtful_name(&mut self, raw: RawText<'_>) {
        self.step = format!(".{}", shortened(&String::from_utf8_lossy(raw.bytes)));
        let outcome = Outcome::Unknown(Reason::JsonTwin);
        self.note(outcome, FoundValue::Unread, words::DOUBTFUL_NAME.to_owned());
    }

    /// Notes what is missing at the end of an object, and a wrong number of elements.
    pub(super) fn end(&mut self, watch: &Watch<'_>, count: u64) {
        match watch {
            Watch::Object(object) => {
                for listed in object.missing().filter_map(|at| object.names.listed.get(at)) {
                    self.step = format!(".{}", shortened(&listed.name));
                    let expected = Expected(&listed.test).to_string();
                    self.note(Outcome::False, FoundValue::Absent, expected);
                }
            }
            Watch::List(list) if !list.count.contains(count) => {
                let each = Box::new(ValueTest::Anything);
                let test = ValueTest::List(ListTest { each, count: list.count });
                self.step.clear();
                let found = FoundValue::Shown(format!("a list of {count}"));
                self.note(Outcome::False, found, Expected(&test).to_string());
            }
            Watch::List(_) => {}
        }
    }

    fn note(&mut self, outcome: Outcome, found: FoundValue, expected: String) {
        let place = || format!("{}{}", self.way, self.step);
        self.findings.add(outcome, || Finding { place: place(), outcome, found, expected });
    }
}
