//! The places of a body at which one rule's tests are not true, for `explain`.

use crate::condition::finding::{ANY_NAME, Finding, Findings, FoundValue, shortened};
use crate::condition::names::NamesTest;
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::value::{ListTest, ValueTest, ValueType};
use crate::condition::words::{self, Expected};

use super::primitive::JudgedValue;
use super::text::RawText;
use super::watch::{Sight, Slot, Watch};

/// The findings so far, and the way to the place that is read.
#[derive(Debug, Default)]
pub(super) struct Trace {
    findings: Findings,
    /// The way as the client wrote it.
    sent: PlaceInBody,
    /// The way as the rule knows it.
    in_rule: PlaceInBody,
}

/// The way to a place of a body.
#[derive(Debug, Default)]
struct PlaceInBody {
    /// The way to the innermost open object or list: `json.labels`.
    path: String,
    /// The lengths of the ways to the objects and lists around it.
    lengths: Vec<usize>,
    /// The last step: `.name` or `[2]`.
    step: String,
}

impl PlaceInBody {
    fn begin(&mut self, part: &str) {
        part.clone_into(&mut self.path);
        self.lengths.push(0);
    }

    fn enter(&mut self) {
        self.lengths.push(self.path.len());
        self.path.push_str(&self.step);
    }

    fn leave(&mut self) {
        let length = self.lengths.pop().unwrap_or_default();
        self.path.truncate(length);
    }

    fn place(&self) -> String {
        format!("{}{}", self.path, self.step)
    }
}

impl Trace {
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_vec()
    }

    pub(super) fn enter_body(&mut self, kind: ValueType) {
        let part = if kind == ValueType::Array { "json_each" } else { "json" };
        self.sent.begin(part);
        self.in_rule.begin(part);
    }

    /// Goes into the value of the last step.
    pub(super) fn enter(&mut self) {
        self.sent.enter();
        self.in_rule.enter();
    }

    pub(super) fn leave(&mut self) {
        self.sent.leave();
        self.in_rule.leave();
    }

    pub(super) fn element(&mut self, number: u64) {
        self.sent.step = format!("[{number}]");
        "[]".clone_into(&mut self.in_rule.step);
    }

    /// Notes the whole body, which cannot be judged.
    pub(super) fn fail(&mut self, reason: Reason) {
        let outcome = Outcome::Unknown(reason);
        self.findings = Findings::default();
        let expected = format!("cannot be judged: {reason}");
        self.whole(outcome, FoundValue::Unread, expected);
    }

    /// Notes a body of another type than the rule's.
    pub(super) fn other_body(&mut self, kind: ValueType) {
        let outcome = Outcome::Unknown(Reason::JsonValue);
        let (found, expected) = match kind {
            ValueType::Array => ("a list", "must be an object"),
            ValueType::Object => ("an object", "must be a list"),
            _ => ("neither an object nor a list", "must be one of them"),
        };
        self.whole(outcome, FoundValue::Type(found), expected.to_owned());
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
        self.step_to(name, is_listed(&sight));
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
        self.step_to(raw.bytes, false);
        let outcome = Outcome::Unknown(Reason::JsonTwin);
        self.note(outcome, FoundValue::Unread, words::DOUBTFUL_NAME.to_owned());
    }

    /// Notes what is missing at the end of an object, and a wrong number of elements.
    pub(super) fn end(&mut self, watch: &Watch<'_>, count: u64) {
        match watch {
            Watch::Object(object) => {
                for listed in object.missing().filter_map(|at| object.names.listed.get(at)) {
                    self.step_to(listed.name.as_bytes(), true);
                    let expected = Expected(&listed.test).to_string();
                    self.note(Outcome::False, FoundValue::Absent, expected);
                }
            }
            Watch::List(list) if !list.count.contains(count) => {
                let each = Box::new(ValueTest::Anything);
                let test = ValueTest::List(ListTest { each, count: list.count });
                self.sent.step.clear();
                self.in_rule.step.clear();
                let found = FoundValue::Shown(format!("a list of {count}"));
                self.note(Outcome::False, found, Expected(&test).to_string());
            }
            Watch::List(_) => {}
        }
    }

    /// Goes to the member of this name; only a listed name is known to the rule.
    fn step_to(&mut self, name: &[u8], listed: bool) {
        self.sent.step = format!(".{}", shortened(&String::from_utf8_lossy(name)));
        self.in_rule.step = if listed { self.sent.step.clone() } else { ANY_NAME.to_owned() };
    }

    fn note(&mut self, outcome: Outcome, found: FoundValue, expected: String) {
        let Self { findings, sent, in_rule } = self;
        findings.add(outcome, || Finding {
            place: sent.place(),
            place_in_rule: in_rule.place(),
            outcome,
            found,
            expected,
        });
    }

    fn whole(&mut self, outcome: Outcome, found: FoundValue, expected: String) {
        let place = "json".to_owned();
        let place_in_rule = place.clone();
        self.findings.add(outcome, || Finding { place, place_in_rule, outcome, found, expected });
    }
}

/// True if the name is listed by the rule, to the letter.
fn is_listed(sight: &Sight<'_>) -> bool {
    match sight {
        Sight::Tested(Slot::Listed(_), _) | Sight::Forbidden(_) | Sight::Twice => true,
        Sight::Tested(..) | Sight::Passes | Sight::Unlisted | Sight::Twin(_) | Sight::Overrides => {
            false
        }
    }
}
