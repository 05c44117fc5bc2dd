//! Scopes: named lists of rules in the proxy's configuration. `rules.md` section 5.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::pattern::PatternMode;
use crate::plugin::PluginName;
use crate::policy::{PolicyBudget, PolicyError, RuleList};
use crate::rule::{RawRule, Rule};

/// The name of a scope: 1 to 128 characters of `A-Z a-z 0-9 . _ : / -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(String);

impl ScopeName {
    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
        ((1..=128).contains(&text.len()) && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The scopes of the proxy's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    by_name: BTreeMap<ScopeName, Scope>,
}

/// The rules of a scope, compiled, and the plugins that decide as well. Two scopes are equal if they
/// were made from the same rules and plugins, in the same order.
#[derive(Clone, Debug)]
pub struct Scope {
    // INVARIANT: compiled from `written`.
    compiled: Arc<RuleList>,
    written: Arc<[(RawRule, PatternMode)]>,
    plugins: Vec<PluginName>,
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        // Destructured, so that a new member must be compared or left out on purpose.
        let Self { compiled: _, written, plugins } = self;
        *written == other.written && *plugins == other.plugins
    }
}

impl Eq for Scope {}

impl Scope {
    /// Compiles the rules, for all tokens that name the scope. The list may be empty, where plugins
    /// decide alone.
    ///
    /// # Errors
    /// [`PolicyError`] if the rules are too complex together.
    pub fn new(rules: &[Rule], plugins: Vec<PluginName>) -> Result<Self, PolicyError> {
        let compiled =
            RuleList::compile(&rules.iter().collect::<Vec<_>>(), &mut PolicyBudget::of_operator())?;
        let written = rules.iter().map(|rule| (rule.raw().clone(), rule.mode())).collect();
        Ok(Self { compiled: Arc::new(compiled), written, plugins })
    }

    /// Returns the plugins that decide as well.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        &self.plugins
    }

    /// True if the scope has plugins, or rules with effects.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        !self.plugins.is_empty() || !self.compiled.stateful().is_empty()
    }

    /// True if a rule of the scope names an owner.
    #[must_use]
    pub fn names_owners(&self) -> bool {
        self.compiled.stateful().values().any(|state| state.owner().is_some())
    }

    pub(crate) fn compiled(&self) -> &Arc<RuleList> {
        &self.compiled
    }
}

impl TryFrom<Vec<Rule>> for Scope {
    type Error = PolicyError;

    fn try_from(rules: Vec<Rule>) -> Result<Self, PolicyError> {
        Self::new(&rules, Vec::new())
    }
}

impl Scopes {
    /// Adds a scope; a second scope of the same name replaces the first.
    pub fn insert(&mut self, name: ScopeName, scope: Scope) {
        self.by_name.insert(name, scope);
    }

    /// Returns the scope of this name.
    #[must_use]
    pub fn scope(&self, name: &str) -> Option<&Scope> {
        self.by_name.get(&ScopeName::parse(name)?)
    }

    /// Returns the rules of a scope as texts.
    #[must_use]
    pub fn rules(&self, name: &str) -> Option<&[Arc<str>]> {
        self.scope(name).map(|scope| scope.compiled.rules())
    }

    /// Returns the names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(ScopeName::as_str)
    }
}
