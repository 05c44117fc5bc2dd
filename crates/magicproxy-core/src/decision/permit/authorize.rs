//! The decision on one request: the only ways to a [`Permit`]. `token-v1.md` section 7, `state.md`.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Basis, Count, Permit};
use crate::condition::{BodyTests, NeededPart, Reason, RequestParts};
use crate::key::CredentialBinding;
use crate::limit::MAX_CAVEAT_COUNTERS;
use crate::method::is_never_admitted;
use crate::plugin::Consent;
use crate::policy::{
    DecisionSteps, ExhaustedSteps, MatchedRule, Policy, PolicyDecision, RuleOrigin, UnmetRule,
};
use crate::request::RequestView;
use crate::rule::{HeldGrant, RuleEffects};
use crate::state::Partition;
use crate::target::RequestTarget;
use crate::time::UnixTime;
use crate::token::{CaveatConditions, LEEWAY_SECONDS, UnnamedTokens, VerifiedToken};
use crate::upstream_name::UpstreamName;

/// A request from a client, in the types on which the decision is made.
#[derive(Debug, Clone, Copy)]
pub struct AccessRequest<'a> {
    /// The request's method, exactly as it will be sent.
    pub method: &'a str,
    /// The request's target, exactly as it will be sent.
    pub target: &'a RequestTarget,
    /// The upstream to which the request will be sent.
    pub upstream: &'a UpstreamName,
    /// A second name of the upstream that tokens may use: `upstreams.md` section 1.
    pub alias: Option<&'a UpstreamName>,
    /// The setting of the upstream for tokens that name no upstream.
    pub unnamed: UnnamedTokens,
    /// The operator's ceiling: rules that every request to this upstream must satisfy, besides the
    /// token's rules.
    pub ceiling: Option<&'a Policy>,
    /// The address of the sender, where known: `token-v2.md` section 6.
    pub sender: Option<IpAddr>,
    /// The time of the decision.
    pub now: UnixTime,
    /// The parts of the request that conditions see.
    pub parts: RequestParts<'a>,
    /// The steps left for this request, shared by all policies on which the decision depends.
    pub steps: &'a DecisionSteps,
}

/// A denied request, with what only its explanation needs.
#[derive(Debug, Clone, Copy)]
pub struct DeniedRequest<'a> {
    /// The denial.
    pub denial: &'a Denial,
    /// The body, where it is known and shown.
    pub body: Option<&'a [u8]>,
    /// Names that override the method or carry a credential by the settings of the upstream.
    pub guarded: &'a [String],
}

/// The reason for which there is no permit yet, or none at all.
#[derive(Debug)]
pub(super) enum NoPermit {
    Denied(Denial),
    /// A rule cannot decide before this part is known.
    Needs(NeededPart),
}

impl AccessRequest<'_> {
    /// Takes the steps of one look-up of a grant in the store.
    ///
    /// # Errors
    /// [`Denial::TooCostly`] if not enough steps are left.
    pub fn take_look_up(&self) -> Result<(), Denial> {
        Ok(self.steps.take_look_up()?)
    }

    /// Returns the request as rules see it.
    pub(super) fn request(&self) -> RequestView<'_> {
        RequestView::unread(self.method, self.target).with_parts(self.parts)
    }

    /// True if `name` is the upstream's name or its alias.
    fn goes_to(&self, name: &UpstreamName) -> bool {
        name == self.upstream || Some(name) == self.alias
    }

    /// Returns the upstream's name in the state store. An alias is the older name, so the alias is
    /// used where there is one, and earlier rows are still found.
    fn stored_name(&self) -> &UpstreamName {
        self.alias.unwrap_or(self.upstream)
    }

    fn wrong_upstream(&self, named: Option<&UpstreamName>) -> Denial {
        Denial::WrongUpstream { named: named.cloned(), asked: self.upstream.clone() }
    }

    /// Checks that this policy allows the request, too, and returns `denial` otherwise.
    fn ensure_allowed(&self, policy: &Policy, denial: Denial) -> Result<(), NoPermit> {
        self.decide_by(policy, denial).map(|_| ())
    }

    /// Returns the rule by which a policy allows the request, and `denial` where no rule does.
    fn decide_by<'p>(
        &self,
        policy: &'p Policy,
        denial: Denial,
    ) -> Result<MatchedRule<'p>, NoPermit> {
        match policy.decide(&self.request(), self.steps)? {
            PolicyDecision::Allowed(matched) => Ok(matched),
            PolicyDecision::NotAllowed => Err(denial.into()),
            PolicyDecision::Unknown(reason) => Err(Denial::Unknown(reason).into()),
            PolicyDecision::Needs(part) => Err(NoPermit::Needs(part)),
        }
    }
}

impl VerifiedToken {
    /// Checks that `now` lies within the token's times, with [`LEEWAY_SECONDS`] at both ends. The
    /// end of the token's key has no leeway.
    ///
    /// # Errors
    /// [`Denial::Expired`], [`Denial::KeyEnded`], [`Denial::NotYetValid`].
    pub fn ensure_live(&self, now: UnixTime) -> Result<(), Denial> {
        if now.0 >= self.expires_at().0.saturating_add(LEEWAY_SECONDS) {
            return Err(Denial::Expired);
        }
        if self.key_ends_at().is_some_and(|end| now >= end) {
            return Err(Denial::KeyEnded);
        }
        if self.not_before().is_some_and(|start| now.0.saturating_add(LEEWAY_SECONDS) < start.0) {
            return Err(Denial::NotYetValid);
        }
        Ok(())
    }

    /// Decides one request by the token's rules.
    ///
    /// # Errors
    /// [`Denial`] gives the reason. Doubt is a denial.
    pub(super) fn authorize_by_rules(
        self: &Arc<Self>,
        access: &AccessRequest<'_>,
    ) -> Result<Permit, NoPermit> {
        self.ensure_at_home(access)?;
        let allowed = access.decide_by(self.policy(), Denial::NotAllowed)?;
        self.confine(access)?;
        Ok(Permit::new(
            Arc::clone(self),
            Arc::clone(allowed.rule),
            Basis::Rule(allowed.state.cloned()),
        ))
    }

    /// Decides one request by a grant, after no rule allowed the request. The grant's holder must
    /// be the token's owner, or an owner named by the token's rules, for the token's credential.
    /// `state.md` section 3.7.
    ///
    /// # Errors
    /// [`Denial`] gives the reason.
    pub(super) fn authorize_held(
        self: &Arc<Self>,
        access: &AccessRequest<'_>,
        held: HeldGrant,
        binding: Option<&CredentialBinding>,
    ) -> Result<Permit, NoPermit> {
        self.ensure_at_home(access)?;
        let one_reading = access.target.readings().nth(1).is_none();
        let ours = self.grant_owners(access, binding)?.contains(&held.owner());
        if !(one_reading && ours && held.allows(access.method, access.target.path())) {
            return Err(Denial::NotAllowed.into());
        }
        self.confine(access)?;
        Ok(Permit::held(Arc::clone(self), held))
    }

    /// Decides one request by the consent of a plugin, after no rule allowed the request.
    /// `plugin.md`.
    ///
    /// # Errors
    /// [`Denial`] gives the reason.
    pub(super) fn authorize_agreed(
        self: &Arc<Self>,
        access: &AccessRequest<'_>,
        consent: Consent,
    ) -> Result<Permit, NoPermit> {
        self.ensure_at_home(access)?;
        if is_never_admitted(access.method) || !self.plugins().contains(consent.plugin()) {
            return Err(Denial::NotAllowed.into());
        }
        self.confine(access)?;
        Ok(Permit::agreed(Arc::clone(self), consent))
    }

    /// True if a grant of a named owner may allow requests of the token. The owner depends on the
    /// credential, so the credential must be bound first.
    ///
    /// # Errors
    /// [`Denial::TooCostly`] if not enough steps are left.
    pub fn has_named_grants(&self, access: &AccessRequest<'_>) -> Result<bool, Denial> {
        for state in self.policy().stateful() {
            access.steps.take(1)?;
            if state.records() && state.owner().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the owners whose grants can allow the token's requests: none, where no rule of the
    /// token records grants. Named owners are included where `binding` is given.
    ///
    /// # Errors
    /// [`Denial::TooCostly`] if not enough steps are left.
    pub fn grant_owners(
        &self,
        access: &AccessRequest<'_>,
        binding: Option<&CredentialBinding>,
    ) -> Result<Vec<Partition>, Denial> {
        let mut owners = Vec::new();
        for state in self.policy().stateful() {
            access.steps.take(1 + owners.len())?;
            if !state.records() {
                continue;
            }
            let owner = match (state.owner(), binding) {
                (Some(name), Some(binding)) => {
                    access.steps.take_owner()?;
                    name.owner(access.stored_name(), binding)
                }
                // Without a binding the named owner is unknown, and an unknown owner holds no
                // grants.
                (Some(_), None) => continue,
                (None, _) => self.owner(),
            };
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        Ok(owners)
    }

    /// Returns the counts that the token's caveats demand.
    pub(crate) fn counts(&self) -> Vec<Count> {
        let expires_at = self.owner_ends_at();
        let limits = self.narrowing().iter().filter_map(|caveat| caveat.limit);
        let count = |(limit, counter): (_, Partition)| Count {
            owner: self.owner(),
            counter: counter.as_bytes().to_vec(),
            limit,
            expires_at,
            room: MAX_CAVEAT_COUNTERS,
        };
        limits.map(count).collect()
    }

    /// Returns the largest number of counters that the token's owner may have when a rule begins to
    /// count. Caveats may use [`MAX_CAVEAT_COUNTERS`], and each counting rule adds one, so that
    /// caveats cannot use up a rule's counter.
    pub(crate) fn rule_counters(&self) -> u64 {
        let counts = |state: &&Arc<RuleEffects>| state.limit().is_some() && state.owner().is_none();
        MAX_CAVEAT_COUNTERS.saturating_add(self.policy().stateful().filter(counts).count() as u64)
    }

    /// Checks that the token is live, and meant for this upstream.
    ///
    /// # Errors
    /// [`Denial::WrongUpstream`], [`Denial::Expired`], [`Denial::KeyEnded`],
    /// [`Denial::NotYetValid`].
    pub fn ensure_at_home(&self, access: &AccessRequest<'_>) -> Result<(), Denial> {
        self.ensure_live(access.now)?;
        let at_home = match self.upstream() {
            Some(named) => access.goes_to(named),
            None => access.unnamed == UnnamedTokens::Accept,
        };
        if at_home { Ok(()) } else { Err(access.wrong_upstream(self.upstream())) }
    }

    /// Returns the rules that would lift a denial but for their conditions: rules of the first list
    /// that does not allow the request. Empty for denials that no rule would lift.
    #[must_use]
    pub fn unmet_rules(
        &self,
        access: &AccessRequest<'_>,
        denied: &DeniedRequest<'_>,
    ) -> Vec<UnmetRule> {
        let own = || std::iter::once((RuleOrigin::Token, self.policy()));
        let caveats = self.narrowing().iter().filter_map(|caveat| caveat.policy.as_ref());
        let caveats = || caveats.clone().map(|policy| (RuleOrigin::Caveat, policy));
        let ceiling = || access.ceiling.map(|policy| (RuleOrigin::Ceiling, policy)).into_iter();
        let policies: Vec<(RuleOrigin, &Policy)> = match denied.denial {
            Denial::NotAllowed => own().collect(),
            Denial::BeyondCaveat => caveats().collect(),
            Denial::BeyondCeiling => ceiling().collect(),
            Denial::Unknown(_) => own().chain(caveats()).chain(ceiling()).collect(),
            Denial::Expired
            | Denial::KeyEnded
            | Denial::NotYetValid
            | Denial::WrongUpstream { .. }
            | Denial::WrongSender
            | Denial::TooCostly => Vec::new(),
        };
        let request = access.request();
        let request = denied.body.map_or(request, |body| request.with_body(body));
        for (origin, policy) in policies {
            let unmet = policy.unmet(&request, denied.guarded, access.steps);
            if !unmet.is_empty() {
                return unmet.into_iter().map(|unmet| unmet.of(origin)).collect();
            }
        }
        Vec::new()
    }

    /// Gathers the rules that may look into the body of the request: the token's, its caveats', and
    /// the ceiling's.
    pub(super) fn gather_body_tests(
        &self,
        access: &AccessRequest<'_>,
    ) -> Result<BodyTests, ExhaustedSteps> {
        let caveats = self.narrowing().iter().filter_map(|caveat| caveat.policy.as_ref());
        let policies = std::iter::once(self.policy()).chain(caveats).chain(access.ceiling);
        let (request, mut tests) = (access.request(), BodyTests::default());
        for policy in policies {
            policy.gather_body_tests(&request, access.steps, &mut tests)?;
        }
        Ok(tests)
    }

    /// Checks the conditions of every request, on any grounds: the caveats and the ceiling.
    pub(super) fn confine(&self, access: &AccessRequest<'_>) -> Result<(), NoPermit> {
        self.narrowing().iter().try_for_each(|caveat| caveat.ensure(access))?;
        match access.ceiling {
            Some(ceiling) => access.ensure_allowed(ceiling, Denial::BeyondCeiling),
            None => Ok(()),
        }
    }
}

impl CaveatConditions {
    fn ensure(&self, access: &AccessRequest<'_>) -> Result<(), NoPermit> {
        if let Some(named) = &self.upstream
            && !access.goes_to(named)
        {
            return Err(access.wrong_upstream(Some(named)).into());
        }
        if let Some(networks) = &self.networks {
            let Some(sender) = access.sender else { return Err(Denial::WrongSender.into()) };
            if !networks.iter().any(|network| network.contains(sender)) {
                return Err(Denial::WrongSender.into());
            }
        }
        match &self.policy {
            Some(policy) => access.ensure_allowed(policy, Denial::BeyondCaveat),
            None => Ok(()),
        }
    }
}

/// The reason for which a live, genuine token does not allow a request.
///
/// Exhaustive on purpose: other crates map each variant to a response, and a new variant must not
/// compile before it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The token ended between verification and decision.
    #[error("the token has expired")]
    Expired,
    /// The key to which the token is sealed has ended.
    #[error("the token's key is used no more")]
    KeyEnded,
    /// The token's time has not begun.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token, or a caveat of the token, names another upstream, or names none where a name is
    /// required.
    #[error("{}", wrong_upstream(.named.as_ref(), .asked))]
    WrongUpstream {
        /// The upstream that the token's `aud`, or the caveat's, names.
        named: Option<UpstreamName>,
        /// The upstream for which the request is.
        asked: UpstreamName,
    },
    /// The token binds its sender's address, and the request came from another or an unknown
    /// address.
    #[error("the token may not be used from this address")]
    WrongSender,
    /// No rule of the token allows the request.
    #[error("the token does not allow this request")]
    NotAllowed,
    /// The token's claims allow the request, a caveat does not.
    #[error("a caveat of the token does not allow this request")]
    BeyondCaveat,
    /// The token's rules allow the request, the operator's ceiling does not.
    #[error("the operator of this proxy does not allow this request")]
    BeyondCeiling,
    /// No rule allows the request, and it could not be judged by some rule.
    #[error("the request cannot be judged: {0}")]
    Unknown(Reason),
    /// Deciding takes more steps than one request has.
    #[error(
        "deciding this request takes too many steps: the path is too long, or has too many readings, for so many rules"
    )]
    TooCostly,
}

impl Denial {
    /// Returns the stable code that a rejection carries.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired => "expired_token",
            Self::KeyEnded | Self::NotYetValid => "invalid_token",
            Self::WrongUpstream { .. } => "wrong_upstream",
            Self::WrongSender => "wrong_sender",
            Self::NotAllowed => "not_allowed",
            Self::BeyondCaveat => "beyond_caveat",
            Self::BeyondCeiling => "beyond_ceiling",
            Self::Unknown(reason) => reason.code(),
            Self::TooCostly => "decision_too_costly",
        }
    }
}

fn wrong_upstream(named: Option<&UpstreamName>, asked: &UpstreamName) -> String {
    match named {
        Some(named) => {
            format!("the token is for the upstream `{named}`, and this request is for `{asked}`")
        }
        None => format!(
            "the token names no upstream (`aud`), and this request is for `{asked}`, which takes named tokens only"
        ),
    }
}

impl From<Denial> for NoPermit {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<ExhaustedSteps> for NoPermit {
    fn from(spent: ExhaustedSteps) -> Self {
        Self::Denied(spent.into())
    }
}

impl From<ExhaustedSteps> for Denial {
    fn from(_: ExhaustedSteps) -> Self {
        Self::TooCostly
    }
}
