//! Rules: the requests that a token may make, in the string form and the object form.
//!
//! A [`Rule`] can always be matched in bounded time, and holds only literals that a canonical path
//! can hold. Specification: `rules.md`.

mod counted;
mod effects;
mod empty;
mod example;
mod form;
mod git;
mod grants;
mod list_items;
mod misread;
mod raw;
mod route;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::condition::{ConditionFault, Conditions, RuleFrame};
use crate::method::{Method, ParseMethodError, is_never_admitted};
use crate::pattern::{Budget, Pattern, PatternError, PatternMode, Work};

pub use crate::condition::{ConditionMembers, GitMembers};
pub use effects::{EffectInput, EffectInputFault, MAX_RULE_GRANTS, OwnerName, RuleEffects};
pub use example::ExampleRequest;
pub use form::schema;
pub(crate) use form::{RULE, RULES};
pub use grants::{Document, Facts, HeldGrant, NewGrant, NoGrant};
pub use list_items::{ItemAction, ListItem, ListItems, ListItemsDenial, ListItemsObject};
pub(crate) use raw::OPERATORS_MEMBER;
pub use raw::{EffectMembers, GitRuleObject, OneOrMany, PluginObject, RawRule, RuleObject};

/// The most rules in a list.
pub const MAX_RULES: usize = 1_000;
/// The most bytes of a list's JSON.
pub const MAX_RULES_BYTES: usize = 64 * 1024;

/// The most steps of determinising the patterns of a list together: tens of milliseconds.
pub(crate) const MAX_LIST_STEPS: usize = 1_200_000;
/// The number of too complex patterns after which the rest of a list is not looked at.
const MAX_TOO_COMPLEX: usize = 4;

/// A checked rule: methods, a pattern of paths, and perhaps conditions and effects. Made by [`Rule::parse`] or
/// from a list, and always bounded in its matching. Not yet compiled with the other rules of its
/// list.
#[derive(Clone, Debug)]
pub struct Rule {
    raw: RawRule,
    methods: Methods,
    mode: PatternMode,
    /// The pattern as in the string form.
    source: String,
    pattern: Pattern,
    conditions: Option<Arc<Conditions>>,
    state: Option<Arc<RuleEffects>>,
}

/// The methods that a rule admits. `*` never admits
/// [`CONNECT`, `TRACE` and their kin](is_never_admitted).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    Any,
    Listed(Vec<Method>),
}

impl Methods {
    pub(crate) fn admit(&self, method: &str) -> bool {
        match self {
            Self::Any => !is_never_admitted(method),
            Self::Listed(methods) => methods.iter().any(|listed| listed.admits(method)),
        }
    }

    /// True if requests of each of these methods have content.
    fn have_content(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Listed(methods) => {
                methods.iter().all(|method| !matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS"))
            }
        }
    }
}

impl Rule {
    /// Checks a single rule: `rules.md` sections 1 to 4.
    ///
    /// # Errors
    /// [`ParseRuleError`] with the rule as written and its fault.
    pub fn parse(raw: RawRule, mode: PatternMode) -> Result<Self, ParseRuleError> {
        Self::parse_within(raw, mode, &mut Budget::new(MAX_LIST_STEPS))
    }

    pub(crate) fn parse_within(
        raw: RawRule,
        mode: PatternMode,
        budget: &mut Budget,
    ) -> Result<Self, ParseRuleError> {
        let object = raw.to_object_form();
        match parts(object.as_ref().unwrap_or(&raw), mode, budget) {
            Ok(Parts { methods, source, pattern, conditions, state }) => Ok(Self {
                raw: object.unwrap_or(raw),
                methods,
                mode,
                source,
                pattern,
                conditions,
                state,
            }),
            Err(reason) => Err(ParseRuleError {
                hint: misread::of(&raw).map(Box::new),
                rule: shown(&raw),
                reason,
            }),
        }
    }

    /// Checks a list of rules and finds every fault: `rules.md` sections 1 to 4. For rules that a
    /// token holds, whose meaning never changes.
    ///
    /// # Errors
    /// All faults, in the order of the list.
    pub fn parse_list(raw: &[RawRule], mode: PatternMode) -> Result<Vec<Self>, Vec<RuleFault>> {
        Self::parse_list_within(raw, mode, &mut Budget::new(MAX_LIST_STEPS))
    }

    /// Checks a list of rules that somebody writes now, and finds every fault: the faults of
    /// [`Self::parse_list`], and rules that cannot mean what was typed (`rules.md` section 7). A
    /// token may hold rules of the second kind all the same.
    ///
    /// # Errors
    /// All faults, in the order of the list.
    pub fn parse_new_list(raw: &[RawRule], mode: PatternMode) -> Result<Vec<Self>, Vec<RuleFault>> {
        Self::parse_new_list_with(raw, mode, &Work::unlimited())
    }

    /// Checks like [`Self::parse_new_list`], with as much work as `work` allows.
    pub(crate) fn parse_new_list_with(
        raw: &[RawRule],
        mode: PatternMode,
        work: &Work,
    ) -> Result<Vec<Self>, Vec<RuleFault>> {
        let parsed = Self::parse_list_with(raw, mode, work);
        let mut faults = parsed.as_ref().err().cloned().unwrap_or_default();
        if faults.iter().any(|fault| matches!(fault, RuleFault::TooLarge)) {
            return parsed;
        }
        let known: Vec<_> = faults.iter().filter_map(RuleFault::number).collect();
        for fault in Self::misread(raw, mode) {
            let is_known = fault.number().is_some_and(|number| known.contains(&number));
            if !is_known {
                faults.push(fault);
            }
        }
        let rules = parsed.iter().flatten().enumerate();
        faults.extend(Self::empty(rules, work));
        faults.sort_by_key(|fault| fault.number().unwrap_or_default());
        if faults.is_empty() { parsed } else { Err(faults) }
    }

    /// Finds the rules of a list that cannot mean what was typed, whatever other faults the rules
    /// have.
    pub(crate) fn misread(raw: &[RawRule], mode: PatternMode) -> Vec<RuleFault> {
        // The Python program's patterns need not reach the end of a path: `/repos/*` has a meaning
        // in this mode.
        if mode == PatternMode::DangerPrefix {
            return Vec::new();
        }
        let found =
            raw.iter().enumerate().filter_map(|(index, raw)| Some((index, raw, misread::of(raw)?)));
        found
            .map(|(index, raw, misread)| {
                let error = ParseRuleError {
                    rule: shorten(&raw.to_string()),
                    reason: misread.into(),
                    hint: None,
                };
                RuleFault::Rule { number: index + 1, error }
            })
            .collect()
    }

    /// Checks like [`Self::parse_list`], with as much work as `work` allows.
    pub(crate) fn parse_list_with(
        raw: &[RawRule],
        mode: PatternMode,
        work: &Work,
    ) -> Result<Vec<Self>, Vec<RuleFault>> {
        Self::parse_list_within(raw, mode, &mut Budget::within(MAX_LIST_STEPS, work))
    }

    /// Checks like [`Self::parse_list`], within a budget that several lists share.
    pub(crate) fn parse_list_within(
        raw: &[RawRule],
        mode: PatternMode,
        budget: &mut Budget,
    ) -> Result<Vec<Self>, Vec<RuleFault>> {
        let mut rules = Vec::with_capacity(raw.len());
        let mut faults = list_faults(raw);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut too_complex = 0;
        for (index, raw) in raw.iter().enumerate() {
            match Self::parse_within(raw.clone(), mode, budget) {
                Err(_) if budget.is_spent() => {
                    faults.push(RuleFault::TooComplex);
                    break;
                }
                Ok(rule) => rules.push(rule),
                Err(error) => {
                    too_complex += usize::from(error.is_too_complex());
                    faults.push(RuleFault::Rule { number: index + 1, error });
                }
            }
            // A too complex pattern costs more than an acceptable pattern: a minter gets no more of
            // our time.
            if too_complex == MAX_TOO_COMPLEX {
                break;
            }
        }
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }

    /// The rule as written.
    #[must_use]
    pub fn raw(&self) -> &RawRule {
        &self.raw
    }

    /// Returns the way in which the pattern is matched.
    pub(crate) fn mode(&self) -> PatternMode {
        self.mode
    }

    /// The conditions of the rule, if any.
    pub(crate) fn conditions(&self) -> Option<&Arc<Conditions>> {
        self.conditions.as_ref()
    }

    /// True for a rule for git.
    fn is_for_git(&self) -> bool {
        matches!(self.raw, RawRule::Git(_))
    }

    /// Returns the names of the header fields that the conditions test, in lower case.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().flat_map(|conditions| conditions.header_names())
    }

    /// The effects of the rule besides allowing, if any.
    #[must_use]
    pub fn state(&self) -> Option<&Arc<RuleEffects>> {
        self.state.as_ref()
    }

    /// The rule in the string form, a string for each method: the form that the Python program
    /// reads.
    #[must_use]
    pub fn to_strings(&self) -> Vec<String> {
        match &self.methods {
            Methods::Any => vec![format!("* {}", self.source)],
            Methods::Listed(methods) => methods
                .iter()
                .map(|method| format!("{} {}", method.as_str(), self.source))
                .collect(),
        }
    }

    /// True if the rule names an owner, whose state the rule then uses.
    #[must_use]
    pub fn names_owner(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.owner().is_some())
    }

    fn written(&self) -> Vec<RawRule> {
        if self.state.is_some() || self.conditions.is_some() {
            return vec![self.raw.clone()];
        }
        self.to_strings().into_iter().map(RawRule::Text).collect()
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.methods
    }

    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(formatter)
    }
}

fn list_faults<T: Serialize>(raw: &[T]) -> Vec<RuleFault> {
    if raw.is_empty() {
        return vec![RuleFault::Empty];
    }
    let mut faults = Vec::new();
    if raw.len() > MAX_RULES {
        faults.push(RuleFault::TooMany(raw.len()));
    }
    if serde_json::to_vec(raw).map_or(usize::MAX, |json| json.len()) > MAX_RULES_BYTES {
        faults.push(RuleFault::TooLarge);
    }
    faults
}

/// Returns the rules as a token carries them, and the rules that verification will read from there.
/// A plain rule with several methods becomes a string for each method, and counts as several rules.
/// A rule with conditions or effects stays an object.
pub(crate) fn write_list(
    rules: &[Rule],
    work: &Work,
) -> Result<(Vec<RawRule>, Vec<Rule>), RuleFault> {
    let written: Vec<RawRule> = rules.iter().flat_map(Rule::written).collect();
    let mode = rules.first().map(|rule| rule.mode).unwrap_or_default();
    if let Some(fault) = list_faults(&written).into_iter().next() {
        return Err(fault);
    }
    if written.len() == rules.len() {
        return Ok((written, rules.to_vec()));
    }
    let read = Rule::parse_list_with(&written, mode, work)
        .map_err(|faults| faults.into_iter().next().unwrap_or(RuleFault::TooComplex))?;
    Ok((written, read))
}

struct Parts {
    methods: Methods,
    source: String,
    pattern: Pattern,
    conditions: Option<Arc<Conditions>>,
    state: Option<Arc<RuleEffects>>,
}

fn parts(raw: &RawRule, mode: PatternMode, budget: &mut Budget) -> Result<Parts, RuleReason> {
    let (methods, source, conditions, state) = match raw {
        RawRule::Text(text) => {
            let (method, pattern) = text.split_once(' ').ok_or(RuleReason::Form)?;
            (one_method(method)?, pattern.to_owned(), None, None)
        }
        RawRule::Plugin(_) => return Err(RuleReason::Plugin),
        RawRule::Git(object) => return git::parts(object, mode, budget),
        RawRule::Object(object) => {
            let methods = match &object.method {
                OneOrMany::One(method) => one_method(method)?,
                OneOrMany::Many(methods) => many_methods(methods)?,
            };
            let source = object_source(object, mode)?;
            let conditions = conditions(object, &methods, mode, budget)?;
            (methods, source, conditions, RuleEffects::parse(object, mode)?.map(Arc::new))
        }
    };
    let pattern = Pattern::parse(&source, mode, budget)?;
    Ok(Parts { methods, source, pattern, conditions, state })
}

/// Checks the conditions of a rule in object form.
fn conditions(
    object: &RuleObject,
    methods: &Methods,
    mode: PatternMode,
    budget: &mut Budget,
) -> Result<Option<Arc<Conditions>>, RuleReason> {
    let route = object.route.as_deref();
    let frame = RuleFrame {
        has_content: methods.have_content(),
        has_route: route.is_some(),
        is_whole: mode == PatternMode::Whole,
        capture: &|name| route.and_then(|route| route::place(route, name)),
    };
    Ok(Conditions::parse(&object.conditions, &frame, budget)?.map(Arc::new))
}

fn object_source(object: &RuleObject, mode: PatternMode) -> Result<String, RuleReason> {
    match (&object.path, &object.route) {
        (Some(path), None) => Ok(path.clone()),
        (None, Some(route)) => {
            let pattern = route::to_pattern(route)?;
            // A template means the same in every mode of patterns.
            Ok(if mode == PatternMode::DangerPrefix {
                format!("(?-i:{pattern})$")
            } else {
                pattern
            })
        }
        _ => Err(RuleReason::PathOrRoute),
    }
}

fn one_method(word: &str) -> Result<Methods, RuleReason> {
    if word == "*" { Ok(Methods::Any) } else { Ok(Methods::Listed(vec![Method::parse(word)?])) }
}

fn many_methods(words: &[String]) -> Result<Methods, RuleReason> {
    if words.is_empty() {
        return Err(RuleReason::NoMethod);
    }
    let mut methods = Vec::new();
    for word in words {
        let method = Method::parse(word)?;
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    Ok(Methods::Listed(methods))
}

/// Returns a rule for a message. A single long word is no rule, and perhaps a secret in the wrong
/// place, so the word is hidden.
fn shown(raw: &RawRule) -> String {
    const LONGEST_WORD: usize = 8;
    match raw {
        RawRule::Text(word) if word.len() > LONGEST_WORD && !word.contains([' ', '/']) => {
            "…".to_owned()
        }
        _ => shorten(&raw.to_string()),
    }
}

/// Returns the user's text for a message: in a single line, not too long, and without characters
/// that a terminal obeys.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    let harmless = |character: char| match character {
        '\\' | '"' | '\'' => character.to_string(),
        other => other.escape_debug().to_string(),
    };
    let shown: String = text.chars().take(SHOWN).map(harmless).collect();
    if text.chars().nth(SHOWN).is_some() { format!("{shown}…") } else { shown }
}

/// A fault of a list of rules. The message names the rule and the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleFault {
    /// A list without rules.
    #[error("the list of rules is empty: a token must allow something")]
    Empty,
    /// A list of more than [`MAX_RULES`] rules.
    #[error("{0} rules: at most {MAX_RULES} are allowed")]
    TooMany(usize),
    /// A list of more than [`MAX_RULES_BYTES`] bytes.
    #[error("the rules take more than {MAX_RULES_BYTES} bytes")]
    TooLarge,
    /// A list that takes more work than allowed.
    #[error(
        "the rules together are too complex: write the patterns more simply, without counted or nested repetitions"
    )]
    TooComplex,
    /// A fault of a single rule; rules are counted from 1.
    #[error("rule {number}: {error}")]
    Rule {
        /// The rule's place in the list, from 1.
        number: usize,
        /// The rule's fault.
        error: ParseRuleError,
    },
}

impl RuleFault {
    /// The place of the faulty rule in the list; `None` if the fault is the whole list's.
    fn number(&self) -> Option<usize> {
        match self {
            Self::Rule { number, .. } => Some(*number),
            Self::Empty | Self::TooMany(_) | Self::TooLarge | Self::TooComplex => None,
        }
    }
}

/// The fault of a single rule, with the rule as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}`: {reason}{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct ParseRuleError {
    rule: String,
    reason: RuleReason,
    /// The probable meaning of the rule.
    hint: Option<Box<misread::MisreadRule>>,
}

impl ParseRuleError {
    fn is_too_complex(&self) -> bool {
        matches!(self.reason, RuleReason::Pattern(PatternError::TooComplex))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum RuleReason {
    #[error("expected `METHOD /pattern`, for instance `GET /user`")]
    Form,
    #[error("exactly one of `path` and `route` must be given")]
    PathOrRoute,
    #[error("the list of methods is empty")]
    NoMethod,
    #[error(transparent)]
    Method(#[from] ParseMethodError),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error(transparent)]
    Route(#[from] route::ParseRouteError),
    #[error(transparent)]
    Git(#[from] git::RepositoryFault),
    #[error(transparent)]
    State(#[from] effects::EffectFault),
    #[error(transparent)]
    Condition(#[from] ConditionFault),
    #[error("no request can satisfy the conditions, because of `{0}`")]
    Empty(String),
    #[error("a plugin is named in a scope of the configuration, and nowhere else")]
    Plugin,
    #[error(transparent)]
    Misread(#[from] misread::MisreadRule),
}
