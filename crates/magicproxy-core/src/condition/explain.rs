//! The places of a request at which the conditions of one rule are not true, for `explain`.

use super::body::BodyTest;
use super::finding::{Finding, Findings, FoundValue};
use super::outcome::{Outcome, Reason};
use super::pairs::explain_query;
use super::rule::{Conditions, field_outcome};
use super::view::{ContentView, FieldValue, HeaderView, RequestParts};
use super::words::{Expected, NOT_OF_SHAPE};

/// A request that is explained, in one reading of its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExplainedView<'r> {
    pub(crate) method: &'r str,
    pub(crate) reading: &'r str,
    pub(crate) query: Option<&'r str>,
    pub(crate) parts: &'r RequestParts<'r>,
    /// The body, where it is known.
    pub(crate) body: Option<&'r [u8]>,
    /// Names that override the method or carry a credential by the settings of the upstream.
    pub(crate) guarded: &'r [String],
}

impl Conditions {
    /// Returns the places that are not true, in the order of the parts of a request. Empty where
    /// nothing that is known is wrong.
    pub(crate) fn explain(&self, view: ExplainedView<'_>) -> Vec<Finding> {
        let mut findings = Findings::default();
        if self.git().is_some_and(|git| !git.explain(&view, &mut findings)) {
            return findings.into_vec();
        }
        self.explain_captures(view.reading, &mut findings);
        if let Some(test) = self.query_test() {
            findings.extend(explain_query(test, view.query, view.parts.plus));
        }
        self.explain_headers(view.parts.headers, &mut findings);
        self.explain_body(view, &mut findings);
        findings.into_vec()
    }

    fn explain_captures(&self, reading: &str, findings: &mut Findings) {
        for (name, place, test) in self.capture_tests() {
            let value = place.of(reading);
            let outcome =
                value.map_or(Outcome::False, |value| test.judge_text(value, Reason::PathValue));
            let found = || value.map_or(FoundValue::Absent, FoundValue::of_text);
            findings.add(outcome, || {
                finding(format!("captures.{name}"), outcome, found(), Expected(test).to_string())
            });
        }
    }

    fn explain_headers(&self, headers: &dyn HeaderView, findings: &mut Findings) {
        for listed in self.header_tests() {
            let field = headers.field(&listed.name);
            let outcome = field_outcome(listed, field);
            let found = || match field {
                FieldValue::Absent => FoundValue::Absent,
                FieldValue::One(value) => FoundValue::of_text(&String::from_utf8_lossy(value)),
                FieldValue::Several => FoundValue::Type("there twice"),
            };
            let expected = || Expected(&listed.test).to_string();
            findings.add(outcome, || {
                finding(format!("headers.{}", listed.name), outcome, found(), expected())
            });
        }
    }

    fn explain_body(&self, view: ExplainedView<'_>, findings: &mut Findings) {
        let headers = view.parts.headers;
        let mut whole = |place: &str, outcome, expected: String| {
            findings
                .add(outcome, || finding(place.to_owned(), outcome, FoundValue::Unread, expected));
        };
        if matches!((self.body(), view.parts.content), (BodyTest::Shaped(_), ContentView::Empty)) {
            let outcome = self.body().of_nothing();
            return whole("body", outcome, "must not be empty".to_owned());
        }
        if let Some(outcome) = self.body().of_head(headers) {
            let found = match headers.field("content-type") {
                FieldValue::Absent => FoundValue::Absent,
                FieldValue::One(_) | FieldValue::Several => FoundValue::Unread,
            };
            let expected = self.body().expected_type();
            findings.add(outcome, || finding("content_type".to_owned(), outcome, found, expected));
            return;
        }
        match (self.body(), view.body, view.parts.content) {
            (BodyTest::None, Some(body), _) => {
                whole("body", Outcome::of(body.is_empty()), "must be empty".to_owned());
            }
            (BodyTest::Shaped(shapes), Some(body), _) => {
                findings.extend(shapes.explain(body, headers, view.guarded));
            }
            (_, None, ContentView::Judged(body)) => {
                whole("body", body.outcome_of(self), NOT_OF_SHAPE.to_owned());
            }
            (BodyTest::Unsaid | BodyTest::Typed(_), Some(_), _)
            | (_, None, ContentView::Empty | ContentView::Unread) => {}
        }
    }
}

/// Makes a finding at a place that the rule names.
fn finding(place: String, outcome: Outcome, found: FoundValue, expected: String) -> Finding {
    Finding { place_in_rule: place.clone(), place, outcome, found, expected }
}
