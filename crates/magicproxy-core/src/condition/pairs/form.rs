//! A form, read once for all rules that judge it, and judged in slices.

use crate::condition::json::Progress;
use crate::condition::names::NamesTest;
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::steps::Steps;

use super::piece::{Pair, Plus};
use super::{BadSyntax, FORM, Judge, MAX_PIECES};

/// The fields of a form.
#[derive(Debug)]
pub(in crate::condition) struct Form<'b>(pub(super) Result<Vec<Pair<'b>>, BadSyntax>);

/// A form that is being read.
#[derive(Debug)]
struct FormReader<'b> {
    rest: &'b [u8],
    /// The names that override the method, or carry a token or a credential, by the settings of the
    /// upstream.
    guarded: &'b [String],
    fields: Vec<Pair<'b>>,
}

/// The judgement of a form under way, by several rules one after the other.
#[derive(Debug)]
pub(in crate::condition) struct FormJudge<'b> {
    /// The form, until all of it is read.
    reader: Option<FormReader<'b>>,
    form: Form<'b>,
    tests: Vec<&'b NamesTest>,
    /// The outcomes for the first rules.
    outcomes: Vec<Outcome>,
    /// The judgement by the next rule, and the number of the next field.
    judge: Option<(Judge<'b>, usize)>,
    steps: Steps,
}

impl<'b> Form<'b> {
    /// Reads a body in one go. `guarded` has names that override the method, or carry a token or a
    /// credential, by the settings of the upstream.
    pub(in crate::condition) fn read(body: &'b [u8], guarded: &'b [String]) -> Self {
        let mut reader = FormReader::new(body, guarded);
        while !reader.rest.is_empty() {
            if reader.read_piece().is_err() {
                return Self(Err(BadSyntax));
            }
        }
        Self(Ok(reader.fields))
    }
}

impl<'b> FormReader<'b> {
    fn new(body: &'b [u8], guarded: &'b [String]) -> Self {
        Self { rest: body, guarded, fields: Vec::new() }
    }

    /// Reads the next piece, and returns the number of its bytes with its `&`.
    fn read_piece(&mut self) -> Result<usize, BadSyntax> {
        let end = memchr::memchr(b'&', self.rest).unwrap_or(self.rest.len());
        let (piece, behind) = self.rest.split_at(end);
        self.rest = behind.get(1..).unwrap_or_default();
        if !piece.is_empty() {
            if self.fields.len() == MAX_PIECES {
                return Err(BadSyntax);
            }
            let piece = std::str::from_utf8(piece).map_err(|_| BadSyntax)?;
            self.fields.push(Pair::read(piece, Plus::IsBlank)?.of_form(self.guarded));
        }
        Ok(end + 1)
    }
}

impl<'b> FormJudge<'b> {
    /// Begins to judge a body by these tests.
    pub(in crate::condition) fn new(
        body: &'b [u8],
        tests: Vec<&'b NamesTest>,
        guarded: &'b [String],
    ) -> Self {
        Self {
            reader: Some(FormReader::new(body, guarded)),
            form: Form(Ok(Vec::new())),
            tests,
            outcomes: Vec::new(),
            judge: None,
            steps: Steps::of_body(body.len()),
        }
    }

    /// Leaves only these steps, where other rules took steps of the same body.
    pub(in crate::condition) fn limit(&mut self, steps: Steps) {
        self.steps = steps;
    }

    /// Reads on for about this many bytes or steps. A piece between two `&` is read in one go.
    pub(in crate::condition) fn advance(&mut self, bytes: usize) -> Progress {
        let mut left = bytes;
        while !self.is_done() {
            let taken = if self.reader.is_some() { self.read_on() } else { self.judge_on() };
            if taken > left && !self.is_done() {
                return Progress::More;
            }
            left = left.saturating_sub(taken);
        }
        Progress::Done
    }

    /// Returns the outcome for each rule, in the order of the tests. Before all is judged, each is
    /// unknown.
    pub(in crate::condition) fn outcomes(self) -> Vec<Outcome> {
        if self.is_done() && !self.steps.is_spent {
            self.outcomes
        } else {
            vec![Outcome::Unknown(Reason::BodySteps); self.tests.len()]
        }
    }

    fn is_done(&self) -> bool {
        self.steps.is_spent || self.outcomes.len() == self.tests.len()
    }

    /// Reads a piece, and returns the number of its bytes.
    fn read_on(&mut self) -> usize {
        let Some(reader) = &mut self.reader else { return 0 };
        let read = if reader.rest.is_empty() { Ok(0) } else { reader.read_piece() };
        match read {
            Ok(bytes) if !reader.rest.is_empty() => return bytes,
            Ok(_) => self.form = Form(Ok(std::mem::take(&mut reader.fields))),
            Err(BadSyntax) => {
                self.outcomes = vec![Outcome::Unknown(FORM.syntax); self.tests.len()];
            }
        }
        self.reader = None;
        read.unwrap_or_default()
    }

    /// Judges a field by a rule, or ends the judgement by the rule. Returns the steps.
    fn judge_on(&mut self) -> usize {
        let (Ok(fields), Some(test)) = (&self.form.0, self.tests.get(self.outcomes.len())) else {
            return 0;
        };
        let (judge, next) = self.judge.get_or_insert_with(|| (Judge::new(test, &FORM), 0));
        let before = judge.steps;
        let outcome = match fields.get(*next) {
            Some(field) => match judge.add(*next, field) {
                Ok(()) => None,
                Err(BadSyntax) => Some(Outcome::Unknown(FORM.syntax)),
            },
            None => Some(judge.outcome(fields)),
        };
        *next += 1;
        let taken = 1 + judge.steps - before;
        self.steps.take(taken);
        if let Some(outcome) = outcome {
            self.outcomes.push(outcome);
            self.judge = None;
        }
        taken
    }
}
