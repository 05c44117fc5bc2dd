//! The rules that a policy would need to allow a request: for explanations, never for decisions.

use std::sync::Arc;

use super::{DecisionSteps, Policy};
use crate::condition::{ExplainedView, Finding};
use crate::pattern::{Budget, PatternMode};
use crate::request::RequestView;
use crate::rule::{RawRule, Rule};
use crate::target::RequestTarget;

/// The longest reading for which a rule is suggested, in bytes.
const MAX_SUGGESTED_BYTES: usize = 512;
/// The steps of determinising for all suggestions for one request: less than a millisecond.
const MAX_SUGGESTING_STEPS: usize = 10_000;

impl Policy {
    /// Returns the narrowest rules that would allow the request: a rule for each reading of its
    /// target that no rule allows. Empty when no rule would help, when the request is allowed
    /// already, or when the steps run out.
    #[must_use]
    pub fn missing(
        &self,
        method: &str,
        target: &RequestTarget,
        steps: &DecisionSteps,
    ) -> Vec<String> {
        let (mut rules, mut budget) = (Vec::new(), Budget::new(MAX_SUGGESTING_STEPS));
        for reading in target.readings() {
            match self.candidates(method, reading, steps).next() {
                Some(Ok(_)) => {}
                None => rules.extend(suggestion(method, reading, &mut budget)),
                Some(Err(_)) => return Vec::new(),
            }
        }
        rules
    }
}

/// A rule that matches the method and the path of a request, and whose conditions are not true.
#[derive(Clone, Debug)]
pub struct UnmetRule {
    /// The text of the rule.
    pub rule: Arc<str>,
    /// The number of the rule in its list, from 1.
    pub number: usize,
    /// The places that are not true, at most 16.
    pub findings: Vec<Finding>,
}

/// The most rules that are explained for one request.
const MAX_UNMET: usize = 8;

impl Policy {
    /// Returns the rules that would allow the request but for their conditions, with the places
    /// that are not true. `guarded` are names that override the method or carry a credential by the
    /// settings of the upstream.
    pub(crate) fn unmet(
        &self,
        request: &RequestView<'_>,
        guarded: &[String],
        steps: &DecisionSteps,
    ) -> Vec<UnmetRule> {
        let mut unmet = Vec::new();
        for reading in request.target().readings() {
            for candidate in self.candidates(request.method(), reading, steps) {
                let Ok(candidate) = candidate else { return unmet };
                let (Some(conditions), Some(rule)) = (candidate.conditions(), candidate.written())
                else {
                    continue;
                };
                let findings = conditions.explain(ExplainedView {
                    reading,
                    query: request.target().query(),
                    parts: request.parts(),
                    body: request.body().ok(),
                    guarded,
                });
                if !findings.is_empty() && unmet.len() < MAX_UNMET {
                    let (rule, number) = (Arc::clone(rule), candidate.number());
                    unmet.push(UnmetRule { rule, number, findings });
                }
            }
        }
        unmet
    }
}

/// Returns a rule for one path, or `None` where minting would refuse the rule.
fn suggestion(method: &str, path: &str, budget: &mut Budget) -> Option<String> {
    if path.len() > MAX_SUGGESTED_BYTES {
        return None;
    }
    let rule = format!("{method} {}", literally(path));
    Rule::parse_within(RawRule::Text(rule.clone()), PatternMode::Whole, budget).ok().map(|_| rule)
}

/// Returns a pattern that matches one path and no other.
fn literally(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for character in path.chars() {
        // The characters of a canonical path with a meaning in a pattern; `-` has a meaning in
        // classes only.
        if ".+*()$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
