//! The decision: does a list of rules allow this request, in every reading of its target?
//!
//! Compiled once per token; deciding allocates nothing and takes one table look-up per byte of the path and automaton.
//! [`Permit`] is the proof that a request was allowed; only [`VerifiedToken::authorize`](crate::VerifiedToken::authorize)
//! makes one. Specification: `rules.md`, `request-target.md` section 4.

use std::sync::Arc;

use crate::method::is_never_admitted;
use crate::pattern::{Automaton, Budget, MAX_PATTERN_STEPS, Pattern};
use crate::rule::{Methods, Rule};
use crate::seal::Sealed;
use crate::target::RequestTarget;
use crate::token::VerifiedToken;

mod missing;
mod overlap;
#[cfg(test)]
mod tests;

/// Automata of one token together, in bytes.
const MAX_POLICY_BYTES: usize = 4 * 1024 * 1024;
/// Rules of one method set are put into one automaton while it stays below this size.
const SHARED_AUTOMATON_BYTES: usize = 512 * 1024;
/// Patterns that do not share well make an attempt fail late; after so many, each gets its own automaton.
const MAX_FAILED_ATTEMPTS: usize = 8;
/// So many are tried together at first: ordinary rules then fit, and what they have in common is shared well enough.
const SHARED_PATTERNS: usize = 64;
/// Steps that the attempts of one policy at sharing may take together.
const MAX_SHARING_STEPS: usize = 1_200_000;
/// One rule's own automaton; a rule that passed [`Rule::parse`] fits.
const OWN_AUTOMATON_BYTES: usize = 128 * 1024;

/// A compiled list of rules: a union.
#[derive(Debug)]
pub struct Policy {
    groups: Vec<Group>,
    rules: Vec<Arc<str>>,
}

/// Rules that admit the same methods.
#[derive(Debug)]
struct Group {
    methods: Methods,
    automata: Vec<(Automaton, Vec<usize>)>,
}

/// Why rules that are each acceptable make no policy together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Their automata take too much memory.
    #[error("the rules together are too complex: their automata take more than {MAX_POLICY_BYTES} bytes")]
    TooComplex,
}

impl Policy {
    /// Compiles a list of rules.
    ///
    /// # Errors
    /// [`PolicyError::TooComplex`].
    pub fn compile<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, PolicyError> {
        Self::compile_within(rules, &mut PolicyBudget::default())
    }

    /// The same, with what is left of a budget that several policies share.
    pub(crate) fn compile_within<'r>(
        rules: impl IntoIterator<Item = &'r Rule>,
        budget: &mut PolicyBudget,
    ) -> Result<Self, PolicyError> {
        let rules: Vec<&Rule> = rules.into_iter().collect();
        let mut by_methods: Vec<(&Methods, Vec<usize>)> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match by_methods.iter_mut().find(|(methods, _)| *methods == rule.methods()) {
                Some((_, indexes)) => indexes.push(index),
                None => by_methods.push((rule.methods(), vec![index])),
            }
        }
        let mut groups = Vec::with_capacity(by_methods.len());
        for (methods, indexes) in by_methods {
            let patterns: Vec<(usize, &Pattern)> =
                indexes.into_iter().filter_map(|index| Some((index, rules.get(index)?.pattern()))).collect();
            let automata = compile_group(&patterns, budget)?;
            groups.push(Group { methods: methods.clone(), automata });
        }
        Ok(Self { groups, rules: rules.iter().map(|rule| rule.to_string().into()).collect() })
    }

    /// The first rule that allows `method` on the canonical path of `target`, where every reading of the target is
    /// allowed by some rule.
    #[must_use]
    pub fn allows(&self, method: &str, target: &RequestTarget) -> Option<&Arc<str>> {
        if is_never_admitted(method) {
            return None;
        }
        let mut first = None;
        for reading in target.readings() {
            let rule = self.first_match(method, reading)?;
            first.get_or_insert(rule);
        }
        self.rules.get(first?)
    }

    /// The rules as they were written.
    #[must_use]
    pub fn rules(&self) -> &[Arc<str>] {
        &self.rules
    }

    /// Memory of the automata, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.automata).map(|(automaton, _)| automaton.memory_bytes()).sum()
    }

    fn first_match(&self, method: &str, path: &str) -> Option<usize> {
        let admitting = self.groups.iter().filter(|group| group.methods.admit(method));
        admitting
            .flat_map(|group| &group.automata)
            .find_map(|(automaton, rules)| rules.get(automaton.first_match(path)?).copied())
    }
}

/// What is left for the rest of a policy, and for those that belong to the same token.
pub(crate) struct PolicyBudget {
    bytes: usize,
    sharing: Budget,
}

impl Default for PolicyBudget {
    fn default() -> Self {
        Self { bytes: MAX_POLICY_BYTES, sharing: Budget::new(MAX_SHARING_STEPS) }
    }
}

/// One automaton for all patterns where they share well, else one for each: a match costs at most one table look-up per
/// byte and automaton either way, and never falls back to something slower.
fn compile_group(patterns: &[(usize, &Pattern)], budget: &mut PolicyBudget) -> Result<Vec<(Automaton, Vec<usize>)>, PolicyError> {
    let mut automata = Vec::new();
    let mut pending: Vec<&[(usize, &Pattern)]> = patterns.chunks(SHARED_PATTERNS).rev().collect();
    let mut attempts = MAX_FAILED_ATTEMPTS;
    while let Some(part) = pending.pop() {
        let alone = part.len() <= 1;
        if !alone && attempts == 0 {
            pending.extend(part.chunks(1).rev());
            continue;
        }
        let members: Vec<&Pattern> = part.iter().map(|(_, pattern)| *pattern).collect();
        let compiled = if alone {
            Automaton::compile(&members, OWN_AUTOMATON_BYTES, &mut Budget::new(MAX_PATTERN_STEPS))
        } else {
            Automaton::compile(&members, SHARED_AUTOMATON_BYTES, &mut budget.sharing)
        };
        match compiled {
            Some(automaton) => {
                budget.bytes = budget.bytes.checked_sub(automaton.memory_bytes()).ok_or(PolicyError::TooComplex)?;
                automata.push((automaton, part.iter().map(|(index, _)| *index).collect()));
            }
            None if alone => return Err(PolicyError::TooComplex),
            None => {
                attempts -= 1;
                let (left, right) = part.split_at(part.len() / 2);
                pending.extend([right, left]);
            }
        }
    }
    Ok(automata)
}

/// The proof that one request was allowed by a live token. It admits that one request.
///
/// INVARIANT: made only by [`VerifiedToken::authorize`](crate::VerifiedToken::authorize).
///
/// ```
/// fn rule(permit: &magicproxy_core::Permit) -> &std::sync::Arc<str> {
///     permit.rule()
/// }
/// ```
///
/// Nobody else makes one:
///
/// ```compile_fail,E0451
/// fn forge(token: std::sync::Arc<magicproxy_core::VerifiedToken>) -> magicproxy_core::Permit {
///     magicproxy_core::Permit { token, rule: "* /.*".into() }
/// }
/// ```
///
/// ```compile_fail,E0624
/// fn forge(token: std::sync::Arc<magicproxy_core::VerifiedToken>) -> magicproxy_core::Permit {
///     magicproxy_core::Permit::new(token, "* /.*".into())
/// }
/// ```
///
/// It admits one request, so there is no second copy of it:
///
/// ```compile_fail,E0382
/// fn twice(permit: magicproxy_core::Permit) -> (magicproxy_core::Permit, magicproxy_core::Permit) {
///     (permit, permit)
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    token: Arc<VerifiedToken>,
    rule: Arc<str>,
}

impl Permit {
    pub(crate) fn new(token: Arc<VerifiedToken>, rule: Arc<str>) -> Self {
        Self { token, rule }
    }

    /// The credential that the permitted request may carry, once opened.
    pub(crate) fn sealed(&self) -> &Sealed {
        self.token.sealed()
    }

    /// The token that allowed the request.
    #[must_use]
    pub fn token(&self) -> &Arc<VerifiedToken> {
        &self.token
    }

    /// The rule that allowed it, as it was written.
    #[must_use]
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }
}

/// Why a live, genuine token does not allow a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The token ended between verification and decision.
    #[error("the token has expired")]
    Expired,
    /// The key that it is sealed to is used no more.
    #[error("the token's key is used no more")]
    KeyEnded,
    /// The token's time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token names another upstream.
    #[error("the token is for another upstream")]
    WrongUpstream,
    /// The token binds its sender, and this is another, or unknown.
    #[error("the token may not be used from this address")]
    WrongSender,
    /// No rule of the token allows the request.
    #[error("the token does not allow this request")]
    NotAllowed,
    /// The token's claims allow it, one of its caveats does not.
    #[error("a caveat of the token does not allow this request")]
    BeyondCaveat,
    /// The token's rules allow it, the operator's ceiling does not.
    #[error("the operator of this proxy does not allow this request")]
    BeyondCeiling,
}
