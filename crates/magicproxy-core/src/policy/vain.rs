//! Rules whose conditions or effects do nothing, because another rule of the list allows the same
//! requests without: for advice, never for decisions. `conditions.md` section 8.

#[cfg(test)]
mod tests;

use std::fmt;

use super::Policy;
use crate::pattern::{Automaton, PatternMode};
use crate::rule::Rule;

/// The most pairs of rules that are compared for one list.
const MAX_COMPARED_PAIRS: usize = 10_000;

/// A rule that another rule of its list makes vain, wholly or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VainRule {
    rule: NumberedRule,
    wider: NumberedRule,
    kind: VainKind,
}

/// A rule with its number in the list, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NumberedRule {
    number: usize,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VainKind {
    /// The rule is never asked: the wider one stands before.
    NeverAsked,
    /// The wider rule allows whatever the conditions refuse.
    Conditions,
    /// A request that fails the conditions is allowed by the wider rule, without the effects.
    Effects,
}

/// The message, in one line.
impl fmt::Display for VainRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, wider, kind } = self;
        match kind {
            VainKind::NeverAsked => write!(
                formatter,
                "{rule} is never asked: {wider} stands before it, and allows all of its requests"
            ),
            VainKind::Conditions => write!(
                formatter,
                "the conditions of {rule} are in vain: {wider} allows the requests that they refuse"
            ),
            VainKind::Effects => write!(
                formatter,
                "what {rule} counts or records can be avoided: {wider} allows a request that fails its conditions, and does neither"
            ),
        }
    }
}

impl fmt::Display for NumberedRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rule {} `{}`", self.number, self.text)
    }
}

impl Policy {
    /// Finds the rules of a list that a wider rule without conditions makes vain. A rule for which
    /// finding out takes too long is not included.
    #[must_use]
    pub fn vain(rules: &[Rule]) -> Vec<VainRule> {
        let is_special = |rule: &Rule| rule.conditions().is_some() || rule.state().is_some();
        if !rules.iter().any(is_special) {
            return Vec::new();
        }
        let compared = |rule: &Rule| rule.mode() == PatternMode::Whole;
        let plain = rules.iter().enumerate();
        let plain: Vec<Compiled<'_>> = plain
            .filter(|(_, rule)| rule.conditions().is_none() && compared(rule))
            .filter_map(|(at, rule)| Some(Compiled { at, rule, automaton: rule.automaton()? }))
            .collect();
        let (mut found, mut left) = (Vec::new(), MAX_COMPARED_PAIRS);
        for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| is_special(rule)) {
            let Some(automaton) = rule.automaton() else { continue };
            left = left.saturating_sub(plain.len());
            if left == 0 {
                break;
            }
            found.extend(vain(&Compiled { at, rule, automaton }, &plain));
        }
        found
    }
}

/// A rule at its place in a list, with its automaton.
struct Compiled<'r> {
    at: usize,
    rule: &'r Rule,
    automaton: Automaton,
}

impl Compiled<'_> {
    /// True if this rule, which has no conditions, matches all that another one matches.
    fn includes(&self, other: &Self) -> bool {
        self.at != other.at
            && self.rule.methods().include(other.rule.methods())
            && self.automaton.includes(&other.automaton) == Some(true)
    }

    fn numbered(&self) -> NumberedRule {
        NumberedRule { number: self.at + 1, text: self.rule.to_string() }
    }
}

/// Finds the first rule that makes a rule vain.
fn vain(rule: &Compiled<'_>, plain: &[Compiled<'_>]) -> Option<VainRule> {
    let (has_effects, has_conditions) =
        (rule.rule.state().is_some(), rule.rule.conditions().is_some());
    let kind_of = |wider: &Compiled<'_>| {
        let is_uncounted = wider.rule.state().is_none();
        match (wider.at < rule.at, is_uncounted) {
            (true, _) => Some(VainKind::NeverAsked),
            (false, true) if has_conditions && has_effects => Some(VainKind::Effects),
            (false, true) if has_conditions => Some(VainKind::Conditions),
            (false, _) => None,
        }
    };
    plain.iter().find_map(|wider| {
        let kind = kind_of(wider).filter(|_| wider.includes(rule))?;
        Some(VainRule { rule: rule.numbered(), wider: wider.numbered(), kind })
    })
}
