//! A cache of compiled lists of rules, by their content: a list that one token brought need not be
//! compiled for the next.
//!
//! The cost of a list is charged to every token with that list, compiled or found in the cache, so
//! that the cache's content never changes which tokens are accepted.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::{PolicyBudget, PolicyError, RuleList};
use crate::pattern::{Budget, PatternMode, Work};
use crate::rule::{MAX_LIST_STEPS, RawRule, Rule, RuleFault};

/// The cache key of a list of rules: a digest of the whole list and its pattern mode.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RulesKey([u8; 32]);

impl RulesKey {
    fn of(written: &[u8], mode: PatternMode) -> Option<Self> {
        let mode: u8 = match mode {
            PatternMode::Whole => 0,
            PatternMode::DangerPrefix => 1,
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[mode]);
        context.update(written);
        context.finish().as_ref().try_into().ok().map(Self)
    }
}

impl fmt::Debug for RulesKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RulesKey")
    }
}

/// A compiled list, with the cost of compiling it.
#[derive(Debug)]
pub struct CompiledRules {
    /// The rules in JSON, of which no two lists have the same. As values they would take several
    /// times the memory.
    // INVARIANT: `list` was compiled from `written`, in `mode`.
    written: Box<[u8]>,
    mode: PatternMode,
    list: Arc<RuleList>,
    pattern_steps: usize,
    sharing_steps: usize,
    visits: usize,
}

impl CompiledRules {
    /// Returns the memory of the list in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.list.compiled_bytes() + self.list.text_bytes() + self.written.len()
    }

    /// True if the list was compiled from exactly these rules. The digest alone is not trusted: a
    /// list compiled from other rules than the token's would be a way around them.
    fn is_of(&self, written: &[u8], mode: PatternMode) -> bool {
        self.mode == mode && *self.written == *written
    }
}

/// A store of compiled lists.
pub trait RuleCache {
    /// Returns the list of this key, if kept.
    fn get(&self, key: &RulesKey) -> Option<Arc<CompiledRules>>;
    /// Keeps a compiled list.
    fn keep(&self, key: RulesKey, rules: &Arc<CompiledRules>);
}

/// A cache that keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRuleCache;

impl RuleCache for NoRuleCache {
    fn get(&self, _: &RulesKey) -> Option<Arc<CompiledRules>> {
        None
    }

    fn keep(&self, _: RulesKey, _: &Arc<CompiledRules>) {}
}

/// A compiler for the rules of tokens, with a cache and a limit of work.
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
    /// Makes a compiler with this cache and this work.
    #[must_use]
    pub fn new(cache: &'c dyn RuleCache, work: Work) -> Self {
        Self { cache, work }
    }

    /// Returns the work left. Once the work is spent, a refusal says nothing about the rules.
    #[must_use]
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Returns the budget for the rules of one token.
    pub(crate) fn token(&self) -> TokenRuleBudget<'_> {
        TokenRuleBudget {
            compiler: self,
            patterns: Budget::within(MAX_LIST_STEPS, &self.work),
            policies: PolicyBudget::of_token(&self.work),
        }
    }
}

impl Default for RuleCompiler<'static> {
    /// Makes a compiler without a cache and without a limit of work.
    fn default() -> Self {
        Self::new(&NoRuleCache, Work::unlimited())
    }
}

/// The reason for which a list of a token's rules is refused.
#[derive(Debug)]
pub(crate) enum TokenRuleError {
    Rules(Vec<RuleFault>),
    /// A rule names an owner.
    Owner,
    Policy(PolicyError),
}

impl From<PolicyError> for TokenRuleError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

/// The budget left for the rules of one token: the rules of its claims and caveats together cost no
/// more than one list may.
#[derive(Debug)]
pub(crate) struct TokenRuleBudget<'c> {
    compiler: &'c RuleCompiler<'c>,
    patterns: Budget,
    policies: PolicyBudget,
}

impl TokenRuleBudget<'_> {
    /// Returns the list, compiled or from the cache.
    pub(crate) fn list(
        &mut self,
        rules: &[RawRule],
        mode: PatternMode,
    ) -> Result<Arc<RuleList>, TokenRuleError> {
        // Rules that cannot be written are compiled, and not kept.
        let written = serde_json::to_vec(rules).ok();
        let key = written.as_deref().and_then(|written| RulesKey::of(written, mode));
        if let (Some(key), Some(written)) = (key, &written)
            && let Some(found) = self.compiler.cache.get(&key)
            && found.is_of(written, mode)
            && self.policies.gives_the_same(&found)
        {
            self.charge(&found)?;
            return Ok(Arc::clone(&found.list));
        }
        let from_the_beginning = self.policies.is_whole();
        let (compiled, cramped) = self.compile(rules, written.unwrap_or_default(), mode)?;
        // A list compiled within a partly used budget may differ from the list that another token
        // would get, so only lists independent of the budget are kept.
        if let Some(key) = key
            && (from_the_beginning || !cramped)
        {
            self.compiler.cache.keep(key, &compiled);
        }
        Ok(Arc::clone(&compiled.list))
    }

    /// Takes from the budget as much as compiling the list took.
    fn charge(&mut self, found: &CompiledRules) -> Result<(), TokenRuleError> {
        self.patterns
            .charge(found.pattern_steps)
            .ok_or_else(|| TokenRuleError::Rules(vec![RuleFault::TooComplex]))?;
        Ok(self.policies.charge(found)?)
    }

    fn compile(
        &mut self,
        rules: &[RawRule],
        written: Vec<u8>,
        mode: PatternMode,
    ) -> Result<(Arc<CompiledRules>, bool), TokenRuleError> {
        let (patterns, visits, sharing) =
            (self.patterns.left(), self.policies.visits(), self.policies.sharing());
        let parsed = Rule::parse_list_within(rules, mode, &mut self.patterns)
            .map_err(TokenRuleError::Rules)?;
        if parsed.iter().any(Rule::names_owner) {
            return Err(TokenRuleError::Owner);
        }
        let list = RuleList::compile(&parsed.iter().collect::<Vec<_>>(), &mut self.policies)?;
        let compiled = CompiledRules {
            written: written.into_boxed_slice(),
            mode,
            list: Arc::new(list),
            pattern_steps: patterns - self.patterns.left(),
            sharing_steps: sharing - self.policies.sharing(),
            visits: visits - self.policies.visits(),
        };
        Ok((Arc::new(compiled), self.policies.take_cramped()))
    }
}

impl PolicyBudget {
    /// True if the list would be compiled to the same result with the rest of the budget.
    fn gives_the_same(&self, found: &CompiledRules) -> bool {
        found.visits <= self.visits() && found.sharing_steps <= self.sharing()
    }

    fn charge(&mut self, found: &CompiledRules) -> Result<(), PolicyError> {
        self.take_shared(found.visits, found.sharing_steps);
        self.take(found.list.compiled_bytes())?;
        self.take_steps(&found.list)
    }
}
