//! One list of rules, compiled.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::pattern::{Automaton, Budget, MAX_PATTERN_STEPS, Pattern, Tree, Work};
use crate::rule::{MAX_RULES, Methods, Rule, RuleEffects};

use super::matches::Matches;
use super::steps::{DecisionSteps, ExhaustedSteps, GroupSteps, ListSteps};
use super::{MAX_POLICY_BYTES, MAX_TOKEN_POLICY_BYTES, PolicyError};

/// Rules of one method set are put into one automaton while it stays below this size.
const SHARED_AUTOMATON_BYTES: usize = 512 * 1024;
/// Patterns that do not share well make an attempt fail late; after so many, each gets its own automaton.
const MAX_FAILED_ATTEMPTS: usize = 8;
/// So many are tried together at first: ordinary rules then fit, and what they have in common is shared well enough.
pub(super) const SHARED_PATTERNS: usize = 64;
/// Steps that the attempts of one policy at sharing may take together.
const MAX_SHARING_STEPS: usize = 1_200_000;
/// One rule's own automaton; a rule that passed [`Rule::parse`] fits.
pub(super) const OWN_AUTOMATON_BYTES: usize = 128 * 1024;

/// Classes that a path may have to try in one tree; where there could be more, automata are faster.
const MAX_TREE_VISITS: usize = 64;
/// The same in all trees that share a budget: one for each set of methods would be as many as there are rules.
const MAX_VISITS: usize = 256;

/// A list of rules that is matched as a whole.
///
/// INVARIANT: it has at most [`MAX_RULES`], so that [`Matches`] has a place for each.
#[derive(Debug)]
pub(crate) struct RuleList {
    groups: Vec<Group>,
    rules: Vec<Arc<str>>,
    /// By the number of the rule.
    stateful: BTreeMap<usize, Arc<RuleEffects>>,
}

/// Rules that admit the same methods.
#[derive(Debug)]
struct Group {
    methods: Methods,
    /// Of all that are simple.
    tree: Option<Tree>,
    /// Of the others.
    automata: Vec<(Automaton, Vec<usize>)>,
    steps: GroupSteps,
}

impl RuleList {
    pub(crate) fn compile(rules: &[&Rule], budget: &mut PolicyBudget) -> Result<Self, PolicyError> {
        if rules.len() > MAX_RULES {
            return Err(PolicyError::TooComplex);
        }
        let mut by_methods: Vec<(&Methods, Vec<usize>)> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match by_methods.iter_mut().find(|(known, _)| *known == rule.methods()) {
                Some((_, indexes)) => indexes.push(index),
                None => by_methods.push((rule.methods(), vec![index])),
            }
        }
        let mut groups = Vec::with_capacity(by_methods.len());
        for (methods, indexes) in by_methods {
            let patterns: Vec<(usize, &Pattern)> = indexes
                .into_iter()
                .filter_map(|index| Some((index, rules.get(index)?.pattern())))
                .collect();
            groups.push(Group::compile(methods.clone(), patterns, budget)?);
        }
        let stateful = rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| Some((index, Arc::clone(rule.state()?))))
            .collect();
        let rules = rules.iter().map(|rule| rule.to_string().into()).collect();
        Ok(Self { groups, rules, stateful })
    }

    /// Finds the rules that match a method and one reading of a path, in place of what `matches` has.
    pub(super) fn find_matches(
        &self,
        method: &str,
        reading: &str,
        steps: &DecisionSteps,
        matches: &mut Matches,
    ) -> Result<(), ExhaustedSteps> {
        matches.clear();
        for group in &self.groups {
            steps.take(group.steps.methods)?;
            if group.methods.admit(method) {
                steps.take(group.steps.for_path(reading.len()))?;
                group.add_matches(reading, matches);
            }
        }
        Ok(())
    }

    /// The rules as they were written.
    pub(crate) fn rules(&self) -> &[Arc<str>] {
        &self.rules
    }

    /// What its stateful rules demand and give, by the number of the rule.
    pub(crate) fn stateful(&self) -> &BTreeMap<usize, Arc<RuleEffects>> {
        &self.stateful
    }

    /// Memory of the automata and trees, in bytes: what the limit is about.
    pub(super) fn compiled_bytes(&self) -> usize {
        self.groups.iter().map(Group::memory_bytes).sum()
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.rules.iter().map(|rule| rule.len()).sum()
    }

    #[cfg(test)]
    pub(super) fn visits(&self) -> usize {
        self.groups.iter().filter_map(|group| group.tree.as_ref()).map(Tree::visits).sum()
    }

    #[cfg(test)]
    pub(super) fn automata(&self) -> usize {
        self.groups.iter().map(|group| group.automata.len()).sum()
    }
}

impl Group {
    fn compile(
        methods: Methods,
        patterns: Vec<(usize, &Pattern)>,
        budget: &mut PolicyBudget,
    ) -> Result<Self, PolicyError> {
        let simple = patterns.iter().filter_map(|(index, pattern)| {
            Some((u32::try_from(*index).ok()?, pattern.template()?))
        });
        // Where the tree would be too slow, automata are not.
        let tree = Tree::build(simple, budget.visits.min(MAX_TREE_VISITS));
        budget.is_cramped |= tree.is_none() && budget.visits < MAX_TREE_VISITS;
        let mut others = patterns;
        if let Some(tree) = &tree {
            budget.take(tree.memory_bytes())?;
            budget.visits = budget.visits.saturating_sub(tree.visits());
            others.retain(|(_, pattern)| pattern.template().is_none());
        }
        let automata = compile_automata(&others, budget)?;
        let steps = GroupSteps::new(
            &methods,
            tree.as_ref(),
            automata.iter().map(|(automaton, _)| automaton),
        );
        budget.steps.add(&methods, &steps)?;
        Ok(Self { methods, tree, automata, steps })
    }

    /// Adds the rules whose patterns match this path.
    fn add_matches(&self, path: &str, matches: &mut Matches) {
        if let Some(tree) = &self.tree {
            tree.each_match(path, |rule| matches.add(rule));
        }
        for (automaton, rules) in &self.automata {
            automaton
                .matches(path)
                .filter_map(|pattern| rules.get(pattern))
                .for_each(|rule| matches.add(*rule));
        }
    }

    fn memory_bytes(&self) -> usize {
        let automata = self.automata.iter().map(|(automaton, _)| automaton.memory_bytes());
        automata.chain(self.tree.as_ref().map(Tree::memory_bytes)).sum()
    }
}

/// What is left for the rest of a policy, and for those that belong to the same token.
#[derive(Debug)]
pub(crate) struct PolicyBudget {
    bytes: usize,
    visits: usize,
    sharing: Budget,
    steps: ListSteps,
    /// Might a list have been compiled to something else, had there been more?
    is_cramped: bool,
}

impl PolicyBudget {
    /// For what an operator configures.
    pub(crate) fn of_operator() -> Self {
        Self::of_bytes(MAX_POLICY_BYTES, &Work::unlimited())
    }

    /// For what a token brings along.
    pub(crate) fn of_token(work: &Work) -> Self {
        Self::of_bytes(MAX_TOKEN_POLICY_BYTES, work)
    }

    fn of_bytes(bytes: usize, work: &Work) -> Self {
        let sharing = Budget::within(MAX_SHARING_STEPS, work);
        Self { bytes, visits: MAX_VISITS, sharing, steps: ListSteps::default(), is_cramped: false }
    }

    /// Was nothing taken that one list leaves to the next?
    pub(super) fn is_whole(&self) -> bool {
        self.visits == MAX_VISITS && self.sharing.left() == MAX_SHARING_STEPS
    }

    pub(super) fn visits(&self) -> usize {
        self.visits
    }

    /// Steps that are left for attempts at sharing.
    pub(super) fn sharing(&self) -> usize {
        self.sharing.left()
    }

    /// Takes what attempts at sharing and trees took before.
    pub(super) fn take_shared(&mut self, visits: usize, sharing: usize) {
        self.visits = self.visits.saturating_sub(visits);
        // Where it is not enough, nothing is left.
        let _ = self.sharing.charge(sharing);
    }

    /// Might the lists up to here have been compiled to something else, had there been more?
    pub(super) fn take_cramped(&mut self) -> bool {
        std::mem::take(&mut self.is_cramped) || self.sharing.is_spent()
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), PolicyError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(PolicyError::TooComplex)?;
        Ok(())
    }

    /// Takes what a compiled list costs each request.
    pub(super) fn take_steps(&mut self, list: &RuleList) -> Result<(), PolicyError> {
        list.groups.iter().try_for_each(|group| self.steps.add(&group.methods, &group.steps))
    }
}

/// One automaton for all patterns where they share well, else one for each: a match costs at most one table look-up per
/// byte and automaton either way, and never falls back to something slower.
fn compile_automata(
    patterns: &[(usize, &Pattern)],
    budget: &mut PolicyBudget,
) -> Result<Vec<(Automaton, Vec<usize>)>, PolicyError> {
    let mut automata = Vec::new();
    let mut pending: Vec<&[(usize, &Pattern)]> = patterns.chunks(SHARED_PATTERNS).rev().collect();
    let mut attempts = MAX_FAILED_ATTEMPTS;
    while let Some(part) = pending.pop() {
        let alone = part.len() <= 1;
        if !alone && attempts == 0 {
            pending.extend(part.chunks(1).rev());
            continue;
        }
        let members: Vec<&Pattern> = part.iter().map(|(_, pattern)| *pattern).collect();
        let compiled = if alone {
            Automaton::compile(
                &members,
                OWN_AUTOMATON_BYTES,
                &mut Budget::within(MAX_PATTERN_STEPS, budget.sharing.work()),
            )
        } else {
            Automaton::compile(&members, SHARED_AUTOMATON_BYTES, &mut budget.sharing)
        };
        match compiled {
            Some(automaton) => {
                budget.take(automaton.memory_bytes())?;
                automata.push((automaton, part.iter().map(|(index, _)| *index).collect()));
            }
            None if alone || budget.sharing.work().is_spent() => {
                return Err(PolicyError::TooComplex);
            }
            None => {
                attempts -= 1;
                let (left, right) = part.split_at(part.len() / 2);
                pending.extend([right, left]);
            }
        }
    }
    Ok(automata)
}
