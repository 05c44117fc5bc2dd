//! Permits: the proof that one request was allowed, on what grounds, and what it must still take from the store.

mod authorize;
mod decision;

use std::sync::Arc;

use crate::key::CredentialBinding;
use crate::limit::Limit;
use crate::plugin::{Consent, PluginName};
use crate::rule::{HeldGrant, OwnerName, RuleEffects};
use crate::state::Partition;
use crate::time::{MAX_UNIX_TIME, UnixTime};
use crate::token::{LEEWAY_SECONDS, VerifiedToken};
use crate::upstream_name::UpstreamName;

pub use authorize::{AccessRequest, Denial};
pub use decision::{Decision, GrantQuestion, PluginQuestion, Question, RulesDecision};

/// How long what a named owner made is its own, in seconds: 30 days.
const NAMED_LIFETIME_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The proof that one request was allowed by a live token. It admits that one request.
///
/// INVARIANT: made only by the three ways to authorize a request in this module: by a rule, by what a token's owner holds, and by
/// what a plugin agreed to. It comes out of a [`Decision`] only, once everybody was asked who may deny.
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
/// A grant or a plugin's word is no permit either, without the decision on it:
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
/// It admits one request, so there is no second copy of it:
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

/// On what grounds a request was allowed.
#[derive(Debug)]
pub enum Basis {
    /// A rule, with what it demands and gives.
    Rule(Option<Arc<RuleEffects>>),
    /// A grant that the token's owner holds.
    Grant(HeldGrant),
    /// The word of a plugin.
    Plugin(PluginName),
}

/// Something that is counted, and of which one must be left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Whose it is: the partition.
    pub owner: Partition,
    /// The counter in it.
    pub counter: Vec<u8>,
    /// How much there may be.
    pub limit: Limit,
    /// Until when the count is kept at most.
    pub expires_at: UnixTime,
    /// How many counters its owner may have when this one begins.
    pub room: u64,
}

/// At which upstream, and by which credential: what tells owners of one name apart.
#[derive(Clone, Copy, Debug)]
pub struct OwnerPlace<'a> {
    /// The upstream's name in the store.
    pub upstream: &'a UpstreamName,
    /// The credential's, where the permit [names an owner](Permit::named_owner).
    pub binding: Option<&'a CredentialBinding>,
}

impl OwnerPlace<'_> {
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

    /// The token that allowed the request.
    #[must_use]
    pub fn token(&self) -> &Arc<VerifiedToken> {
        &self.token
    }

    /// The rule that allowed it, as it was written, or what else did.
    #[must_use]
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }

    /// The permit as whoever only asks sees one.
    #[must_use]
    pub fn prospect(&self) -> RulesDecision<'_> {
        RulesDecision::of(self)
    }

    /// On what grounds it was allowed.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The stateful rule that allowed it.
    #[must_use]
    pub fn state(&self) -> Option<&Arc<RuleEffects>> {
        match &self.basis {
            Basis::Rule(state) => state.as_ref(),
            Basis::Grant(_) | Basis::Plugin(_) => None,
        }
    }

    /// Is there anything to be asked of a store, or to be done with the response?
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.token.has_limits() || !matches!(self.basis, Basis::Rule(None))
    }

    /// Does a store keep something for the request: a count of the token's or its rule's, grants, list items?
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.token.has_limits() || self.state().is_some_and(|state| state.keeps_rows())
    }

    /// The owner that its rule names, which is one for each credential.
    #[must_use]
    pub fn named_owner(&self) -> Option<&OwnerName> {
        self.state().and_then(|state| state.owner())
    }

    /// Whose state the rule's is, and until when. `None` where the rule names an owner, and `place` does not say whose.
    #[must_use]
    pub fn owner(&self, place: OwnerPlace<'_>, now: UnixTime) -> Option<(Partition, UnixTime)> {
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

    /// What must be taken before the request is sent, all of one owner in one step: first of the token's own limits. `None` as
    /// in [`Self::owner`].
    #[must_use]
    pub fn counts(&self, place: OwnerPlace<'_>) -> Option<Vec<Count>> {
        let mut counts = self.token.counts();
        if let Some(state) = self.state()
            && let Some(limit) = state.limit()
        {
            let (owner, expires_at, room) = match state.owner() {
                // Nobody's end is its end, and the operator alone writes its rules.
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
