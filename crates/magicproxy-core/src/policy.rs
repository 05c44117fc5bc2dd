//! Policies: compiled lists of rules, and the decision whether they allow a request in every
//! reading of its target.
//!
//! A list is compiled once per token, or once per scope. A decision allocates nothing, and takes
//! one table look-up per byte of the path and automaton. Simple patterns, the majority, share a
//! tree, which costs about as much as one automaton for any number of patterns. The total cost of
//! one request is bounded (`steps`). Specification: `rules.md`, `request-target.md` section 4,
//! `state.md` section 2.

use std::sync::Arc;

use crate::condition::{BodyTests, NeededPart, Reason};
use crate::method::is_never_admitted;
use crate::plugin::PluginName;
use crate::request::RequestView;
use crate::rule::{Rule, RuleEffects};
use crate::target::RequestTarget;

mod candidates;
mod compiled;
mod list;
mod matches;
mod missing;
mod overlap;
mod pushes;
mod steps;
#[cfg(test)]
mod tests;
mod vain;

pub use crate::pattern::Work;
use candidates::{Candidate, Candidates, Ruling};
pub use compiled::{CompiledRules, NoRuleCache, RuleCache, RuleCompiler, RulesKey};
pub(crate) use compiled::{TokenRuleBudget, TokenRuleError};
pub(crate) use list::{PolicyBudget, RuleList};
pub use missing::{RuleOrigin, UnmetRule};
pub(crate) use steps::ExhaustedSteps;
pub use steps::{DecisionSteps, MAX_DECISION_STEPS};
pub use vain::VainRule;

/// The memory of automata and trees from an operator's configuration, in bytes: the limit for a
/// scope, for all scopes of a token together, and for a ceiling.
const MAX_POLICY_BYTES: usize = 4 * 1024 * 1024;
/// The memory of automata and trees from one token, its caveats included, in bytes.
const MAX_TOKEN_POLICY_BYTES: usize = 1024 * 1024;

/// Compiled lists of rules in order, whose union decides: the rules of a token or a caveat, of
/// scopes, or of a ceiling.
#[derive(Debug)]
pub struct Policy {
    lists: Vec<Arc<RuleList>>,
    /// True if the lists belong to scopes, and are shared by tokens.
    shared: bool,
    plugins: Vec<PluginName>,
}

/// The rule by which a policy allows a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatchedRule<'p> {
    /// The text of the deciding rule.
    pub(crate) rule: &'p Arc<str>,
    /// The effects of the deciding rule.
    pub(crate) state: Option<&'p Arc<RuleEffects>>,
}

/// The decision of a policy on a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PolicyDecision<'p> {
    Allowed(MatchedRule<'p>),
    /// No rule allows the request, or one denies it.
    NotAllowed,
    /// No rule allows the request, and it could not be judged by this one.
    Unknown(Reason),
    /// A rule cannot decide before this part is known.
    Needs(NeededPart),
}

impl<'p> PolicyDecision<'p> {
    /// Returns the rule that allows the request, if one does.
    pub(crate) fn matched(self) -> Option<MatchedRule<'p>> {
        match self {
            Self::Allowed(matched) => Some(matched),
            Self::NotAllowed | Self::Unknown(_) | Self::Needs(_) => None,
        }
    }
}

/// The decision of a policy on a request in one reading of its path.
enum ReadingDecision<'p> {
    Allowed(Candidate<'p>),
    NotAllowed(Option<Reason>),
    Needs(NeededPart),
}

/// The reason for which rules that are each acceptable make no policy together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The automata take too much memory.
    #[error("the rules together are too complex: their automata take too much memory")]
    TooComplex,
    /// Deciding a request would ask too many patterns.
    #[error(
        "the rules together are too costly: deciding a request by them takes too many steps; write fewer, or simpler ones"
    )]
    TooCostly,
}

impl Policy {
    /// Compiles a list of rules from the operator's configuration.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn compile<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, PolicyError> {
        Self::compile_within(rules, &mut PolicyBudget::of_operator())
    }

    /// Checks that a token with this list of rules would be accepted.
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

    /// Makes the policy of a token's own list.
    pub(crate) fn of_list(list: Arc<RuleList>) -> Self {
        Self { lists: vec![list], shared: false, plugins: Vec::new() }
    }

    /// Makes a policy that allows nothing.
    pub(crate) fn nothing() -> Self {
        Self { lists: Vec::new(), shared: false, plugins: Vec::new() }
    }

    /// Makes the policy of scopes, which were compiled with the configuration, and of their
    /// plugins.
    pub(crate) fn of_scopes(
        lists: Vec<Arc<RuleList>>,
        plugins: Vec<PluginName>,
    ) -> Result<Self, PolicyError> {
        let mut budget = PolicyBudget::of_operator();
        budget.take(lists.iter().map(|list| list.compiled_bytes()).sum())?;
        lists.iter().try_for_each(|list| budget.take_steps(list))?;
        Ok(Self { lists, shared: true, plugins })
    }

    /// Returns the first rule that allows `method` on the canonical path of `target`. `None` unless
    /// every reading of the target is allowed by some rule, and a request's steps suffice to
    /// decide.
    #[must_use]
    pub fn allows(&self, method: &str, target: &RequestTarget) -> Option<&Arc<str>> {
        self.allows_within(method, target, &DecisionSteps::new())
    }

    /// Decides as [`Self::allows`], with the steps that are left for the request.
    #[must_use]
    pub fn allows_within(
        &self,
        method: &str,
        target: &RequestTarget,
        steps: &DecisionSteps,
    ) -> Option<&Arc<str>> {
        let decision = self.decide(&RequestView::unread(method, target), steps).ok()?;
        decision.matched().map(|matched| matched.rule)
    }

    /// Decides a request and returns the rule's effects as well. `state.md` section 2,
    /// `conditions.md` section 3.
    pub(crate) fn decide(
        &self,
        request: &RequestView<'_>,
        steps: &DecisionSteps,
    ) -> Result<PolicyDecision<'_>, ExhaustedSteps> {
        if is_never_admitted(request.method()) {
            return Ok(PolicyDecision::NotAllowed);
        }
        let (mut first, mut is_denied, mut unknown) = (None, false, None);
        for reading in request.target().readings() {
            match self.decide_reading(request, reading, steps)? {
                ReadingDecision::Allowed(candidate) => {
                    first.get_or_insert(candidate);
                }
                // A reason in another reading still counts: no plugin lifts it.
                ReadingDecision::NotAllowed(reason) => {
                    is_denied = true;
                    unknown = unknown.or(reason);
                }
                ReadingDecision::Needs(part) => return Ok(PolicyDecision::Needs(part)),
            }
        }
        if let Some(reason) = unknown {
            return Ok(PolicyDecision::Unknown(reason));
        }
        if is_denied {
            return Ok(PolicyDecision::NotAllowed);
        }
        let matched = first.and_then(|candidate: Candidate<'_>| {
            Some(MatchedRule { rule: candidate.written()?, state: candidate.effects_on(request) })
        });
        Ok(matched.map_or(PolicyDecision::NotAllowed, PolicyDecision::Allowed))
    }

    /// Decides a request in one reading of its path: the first rule that is true allows.
    fn decide_reading(
        &self,
        request: &RequestView<'_>,
        reading: &str,
        steps: &DecisionSteps,
    ) -> Result<ReadingDecision<'_>, ExhaustedSteps> {
        let mut reason = None;
        for candidate in self.candidates(request.method(), reading, steps) {
            let candidate = candidate?;
            match candidate.decide(request, reading, steps)? {
                Ruling::Allows => return Ok(ReadingDecision::Allowed(candidate)),
                Ruling::GivesWay => {}
                Ruling::Unknown(unknown) => {
                    reason.get_or_insert(unknown);
                }
                Ruling::Denies(unknown) => return Ok(ReadingDecision::NotAllowed(unknown)),
                Ruling::Needs(part) => return Ok(ReadingDecision::Needs(part)),
            }
        }
        Ok(ReadingDecision::NotAllowed(reason))
    }

    /// Gathers the rules that may look into the body of a request.
    pub(crate) fn gather_body_tests(
        &self,
        request: &RequestView<'_>,
        steps: &DecisionSteps,
        tests: &mut BodyTests,
    ) -> Result<(), ExhaustedSteps> {
        if !self.lists.iter().any(|list| list.looks_into_bodies()) {
            return Ok(());
        }
        for reading in request.target().readings() {
            for candidate in self.candidates(request.method(), reading, steps) {
                if let Some(conditions) = candidate?.conditions()
                    && conditions.looks_into_body()
                {
                    tests.add(conditions);
                }
            }
        }
        Ok(())
    }

    /// Returns the rules that match a method and one reading of a path.
    fn candidates<'r>(
        &self,
        method: &'r str,
        reading: &'r str,
        steps: &'r DecisionSteps,
    ) -> Candidates<'_, 'r> {
        Candidates::new(&self.lists, method, reading, steps)
    }

    /// Returns the effects of the rules that have effects.
    pub(crate) fn stateful(&self) -> impl Iterator<Item = &Arc<RuleEffects>> {
        self.lists.iter().flat_map(|list| list.stateful().values())
    }

    /// Returns the plugins that decide as well.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        &self.plugins
    }

    /// Returns the rules as texts.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<str>> {
        self.lists.iter().flat_map(|list| list.rules())
    }

    /// Returns the memory of the policy in bytes, without memory shared with other tokens.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let own = self.lists.iter().filter(|_| !self.shared);
        own.map(|list| list.compiled_bytes() + list.text_bytes()).sum()
    }
}
