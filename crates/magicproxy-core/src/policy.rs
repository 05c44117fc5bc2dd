//! The decision: does a list of rules allow this request, in every reading of its target?
//!
//! Compiled once per token, or once per scope; deciding allocates nothing and takes one table look-up per byte of the path and
//! automaton. Simple patterns, which are most, stand in a tree, which costs about as much as one automaton however many they are.
//! Specification: `rules.md`, `request-target.md` section 4, `state.md` section 2.

use std::sync::Arc;

use crate::method::is_never_admitted;
use crate::plugin::PluginName;
use crate::rule::{Rule, Stateful};
use crate::target::RequestTarget;

mod list;
mod missing;
mod overlap;
#[cfg(test)]
mod tests;

use list::OWN_AUTOMATON_BYTES;
pub(crate) use list::{PolicyBudget, RuleList};

/// Automata and trees of what an operator configures, in bytes: of a scope, of a token's scopes together, of a ceiling.
const MAX_POLICY_BYTES: usize = 4 * 1024 * 1024;
/// The same of what a token brings along, its caveats included.
const MAX_TOKEN_BYTES: usize = 1024 * 1024;

/// Compiled lists of rules: a union, in their order.
#[derive(Debug)]
pub struct Policy {
    lists: Vec<Arc<RuleList>>,
    /// Do the lists belong to scopes?
    shared: bool,
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

/// Why rules that are each acceptable make no policy together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Their automata take too much memory.
    #[error("the rules together are too complex: their automata take too much memory")]
    TooComplex,
}

impl Policy {
    /// Compiles a list of rules that an operator configures.
    ///
    /// # Errors
    /// [`PolicyError::TooComplex`].
    pub fn compile<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, PolicyError> {
        Self::compile_within(rules, &mut PolicyBudget::of_operator())
    }

    /// Would a token be accepted that brings this list along?
    pub(crate) fn check_brought(rules: &[Rule]) -> Result<(), PolicyError> {
        Self::compile_within(rules, &mut PolicyBudget::of_token()).map(drop)
    }

    /// The same, with what is left of a budget that several policies share.
    pub(crate) fn compile_within<'r>(
        rules: impl IntoIterator<Item = &'r Rule>,
        budget: &mut PolicyBudget,
    ) -> Result<Self, PolicyError> {
        let rules: Vec<&Rule> = rules.into_iter().collect();
        Ok(Self { lists: vec![Arc::new(RuleList::compile(&rules, budget)?)], shared: false, plugins: Vec::new() })
    }

    /// What scopes allow together, which were compiled when they were configured, where these plugins decide as well.
    pub(crate) fn of_scopes(lists: Vec<Arc<RuleList>>, plugins: Vec<PluginName>) -> Result<Self, PolicyError> {
        PolicyBudget::of_operator().take(lists.iter().map(|list| list.compiled_bytes()).sum())?;
        Ok(Self { lists, shared: true, plugins })
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
            let (list, rule) = self.first_match(method, reading)?;
            // A stateful rule is for one reading. It does not stand aside for a later rule either, that demands less.
            if !one_reading && list.stateful().contains_key(&rule) {
                return None;
            }
            first.get_or_insert((list, rule));
        }
        let (list, rule) = first?;
        Some(Allowed { rule: list.rules().get(rule)?, state: list.stateful().get(&rule) })
    }

    /// What its stateful rules demand and give.
    pub(crate) fn stateful(&self) -> impl Iterator<Item = &Arc<Stateful>> {
        self.lists.iter().flat_map(|list| list.stateful().values())
    }

    /// The plugins that decide as well.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        &self.plugins
    }

    /// The rules as they were written.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<str>> {
        self.lists.iter().flat_map(|list| list.rules())
    }

    /// Memory that it takes, in bytes; what it shares with other tokens does not count.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let own = self.lists.iter().filter(|_| !self.shared);
        own.map(|list| list.compiled_bytes() + list.text_bytes()).sum()
    }

    /// The first rule, and its list.
    fn first_match(&self, method: &str, path: &str) -> Option<(&RuleList, usize)> {
        self.lists.iter().find_map(|list| Some((&**list, list.first_match(method, path)?)))
    }
}
