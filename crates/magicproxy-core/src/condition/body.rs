//! Tests of a body, and the judgement of one body by all rules that look into it.
//! `conditions.md` sections 3 and 4.5.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Conditions;
use super::finding::Finding;
use super::json::{JsonJudge, JsonTest, Progress};
use super::media_type::{ContentType, is_form, is_json};
use super::names::NamesTest;
use super::outcome::{Outcome, Reason};
use super::pairs::{Form, FormJudge};
use super::steps::MAX_JUDGING_RULES;
use super::value::ValueTest;
use super::view::HeaderView;

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The test of a body.
#[derive(Clone, Debug)]
pub(super) enum BodyTest {
    /// Nothing is said of the body.
    Unsaid,
    /// There is no body.
    None,
    /// The body has one of these media types, in lower case.
    Typed(Vec<String>),
    /// The body has one of these shapes.
    Shaped(Box<Shapes>),
}

/// The shapes of a body, one of which it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    pub(super) object: Option<NamesTest>,
    pub(super) each: Option<ValueTest>,
    pub(super) form: Option<NamesTest>,
    /// The media types in place of those of JSON or of forms, in lower case.
    pub(super) types: Option<Vec<String>>,
}

/// The kind of a body, by its media type and the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    Json,
    Form,
}

impl Shapes {
    /// Returns the places of a body at which the shapes are not true.
    pub(super) fn explain(
        &self,
        body: &[u8],
        headers: &dyn HeaderView,
        guarded: &[String],
    ) -> Vec<Finding> {
        match self.kind(headers) {
            Ok(BodyKind::Json) => {
                let test = JsonTest { object: self.object.as_ref(), each: self.each.as_ref() };
                JsonJudge::explain(body, test, guarded).1
            }
            Ok(BodyKind::Form) => {
                let form = Form::read(body, guarded);
                self.form.as_ref().map(|test| form.explain(test)).unwrap_or_default()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Finds how a body is to be read, from its header fields alone.
    fn kind(&self, headers: &dyn HeaderView) -> Result<BodyKind, Reason> {
        if headers.field("content-encoding") != super::view::FieldValue::Absent {
            return Err(Reason::BodyCoding);
        }
        let ContentType::One { essence, is_bare: true } =
            ContentType::of(headers.field("content-type"))
        else {
            return Err(Reason::BodyType);
        };
        self.kind_of(essence)
    }

    /// Finds how a body of this media type is to be read.
    pub(super) fn kind_of(&self, essence: &str) -> Result<BodyKind, Reason> {
        let reads_json = self.object.is_some() || self.each.is_some();
        let is_listed = self.types.as_ref().map(|types| lists(types, essence));
        match is_listed {
            Some(false) => Err(Reason::BodyType),
            _ if self.form.is_some() && is_form(essence) => Ok(BodyKind::Form),
            // A type that the rule names itself is read as the rule's only kind of body.
            Some(true) if reads_json && !is_form(essence) => Ok(BodyKind::Json),
            Some(true) if self.form.is_some() && !reads_json => Ok(BodyKind::Form),
            None if reads_json && is_json(essence) => Ok(BodyKind::Json),
            _ => Err(Reason::BodyType),
        }
    }
}

pub(super) fn lists(types: &[String], essence: &str) -> bool {
    types.iter().any(|listed| listed.eq_ignore_ascii_case(essence))
}

impl BodyTest {
    /// Tests what the header fields say of the body. `None` where the body itself must be read.
    pub(super) fn of_head(&self, headers: &dyn HeaderView) -> Option<Outcome> {
        match self {
            Self::Unsaid => Some(Outcome::True),
            Self::None => None,
            Self::Typed(types) => Some(match ContentType::of(headers.field("content-type")) {
                ContentType::One { essence, .. } => Outcome::of(lists(types, essence)),
                ContentType::Absent => Outcome::False,
                ContentType::Unreadable => Outcome::Unknown(Reason::BodyType),
            }),
            Self::Shaped(shapes) => shapes.kind(headers).err().map(Outcome::Unknown),
        }
    }

    /// Returns the expectation of the media type, in words.
    pub(super) fn expected_type(&self) -> String {
        let types = match self {
            Self::Typed(types) => types.join(" or "),
            Self::Shaped(shapes) => match &shapes.types {
                Some(types) => types.join(" or "),
                None if shapes.form.is_none() => "application/json".to_owned(),
                None if shapes.object.is_none() && shapes.each.is_none() => FORM.to_owned(),
                None => format!("application/json or {FORM}"),
            },
            Self::Unsaid | Self::None => String::new(),
        };
        format!("must be {types}, once, and without a content coding")
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let Self::Shaped(shapes) = self else { return 0 };
        let Shapes { object, each, form, types: _ } = &**shapes;
        let names = [object, form].into_iter().flatten().map(NamesTest::memory_bytes);
        names.sum::<usize>() + each.as_ref().map_or(0, ValueTest::memory_bytes)
    }

    /// Tests a request that has no content.
    pub(super) fn of_nothing(&self) -> Outcome {
        match self {
            Self::Unsaid | Self::None | Self::Typed(_) => Outcome::True,
            Self::Shaped(_) => Outcome::Unknown(Reason::BodyType),
        }
    }
}

/// The rules that look into the body of one request, gathered before the body is judged.
#[derive(Debug, Default)]
pub struct BodyTests {
    rules: Vec<Arc<Conditions>>,
}

/// The judgement of a body under way: read in slices, so that a long body holds up nobody.
#[derive(Debug)]
pub struct BodyJudge<'b> {
    rules: &'b [Arc<Conditions>],
    /// The outcomes that need no further reading.
    outcomes: Vec<Option<Outcome>>,
    /// `None` where no rule reads JSON, where too many rules read the body, and once it is judged.
    json: Option<JsonJudge<'b, 'b>>,
    json_outcomes: Vec<Outcome>,
    /// `None` where no rule reads a form, and where too many rules read the body.
    form: Option<FormJudge<'b>>,
    /// The numbers of the rules that wait for `json`, and of those that wait for `form`.
    waiting: [Vec<usize>; 2],
}

/// A body that every rule has judged.
#[derive(Debug)]
pub struct JudgedBody {
    outcomes: Vec<(Arc<Conditions>, Outcome)>,
}

impl BodyTests {
    /// Adds the conditions of a rule, once.
    pub(crate) fn add(&mut self, rule: &Arc<Conditions>) {
        if !self.rules.iter().any(|known| Arc::ptr_eq(known, rule)) {
            self.rules.push(Arc::clone(rule));
        }
    }

    /// Begins to judge a body. `guarded` are names that override the method or carry a credential
    /// by the settings of the upstream.
    #[must_use]
    pub fn judge<'b>(
        &'b self,
        body: &'b [u8],
        headers: &dyn HeaderView,
        guarded: &'b [String],
    ) -> BodyJudge<'b> {
        let (mut json, mut forms) = (Vec::new(), Vec::new());
        let mut waiting = [Vec::new(), Vec::new()];
        let [of_json, of_form] = &mut waiting;
        let mut begin = |number, rule: &'b Conditions| {
            let shapes = match rule.body() {
                BodyTest::Unsaid => return Some(Outcome::True),
                BodyTest::None => return Some(Outcome::of(body.is_empty())),
                test @ BodyTest::Typed(_) => return test.of_head(headers),
                BodyTest::Shaped(shapes) => shapes,
            };
            let Shapes { object, each, form, types: _ } = &**shapes;
            match (shapes.kind(headers), form) {
                (Err(reason), _) => return Some(Outcome::Unknown(reason)),
                (Ok(BodyKind::Form), None) => return Some(Outcome::Unknown(Reason::BodyType)),
                (Ok(BodyKind::Form), Some(test)) => {
                    forms.push(test);
                    of_form.push(number);
                }
                (Ok(BodyKind::Json), _) => {
                    json.push(JsonTest { object: object.as_ref(), each: each.as_ref() });
                    of_json.push(number);
                }
            }
            None
        };
        let rules = self.rules.iter().enumerate();
        let outcomes = rules.map(|(number, rule)| begin(number, rule)).collect();
        let is_within_bounds = json.len() + forms.len() <= MAX_JUDGING_RULES;
        let (has_json, has_form) = (!json.is_empty(), !forms.is_empty());
        BodyJudge {
            rules: &self.rules,
            outcomes,
            json: (is_within_bounds && has_json).then(|| JsonJudge::new(body, &json, guarded)),
            form: (is_within_bounds && has_form).then(|| FormJudge::new(body, forms, guarded)),
            json_outcomes: Vec::new(),
            waiting,
        }
    }
}

impl BodyJudge<'_> {
    /// Reads on for about this many bytes or steps. Returns true once the body is judged.
    pub fn advance(&mut self, bytes: usize) -> bool {
        let Some(mut json) = self.json.take() else {
            let form = self.form.as_mut();
            return form.is_none_or(|form| form.advance(bytes) == Progress::Done);
        };
        if json.advance(bytes) == Progress::More {
            self.json = Some(json);
            return false;
        }
        // A body is read as JSON and as a form where rules name its media type themselves.
        if let Some(form) = &mut self.form {
            form.limit(json.steps());
        }
        self.json_outcomes = json.outcomes();
        self.form.is_none()
    }

    /// Returns the judged body; rules for which judging did not come to its end are unknown.
    #[must_use]
    pub fn finish(self) -> JudgedBody {
        let Self { rules, mut outcomes, json, json_outcomes, form, waiting } = self;
        let [of_json, of_form] = waiting;
        let json = json.map_or(json_outcomes, JsonJudge::outcomes);
        let form = form.map(FormJudge::outcomes).unwrap_or_default();
        for (number, outcome) in of_json.into_iter().zip(json).chain(of_form.into_iter().zip(form))
        {
            if let Some(slot) = outcomes.get_mut(number) {
                *slot = Some(outcome);
            }
        }
        let unjudged = Outcome::Unknown(Reason::BodySteps);
        let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or(unjudged));
        JudgedBody { outcomes: rules.iter().map(Arc::clone).zip(outcomes).collect() }
    }
}

impl JudgedBody {
    /// Returns the outcome for the body of a rule. A rule that was not asked is unknown.
    pub(super) fn outcome_of(&self, rule: &Conditions) -> Outcome {
        self.outcomes
            .iter()
            .find(|(known, _)| std::ptr::eq(&**known, rule))
            .map_or(Outcome::Unknown(Reason::BodySteps), |(_, outcome)| *outcome)
    }
}
