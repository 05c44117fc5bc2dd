//! What a policy lacks to allow a request: for explanations, never for decisions.

use super::Policy;
use crate::pattern::PatternMode;
use crate::rule::{RawRule, Rule};
use crate::target::RequestTarget;

impl Policy {
    /// The narrowest rules that would have to be added for this request: one for each reading of its target that is not
    /// allowed. Empty when nothing would help, or when it is allowed already.
    #[must_use]
    pub fn missing(&self, method: &str, target: &RequestTarget) -> Vec<String> {
        let lacking = target.readings().filter(|reading| self.first_match(method, reading).is_none());
        let rules = lacking.map(|reading| format!("{method} {}", literally(reading)));
        // Nothing is suggested that minting would refuse.
        rules.filter(|rule| Rule::parse(RawRule::Text(rule.clone()), PatternMode::Whole).is_ok()).collect()
    }
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
