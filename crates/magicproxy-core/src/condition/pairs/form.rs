//! A form, read once for all rules that judge it, and judged in slices.

use std::borrow::Cow;

use crate::condition::json::Progress;
use crate::condition::names::NamesTest;
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::steps::Steps;

use super::long::{LongValue, PART_BYTES, uncut};
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
    /// A field whose value is read in parts.
    ///
    /// INVARIANT: `rest` begins behind what was read of the value, and is not empty.
    long: Option<(Pair<'b>, LongValue)>,
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
            if reader.read_on().is_err() {
                return Self(Err(BadSyntax));
            }
        }
        Self(Ok(reader.fields))
    }
}

impl<'b> FormReader<'b> {
    fn new(body: &'b [u8], guarded: &'b [String]) -> Self {
        Self { rest: body, guarded, fields: Vec::new(), long: None }
    }

    /// Reads the next piece, or a part of a long one. Returns the number of its bytes.
    fn read_on(&mut self) -> Result<usize, BadSyntax> {
        if let Some((field, value)) = self.long.take() {
            return self.read_part(field, value);
        }
        let window = self.window();
        match memchr::memchr(b'&', window) {
            None if window.len() < self.rest.len() => self.begin_long(window),
            end => self.read_piece(end.unwrap_or(window.len())),
        }
    }

    /// Returns what may be read in one go.
    fn window(&self) -> &'b [u8] {
        self.rest.get(..PART_BYTES).unwrap_or(self.rest)
    }

    /// Reads the piece of this many bytes, and the `&` behind.
    fn read_piece(&mut self, bytes: usize) -> Result<usize, BadSyntax> {
        let piece = self.take(bytes)?;
        if !piece.is_empty() {
            let field = self.field(piece)?;
            self.fields.push(field);
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        Ok(bytes + 1)
    }

    /// Reads the name of a long piece. A name that does not end in the window is too long.
    fn begin_long(&mut self, window: &'b [u8]) -> Result<usize, BadSyntax> {
        let bytes = memchr::memchr(b'=', window).ok_or(BadSyntax)? + 1;
        let name = self.take(bytes)?;
        self.long = Some((self.field(name)?, LongValue::default()));
        Ok(bytes)
    }

    /// Reads the next part of a long piece.
    fn read_part(&mut self, mut field: Pair<'b>, mut value: LongValue) -> Result<usize, BadSyntax> {
        let window = self.window();
        let end = memchr::memchr(b'&', window);
        let is_end = end.is_some() || window.len() == self.rest.len();
        let bytes = match end {
            Some(end) => end,
            None if is_end => window.len(),
            None => uncut(self.rest, window.len()),
        };
        value.add(self.take(bytes)?)?;
        if !is_end {
            self.long = Some((field, value));
            return Ok(bytes);
        }
        field.value = Some(Cow::Owned(value.finish()?));
        self.fields.push(field);
        self.rest = self.rest.get(1..).unwrap_or_default();
        Ok(bytes + 1)
    }

    /// Takes bytes off the rest.
    fn take(&mut self, bytes: usize) -> Result<&'b [u8], BadSyntax> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(BadSyntax)?;
        self.rest = rest;
        Ok(taken)
    }

    fn field(&self, piece: &'b [u8]) -> Result<Pair<'b>, BadSyntax> {
        if self.fields.len() == MAX_PIECES {
            return Err(BadSyntax);
        }
        let piece = std::str::from_utf8(piece).map_err(|_| BadSyntax)?;
        Ok(Pair::read(piece, Plus::IsBlank)?.of_form(self.guarded))
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

    /// Reads on for about this many bytes or steps. A long piece between two `&` is read in parts.
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

    /// Reads a piece or a part of one, and returns the number of its bytes.
    fn read_on(&mut self) -> usize {
        let Some(reader) = &mut self.reader else { return 0 };
        let read = if reader.rest.is_empty() { Ok(0) } else { reader.read_on() };
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
