//! The checked conditions of one rule, and their test of a request. `conditions.md` sections 1, 3
//! and 4.

use serde_json::Value;

use crate::pattern::Budget;

use super::body::{BodyTest, Shapes};
use super::captures::CapturePlace;
use super::fault::{ConditionFault, FaultKind};
use super::git::{GitAsked, GitTest};
use super::media_type::is_media_type;
use super::names::{ListedName, NamesTest};
use super::outcome::{Outcome, Reason};
use super::pairs::{has_name_of_body, judge_query};
use super::parse::{MAX_CONDITION_BYTES, Place, Reader};
use super::raw::ConditionMembers;
use super::value::ValueTest;
use super::view::{ContentView, FieldValue, HeaderView, RequestParts};

/// The most media types of a rule.
const MAX_MEDIA_TYPES: usize = 16;

/// The checked conditions of a rule. Made from the rule's object form, and always bounded in their
/// judgement.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    captures: Vec<(String, CapturePlace, ValueTest)>,
    /// The test of the query; `None` where nothing is said of it.
    query: Option<NamesTest>,
    headers: Vec<ListedName>,
    body: BodyTest,
    /// The test of a rule for git. The other tests are then about its batches of LFS.
    git: Option<Box<GitTest>>,
}

/// What conditions must fit in the rest of their rule.
pub(crate) struct RuleFrame<'r> {
    /// True if every method of the rule has content.
    pub(crate) has_content: bool,
    /// True if patterns span the whole path, so that captures have one place.
    pub(crate) is_whole: bool,
    /// True if the rule has a `route`.
    pub(crate) has_route: bool,
    /// Finds the place of a capture by its name.
    pub(crate) capture: &'r dyn Fn(&str) -> Option<CapturePlace>,
}

/// The outcome of the conditions of a rule, or the part of the request that must be read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Outcome(Outcome),
    /// Everything but this part is right, and the part is not known.
    Needs(NeededPart),
}

/// A part of a request without which a rule cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NeededPart {
    /// The whole body.
    Body,
    /// The commands of a push.
    Commands,
    /// Which updates of a push are fast-forwards.
    FastForwards,
}

impl Conditions {
    /// Checks the conditions of a rule; `None` where the rule has none. Takes the work of globs and
    /// patterns from `budget`.
    pub(crate) fn parse(
        members: &ConditionMembers,
        frame: &RuleFrame<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Self>, ConditionFault> {
        if members.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(budget);
        if !frame.is_whole {
            return reader.at("conditions", |reader| Err(reader.fault(FaultKind::PrefixMatching)));
        }
        let size = serde_json::to_vec(members).map_or(usize::MAX, |json| json.len());
        if size > MAX_CONDITION_BYTES {
            return reader.at("conditions", |reader| Err(reader.fault(FaultKind::TooLarge)));
        }
        let captures = match &members.captures {
            Some(written) => {
                reader.at("captures", |reader| read_captures(reader, written, frame))?
            }
            None => Vec::new(),
        };
        let headers = match &members.headers {
            Some(written) => {
                reader.at("headers", |reader| reader.names(written, Place::Headers))?.listed
            }
            None => Vec::new(),
        };
        let body = read_body(&mut reader, members, frame)?;
        let query = read_query(&mut reader, members)?;
        Ok(Some(Self { captures, query, headers, body, git: None }))
    }

    /// Makes the conditions of a rule for git.
    pub(super) fn of_git(git: GitTest, batch: Option<NamesTest>) -> Self {
        let (query, body) = match batch {
            Some(object) => {
                let shapes = Shapes { object: Some(object), ..Shapes::default() };
                (Some(NamesTest::default()), BodyTest::Shaped(Box::new(shapes)))
            }
            None => (None, BodyTest::Unsaid),
        };
        let (captures, headers) = (Vec::new(), Vec::new());
        Self { captures, query, headers, body, git: Some(Box::new(git)) }
    }

    /// Returns the test of a rule for git.
    pub(super) fn git(&self) -> Option<&GitTest> {
        self.git.as_deref()
    }

    pub(super) fn capture_tests(&self) -> &[(String, CapturePlace, ValueTest)] {
        &self.captures
    }

    pub(super) fn query_test(&self) -> Option<&NamesTest> {
        self.query.as_ref()
    }

    /// Returns the names of the header fields that are tested, in lower case.
    pub(crate) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|listed| listed.name.as_str())
    }

    pub(super) fn header_tests(&self) -> &[ListedName] {
        &self.headers
    }

    pub(super) fn body(&self) -> &BodyTest {
        &self.body
    }

    /// Tests a request in one reading of its path.
    pub(crate) fn ask(
        &self,
        (method, reading): (&str, &str),
        query: Option<&str>,
        parts: &RequestParts<'_>,
    ) -> Asked {
        match self.git().map(|git| git.ask((method, reading), query, parts)) {
            Some(GitAsked::Asked(asked)) => asked,
            Some(GitAsked::Batch) | None => self.ask_of_parts(reading, query, parts),
        }
    }

    fn ask_of_parts(&self, reading: &str, query: Option<&str>, parts: &RequestParts<'_>) -> Asked {
        let head = self
            .of_captures(reading)
            .and(self.of_query(query, parts))
            .and(self.of_headers(parts.headers));
        if head == Outcome::False {
            return Asked::Outcome(Outcome::False);
        }
        let body = match (self.of_body(parts), head) {
            (Some(body), _) => body,
            // A request that is unknown already is unknown or false, whatever its body is.
            (None, Outcome::Unknown(_)) => Outcome::True,
            (None, _) => return Asked::Needs(NeededPart::Body),
        };
        Asked::Outcome(head.and(body))
    }

    /// True if the body may have to be read.
    pub(crate) fn looks_into_body(&self) -> bool {
        matches!(self.body, BodyTest::None | BodyTest::Shaped(_))
    }

    /// Returns the memory of globs, patterns and texts, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let captures: usize = self.captures.iter().map(|(_, _, test)| test.memory_bytes()).sum();
        let headers: usize = self.headers.iter().map(ListedName::memory_bytes).sum();
        let query = self.query.as_ref().map_or(0, NamesTest::memory_bytes);
        let git = self.git().map_or(0, GitTest::memory_bytes);
        captures + headers + query + git + self.body.memory_bytes()
    }

    pub(super) fn of_captures(&self, reading: &str) -> Outcome {
        let mut outcome = Outcome::True;
        for (_, place, test) in &self.captures {
            outcome = outcome.and(match place.of(reading) {
                Some(value) => test.judge_text(value, Reason::PathValue),
                None => Outcome::False,
            });
        }
        outcome
    }

    fn of_query(&self, query: Option<&str>, parts: &RequestParts<'_>) -> Outcome {
        let outcome = match &self.query {
            Some(test) => judge_query(test, query, parts.plus),
            None => Outcome::True,
        };
        outcome.and(self.of_names_in_both(query))
    }

    /// Tests that no parameter of an open query is taken for a name of the body.
    pub(super) fn of_names_in_both(&self, query: Option<&str>) -> Outcome {
        let is_open = self.query.as_ref().is_none_or(|test| test.rest.is_some());
        let BodyTest::Shaped(shapes) = &self.body else { return Outcome::True };
        if !is_open || query.is_none_or(str::is_empty) {
            return Outcome::True;
        }
        let names: Vec<&NamesTest> = [&shapes.object, &shapes.form].into_iter().flatten().collect();
        if has_name_of_body(query, self.query.as_ref(), &names) {
            Outcome::Unknown(Reason::QueryTwin)
        } else {
            Outcome::True
        }
    }

    fn of_headers(&self, headers: &dyn HeaderView) -> Outcome {
        let mut outcome = Outcome::True;
        for listed in &self.headers {
            outcome = outcome.and(field_outcome(listed, headers.field(&listed.name)));
        }
        outcome
    }

    /// Tests the body, as far as it is known; `None` where it must be read first.
    fn of_body(&self, parts: &RequestParts<'_>) -> Option<Outcome> {
        match parts.content {
            ContentView::Empty => Some(match &self.body {
                test @ BodyTest::Typed(_) => test.of_head(parts.headers)?,
                test => test.of_nothing(),
            }),
            ContentView::Unread => self.body.of_head(parts.headers),
            ContentView::Judged(body) => Some(match self.looks_into_body() {
                true => body.outcome_of(self),
                false => self.body.of_head(parts.headers)?,
            }),
        }
    }
}

/// Tests a header field.
pub(super) fn field_outcome(listed: &ListedName, field: FieldValue<'_>) -> Outcome {
    match (field, &listed.test) {
        (FieldValue::Absent, ValueTest::Absent) => Outcome::True,
        (FieldValue::Absent, _) => Outcome::of(listed.is_optional),
        (_, ValueTest::Absent) => Outcome::False,
        (FieldValue::Several, _) => Outcome::Unknown(Reason::HeaderTwice),
        (FieldValue::One(value), test) => judge_field(test, value),
    }
}

fn judge_field(test: &ValueTest, value: &[u8]) -> Outcome {
    let doubt = Reason::HeaderValue;
    match std::str::from_utf8(value) {
        Ok(text) => test.judge_text(text.trim_matches([' ', '\t']), doubt),
        Err(_) if matches!(test, ValueTest::Anything) => Outcome::True,
        Err(_) => Outcome::Unknown(doubt),
    }
}

fn read_captures(
    reader: &mut Reader<'_>,
    written: &Value,
    frame: &RuleFrame<'_>,
) -> Result<Vec<(String, CapturePlace, ValueTest)>, ConditionFault> {
    if !frame.has_route {
        return Err(reader.fault(FaultKind::NoRoute));
    }
    let mut captures = Vec::new();
    for listed in reader.names(written, Place::Captures)?.listed {
        let place = (frame.capture)(&listed.name);
        let place = place
            .ok_or(FaultKind::Capture)
            .or_else(|kind| reader.at(&listed.name, |reader| Err(reader.fault(kind))))?;
        captures.push((listed.name, place, listed.test));
    }
    Ok(captures)
}

/// Reads the test of the query, with the defaults of section 1.
fn read_query(
    reader: &mut Reader<'_>,
    members: &ConditionMembers,
) -> Result<Option<NamesTest>, ConditionFault> {
    match &members.query {
        Some(Value::String(word)) if word == "any" => Ok(None),
        Some(written @ Value::Object(_)) => {
            reader.at("query", |reader| reader.names(written, Place::Query)).map(Some)
        }
        Some(_) => reader.at("query", |reader| Err(reader.fault(FaultKind::Query))),
        None => Ok(says_of_body(members).then(NamesTest::default)),
    }
}

fn says_of_body(members: &ConditionMembers) -> bool {
    members.json.is_some()
        || members.json_each.is_some()
        || members.form.is_some()
        || members.body.is_some()
}

fn read_body(
    reader: &mut Reader<'_>,
    members: &ConditionMembers,
    frame: &RuleFrame<'_>,
) -> Result<BodyTest, ConditionFault> {
    let types = match &members.content_type {
        Some(written) => Some(reader.at("content_type", |reader| read_types(reader, written))?),
        None => None,
    };
    let shape = [
        ("json", members.json.is_some()),
        ("json_each", members.json_each.is_some()),
        ("form", members.form.is_some()),
    ];
    let shape = shape.into_iter().find_map(|(name, is_there)| is_there.then_some(name));
    let word = match &members.body {
        None => None,
        Some(Value::String(word)) if word == "none" => Some("none"),
        Some(Value::String(word)) if word == "any" => Some("any"),
        Some(_) => return reader.at("body", |reader| Err(reader.fault(FaultKind::Body))),
    };
    match (word, shape, types) {
        (Some(word), Some(shape), _) => {
            reader.at("body", |reader| Err(reader.fault(FaultKind::BodyAndShape(word, shape))))
        }
        (None, Some(shape), _) if !frame.has_content => {
            reader.at(shape, |reader| Err(reader.fault(FaultKind::Method(shape))))
        }
        (None, Some(_), types) => {
            let shapes = read_shapes(reader, members)?;
            Ok(BodyTest::Shaped(Box::new(Shapes { types, ..shapes })))
        }
        (Some("any"), None, Some(types)) => Ok(BodyTest::Typed(types)),
        (_, None, Some(_)) => {
            reader.at("content_type", |reader| Err(reader.fault(FaultKind::ContentTypeAlone)))
        }
        (Some("none"), None, None) => Ok(BodyTest::None),
        (Some(_), None, None) => Ok(BodyTest::Unsaid),
        (None, None, None) if members.query.is_some() => Ok(BodyTest::None),
        (None, None, None) => Ok(BodyTest::Unsaid),
    }
}

fn read_shapes(
    reader: &mut Reader<'_>,
    members: &ConditionMembers,
) -> Result<Shapes, ConditionFault> {
    let mut shapes = Shapes::default();
    if let Some(written) = &members.json {
        let names = reader.at("json", |reader| reader.names(written, Place::Json))?;
        shapes.object = Some(names);
    }
    if let Some(written) = &members.json_each {
        let test = reader.at("json_each", |reader| reader.value(written, Place::Json))?;
        shapes.each = Some(test);
    }
    if let Some(written) = &members.form {
        let names = reader.at("form", |reader| reader.names(written, Place::Form))?;
        shapes.form = Some(names);
    }
    Ok(shapes)
}

/// Reads a media type or a list of them, in lower case.
fn read_types(reader: &mut Reader<'_>, written: &Value) -> Result<Vec<String>, ConditionFault> {
    let values = match written {
        Value::Array(values) => values.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut types = Vec::with_capacity(values.len().min(MAX_MEDIA_TYPES));
    for value in values {
        match value.as_str() {
            Some(text) if is_media_type(text) => types.push(text.to_ascii_lowercase()),
            _ => return Err(reader.fault(FaultKind::ContentType)),
        }
    }
    if (1..=MAX_MEDIA_TYPES).contains(&types.len()) {
        Ok(types)
    } else {
        Err(reader.fault(FaultKind::ContentType))
    }
}
