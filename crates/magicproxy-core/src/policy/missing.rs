//! The rules that a policy would need to allow a request: for explanations, never for decisions.

use super::{DecisionSteps, Policy};
use crate::pattern::{Budget, PatternMode};
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
