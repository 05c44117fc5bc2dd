//! Permits: the proof that one request was allowed, the grounds, and the counts still to be taken
//! from the store.

mod authorize;
mod decision;
mod foreseen;
mod push_reasons;

use std::sync::Arc;

use crate::key::CredentialBinding;
use crate::limit::Limit;
use crate::plugin::{Consent, PluginName};
use crate::rule::{HeldGrant, OwnerName, RuleEffects};
use crate::state::Partition;
use crate::time::{MAX_UNIX_TIME, UnixTime};
use crate::token::{LEEWAY_SECONDS, VerifiedToken};
use crate::upstream_name::UpstreamName;

pub use authorize::{AccessRequest, Denial, DeniedRequest};
pub use decision::{
    BodyQuestion, Decision, GrantQuestion, PluginQuestion, PushPart, PushQuestion, Question,
    RulesDecision,
};
pub use foreseen::{DescribedBody, Foreseen};

/// The time for which a named owner keeps the things created by its requests, in seconds: 30 days.
const NAMED_LIFETIME_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The proof that a live token allowed one request. A permit admits this request only.
///
/// INVARIANT: made only by the three ways in this module to authorize a request: by a rule, by a
/// grant of the token's owner, and by the consent of a plugin. Code outside gets a permit only from
/// a [`Decision`], after every party that may deny was asked.
///
/// ```
/// fn rule(permit: &magicproxy_core::Permit) -> &std::sync::Arc<str> {
///     permit.rule()
/// }
/// ```
///
/// No other code makes a permit:
///
/// ```compile_fail,E0451
/// fn forge(token: std::sync::Arc<magicproxy_core::VerifiedToken>) -> magicproxy_core::Permit {
///     magicproxy_core::Permit { token, rule: "* /.*".into(), basis: todo!() }
/// }
/// ```
///
/// ```compile_fail,E0624
/// fn forge(token: std::sync::Arc<magicproxy_core::VerifiedToken>) -> magicproxy_core::Permit {
///     magicproxy_core::Permit::new(token, "* /.*".into(), todo!())
/// }
/// ```
///
/// A grant or a plugin's consent is no permit either, without the decision on the request:
///
/// ```compile_fail,E0624
/// fn forge(token: std::sync::Arc<magicproxy_core::VerifiedToken>, held: magicproxy_core::rule::HeldGrant) -> magicproxy_core::Permit {
///     magicproxy_core::Permit::held(token, held)
/// }
/// ```
///
/// ```compile_fail,E0624
/// fn forge(token: std::sync::Arc<magicproxy_core::VerifiedToken>, word: magicproxy_core::plugin::Consent) -> magicproxy_core::Permit {
///     magicproxy_core::Permit::agreed(token, word)
/// }
/// ```
///
/// A permit admits one request, so no permit can be used twice or copied:
///
/// ```compile_fail,E0382
/// fn twice(permit: magicproxy_core::Permit) -> (magicproxy_core::Permit, magicproxy_core::Permit) {
///     (permit, permit)
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn copy(permit: &magicproxy_core::Permit) -> magicproxy_core::Permit {
///     <magicproxy_core::Permit as Clone>::clone(permit)
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    token: Arc<VerifiedToken>,
    rule: Arc<str>,
    basis: Basis,
}

/// The grounds on which a request was allowed.
#[derive(Debug)]
pub enum Basis {
    /// A rule of the token, with the rule's effects if the rule has any.
    Rule(Option<Arc<RuleEffects>>),
    /// A grant that the token's owner holds.
    Grant(HeldGrant),
    /// The consent of this plugin.
    Plugin(PluginName),
}

/// A count, from which the request takes one; the store refuses the request where none is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The owner of the counter: a partition of the store.
    pub owner: Partition,
    /// The name of the counter in the partition.
    pub counter: Vec<u8>,
    /// The limit of the count.
    pub limit: Limit,
    /// The time until which the store keeps the count at most.
    pub expires_at: UnixTime,
    /// The largest number of counters that the owner may have when this counter begins.
    pub room: u64,
}

/// The upstream and the credential by which owners of the same name are told apart.
#[derive(Clone, Copy, Debug)]
pub struct OwnerContext<'a> {
    /// The upstream's name in the store.
    pub upstream: &'a UpstreamName,
    /// The binding of the credential, where the permit [names an owner](Permit::named_owner).
    pub binding: Option<&'a CredentialBinding>,
}

impl OwnerContext<'_> {
    fn named(&self, name: &OwnerName) -> Option<Partition> {
        self.binding.map(|binding| name.owner(self.upstream, binding))
    }
}

impl Permit {
    fn new(token: Arc<VerifiedToken>, rule: Arc<str>, basis: Basis) -> Self {
        Self { token, rule, basis }
    }

    fn held(token: Arc<VerifiedToken>, held: HeldGrant) -> Self {
        Self::new(token, "a grant that it holds".into(), Basis::Grant(held))
    }

    fn agreed(token: Arc<VerifiedToken>, consent: Consent) -> Self {
        let plugin = consent.into_plugin();
        Self::new(token, format!("plugin {plugin}").into(), Basis::Plugin(plugin))
    }

    /// Returns the token that allowed the request.
    #[must_use]
    pub fn token(&self) -> &Arc<VerifiedToken> {
        &self.token
    }

    /// Returns the text of the rule that allowed the request, or a description of the grant or
    /// plugin that did.
    #[must_use]
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }

    /// Returns a view of the permit for code that only inspects the decision; the view admits
    /// nothing.
    #[must_use]
    pub fn prospect(&self) -> RulesDecision<'_> {
        RulesDecision::of(self)
    }

    /// Returns the grounds on which the request was allowed.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Returns the effects of the rule that allowed the request, where the rule has effects.
    #[must_use]
    pub fn state(&self) -> Option<&Arc<RuleEffects>> {
        match &self.basis {
            Basis::Rule(state) => state.as_ref(),
            Basis::Grant(_) | Basis::Plugin(_) => None,
        }
    }

    /// True if the store may have to be asked before the request is sent, or something may be due
    /// once the response has come.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.token.has_limits() || !matches!(self.basis, Basis::Rule(None))
    }

    /// True if the store keeps rows for the request: a count of the token or of the rule, grants,
    /// or list items.
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.token.has_limits() || self.state().is_some_and(|state| state.keeps_rows())
    }

    /// Returns the owner named by the rule. The owner of one name differs from credential to
    /// credential.
    #[must_use]
    pub fn named_owner(&self) -> Option<&OwnerName> {
        self.state().and_then(|state| state.owner())
    }

    /// Returns the owner of the rule's state, and the end of that state. `None` where the rule
    /// names an owner, and `place` has no binding of the credential.
    #[must_use]
    pub fn owner(&self, place: OwnerContext<'_>, now: UnixTime) -> Option<(Partition, UnixTime)> {
        match self.named_owner() {
            Some(name) => {
                Some((place.named(name)?, UnixTime(now.0.saturating_add(NAMED_LIFETIME_SECONDS))))
            }
            None => Some((
                self.token.owner(),
                UnixTime(self.token.expires_at().0.saturating_add(LEEWAY_SECONDS)),
            )),
        }
    }

    /// Returns the counts to take before the request is sent, all counts of one owner in one step;
    /// the token's own limits come first. `None` as in [`Self::owner`].
    #[must_use]
    pub fn counts(&self, place: OwnerContext<'_>) -> Option<Vec<Count>> {
        let mut counts = self.token.counts();
        if let Some(state) = self.state()
            && let Some(limit) = state.limit()
        {
            let (owner, expires_at, room) = match state.owner() {
                // No token's end ends the owner, and only the operator writes rules that name an
                // owner.
                Some(name) => (place.named(name)?, UnixTime(MAX_UNIX_TIME), u64::MAX),
                None => {
                    (self.token.owner(), self.token.owner_ends_at(), self.token.rule_counters())
                }
            };
            counts.push(Count { owner, counter: state.counter(), limit, expires_at, room });
        }
        Some(counts)
    }
}
