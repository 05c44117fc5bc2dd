//! The decision on one request: allowed, denied, or a question that another party must answer
//! first. `state.md` section 3.7, `plugin.md` section 2.
//!
//! The rules are asked first, then the grants of the token's owner, then the plugins. Each question
//! keeps the decision made so far inside, so that no code has a [`Permit`] before all parties were
//! asked.

use std::sync::Arc;

use super::authorize::NoPermit;
use super::{AccessRequest, Denial, Permit};
use crate::condition::{BodyTests, NeededPart};
use crate::key::CredentialBinding;
use crate::plugin::{Consent, PluginName, Verdict};
use crate::rule::HeldGrant;
use crate::state::Partition;
use crate::token::VerifiedToken;

/// The decision on one request.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// The request is allowed.
    Allowed(Permit),
    /// The request is denied. Doubt is a denial.
    Denied(Denial),
    /// The decision depends on this question; its result is the next decision.
    Needs(Question),
}

/// A question on which a decision depends.
#[derive(Debug)]
pub enum Question {
    /// A question to the store, for grants of the token's owner.
    Grants(GrantQuestion),
    /// A question to the token's plugins.
    Plugins(PluginQuestion),
    /// The request's body, into which some rule looks.
    Body(BodyQuestion),
    /// The push that the request asks for, of which some rule knows too little.
    Push(PushQuestion),
}

/// The question for a part of a push, since the decision depends on it. Once the part is known, the
/// request is decided anew. `git.md` section 3.
#[derive(Debug)]
pub struct PushQuestion {
    token: Arc<VerifiedToken>,
    part: PushPart,
}

/// A part of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushPart {
    /// The commands, which stand at the beginning of the content.
    Commands,
    /// Which of its [updates](crate::Push::updates) are fast-forwards.
    FastForwards,
}

/// The question for the body of a request, since the decision depends on it. Once the body was read
/// and judged, the request is decided anew.
#[derive(Debug)]
pub struct BodyQuestion {
    token: Arc<VerifiedToken>,
}

/// The question whether a grant of an owner allows the request, since no rule does. Made by
/// [`VerifiedToken::decide`], for the store.
#[derive(Debug)]
pub struct GrantQuestion {
    token: Arc<VerifiedToken>,
}

/// The question to all of the token's plugins, asked last. Any plugin may deny the request; where
/// nothing else allows the request, a plugin may allow it.
#[derive(Debug)]
pub struct PluginQuestion {
    token: Arc<VerifiedToken>,
    /// The permit unless a plugin denies; `None` where neither a rule nor a grant allows the
    /// request.
    otherwise: Option<Permit>,
}

/// A view of a permit for code that only inspects the decision; it admits nothing.
#[derive(Clone, Copy, Debug)]
pub struct RulesDecision<'j>(&'j Permit);

impl VerifiedToken {
    /// Decides one request.
    pub fn decide(self: &Arc<Self>, access: &AccessRequest<'_>) -> Decision {
        match self.authorize_by_rules(access) {
            // Only rules with effects record grants; without such rules there is no owner to be
            // asked for.
            Err(NoPermit::Denied(Denial::NotAllowed))
                if self.policy().stateful().next().is_some() =>
            {
                Decision::Needs(Question::Grants(GrantQuestion { token: Arc::clone(self) }))
            }
            decision => Decision::before_plugins(self, access, decision),
        }
    }

    /// Decides one request by the token's rules alone.
    ///
    /// # Errors
    /// [`Denial`] gives the reason. A request that depends on a grant or a plugin is denied.
    pub fn authorize(self: &Arc<Self>, access: &AccessRequest<'_>) -> Result<Permit, Denial> {
        match self.decide(access) {
            Decision::Allowed(permit) => Ok(permit),
            Decision::Denied(denial) => Err(denial),
            Decision::Needs(
                Question::Grants(_) | Question::Plugins(_) | Question::Body(_) | Question::Push(_),
            ) => Err(Denial::NotAllowed),
        }
    }
}

impl Decision {
    /// Returns the decision of the rules alone, as if no grant were held and every plugin
    /// abstained.
    ///
    /// # Errors
    /// [`Denial`] gives the reason.
    pub fn by_rules(&self) -> Result<RulesDecision<'_>, Denial> {
        match self {
            Self::Allowed(permit) => Ok(RulesDecision(permit)),
            Self::Denied(denial) => Err(denial.clone()),
            Self::Needs(Question::Grants(_) | Question::Body(_) | Question::Push(_)) => {
                Err(Denial::NotAllowed)
            }
            Self::Needs(Question::Plugins(question)) => {
                question.otherwise.as_ref().map(RulesDecision).ok_or(Denial::NotAllowed)
            }
        }
    }

    /// Continues from the decision of rules and grants with the question to the plugins. A denial
    /// other than [`Denial::NotAllowed`] is final: no plugin could lift it, so none is asked.
    fn before_plugins(
        token: &Arc<VerifiedToken>,
        access: &AccessRequest<'_>,
        decision: Result<Permit, NoPermit>,
    ) -> Self {
        let otherwise = match decision {
            Err(NoPermit::Denied(Denial::NotAllowed)) if token.plugins().is_empty() => {
                return Self::Denied(Denial::NotAllowed);
            }
            // A caveat or the ceiling may need the body. It is read before plugins are asked, so
            // that no plugin is asked twice.
            Err(NoPermit::Denied(Denial::NotAllowed)) => match token.confine(access) {
                Err(NoPermit::Needs(part)) => return Self::needing(token, part),
                Ok(()) | Err(NoPermit::Denied(_)) => None,
            },
            Err(NoPermit::Denied(denial)) => return Self::Denied(denial),
            Err(NoPermit::Needs(part)) => return Self::needing(token, part),
            Ok(permit) if token.plugins().is_empty() => return Self::Allowed(permit),
            Ok(permit) => Some(permit),
        };
        Self::Needs(Question::Plugins(PluginQuestion { token: Arc::clone(token), otherwise }))
    }

    /// Returns the question for a part of the request.
    fn needing(token: &Arc<VerifiedToken>, part: NeededPart) -> Self {
        let token = Arc::clone(token);
        let part = match part {
            NeededPart::Body => return Self::Needs(Question::Body(BodyQuestion { token })),
            NeededPart::Commands => PushPart::Commands,
            NeededPart::FastForwards => PushPart::FastForwards,
        };
        Self::Needs(Question::Push(PushQuestion { token, part }))
    }
}

impl BodyQuestion {
    /// Gathers the rules that judge the body.
    ///
    /// # Errors
    /// [`Denial::TooCostly`] if not enough steps are left.
    pub fn tests(&self, access: &AccessRequest<'_>) -> Result<BodyTests, Denial> {
        Ok(self.token.gather_body_tests(access)?)
    }

    /// Decides the request anew, with the body in `access` and with steps of its own. A decision
    /// that asks for the body again is a denial.
    pub fn decide(self, access: &AccessRequest<'_>) -> Decision {
        match self.token.decide(access) {
            Decision::Needs(Question::Body(_)) => Decision::Denied(Denial::NotAllowed),
            decision => decision,
        }
    }
}

impl PushQuestion {
    /// Returns the part that must be known.
    #[must_use]
    pub fn part(&self) -> PushPart {
        self.part
    }

    /// Decides the request anew, with the part in `access` and with steps of its own. A decision
    /// that asks for the part again is a denial.
    pub fn decide(self, access: &AccessRequest<'_>) -> Decision {
        match self.token.decide(access) {
            Decision::Needs(Question::Push(question)) if question.part == self.part => {
                Decision::Denied(Denial::NotAllowed)
            }
            decision => decision,
        }
    }
}

impl GrantQuestion {
    /// True if a grant of a named owner may allow the request. The owner depends on the credential,
    /// so the credential must be bound first.
    ///
    /// # Errors
    /// [`Denial::TooCostly`] if not enough steps are left.
    pub fn asks_named_owners(&self, access: &AccessRequest<'_>) -> Result<bool, Denial> {
        self.token.has_named_grants(access)
    }

    /// Returns the owners whose grants can allow the request: none, where no rule of the token
    /// records grants. Named owners are included where `binding` is given.
    ///
    /// # Errors
    /// [`Denial::TooCostly`] if not enough steps are left.
    pub fn owners(
        &self,
        access: &AccessRequest<'_>,
        binding: Option<&CredentialBinding>,
    ) -> Result<Vec<Partition>, Denial> {
        self.token.grant_owners(access, binding)
    }

    /// Continues with a grant that an owner holds for the request's path.
    ///
    /// # Errors
    /// The question, unanswered, if this grant does not allow the request; another grant may.
    pub fn held(
        self,
        access: &AccessRequest<'_>,
        held: HeldGrant,
        binding: Option<&CredentialBinding>,
    ) -> Result<Decision, Self> {
        match self.token.authorize_held(access, held, binding) {
            Err(NoPermit::Denied(Denial::NotAllowed)) => Err(self),
            decision => Ok(Decision::before_plugins(&self.token, access, decision)),
        }
    }

    /// Continues where no grant allows the request.
    pub fn nothing_held(self, access: &AccessRequest<'_>) -> Decision {
        Decision::before_plugins(&self.token, access, Err(Denial::NotAllowed.into()))
    }
}

impl PluginQuestion {
    /// Returns the plugins, all of which must be asked.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        self.token.plugins()
    }

    /// Continues with the verdicts of the plugins, in the order of [`Self::plugins`]. A missing
    /// verdict denies the request: the plugin did not allow the request, and might have denied it.
    pub fn with_verdicts(
        self,
        access: &AccessRequest<'_>,
        said: &[(PluginName, Verdict)],
    ) -> Decision {
        let all_asked = said.iter().map(|(plugin, _)| plugin).eq(self.plugins());
        if !all_asked || said.iter().any(|(_, verdict)| matches!(verdict, Verdict::Deny(_))) {
            return Decision::Denied(Denial::NotAllowed);
        }
        let consent = said.iter().find_map(|(plugin, verdict)| Consent::of(plugin, verdict));
        match (self.otherwise, consent) {
            (Some(permit), _) => Decision::Allowed(permit),
            (None, Some(consent)) => match self.token.authorize_agreed(access, consent) {
                Ok(permit) => Decision::Allowed(permit),
                Err(NoPermit::Denied(denial)) => Decision::Denied(denial),
                // The body was read before the plugins were asked.
                Err(NoPermit::Needs(_)) => Decision::Denied(Denial::NotAllowed),
            },
            (None, None) => Decision::Denied(Denial::NotAllowed),
        }
    }
}

impl<'j> RulesDecision<'j> {
    pub(super) fn of(permit: &'j Permit) -> Self {
        Self(permit)
    }

    /// Returns the text of the rule that allows the request.
    #[must_use]
    pub fn rule(&self) -> &'j Arc<str> {
        self.0.rule()
    }

    /// Returns the token.
    #[must_use]
    pub fn token(&self) -> &'j Arc<VerifiedToken> {
        self.0.token()
    }

    /// True if the store would keep rows for the request.
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.0.keeps_rows()
    }
}
