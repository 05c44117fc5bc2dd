//! Findings: the places of a request at which a rule's tests are not true, for `explain` and for
//! refusals of tokens that explain. A finding shows what the client sent. Refusals and logs have
//! only its [words of the rule](Finding::in_words_of_rule).

use std::fmt;

use super::outcome::Outcome;

/// The most findings that are kept for a rule.
pub(crate) const MAX_FINDINGS: usize = 16;
/// The end of a place in a rule, for a name that the rule does not list.
pub(crate) const ANY_NAME: &str = ".*";
/// The most characters of a value that are shown.
const SHOWN_CHARACTERS: usize = 60;

/// A place of a request at which a test of a rule is false or unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The place: `json.head`, `json.labels[2]`, `query.service`.
    pub place: String,
    /// The place as the rule knows it: without names and numbers that only the client knows.
    pub place_in_rule: String,
    /// The outcome of the test at this place. Never true.
    pub outcome: Outcome,
    /// The content of the place.
    pub found: FoundValue,
    /// The expectation, in words: `must be "main"`, `is not named by the rule`.
    pub expected: String,
}

/// The content of a place, as far as a message shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundValue {
    /// Nothing: the name is missing.
    Absent,
    /// A value of this type, with its article: `an object`.
    Type(&'static str),
    /// A value, in quotes if it is a text, cut to 60 characters.
    Shown(String),
    /// A value that does not matter, because the name itself is the finding.
    Unread,
}

/// The findings of one rule, in the order of reading; those beyond [`MAX_FINDINGS`] are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a finding, unless the test is true or the findings are full.
    pub(crate) fn add(&mut self, outcome: Outcome, make: impl FnOnce() -> Finding) {
        if outcome != Outcome::True && self.0.len() < MAX_FINDINGS {
            self.0.push(make());
        }
    }

    /// Adds findings, as far as there is room.
    pub(crate) fn extend(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.add(finding.outcome, || finding);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

impl FoundValue {
    /// Shows a text in quotes, without characters that a terminal obeys.
    pub(crate) fn of_text(text: &str) -> Self {
        Self::Shown(quoted(text))
    }
}

/// Returns a text in quotes, cut to [`SHOWN_CHARACTERS`], without characters that a terminal obeys.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

/// Returns a text cut to [`SHOWN_CHARACTERS`], without characters that a terminal obeys.
pub(crate) fn shortened(text: &str) -> String {
    cut(text, SHOWN_CHARACTERS)
}

/// Returns a text cut to `most` characters, in a single line, and without characters that a terminal
/// obeys.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).flat_map(char::escape_debug).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

impl Finding {
    /// Returns the place and the expectation in one line, with nothing that the client sent.
    #[must_use]
    pub fn in_words_of_rule(&self) -> String {
        let Self { place_in_rule: place, expected, .. } = self;
        match (&self.found, place.strip_suffix(ANY_NAME)) {
            (FoundValue::Unread, Some(around)) => format!("a name in {around} {expected}"),
            _ => format!("{place} {expected}"),
        }
    }
}

/// Prints the place, its content, and the expectation, in one line.
impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, found, expected, .. } = self;
        match found {
            FoundValue::Absent => write!(formatter, "{place} is missing; {expected}"),
            FoundValue::Type(kind) => write!(formatter, "{place} is {kind}; {expected}"),
            FoundValue::Shown(value) => write!(formatter, "{place} is {value}; {expected}"),
            FoundValue::Unread => write!(formatter, "{place} {expected}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: FoundValue, expected: &str, line: &str) {
        let finding = Finding {
            place: "json.base".to_owned(),
            place_in_rule: "json.base".to_owned(),
            outcome: Outcome::False,
            found,
            expected: expected.to_owned(),
        };
        assert_eq!(finding.to_string(), line);
    }

    #[test]
    fn a_finding_is_one_line() {
        check(
            FoundValue::of_text("release"),
            "must be \"main\"",
            "json.base is \"release\"; must be \"main\"",
        );
        check(FoundValue::Absent, "must be \"main\"", "json.base is missing; must be \"main\"");
        check(
            FoundValue::Type("an object"),
            "must be \"main\"",
            "json.base is an object; must be \"main\"",
        );
        check(FoundValue::Unread, "is not named by the rule", "json.base is not named by the rule");
        check(
            FoundValue::of_text("a\n\u{1b}[2J\"\u{202e}"),
            "must be \"main\"",
            "json.base is \"a\\n\\u{1b}[2J\\\"\\u{202e}\"; must be \"main\"",
        );
    }

    #[test]
    fn the_words_of_a_rule_have_nothing_of_the_client() {
        for (found, place_in_rule, words) in [
            (FoundValue::of_text("sent"), "json.*", "json.* must be 5"),
            (FoundValue::Absent, "json.a[]", "json.a[] must be 5"),
            (FoundValue::Unread, "json.a.*", "a name in json.a must be 5"),
            (FoundValue::Unread, "body", "body must be 5"),
        ] {
            let finding = Finding {
                place: "json.sent[7]".to_owned(),
                place_in_rule: place_in_rule.to_owned(),
                outcome: Outcome::False,
                found,
                expected: "must be 5".to_owned(),
            };
            assert_eq!(finding.in_words_of_rule(), words);
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        assert_eq!(quoted(&"é".repeat(60)), format!("\"{}\"", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}…\"", "é".repeat(60)));
    }

    #[test]
    fn findings_have_a_bound_and_hold_nothing_true() {
        let finding = |outcome| Finding {
            place: String::new(),
            place_in_rule: String::new(),
            outcome,
            found: FoundValue::Absent,
            expected: String::new(),
        };
        let mut findings = Findings::default();
        findings.add(Outcome::True, || finding(Outcome::True));
        for _ in 0..=MAX_FINDINGS {
            findings.add(Outcome::False, || finding(Outcome::False));
        }
        let findings = findings.into_vec();
        assert_eq!(findings.len(), MAX_FINDINGS);
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::False));
    }
}
