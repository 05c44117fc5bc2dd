//! Candidates: the rules that match a request's method and one reading of its path, in rule order, each to be judged.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::list::RuleList;
use super::matches::Matches;
use super::steps::{DecisionSteps, ExhaustedSteps};
use crate::rule::RuleEffects;
use crate::target::RequestView;

/// The rules of a policy that match, list after list. A list is looked at when those before it have no rule left, so one that
/// decides at once costs no look at the next.
#[derive(Debug)]
pub(super) struct Candidates<'p, 'r> {
    lists: std::slice::Iter<'p, Arc<RuleList>>,
    /// The list that was looked at last.
    current: Option<&'p RuleList>,
    /// Which of its rules are left.
    matches: Matches,
    method: &'r str,
    reading: &'r str,
    steps: &'r DecisionSteps,
}

/// A rule that matches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'p> {
    list: &'p RuleList,
    /// Its number in the list.
    rule: usize,
}

/// What a rule makes of a request that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It allows the request, by this reading.
    Allows,
    /// It allows nothing, and no rule behind it is asked.
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
                // Whatever stands behind it is not looked at with what was not enough.
                self.lists = [].iter();
                return Some(Err(spent));
            }
            self.current = Some(list);
        }
    }
}

impl<'p> Candidate<'p> {
    /// What the rule makes of the request.
    pub(super) fn decide(&self, request: &RequestView<'_>) -> Ruling {
        // A stateful rule is for one reading. It does not stand aside for a later rule either, that demands less.
        if !request.has_one_reading() && self.list.stateful().contains_key(&self.rule) {
            Ruling::Denies
        } else {
            Ruling::Allows
        }
    }

    /// The rule as it was written.
    pub(super) fn written(&self) -> Option<&'p Arc<str>> {
        self.list.rules().get(self.rule)
    }

    /// What it demands and gives.
    pub(super) fn state(&self) -> Option<&'p Arc<RuleEffects>> {
        self.list.stateful().get(&self.rule)
    }
}
