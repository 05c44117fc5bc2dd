//! Scopes and lists of rules, from the written to the compiled form.

use std::sync::Arc;

use magicproxy_core::{PatternMode, RawRule, Rule, RuleFault, Scope, ScopeName, Scopes};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::check::Checker;
use super::raw::RawConfig;
use super::setting::GivenValue;
use super::upstream::Table;
use crate::ground::fault::{Fault, Origin};
use crate::ground::userinfo::json_without_userinfo;

/// A rule as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawRuleSetting(pub RawRule);

impl JsonSchema for RawRuleSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A JSON object is always a valid schema.
        Schema::try_from(magicproxy_core::rule::schema()).unwrap_or_default()
    }
}

/// The scopes of the configuration, compiled once for each way in which some upstream matches
/// patterns.
#[derive(Default)]
pub(super) struct CompiledScopes {
    whole: Arc<Scopes>,
    by_prefix: Arc<Scopes>,
}

impl CompiledScopes {
    /// Returns the scopes for an upstream with this way of matching patterns.
    pub(super) fn matching(&self, patterns: PatternMode) -> Arc<Scopes> {
        Arc::clone(match patterns {
            PatternMode::Whole => &self.whole,
            PatternMode::DangerPrefix => &self.by_prefix,
        })
    }
}

impl Checker<'_> {
    /// Checks and compiles each scope, once for each way of matching that these upstreams need. A
    /// rule with the same fault in both ways is reported once.
    pub(super) fn scopes(&mut self, raw: &RawConfig, tables: &[Table<'_>]) -> CompiledScopes {
        let needs = |patterns| tables.iter().any(|table| table.patterns() == patterns);
        let mut compiled = CompiledScopes::default();
        let before = self.faults.len();
        if needs(PatternMode::Whole) {
            compiled.whole = Arc::new(self.scopes_matching(raw, PatternMode::Whole));
        }
        if needs(PatternMode::DangerPrefix) {
            let (by_prefix, mut faults) =
                self.apart(|checker| checker.scopes_matching(raw, PatternMode::DangerPrefix));
            compiled.by_prefix = Arc::new(by_prefix);
            let known = self.faults.get(before..).unwrap_or_default();
            faults.retain(|fault| !known.iter().any(|known| known.tells_the_same_as(fault)));
            self.faults.append(&mut faults);
        }
        compiled
    }

    fn scopes_matching(&mut self, raw: &RawConfig, patterns: PatternMode) -> Scopes {
        let mut scopes = Scopes::default();
        for (name, rules) in &raw.scopes {
            let origin = rules.first().map_or(Origin::Default, |rule| rule.origin.clone());
            let parsed = ScopeName::parse(name);
            if parsed.is_none() {
                self.fault(
                    format!("scope `{name}`: expected a name of `A-Z a-z 0-9 . _ : / -`"),
                    &origin,
                );
            }
            let scope = self.scope(&format!("scope `{name}`"), rules, &origin, patterns);
            if let (Some(name), Some(scope)) = (parsed, scope) {
                scopes.insert(name, scope);
            }
        }
        scopes
    }

    /// Checks the rules of a scope, and the plugins in its list.
    fn scope(
        &mut self,
        what: &str,
        given: &[GivenValue<RawRuleSetting>],
        origin: &Origin,
        patterns: PatternMode,
    ) -> Option<Scope> {
        let (mut rules, mut plugins) = (Vec::new(), Vec::new());
        for rule in given {
            match &rule.value.0 {
                RawRule::Plugin(object) => plugins.push(object.plugin.clone()),
                _ => rules.push(rule.clone()),
            }
        }
        let only_plugins = rules.is_empty() && !plugins.is_empty();
        let rules =
            if only_plugins { Vec::new() } else { self.rules(what, &rules, origin, patterns)? };
        Scope::new(&rules, plugins)
            .map_err(|error| self.fault(format!("{what}: {error}"), origin))
            .ok()
    }

    /// Checks a list of rules; each fault points at its rule.
    pub(super) fn rules(
        &mut self,
        what: &str,
        rules: &[GivenValue<RawRuleSetting>],
        origin: &Origin,
        patterns: PatternMode,
    ) -> Option<Vec<Rule>> {
        let raw: Vec<RawRule> = rules.iter().map(|rule| rule.value.0.clone()).collect();
        let found = match Rule::parse_new_list(&raw, patterns) {
            Ok(rules) => return Some(rules),
            Err(found) => faults_to_show(&raw, patterns).unwrap_or(found),
        };
        for found in found {
            let (message, origin) = match &found {
                RuleFault::Rule { number, error } => (
                    format!("{what}: {error}"),
                    rules.get(number - 1).map_or(origin, |rule| &rule.origin),
                ),
                other => (format!("{what}: {other}"), origin),
            };
            let fault = Fault::new(message, origin.clone());
            let meant = match &found {
                RuleFault::Rule { number, .. } => raw.get(number - 1),
                _ => None,
            };
            let python = matches!(origin, Origin::PythonFile(_));
            let helps = python && meant.is_some_and(is_right_by_prefix);
            self.faults.push(if helps { fault.help(PYTHON_RULES) } else { fault });
        }
        None
    }
}

/// Returns the faults of the same rules without the users and passwords in URLs, if the rules hold
/// any. A fault may repeat a part of a rule in which a password can no longer be recognised.
fn faults_to_show(rules: &[RawRule], patterns: PatternMode) -> Option<Vec<RuleFault>> {
    let written = serde_json::to_value(rules).ok()?;
    let shown = json_without_userinfo(written.clone());
    let shown: Vec<RawRule> = (shown != written).then(|| serde_json::from_value(shown).ok())??;
    Rule::parse_new_list(&shown, patterns).err()
}

/// True if this rule is wrong only because patterns match the whole path.
fn is_right_by_prefix(rule: &RawRule) -> bool {
    Rule::parse_new_list(std::slice::from_ref(rule), PatternMode::DangerPrefix).is_ok()
}

const PYTHON_RULES: &str = "rules are read more strictly than in the Python program: a pattern must span the whole path, and names it \
                            canonically; `danger_prefix_matching` (MAGICPROXY_UPSTREAM_DANGER_PREFIX_MATCHING=true) keeps its old meaning";
