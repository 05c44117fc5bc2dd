//! What a policy lacks to allow a request: for explanations, never for decisions.

use super::{DecisionSteps, Policy};
use crate::pattern::{Budget, PatternMode};
use crate::rule::{RawRule, Rule};
use crate::target::RequestTarget;

/// The longest reading for which a rule is suggested, in bytes.
const MAX_SUGGESTED_BYTES: usize = 512;
/// Steps of determinising that the suggestions for one request may take together: less than a millisecond.
const MAX_SUGGESTING_STEPS: usize = 10_000;

impl Policy {
    /// The narrowest rules that would have to be added for this request: one for each reading of its target that is not
    /// allowed. Empty when nothing would help, when it is allowed already, or when finding out takes too many steps.
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

/// A rule for one path; none that minting would refuse.
fn suggestion(method: &str, path: &str, budget: &mut Budget) -> Option<String> {
    if path.len() > MAX_SUGGESTED_BYTES {
        return None;
    }
    let rule = format!("{method} {}", literally(path));
    Rule::parse_within(RawRule::Text(rule.clone()), PatternMode::Whole, budget).ok().map(|_| rule)
}

/// A pattern that matches one path and no other.
fn literally(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for character in path.chars() {
        // Of the characters that a canonical path can hold, these mean something in a pattern; `-` does so in classes only.
        if ".+*()$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
