//! Rules that would allow a request but for their conditions, in an explanation.

use magicproxy_core::{Finding, FoundValue, Outcome, RuleOrigin, UnmetRule};
use serde::{Deserialize, Serialize};

/// A rule that matches method and path of a request, and whose conditions are not true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmetVerdict {
    /// The rule as a text: methods and path, and behind them the conditions.
    pub rule: String,
    /// The number of the rule, from 1.
    pub number: usize,
    /// The list of the rule: `token`, `caveat` or `ceiling`.
    pub list: String,
    /// True if no later rule was asked: the rule has an effect, and cannot be judged.
    pub ends: bool,
    /// The places that are not true.
    pub findings: Vec<UnmetFinding>,
}

/// A place of a request at which a rule is not true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmetFinding {
    /// The place, such as `json.base`.
    pub place: String,
    /// The code of the reason, if the place cannot be judged.
    pub code: Option<String>,
    /// The content of the place, in words; none where the name itself is wrong.
    pub found: Option<String>,
    /// The expectation, in words.
    pub expected: String,
}

impl UnmetVerdict {
    /// Makes the verdict on a rule.
    #[must_use]
    pub fn of(unmet: &UnmetRule) -> Self {
        let list = match unmet.origin {
            RuleOrigin::Token => "token",
            RuleOrigin::Caveat => "caveat",
            RuleOrigin::Ceiling => "ceiling",
        };
        Self {
            rule: unmet.rule.to_string(),
            number: unmet.number,
            list: list.to_owned(),
            ends: unmet.ends,
            findings: unmet.findings.iter().map(UnmetFinding::of).collect(),
        }
    }
}

impl UnmetFinding {
    fn of(finding: &Finding) -> Self {
        let Finding { place, outcome, found, expected, .. } = finding;
        Self {
            place: place.clone(),
            code: match outcome {
                Outcome::Unknown(reason) => Some(reason.code().to_owned()),
                Outcome::True | Outcome::False => None,
            },
            found: match found {
                FoundValue::Absent => Some("missing".to_owned()),
                FoundValue::Type(kind) => Some((*kind).to_owned()),
                FoundValue::Shown(value) => Some(value.clone()),
                FoundValue::Unread => None,
            },
            expected: expected.clone(),
        }
    }
}
