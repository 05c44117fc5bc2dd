//! Compiled lists of rules, found by what they say: who has compiled a list need not do it again for the next token.
//!
//! What a list costs is charged to each token that brings it along, compiled or found, so that what is accepted never depends on
//! what happens to be kept.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::{PolicyBudget, PolicyError, RuleList};
use crate::pattern::{Budget, PatternMode, Work};
use crate::rule::{MAX_LIST_STEPS, RawRule, Rule, RuleFault};

/// What a list of rules is found by: a digest of all that it says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RulesKey([u8; 32]);

impl RulesKey {
    fn of(rules: &[RawRule], mode: PatternMode) -> Option<Self> {
        let mode: u8 = match mode {
            PatternMode::Whole => 0,
            PatternMode::DangerPrefix => 1,
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[mode]);
        context.update(&serde_json::to_vec(rules).ok()?);
        context.finish().as_ref().try_into().ok().map(Self)
    }
}

impl fmt::Debug for RulesKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RulesKey")
    }
}

/// A compiled list, and what compiling it took.
#[derive(Debug)]
pub struct CompiledRules {
    // INVARIANT: `list` was compiled from these, in this mode.
    written: Vec<RawRule>,
    mode: PatternMode,
    list: Arc<RuleList>,
    pattern_steps: usize,
    sharing_steps: usize,
    visits: usize,
    written_bytes: usize,
}

impl CompiledRules {
    /// Memory that it takes, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.list.compiled_bytes() + self.list.text_bytes() + self.written_bytes
    }

    /// A digest is not enough: what decides for other rules than those of the token would be a way past them.
    fn is_of(&self, rules: &[RawRule], mode: PatternMode) -> bool {
        self.mode == mode && self.written == rules
    }
}

/// Where compiled lists are kept.
pub trait RuleCache {
    /// The list of this key, if it is kept.
    fn get(&self, key: &RulesKey) -> Option<Arc<CompiledRules>>;
    /// Keeps a list that was compiled.
    fn keep(&self, key: RulesKey, rules: &Arc<CompiledRules>);
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRuleCache;

impl RuleCache for NoRuleCache {
    fn get(&self, _: &RulesKey) -> Option<Arc<CompiledRules>> {
        None
    }

    fn keep(&self, _: RulesKey, _: &Arc<CompiledRules>) {}
}

/// Compiles what tokens bring along, with what is kept and as much work as may be done now.
#[derive(Clone)]
pub struct RuleCompiler<'c> {
    cache: &'c dyn RuleCache,
    work: Work,
}

impl fmt::Debug for RuleCompiler<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RuleCompiler").field("work", &self.work).finish_non_exhaustive()
    }
}

impl<'c> RuleCompiler<'c> {
    /// With this cache, and as much work.
    #[must_use]
    pub fn new(cache: &'c dyn RuleCache, work: Work) -> Self {
        Self { cache, work }
    }

    /// What is left of its work. Where that is spent, a refusal says nothing about the rules.
    #[must_use]
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// What one token may bring along.
    pub(crate) fn token(&self) -> BroughtRules<'_> {
        BroughtRules {
            compiler: self,
            patterns: Budget::within(MAX_LIST_STEPS, &self.work),
            policies: PolicyBudget::of_token(&self.work),
        }
    }
}

impl Default for RuleCompiler<'static> {
    /// Keeps nothing, and does what has to be done.
    fn default() -> Self {
        Self::new(&NoRuleCache, Work::unlimited())
    }
}

/// Why a list that a token brings along is not accepted.
#[derive(Debug)]
pub(crate) enum BroughtError {
    Rules(Vec<RuleFault>),
    /// One of them names an owner.
    Owner,
    Policy(PolicyError),
}

impl From<PolicyError> for BroughtError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

/// What is left for the rules of one token: those of its claims and of its caveats together cost no more than one list may.
#[derive(Debug)]
pub(crate) struct BroughtRules<'c> {
    compiler: &'c RuleCompiler<'c>,
    patterns: Budget,
    policies: PolicyBudget,
}

impl BroughtRules<'_> {
    /// The list, compiled or found.
    pub(crate) fn list(
        &mut self,
        rules: &[RawRule],
        mode: PatternMode,
    ) -> Result<Arc<RuleList>, BroughtError> {
        let key = RulesKey::of(rules, mode);
        let found = key
            .and_then(|key| self.compiler.cache.get(&key))
            .filter(|found| found.is_of(rules, mode));
        if let Some(found) = found.filter(|found| self.policies.gives_the_same(found)) {
            self.charge(&found)?;
            return Ok(Arc::clone(&found.list));
        }
        let from_the_beginning = self.policies.is_whole();
        let (compiled, cramped) = self.compile(rules, mode)?;
        // What was made of less than there is for a list alone is not what another token would make of it.
        if let Some(key) = key.filter(|_| from_the_beginning || !cramped) {
            self.compiler.cache.keep(key, &compiled);
        }
        Ok(Arc::clone(&compiled.list))
    }

    /// Takes what the list took when it was compiled.
    fn charge(&mut self, found: &CompiledRules) -> Result<(), BroughtError> {
        self.patterns
            .charge(found.pattern_steps)
            .ok_or_else(|| BroughtError::Rules(vec![RuleFault::TooComplex]))?;
        Ok(self.policies.charge(found)?)
    }

    fn compile(
        &mut self,
        rules: &[RawRule],
        mode: PatternMode,
    ) -> Result<(Arc<CompiledRules>, bool), BroughtError> {
        let (patterns, visits, sharing) =
            (self.patterns.left(), self.policies.visits(), self.policies.sharing());
        let parsed = Rule::parse_list_within(rules, mode, &mut self.patterns)
            .map_err(BroughtError::Rules)?;
        if parsed.iter().any(Rule::names_owner) {
            return Err(BroughtError::Owner);
        }
        let list = RuleList::compile(&parsed.iter().collect::<Vec<_>>(), &mut self.policies)?;
        let compiled = CompiledRules {
            written: rules.to_vec(),
            mode,
            list: Arc::new(list),
            pattern_steps: patterns - self.patterns.left(),
            sharing_steps: sharing - self.policies.sharing(),
            visits: visits - self.policies.visits(),
            written_bytes: rules
                .iter()
                .map(|rule| size_of::<RawRule>() + rule.to_string().len())
                .sum(),
        };
        Ok((Arc::new(compiled), self.policies.take_cramped()))
    }
}

impl PolicyBudget {
    /// Would the list be compiled to the same with what is left?
    fn gives_the_same(&self, found: &CompiledRules) -> bool {
        found.visits <= self.visits() && found.sharing_steps <= self.sharing()
    }

    fn charge(&mut self, found: &CompiledRules) -> Result<(), PolicyError> {
        self.take_shared(found.visits, found.sharing_steps);
        self.take(found.list.compiled_bytes())?;
        self.take_steps(&found.list)
    }
}
