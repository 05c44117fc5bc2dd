//! The rules that a policy would need to allow a request: for explanations, never for decisions.

use std::sync::Arc;

use super::candidates::{Candidate, Ruling};
use super::{DecisionSteps, Policy, ReadingDecision};
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
    /// The list of the rule.
    pub origin: RuleOrigin,
    /// The text of the rule.
    pub rule: Arc<str>,
    /// The number of the rule among the rules of its origin, from 1.
    pub number: usize,
    /// True if no later rule was asked: the rule has an effect, and cannot be judged.
    pub ends: bool,
    /// The places that are not true, at most 16.
    pub findings: Vec<Finding>,
}

/// The origin of a rule that did not allow a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOrigin {
    /// The token as it was minted, or its scopes.
    Token,
    /// A caveat of the token.
    Caveat,
    /// The ceiling of the upstream, which is the operator's.
    Ceiling,
}

/// The most rules that are explained for one request. Each may read the body again.
const MAX_UNMET: usize = 4;

impl Policy {
    /// Returns the rules that would allow the request but for their conditions, with the places
    /// that are not true: at most four. Empty where the policy allows the request. `guarded` are
    /// names that override the method or carry a credential by the settings of the upstream.
    pub(crate) fn unmet(
        &self,
        request: &RequestView<'_>,
        guarded: &[String],
        steps: &DecisionSteps,
    ) -> Vec<Unmet> {
        let mut unmet: Vec<Unmet> = Vec::new();
        for reading in request.target().readings() {
            match self.decide_reading(request, reading, steps) {
                Ok(ReadingDecision::Allowed(_)) => continue,
                Ok(ReadingDecision::NotAllowed(_) | ReadingDecision::Needs(_)) => {}
                Err(_) => return unmet,
            }
            for candidate in self.candidates(request.method(), reading, steps) {
                let Ok(candidate) = candidate else { return unmet };
                let Ok(ruling) = candidate.decide(request, reading, steps) else { return unmet };
                let ends = matches!(ruling, Ruling::Denies(_));
                let view = ExplainedView {
                    method: request.method(),
                    reading,
                    query: request.target().query(),
                    parts: request.parts(),
                    body: request.body().ok(),
                    guarded,
                };
                let number = candidate.number_in(&self.lists);
                if !unmet.iter().any(|known| known.number == number) {
                    unmet.extend(explained(&candidate, view).map(|(rule, findings)| Unmet {
                        rule,
                        number,
                        ends,
                        findings,
                    }));
                }
                if unmet.len() >= MAX_UNMET {
                    return unmet;
                }
                if ends {
                    break;
                }
            }
        }
        unmet
    }
}

/// A rule of one policy whose conditions are not true.
#[derive(Debug)]
pub(crate) struct Unmet {
    rule: Arc<str>,
    number: usize,
    ends: bool,
    findings: Vec<Finding>,
}

impl Unmet {
    /// Adds the origin of the policy.
    pub(crate) fn of(self, origin: RuleOrigin) -> UnmetRule {
        let Self { rule, number, ends, findings } = self;
        UnmetRule { origin, rule, number, ends, findings }
    }
}

/// Returns the text of a rule, and the places that are not true, if there are any.
fn explained(
    candidate: &Candidate<'_>,
    view: ExplainedView<'_>,
) -> Option<(Arc<str>, Vec<Finding>)> {
    let findings = candidate.conditions()?.explain(view);
    let rule = Arc::clone(candidate.written()?);
    (!findings.is_empty()).then_some((rule, findings))
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
