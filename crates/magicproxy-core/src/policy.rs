//! The decision: does a list of rules allow this request, in every reading of its target?
//!
//! Compiled once per token, or once per scope; deciding allocates nothing and takes one table look-up per byte of the path and
//! automaton. Simple patterns, which are most, stand in a tree, which costs about as much as one automaton however many they are.
//! What one request may cost in all is bounded (`steps`).
//! Specification: `rules.md`, `request-target.md` section 4, `state.md` section 2.

use std::sync::Arc;

use crate::method::is_never_admitted;
use crate::plugin::PluginName;
use crate::rule::{Rule, RuleEffects};
use crate::target::{RequestTarget, RequestView};

mod candidates;
mod compiled;
mod list;
mod matches;
mod missing;
mod overlap;
mod steps;
#[cfg(test)]
mod tests;

pub use crate::pattern::Work;
use candidates::{Candidates, Ruling};
pub(crate) use compiled::{BroughtError, BroughtRules};
pub use compiled::{CompiledRules, NoRuleCache, RuleCache, RuleCompiler, RulesKey};
use list::OWN_AUTOMATON_BYTES;
pub(crate) use list::{PolicyBudget, RuleList};
pub(crate) use steps::ExhaustedSteps;
pub use steps::{DecisionSteps, MAX_DECISION_STEPS};

/// Automata and trees of what an operator configures, in bytes: of a scope, of a token's scopes together, of a ceiling.
const MAX_POLICY_BYTES: usize = 4 * 1024 * 1024;
/// The same of what a token brings along, its caveats included.
const MAX_TOKEN_POLICY_BYTES: usize = 1024 * 1024;

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
pub(crate) struct MatchedRule<'p> {
    /// The rule that decides, as it was written.
    pub(crate) rule: &'p Arc<str>,
    /// What that rule demands and gives.
    pub(crate) state: Option<&'p Arc<RuleEffects>>,
}

/// Why rules that are each acceptable make no policy together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Their automata take too much memory.
    #[error("the rules together are too complex: their automata take too much memory")]
    TooComplex,
    /// Too many patterns are asked about one request.
    #[error(
        "the rules together are too costly: deciding a request by them takes too many steps; write fewer, or simpler ones"
    )]
    TooCostly,
}

impl Policy {
    /// Compiles a list of rules that an operator configures.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn compile<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, PolicyError> {
        Self::compile_within(rules, &mut PolicyBudget::of_operator())
    }

    /// Would a token be accepted that brings this list along?
    pub(crate) fn check_brought(rules: &[Rule], work: &Work) -> Result<(), PolicyError> {
        Self::compile_within(rules, &mut PolicyBudget::of_token(work)).map(drop)
    }

    fn compile_within<'r>(
        rules: impl IntoIterator<Item = &'r Rule>,
        budget: &mut PolicyBudget,
    ) -> Result<Self, PolicyError> {
        let rules: Vec<&Rule> = rules.into_iter().collect();
        Ok(Self::of_list(Arc::new(RuleList::compile(&rules, budget)?)))
    }

    /// Of a list that a token brings along.
    pub(crate) fn of_list(list: Arc<RuleList>) -> Self {
        Self { lists: vec![list], shared: false, plugins: Vec::new() }
    }

    /// What allows nothing.
    pub(crate) fn nothing() -> Self {
        Self { lists: Vec::new(), shared: false, plugins: Vec::new() }
    }

    /// What scopes allow together, which were compiled when they were configured, where these plugins decide as well.
    pub(crate) fn of_scopes(
        lists: Vec<Arc<RuleList>>,
        plugins: Vec<PluginName>,
    ) -> Result<Self, PolicyError> {
        let mut budget = PolicyBudget::of_operator();
        budget.take(lists.iter().map(|list| list.compiled_bytes()).sum())?;
        lists.iter().try_for_each(|list| budget.take_steps(list))?;
        Ok(Self { lists, shared: true, plugins })
    }

    /// The first rule that allows `method` on the canonical path of `target`, where every reading of the target is
    /// allowed by some rule, and telling so takes no more steps than a request has.
    #[must_use]
    pub fn allows(&self, method: &str, target: &RequestTarget) -> Option<&Arc<str>> {
        self.allows_within(method, target, &DecisionSteps::new())
    }

    /// The same, with what is left of a request's steps.
    #[must_use]
    pub fn allows_within(
        &self,
        method: &str,
        target: &RequestTarget,
        steps: &DecisionSteps,
    ) -> Option<&Arc<str>> {
        self.decide(&RequestView::unread(method, target), steps).ok()?.map(|allowed| allowed.rule)
    }

    /// The same, with what the rule demands and gives. `state.md` section 2.
    pub(crate) fn decide(
        &self,
        request: &RequestView<'_>,
        steps: &DecisionSteps,
    ) -> Result<Option<MatchedRule<'_>>, ExhaustedSteps> {
        if is_never_admitted(request.method()) {
            return Ok(None);
        }
        let mut first = None;
        for reading in request.target().readings() {
            let Some(candidate) =
                self.candidates(request.method(), reading, steps).next().transpose()?
            else {
                return Ok(None);
            };
            match candidate.decide(request) {
                Ruling::Allows => first.get_or_insert(candidate),
                Ruling::Denies => return Ok(None),
            };
        }
        Ok(first.and_then(|candidate| {
            Some(MatchedRule { rule: candidate.written()?, state: candidate.state() })
        }))
    }

    /// The rules that match a method and one reading of a path.
    fn candidates<'r>(
        &self,
        method: &'r str,
        reading: &'r str,
        steps: &'r DecisionSteps,
    ) -> Candidates<'_, 'r> {
        Candidates::new(&self.lists, method, reading, steps)
    }

    /// What its stateful rules demand and give.
    pub(crate) fn stateful(&self) -> impl Iterator<Item = &Arc<RuleEffects>> {
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
}
