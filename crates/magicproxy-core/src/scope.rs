//! Scopes: named lists of rules in the proxy's configuration. `rules.md` section 5.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plugin::PluginName;
use crate::policy::{PolicyBudget, PolicyError, RuleList};
use crate::rule::Rule;

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

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The scopes that the proxy knows.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    by_name: BTreeMap<ScopeName, Scope>,
}

/// What a scope allows, and who else decides.
#[derive(Clone, Debug)]
pub struct Scope {
    compiled: Arc<RuleList>,
    plugins: Vec<PluginName>,
}

impl Scope {
    /// Compiles the rules, for all tokens that name the scope. There may be none, where plugins decide alone.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn new(rules: &[Rule], plugins: Vec<PluginName>) -> Result<Self, PolicyError> {
        let compiled =
            RuleList::compile(&rules.iter().collect::<Vec<_>>(), &mut PolicyBudget::of_operator())?;
        Ok(Self { compiled: Arc::new(compiled), plugins })
    }

    /// The plugins that decide as well.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        &self.plugins
    }

    /// Does one of its rules ask for state, or a plugin decide as well?
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        !self.plugins.is_empty() || !self.compiled.stateful().is_empty()
    }

    /// Does one of its rules name an owner?
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
    /// Adds a scope; a second one of the same name replaces the first.
    pub fn insert(&mut self, name: ScopeName, scope: Scope) {
        self.by_name.insert(name, scope);
    }

    /// A scope.
    #[must_use]
    pub fn scope(&self, name: &str) -> Option<&Scope> {
        self.by_name.get(&ScopeName::parse(name)?)
    }

    /// The rules of a scope, as they were written.
    #[must_use]
    pub fn rules(&self, name: &str) -> Option<&[Arc<str>]> {
        self.scope(name).map(|scope| scope.compiled.rules())
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(ScopeName::as_str)
    }
}
