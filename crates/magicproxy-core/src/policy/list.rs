//! A compiled list of rules.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::condition::Conditions;
use crate::pattern::{
    Automaton, Budget, MAX_PATTERN_STEPS, OWN_AUTOMATON_BYTES, Pattern, Tree, Work,
};
use crate::rule::{MAX_RULES, Methods, Rule, RuleEffects};

use super::matches::Matches;
use super::steps::{DecisionSteps, ExhaustedSteps, GroupSteps, ListSteps};
use super::{MAX_POLICY_BYTES, MAX_TOKEN_POLICY_BYTES, PolicyError};

/// The largest automaton that the rules of one method set share, in bytes.
const SHARED_AUTOMATON_BYTES: usize = 512 * 1024;
/// The number of failed attempts at sharing after which each remaining pattern gets its own
/// automaton. Patterns that do not share well make an attempt fail late, and cost much work.
const MAX_FAILED_ATTEMPTS: usize = 8;
/// The number of patterns in a first attempt at sharing: ordinary rules fit, and share enough of
/// their states.
pub(super) const SHARED_PATTERNS: usize = 64;
/// The steps that all attempts at sharing of one policy may take together.
const MAX_SHARING_STEPS: usize = 1_200_000;

/// The classes that a path may have to try in one tree; beyond, automata are faster.
const MAX_TREE_VISITS: usize = 64;
/// The classes that a path may have to try in all trees with one budget. Without this limit, as
/// many trees as rules, each for another set of methods, would each take the maximum.
const MAX_VISITS: usize = 256;
/// The memory of a map's entry and of a counted reference, in bytes.
const ENTRY_BYTES: usize = 64;

/// A list of rules, matched as a whole.
///
/// INVARIANT: a list has at most [`MAX_RULES`] rules, so that [`Matches`] has a place for each.
#[derive(Debug)]
pub(crate) struct RuleList {
    groups: Vec<Group>,
    rules: Vec<Arc<str>>,
    /// The conditions, by the number of the rule.
    conditional: BTreeMap<usize, Arc<Conditions>>,
    /// The effects, by the number of the rule.
    stateful: BTreeMap<usize, Arc<RuleEffects>>,
}

/// The rules that admit the same methods.
#[derive(Debug)]
struct Group {
    methods: Methods,
    /// The tree of all simple patterns.
    tree: Option<Tree>,
    /// The automata of the other patterns, with the numbers of their rules.
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
            let mut patterns: Vec<(usize, &Pattern)> = Vec::with_capacity(indexes.len());
            for index in indexes {
                let Some(rule) = rules.get(index) else { continue };
                patterns.push((index, rule.pattern()));
            }
            groups.push(Group::compile(methods.clone(), patterns, budget)?);
        }
        let conditional: BTreeMap<_, _> = rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| Some((index, Arc::clone(rule.conditions()?))))
            .collect();
        budget.take(memory_of(&conditional))?;
        let stateful = rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| Some((index, Arc::clone(rule.state()?))))
            .collect();
        let rules = rules.iter().map(|rule| rule.to_string().into()).collect();
        Ok(Self { groups, rules, conditional, stateful })
    }

    /// Finds the rules that match a method and one reading of a path, and replaces the content of
    /// `matches`.
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

    /// Returns the rules as texts.
    pub(crate) fn rules(&self) -> &[Arc<str>] {
        &self.rules
    }

    /// Returns the conditions of rules, by the number of the rule.
    pub(super) fn conditional(&self) -> &BTreeMap<usize, Arc<Conditions>> {
        &self.conditional
    }

    /// True if some rule may look into the body of a request.
    pub(super) fn looks_into_bodies(&self) -> bool {
        self.conditional.values().any(|conditions| conditions.looks_into_body())
    }

    /// Returns the effects of rules, by the number of the rule.
    pub(crate) fn stateful(&self) -> &BTreeMap<usize, Arc<RuleEffects>> {
        &self.stateful
    }

    /// Returns the memory of automata and trees in bytes, as limited by [`PolicyBudget`].
    pub(super) fn compiled_bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(Group::memory_bytes).sum();
        groups + memory_of(&self.conditional)
    }

    /// Returns the memory of the rules' texts and of what holds their conditions, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        let texts: usize = self.rules.iter().map(|rule| size_of_val(rule) + rule.len()).sum();
        let conditions = size_of::<Conditions>() + ENTRY_BYTES;
        texts + self.conditional.len() * conditions
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

/// Returns the memory of the conditions of rules, in bytes.
fn memory_of(conditional: &BTreeMap<usize, Arc<Conditions>>) -> usize {
    conditional.values().map(|conditions| conditions.memory_bytes()).sum()
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
        // Automata take over where a tree would be too slow.
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

/// The resources left for the rest of a policy, and for further policies of the same token.
#[derive(Debug)]
pub(crate) struct PolicyBudget {
    bytes: usize,
    visits: usize,
    sharing: Budget,
    steps: ListSteps,
    /// True if a larger budget might have compiled a list differently.
    is_cramped: bool,
}

impl PolicyBudget {
    /// Returns the budget for an operator's configuration.
    pub(crate) fn of_operator() -> Self {
        Self::of_bytes(MAX_POLICY_BYTES, &Work::unlimited())
    }

    /// Returns the budget for the rules of a token.
    pub(crate) fn of_token(work: &Work) -> Self {
        Self::of_bytes(MAX_TOKEN_POLICY_BYTES, work)
    }

    fn of_bytes(bytes: usize, work: &Work) -> Self {
        let sharing = Budget::within(MAX_SHARING_STEPS, work);
        Self { bytes, visits: MAX_VISITS, sharing, steps: ListSteps::default(), is_cramped: false }
    }

    /// True if nothing was taken that lists of one policy share.
    pub(super) fn is_whole(&self) -> bool {
        self.visits == MAX_VISITS && self.sharing.left() == MAX_SHARING_STEPS
    }

    pub(super) fn visits(&self) -> usize {
        self.visits
    }

    /// Returns the steps left for attempts at sharing.
    pub(super) fn sharing(&self) -> usize {
        self.sharing.left()
    }

    /// Takes the visits and steps that compiling a list took before.
    pub(super) fn take_shared(&mut self, visits: usize, sharing: usize) {
        self.visits = self.visits.saturating_sub(visits);
        // An overdraft leaves nothing for further attempts.
        let _ = self.sharing.charge(sharing);
    }

    /// Returns, and clears, whether a larger budget might have compiled the lists so far
    /// differently.
    pub(super) fn take_cramped(&mut self) -> bool {
        std::mem::take(&mut self.is_cramped) || self.sharing.is_spent()
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), PolicyError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(PolicyError::TooComplex)?;
        Ok(())
    }

    /// Takes the steps that a compiled list costs each request.
    pub(super) fn take_steps(&mut self, list: &RuleList) -> Result<(), PolicyError> {
        list.groups.iter().try_for_each(|group| self.steps.add(&group.methods, &group.steps))
    }
}

/// Compiles one automaton for all patterns where they share well, else an automaton for each. In
/// both cases a match costs at most one table look-up per byte and automaton, and never falls back
/// to a slower method.
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
