//! The places of a request at which the conditions of one rule are not true, for `explain`.

use super::body::BodyTest;
use super::finding::{Finding, Findings, FoundValue};
use super::outcome::{Outcome, Reason};
use super::pairs::explain_query;
use super::rule::{Conditions, field_outcome};
use super::view::{FieldValue, HeaderView, RequestParts};
use super::words::Expected;

/// A request that is explained, in one reading of its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExplainedView<'r> {
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
            findings.add(outcome, || Finding {
                place: format!("captures.{name}"),
                outcome,
                found: value.map_or(FoundValue::Absent, FoundValue::of_text),
                expected: Expected(test).to_string(),
            });
        }
    }

    fn explain_headers(&self, headers: &dyn HeaderView, findings: &mut Findings) {
        for listed in self.header_tests() {
            let field = headers.field(&listed.name);
            let outcome = field_outcome(listed, field);
            findings.add(outcome, || Finding {
                place: format!("headers.{}", listed.name),
                outcome,
                found: match field {
                    FieldValue::Absent => FoundValue::Absent,
                    FieldValue::One(value) => FoundValue::of_text(&String::from_utf8_lossy(value)),
                    FieldValue::Several => FoundValue::Type("there twice"),
                },
                expected: Expected(&listed.test).to_string(),
            });
        }
    }

    fn explain_body(&self, view: ExplainedView<'_>, findings: &mut Findings) {
        let headers = view.parts.headers;
        if let Some(outcome) = self.body().of_head(headers) {
            findings.add(outcome, || Finding {
                place: "content_type".to_owned(),
                outcome,
                found: FoundValue::Unread,
                expected: self.body().expected_type(),
            });
            return;
        }
        match (self.body(), view.body) {
            (_, None) | (BodyTest::Unsaid | BodyTest::Typed(_), _) => {}
            (BodyTest::None, Some(body)) => {
                let outcome = Outcome::of(body.is_empty());
                findings.add(outcome, || Finding {
                    place: "body".to_owned(),
                    outcome,
                    found: FoundValue::Unread,
                    expected: "must be empty".to_owned(),
                });
            }
            (BodyTest::Shaped(shapes), Some(body)) => {
                findings.extend(shapes.explain(body, headers, view.guarded));
            }
        }
    }
}
