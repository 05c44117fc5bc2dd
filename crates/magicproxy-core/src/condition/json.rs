//! Judging a JSON body by the tests of several rules in one pass, without a tree. `conditions.md`
//! sections 3.1 and 4.3.
//!
//! False means false for every reader. So a member that is there twice, or that has a twin, is
//! unknown, whatever its values are: a reader may see the other one.

mod guard;
mod primitive;
mod scanner;
mod text;
mod trace;
mod watch;

#[cfg(test)]
mod tests;

use super::finding::Finding;
use super::names::{NAME_OF_PROTOTYPE, NamesTest, TwinKeys, is_plain_name};
use super::outcome::{Outcome, Reason};
use super::steps::{MAX_JUDGING_RULES, Steps, steps_of_search};
use super::value::{CountRange, ValueTest, ValueType};

use guard::GuardedNames;
use primitive::JudgedValue;
use scanner::{Event, Primitive, Scanner, Step};
use text::RawText;
use trace::Trace;
use watch::{ListWatch, Name, ObjectWatch, Parent, Sight, Watch, Watcher};

/// The tests that one rule makes of a JSON body.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonTest<'t> {
    /// The test of a body that is an object.
    pub(super) object: Option<&'t NamesTest>,
    /// The test of each element of a body that is a list.
    pub(super) each: Option<&'t ValueTest>,
}

/// The progress of a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Done,
}

/// The judgement of a JSON body under way, by at most 64 rules at once.
#[derive(Debug)]
pub(super) struct JsonJudge<'b, 't> {
    scanner: Scanner<'b>,
    tests: Vec<JsonTest<'t>>,
    guarded: GuardedNames<'t>,
    /// The objects and lists into which some rule looks, from the body inwards.
    frames: Vec<Frame>,
    /// The rules' views of these objects and lists, those of the innermost last.
    watchers: Vec<Watcher<'t>>,
    /// The tests of the value that comes next.
    waiting: Vec<Waiting<'t>>,
    /// The outcome for each rule.
    outcomes: Vec<Outcome>,
    steps: Steps,
    is_done: bool,
    keys: TwinKeys,
    /// The places that are not true, for a single rule.
    trace: Option<Trace>,
}

/// An object or a list into which some rule looks.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The number of the first of its watchers.
    first: usize,
    is_list: bool,
    /// The number of elements so far.
    count: u64,
}

/// A test that waits for a value.
#[derive(Clone, Copy, Debug)]
struct Waiting<'t> {
    parent: Parent,
    test: &'t ValueTest,
}

impl<'b, 't> JsonJudge<'b, 't> {
    /// Begins to judge a body. `guarded` are names of parameters that carry a token or a credential
    /// by the settings of the upstream.
    pub(super) fn new(body: &'b [u8], tests: &[JsonTest<'t>], guarded: &'t [String]) -> Self {
        let is_within_bounds = tests.len() <= MAX_JUDGING_RULES;
        let outcome = if is_within_bounds { Outcome::True } else { too_many_steps() };
        Self {
            scanner: Scanner::new(body),
            tests: tests.to_vec(),
            guarded: GuardedNames::new(guarded),
            frames: Vec::new(),
            watchers: Vec::new(),
            waiting: Vec::new(),
            outcomes: vec![outcome; tests.len()],
            steps: Steps::of_body(body.len()),
            is_done: !is_within_bounds,
            keys: TwinKeys::default(),
            trace: None,
        }
    }

    /// Judges a body by one rule, and returns the places that are not true. Reads the whole body in
    /// one go.
    pub(super) fn explain(
        body: &'b [u8],
        test: JsonTest<'t>,
        guarded: &'t [String],
    ) -> (Outcome, Vec<Finding>) {
        let mut judge = Self::new(body, &[test], guarded);
        judge.trace = Some(Trace::default());
        while judge.advance(usize::MAX) == Progress::More {}
        let findings = judge.trace.take().map(Trace::into_findings).unwrap_or_default();
        let outcome = judge.outcomes().first().copied();
        (outcome.unwrap_or_else(too_many_steps), findings)
    }

    /// Reads on for about this many bytes or steps, whichever comes first.
    pub(super) fn advance(&mut self, bytes: usize) -> Progress {
        let steps_before = self.steps.left;
        if !self.is_done && !self.scanner.extend(bytes) {
            self.fail(Reason::JsonSyntax);
        }
        while !self.is_done {
            match self.scanner.next() {
                Step::Event(event) => self.event(event),
                Step::Paused => return Progress::More,
                Step::End => self.is_done = true,
                Step::Fault => self.fail(Reason::JsonSyntax),
            }
            if self.steps.is_spent {
                self.fail(Reason::BodySteps);
            } else if steps_before - self.steps.left > bytes && !self.is_done {
                return Progress::More;
            }
        }
        Progress::Done
    }

    /// Returns the steps that are left.
    pub(super) fn steps(&self) -> Steps {
        self.steps
    }

    /// Returns the outcome for each rule, in the order of the tests. Before all is read, each is
    /// unknown.
    pub(super) fn outcomes(self) -> Vec<Outcome> {
        if self.is_done { self.outcomes } else { vec![too_many_steps(); self.tests.len()] }
    }

    /// Ends the judgement: the body cannot be judged by any rule.
    fn fail(&mut self, reason: Reason) {
        self.is_done = true;
        self.outcomes.fill(Outcome::Unknown(reason));
        if let Some(trace) = &mut self.trace {
            trace.fail(reason);
        }
    }

    fn event(&mut self, event: Event<'b>) {
        match event {
            Event::Name(name) => self.name(name),
            Event::ObjectEnd | Event::ListEnd => self.close(),
            Event::ObjectStart if self.frames.is_empty() => self.open_body(ValueType::Object),
            Event::ListStart if self.frames.is_empty() => self.open_body(ValueType::Array),
            Event::Value(_) if self.frames.is_empty() => self.refuse_body(),
            Event::ObjectStart => self.open(ValueType::Object),
            Event::ListStart => self.open(ValueType::Array),
            Event::Value(value) => self.value(value),
        }
    }

    /// Begins the body itself.
    fn open_body(&mut self, kind: ValueType) {
        if let Some(trace) = &mut self.trace {
            trace.enter_body(kind);
        }
        let is_list = kind == ValueType::Array;
        for (rule, test) in self.tests.iter().enumerate() {
            let watch = match (test.object, test.each) {
                (Some(names), _) if !is_list => {
                    self.steps.take(steps_of_search(names.listed.len()));
                    Watch::Object(ObjectWatch::new(names))
                }
                (_, Some(each)) if is_list => Watch::List(ListWatch::new(each, CountRange::ANY)),
                _ => {
                    set(&mut self.outcomes, rule, Outcome::Unknown(Reason::JsonValue));
                    if let Some(trace) = &mut self.trace {
                        trace.other_body(kind);
                    }
                    continue;
                }
            };
            self.watchers.push(Watcher { parent: Parent::Rule(rule), watch });
        }
        self.push_frame(0, kind);
    }

    /// Refuses a body that is neither an object nor a list.
    fn refuse_body(&mut self) {
        self.outcomes.fill(Outcome::Unknown(Reason::JsonValue));
        if let Some(trace) = &mut self.trace {
            trace.other_body(ValueType::Null);
        }
    }

    /// Begins an object or a list inside the body.
    fn open(&mut self, kind: ValueType) {
        self.begin_value();
        let first = self.watchers.len();
        let mut waiting = std::mem::take(&mut self.waiting);
        for Waiting { parent, test } in waiting.drain(..) {
            let watch = match (test, kind) {
                (ValueTest::Object(names), ValueType::Object) => {
                    self.steps.take(steps_of_search(names.listed.len()));
                    Watch::Object(ObjectWatch::new(names))
                }
                (ValueTest::List(list), ValueType::Array) => {
                    Watch::List(ListWatch::new(&list.each, list.count))
                }
                (test, _) => {
                    let outcome = primitive::judge_type(test, kind);
                    self.report(parent, outcome);
                    if let Some(trace) = &mut self.trace {
                        trace.other_type(outcome, kind, test);
                    }
                    continue;
                }
            };
            self.watchers.push(Watcher { parent, watch });
        }
        self.waiting = waiting;
        if let Some(trace) = &mut self.trace {
            trace.enter();
        }
        self.push_frame(first, kind);
    }

    /// Adds a frame, or skips what has no watcher.
    fn push_frame(&mut self, first: usize, kind: ValueType) {
        if self.watchers.len() > first {
            self.frames.push(Frame { first, is_list: kind == ValueType::Array, count: 0 });
            return;
        }
        self.scanner.skip_rest();
        if let Some(trace) = &mut self.trace {
            trace.leave();
        }
    }

    /// Ends the innermost object or list.
    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        while self.watchers.len() > frame.first {
            let Some(Watcher { parent, watch }) = self.watchers.pop() else { break };
            let outcome = match &watch {
                Watch::Object(object) => object.outcome(),
                Watch::List(list) => list.outcome(frame.count),
            };
            if let Some(trace) = &mut self.trace {
                trace.end(&watch, frame.count);
            }
            self.report(parent, outcome);
        }
        if let Some(trace) = &mut self.trace {
            trace.leave();
        }
    }

    /// Judges a text, a number, a boolean or null.
    fn value(&mut self, value: Primitive<'b>) {
        self.begin_value();
        if self.waiting.is_empty() {
            return;
        }
        let mut judged = JudgedValue::new(value);
        let mut waiting = std::mem::take(&mut self.waiting);
        for Waiting { parent, test } in waiting.drain(..) {
            let outcome = judged.judge(test, &mut self.steps);
            self.report(parent, outcome);
            if let Some(trace) = &mut self.trace {
                trace.value(outcome, &mut judged, test);
            }
        }
        self.waiting = waiting;
    }

    /// Finds the tests of an element of a list. Those of a member wait already.
    fn begin_value(&mut self) {
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.is_list) else { return };
        if let Some(trace) = &mut self.trace {
            trace.element(frame.count);
        }
        frame.count += 1;
        self.waiting.clear();
        for (watcher, entry) in self.watchers.iter().enumerate().skip(frame.first) {
            if let Watch::List(list) = &entry.watch
                && !matches!(list.each, ValueTest::Anything)
            {
                self.waiting.push(Waiting { parent: Parent::Element(watcher), test: list.each });
            }
        }
    }

    /// Finds the tests of the member of this name, or skips the member.
    fn name(&mut self, raw: RawText<'b>) {
        let Some(frame) = self.frames.last() else { return };
        let (first, is_top) = (frame.first, self.frames.len() == 1);
        self.waiting.clear();
        if !raw.escapes.any && is_plain_name(raw.bytes) {
            let overrides = is_top && self.guarded.has_plain(raw.bytes);
            self.find(Name { bytes: raw.bytes, key: raw.bytes, overrides }, first);
        } else {
            self.other_name(raw, first, is_top);
        }
        if self.waiting.is_empty() {
            self.scanner.skip_value();
        }
    }

    /// Finds the tests of a member whose name some readers may read in another way.
    fn other_name(&mut self, raw: RawText<'b>, first: usize, is_top: bool) {
        let Some(name) = raw.decoded_name().filter(|name| is_one_name(raw, name)) else {
            return self.doubt(raw, first);
        };
        let mut keys = std::mem::take(&mut self.keys);
        let key = keys.of(&name);
        let overrides = is_top && self.guarded.has(&name, key);
        self.find(Name { bytes: name.as_bytes(), key: key.as_bytes(), overrides }, first);
        self.keys = keys;
    }

    fn find(&mut self, name: Name<'_>, first: usize) {
        for (number, entry) in self.watchers.iter_mut().enumerate().skip(first) {
            let Watch::Object(object) = &mut entry.watch else { continue };
            self.steps.take(steps_of_search(object.names.listed.len()));
            let sight = object.see(name);
            if let Sight::Tested(slot, test) = sight {
                self.waiting.push(Waiting { parent: Parent::Member(number, slot), test });
            }
            if let Some(trace) = &mut self.trace {
                trace.name(name.bytes, sight, object.names);
            }
        }
    }

    /// Doubts all names of an object that has a name that some readers cut or change.
    fn doubt(&mut self, raw: RawText<'b>, first: usize) {
        for entry in self.watchers.iter_mut().skip(first) {
            self.steps.take(1);
            if let Watch::Object(object) = &mut entry.watch {
                object.doubt_all();
            }
        }
        if let Some(trace) = &mut self.trace {
            trace.doubtful_name(raw);
        }
    }

    /// Hands the outcome of a value to whoever waits for it.
    fn report(&mut self, parent: Parent, outcome: Outcome) {
        let (watcher, slot) = match parent {
            Parent::Rule(rule) => return set(&mut self.outcomes, rule, outcome),
            Parent::Member(watcher, slot) => (watcher, Some(slot)),
            Parent::Element(watcher) => (watcher, None),
        };
        match (self.watchers.get_mut(watcher).map(|entry| &mut entry.watch), slot) {
            (Some(Watch::Object(object)), Some(slot)) => object.report(slot, outcome),
            (Some(Watch::List(list)), _) => list.report(outcome),
            (Some(Watch::Object(_)) | None, _) => self.fail(Reason::BodySteps),
        }
    }
}

/// True if each reader that reads a name at all reads this one, and finds one member there.
fn is_one_name(raw: RawText<'_>, name: &str) -> bool {
    !raw.has_controls() && name != NAME_OF_PROTOTYPE
}

fn set(outcomes: &mut [Outcome], rule: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(rule) {
        *slot = outcome;
    }
}

fn too_many_steps() -> Outcome {
    Outcome::Unknown(Reason::BodySteps)
}
