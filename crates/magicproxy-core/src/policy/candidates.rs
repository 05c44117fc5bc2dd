//! Candidates: the rules that match a request's method and one reading of its path, in rule order.
//! Each candidate is then decided.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::list::RuleList;
use super::matches::Matches;
use super::steps::{DecisionSteps, ExhaustedSteps};
use crate::condition::{Asked, Conditions, NeededPart, Outcome, Reason};
use crate::request::RequestView;
use crate::rule::RuleEffects;

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
    /// The rule does not allow the request, and the next rule is asked.
    GivesWay,
    /// The rule cannot be judged for the request, and the next rule is asked.
    Unknown(Reason),
    /// The rule denies the request, and no later rule is asked. A reason tells what could not be
    /// judged.
    Denies(Option<Reason>),
    /// The rule cannot decide before this part of the request is known.
    Needs(NeededPart),
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
    /// Decides the request by this rule, in one reading of its path.
    pub(super) fn decide(
        &self,
        request: &RequestView<'_>,
        reading: &str,
        steps: &DecisionSteps,
    ) -> Result<Ruling, ExhaustedSteps> {
        if let Some(conditions) = self.conditions() {
            steps.take(conditions.push_steps(request.parts()))?;
        }
        Ok(self.rule_on(request, reading))
    }

    fn rule_on(&self, request: &RequestView<'_>, reading: &str) -> Ruling {
        let has_effects = self.state().is_some();
        // A rule with effects applies to targets with one reading only. On other targets the rule
        // denies instead of yielding, since a later rule may demand less.
        if has_effects && !request.has_one_reading() {
            return Ruling::Denies(None);
        }
        let Some(conditions) = self.conditions() else { return Ruling::Allows };
        let asked = (request.method(), reading);
        match conditions.ask(asked, request.target().query(), request.parts()) {
            Asked::Outcome(Outcome::True) => Ruling::Allows,
            Asked::Outcome(Outcome::False) => Ruling::GivesWay,
            // A request that is garbled on purpose must not reach a rule without the effects.
            Asked::Outcome(Outcome::Unknown(reason)) if has_effects => Ruling::Denies(Some(reason)),
            Asked::Outcome(Outcome::Unknown(reason)) => Ruling::Unknown(reason),
            Asked::Needs(part) => Ruling::Needs(part),
        }
    }

    /// Returns the conditions of the rule.
    pub(super) fn conditions(&self) -> Option<&'p Arc<Conditions>> {
        self.list.conditional().get(&self.rule)
    }

    /// Returns the number of the rule among all rules of these lists, from 1.
    pub(super) fn number_in(&self, lists: &[Arc<RuleList>]) -> usize {
        let before = lists.iter().take_while(|list| !std::ptr::eq(&***list, self.list));
        before.map(|list| list.rules().len()).sum::<usize>() + self.rule + 1
    }

    /// Returns the text of the rule.
    pub(super) fn written(&self) -> Option<&'p Arc<str>> {
        self.list.rules().get(self.rule)
    }

    /// Returns the effects of the rule on this request, which it allows.
    pub(super) fn effects_on(&self, request: &RequestView<'_>) -> Option<&'p Arc<RuleEffects>> {
        let applies = |conditions: &Arc<Conditions>| conditions.has_effects_on(request.parts());
        self.state().filter(|_| self.conditions().is_none_or(applies))
    }

    /// Returns the effects of the rule.
    pub(super) fn state(&self) -> Option<&'p Arc<RuleEffects>> {
        self.list.stateful().get(&self.rule)
    }
}
