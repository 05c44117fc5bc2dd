//! Candidates: the rules that match a request's method and one reading of its path, in rule order.
//! Each candidate is then decided.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::list::RuleList;
use super::matches::Matches;
use super::steps::{DecisionSteps, ExhaustedSteps};
use crate::rule::RuleEffects;
use crate::target::RequestView;

/// An iterator over the matching rules of a policy, list after list. A list is searched when the
/// lists before it have no candidate left, so a rule that decides at once saves searching the later
/// lists.
#[derive(Debug)]
pub(super) struct Candidates<'p, 'r> {
    lists: std::slice::Iter<'p, Arc<RuleList>>,
    /// The list that was searched last.
    current: Option<&'p RuleList>,
    /// The candidates left in that list.
    matches: Matches,
    method: &'r str,
    reading: &'r str,
    steps: &'r DecisionSteps,
}

/// A matching rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'p> {
    list: &'p RuleList,
    /// The rule's number in the list.
    rule: usize,
}

/// The effect of a matching rule on the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The rule allows the request in this reading.
    Allows,
    /// The rule denies the request, and no later rule is asked.
    Denies,
}

impl<'p, 'r> Candidates<'p, 'r> {
    pub(super) fn new(
        lists: &'p [Arc<RuleList>],
        method: &'r str,
        reading: &'r str,
        steps: &'r DecisionSteps,
    ) -> Self {
        Self {
            lists: lists.iter(),
            current: None,
            matches: Matches::default(),
            method,
            reading,
            steps,
        }
    }
}

impl<'p> Iterator for Candidates<'p, '_> {
    type Item = Result<Candidate<'p>, ExhaustedSteps>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(list) = self.current
                && let Some(rule) = self.matches.next()
            {
                return Some(Ok(Candidate { list, rule }));
            }
            self.current = None;
            let list = self.lists.next()?;
            if let Err(spent) =
                list.find_matches(self.method, self.reading, self.steps, &mut self.matches)
            {
                // The steps ran out, so no later list is searched either.
                self.lists = [].iter();
                return Some(Err(spent));
            }
            self.current = Some(list);
        }
    }
}

impl<'p> Candidate<'p> {
    /// Decides the request by this rule.
    pub(super) fn decide(&self, request: &RequestView<'_>) -> Ruling {
        // A rule with effects applies to targets with one reading only. On other targets the rule
        // denies instead of yielding, since a later rule may demand less.
        if !request.has_one_reading() && self.list.stateful().contains_key(&self.rule) {
            Ruling::Denies
        } else {
            Ruling::Allows
        }
    }

    /// Returns the text of the rule.
    pub(super) fn written(&self) -> Option<&'p Arc<str>> {
        self.list.rules().get(self.rule)
    }

    /// Returns the effects of the rule.
    pub(super) fn state(&self) -> Option<&'p Arc<RuleEffects>> {
        self.list.stateful().get(&self.rule)
    }
}
