//! The rules that a token's claims grant, and compiling them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::pattern::PatternMode;
use crate::plugin::PluginName;
use crate::policy::{Policy, RuleList, TokenRuleBudget, TokenRuleError};
use crate::rule::{RawRule, RuleFault};
use crate::token::verify::VerifyContext;
use crate::token::{ClaimsFault, VerifyError};

/// The rules of a token as its claims name them, not yet compiled.
#[derive(Debug)]
pub(super) enum ClaimedRules {
    Rules(Vec<RawRule>, PatternMode),
    Scopes(Vec<String>),
}

impl ClaimedRules {
    pub(super) fn policy(
        &self,
        context: &VerifyContext<'_>,
        brought: &mut TokenRuleBudget<'_>,
    ) -> Result<Policy, VerifyError> {
        match self {
            Self::Rules(rules, mode) => policy_of(rules, *mode, brought),
            Self::Scopes(names) => scopes(names, context),
        }
    }
}

/// Compiles the policy of a list of rules.
pub(super) fn policy_of(
    rules: &[RawRule],
    mode: PatternMode,
    brought: &mut TokenRuleBudget<'_>,
) -> Result<Policy, VerifyError> {
    Ok(Policy::of_list(brought.list(rules, mode)?))
}

/// Collects the policy of scopes, as configured now.
fn scopes(names: &[String], context: &VerifyContext<'_>) -> Result<Policy, VerifyError> {
    let (mut lists, mut plugins): (Vec<Arc<RuleList>>, Vec<PluginName>) = Default::default();
    // Each name counts once: a token that names one scope a thousand times must not cost a thousand
    // matches.
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            continue;
        }
        let Some(scope) = context.scopes.scope(name) else {
            return Err(VerifyError::UnknownScope(name.clone()));
        };
        lists.push(Arc::clone(scope.compiled()));
        for plugin in scope.plugins() {
            if !plugins.contains(plugin) {
                plugins.push(plugin.clone());
            }
        }
    }
    Ok(Policy::of_scopes(lists, plugins)?)
}

impl From<TokenRuleError> for VerifyError {
    fn from(error: TokenRuleError) -> Self {
        match error {
            TokenRuleError::Rules(faults) => {
                Self::Rule(faults.into_iter().next().unwrap_or(RuleFault::TooComplex))
            }
            TokenRuleError::Owner => ClaimsFault::Owner.into(),
            TokenRuleError::Policy(error) => error.into(),
        }
    }
}
