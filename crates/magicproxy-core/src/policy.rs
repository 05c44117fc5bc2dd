//! The decision: does a list of rules allow this request, in every reading of its target?
//!
//! Compiled once per token; deciding allocates nothing and takes one table look-up per byte of the path and automaton. Simple
//! patterns, which are most, stand in a tree, which costs about as much as one automaton however many they are.
//! Specification: `rules.md`, `request-target.md` section 4, `state.md` section 2.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::method::is_never_admitted;
use crate::pattern::{Automaton, Budget, MAX_PATTERN_STEPS, Pattern, Tree};
use crate::plugin::PluginName;
use crate::rule::{Methods, Rule, Stateful};
use crate::target::RequestTarget;

mod missing;
mod overlap;
#[cfg(test)]
mod tests;

/// Automata and trees of one token together, in bytes.
const MAX_POLICY_BYTES: usize = 4 * 1024 * 1024;
/// Rules of one method set are put into one automaton while it stays below this size.
const SHARED_AUTOMATON_BYTES: usize = 512 * 1024;
/// Patterns that do not share well make an attempt fail late; after so many, each gets its own automaton.
const MAX_FAILED_ATTEMPTS: usize = 8;
/// So many are tried together at first: ordinary rules then fit, and what they have in common is shared well enough.
const SHARED_PATTERNS: usize = 64;
/// Steps that the attempts of one policy at sharing may take together.
const MAX_SHARING_STEPS: usize = 1_200_000;
/// One rule's own automaton; a rule that passed [`Rule::parse`] fits.
const OWN_AUTOMATON_BYTES: usize = 128 * 1024;

/// A compiled list of rules: a union.
#[derive(Debug)]
pub struct Policy {
    groups: Vec<Group>,
    rules: Vec<Arc<str>>,
    /// By the number of the rule.
    stateful: BTreeMap<usize, Arc<Stateful>>,
    plugins: Vec<PluginName>,
}

/// What a policy says of a request that it allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'p> {
    /// The rule that decides, as it was written.
    pub(crate) rule: &'p Arc<str>,
    /// What that rule demands and gives.
    pub(crate) state: Option<&'p Arc<Stateful>>,
}

/// Rules that admit the same methods.
#[derive(Debug)]
struct Group {
    methods: Methods,
    /// Of all that are simple.
    tree: Option<Tree>,
    /// Of the others.
    automata: Vec<(Automaton, Vec<usize>)>,
}

/// Why rules that are each acceptable make no policy together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Their automata take too much memory.
    #[error("the rules together are too complex: their automata take more than {MAX_POLICY_BYTES} bytes")]
    TooComplex,
}

impl Policy {
    /// Compiles a list of rules.
    ///
    /// # Errors
    /// [`PolicyError::TooComplex`].
    pub fn compile<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, PolicyError> {
        Self::compile_within(rules, &mut PolicyBudget::default())
    }

    /// The same, with what is left of a budget that several policies share.
    pub(crate) fn compile_within<'r>(
        rules: impl IntoIterator<Item = &'r Rule>,
        budget: &mut PolicyBudget,
    ) -> Result<Self, PolicyError> {
        let rules: Vec<&Rule> = rules.into_iter().collect();
        let mut by_methods: Vec<(&Methods, Vec<usize>)> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match by_methods.iter_mut().find(|(known, _)| *known == rule.methods()) {
                Some((_, indexes)) => indexes.push(index),
                None => by_methods.push((rule.methods(), vec![index])),
            }
        }
        let mut groups = Vec::with_capacity(by_methods.len());
        for (methods, indexes) in by_methods {
            let patterns: Vec<(usize, &Pattern)> =
                indexes.into_iter().filter_map(|index| Some((index, rules.get(index)?.pattern()))).collect();
            groups.push(Group::compile(methods.clone(), patterns, budget)?);
        }
        let stateful = rules.iter().enumerate().filter_map(|(index, rule)| Some((index, Arc::clone(rule.state()?)))).collect();
        let rules = rules.iter().map(|rule| rule.to_string().into()).collect();
        Ok(Self { groups, rules, stateful, plugins: Vec::new() })
    }

    /// The same, where these plugins decide as well.
    pub(crate) fn with_plugins(mut self, plugins: Vec<PluginName>) -> Self {
        self.plugins = plugins;
        self
    }

    /// The first rule that allows `method` on the canonical path of `target`, where every reading of the target is
    /// allowed by some rule.
    #[must_use]
    pub fn allows(&self, method: &str, target: &RequestTarget) -> Option<&Arc<str>> {
        self.decide(method, target).map(|allowed| allowed.rule)
    }

    /// The same, with what the rule demands and gives. `state.md` section 2.
    pub(crate) fn decide(&self, method: &str, target: &RequestTarget) -> Option<Allowed<'_>> {
        if is_never_admitted(method) {
            return None;
        }
        let one_reading = target.readings().nth(1).is_none();
        let mut first = None;
        for reading in target.readings() {
            let rule = self.first_match(method, reading)?;
            // A stateful rule is for one reading. It does not stand aside for a later rule either, that demands less.
            if !one_reading && self.stateful.contains_key(&rule) {
                return None;
            }
            first.get_or_insert(rule);
        }
        let first = first?;
        Some(Allowed { rule: self.rules.get(first)?, state: self.stateful.get(&first) })
    }

    /// What its stateful rules demand and give.
    pub(crate) fn stateful(&self) -> impl Iterator<Item = &Arc<Stateful>> {
        self.stateful.values()
    }

    /// The plugins that decide as well.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        &self.plugins
    }

    /// The rules as they were written.
    #[must_use]
    pub fn rules(&self) -> &[Arc<str>] {
        &self.rules
    }

    /// Memory of the automata and trees, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.groups.iter().map(Group::memory_bytes).sum()
    }

    /// The first in the list.
    fn first_match(&self, method: &str, path: &str) -> Option<usize> {
        let admitting = self.groups.iter().filter(|group| group.methods.admit(method));
        admitting.flat_map(|group| group.matches(path)).min()
    }
}

impl Group {
    fn compile(methods: Methods, patterns: Vec<(usize, &Pattern)>, budget: &mut PolicyBudget) -> Result<Self, PolicyError> {
        let simple = patterns.iter().filter_map(|(index, pattern)| Some((u32::try_from(*index).ok()?, pattern.template()?)));
        // Where the tree would be too slow, automata are not.
        let tree = Tree::build(simple);
        let mut others = patterns;
        if let Some(tree) = &tree {
            budget.take(tree.memory_bytes())?;
            others.retain(|(_, pattern)| pattern.template().is_none());
        }
        Ok(Self { methods, tree, automata: compile_automata(&others, budget)? })
    }

    /// Rules that allow this path: of each automaton, and of the tree, the first.
    fn matches(&self, path: &str) -> impl Iterator<Item = usize> {
        let of_tree = self.tree.iter().filter_map(move |tree| tree.first_match(path));
        let of_automata = self.automata.iter();
        of_tree.chain(of_automata.filter_map(move |(automaton, rules)| rules.get(automaton.first_match(path)?).copied()))
    }

    fn memory_bytes(&self) -> usize {
        let automata = self.automata.iter().map(|(automaton, _)| automaton.memory_bytes());
        automata.chain(self.tree.as_ref().map(Tree::memory_bytes)).sum()
    }
}

/// What is left for the rest of a policy, and for those that belong to the same token.
pub(crate) struct PolicyBudget {
    bytes: usize,
    sharing: Budget,
}

impl Default for PolicyBudget {
    fn default() -> Self {
        Self { bytes: MAX_POLICY_BYTES, sharing: Budget::new(MAX_SHARING_STEPS) }
    }
}

impl PolicyBudget {
    fn take(&mut self, bytes: usize) -> Result<(), PolicyError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(PolicyError::TooComplex)?;
        Ok(())
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
            Automaton::compile(&members, OWN_AUTOMATON_BYTES, &mut Budget::new(MAX_PATTERN_STEPS))
        } else {
            Automaton::compile(&members, SHARED_AUTOMATON_BYTES, &mut budget.sharing)
        };
        match compiled {
            Some(automaton) => {
                budget.take(automaton.memory_bytes())?;
                automata.push((automaton, part.iter().map(|(index, _)| *index).collect()));
            }
            None if alone => return Err(PolicyError::TooComplex),
            None => {
                attempts -= 1;
                let (left, right) = part.split_at(part.len() / 2);
                pending.extend([right, left]);
            }
        }
    }
    Ok(automata)
}
