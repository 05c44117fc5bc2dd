//! The rules of a token, compiled: those of its claims and of its caveats together cost no more than one list may.

use std::collections::HashSet;
use std::sync::Arc;

use crate::pattern::{Budget, PatternMode};
use crate::plugin::PluginName;
use crate::policy::{Policy, PolicyBudget, RuleList};
use crate::rule::{MAX_LIST_STEPS, RawRule, Rule, RuleFault};
use crate::token::verify::VerifyContext;
use crate::token::{VerifyError, verify};

/// What is left for the rules of one token.
pub(super) struct TokenBudget {
    patterns: Budget,
    policies: PolicyBudget,
}

impl Default for TokenBudget {
    fn default() -> Self {
        Self { patterns: Budget::new(MAX_LIST_STEPS), policies: PolicyBudget::of_token() }
    }
}

impl TokenBudget {
    /// The policy of a list of rules.
    pub(super) fn rules(&mut self, rules: &[RawRule], patterns: PatternMode) -> Result<Policy, VerifyError> {
        let rules = Rule::parse_list_within(rules, patterns, &mut self.patterns).map_err(first_fault)?;
        if rules.iter().any(Rule::names_owner) {
            return Err(verify::claim("a token does not say whose its state is"));
        }
        Ok(Policy::compile_within(&rules, &mut self.policies)?)
    }

    /// The policy of scopes, as they are configured now.
    pub(super) fn scopes(names: &[String], context: &VerifyContext<'_>) -> Result<Policy, VerifyError> {
        let (mut lists, mut plugins): (Vec<Arc<RuleList>>, Vec<PluginName>) = Default::default();
        // Each name once: a token that names one scope a thousand times must not cost a thousand matches.
        let mut seen = HashSet::new();
        for name in names.iter().filter(|name| seen.insert(*name)) {
            let scope = context.scopes.scope(name).ok_or_else(|| VerifyError::UnknownScope(name.clone()))?;
            lists.push(Arc::clone(scope.compiled()));
            plugins.extend(scope.plugins().iter().filter(|plugin| !plugins.contains(plugin)).cloned().collect::<Vec<_>>());
        }
        Ok(Policy::of_scopes(lists, plugins)?)
    }
}

fn first_fault(faults: Vec<RuleFault>) -> VerifyError {
    faults.into_iter().next().map_or_else(|| verify::claim("allowed"), VerifyError::Rule)
}
