//! The question whether two rules have a request in common: for advice on narrowing a token, never
//! for decisions.

#[cfg(test)]
mod tests;

use crate::policy::Policy;
use crate::rule::Rule;

impl Rule {
    /// Returns whether some request is allowed both by this rule and by one of `others`. `None`
    /// where finding out would take too long.
    #[must_use]
    pub fn overlaps_any(&self, others: &[Self]) -> Option<bool> {
        let mut unsure = false;
        for other in others {
            match self.meets(other) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => unsure = true,
            }
        }
        (!unsure).then_some(false)
    }
}

impl Policy {
    /// Returns those of the rules that share no request with any of `parents`, by index. A rule
    /// whose overlap cannot be computed is not included.
    #[must_use]
    pub fn futile(rules: &[Rule], parents: &[Rule]) -> Vec<usize> {
        let futile =
            rules.iter().enumerate().filter(|(_, rule)| rule.overlaps_any(parents) == Some(false));
        futile.map(|(index, _)| index).collect()
    }
}
