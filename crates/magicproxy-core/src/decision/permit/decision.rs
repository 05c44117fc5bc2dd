//! A decision: what becomes of one request, or what somebody else must say first. `state.md` section 3.7, `plugin.md` section 2.
//!
//! The rules are asked first, then what the token's owner holds, then the plugins. Each question keeps what was decided before it,
//! so that nobody has a [`Permit`] before everybody was asked.

use std::sync::Arc;

use super::{AccessRequest, Denial, Permit};
use crate::key::CredentialBinding;
use crate::plugin::{Consent, PluginName, Verdict};
use crate::rule::HeldGrant;
use crate::state::Partition;
use crate::token::VerifiedToken;

/// What becomes of one request.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// It is allowed.
    Allowed(Permit),
    /// It is not. Doubt is a denial.
    Denied(Denial),
    /// That cannot be told before this is answered; the answer gives the next decision.
    Needs(Question),
}

/// What a decision needs to know.
#[derive(Debug)]
pub enum Question {
    /// What the token's owner holds.
    Grants(GrantQuestion),
    /// What the token's plugins say.
    Plugins(PluginQuestion),
}

/// No rule allows the request. Does a grant that was made before?
#[derive(Debug)]
pub struct GrantQuestion {
    token: Arc<VerifiedToken>,
}

/// What do the token's plugins say to the request? One of them may allow it, and each may deny it.
#[derive(Debug)]
pub struct PluginQuestion {
    token: Arc<VerifiedToken>,
    /// What holds if they all abstain: a permit, or that nothing else allows the request.
    otherwise: Option<Permit>,
}

/// What the rules alone make of a request: for whoever only asks. It admits nothing.
#[derive(Clone, Copy, Debug)]
pub struct RulesDecision<'j>(&'j Permit);

impl VerifiedToken {
    /// Judges one request.
    pub fn decide(self: &Arc<Self>, access: &AccessRequest<'_>) -> Decision {
        match self.authorize_by_rules(access) {
            // Only a stateful rule gives grants; without one there is nobody to be asked.
            Err(Denial::NotAllowed) if self.policy().stateful().next().is_some() => {
                Decision::Needs(Question::Grants(GrantQuestion { token: Arc::clone(self) }))
            }
            decision => Decision::before_plugins(self, decision),
        }
    }

    /// Decides one request for which nobody but the rules is asked.
    ///
    /// # Errors
    /// [`Denial`] says why not. Where a plugin would have to be asked, nothing is allowed.
    pub fn authorize(self: &Arc<Self>, access: &AccessRequest<'_>) -> Result<Permit, Denial> {
        match self.decide(access) {
            Decision::Allowed(permit) => Ok(permit),
            Decision::Denied(denial) => Err(denial),
            Decision::Needs(Question::Grants(_) | Question::Plugins(_)) => Err(Denial::NotAllowed),
        }
    }
}

impl Decision {
    /// What the rules alone say, should nothing be held and every plugin abstain.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn by_rules(&self) -> Result<RulesDecision<'_>, Denial> {
        match self {
            Self::Allowed(permit) => Ok(RulesDecision(permit)),
            Self::Denied(denial) => Err(denial.clone()),
            Self::Needs(Question::Grants(_)) => Err(Denial::NotAllowed),
            Self::Needs(Question::Plugins(question)) => {
                question.otherwise.as_ref().map(RulesDecision).ok_or(Denial::NotAllowed)
            }
        }
    }

    /// Goes on from what everybody but the plugins decided. What is denied for another reason than that nothing allows it would
    /// not be sent whatever they said.
    fn before_plugins(token: &Arc<VerifiedToken>, decision: Result<Permit, Denial>) -> Self {
        let otherwise = match decision {
            Err(denial) if denial != Denial::NotAllowed => return Self::Denied(denial),
            decided if token.plugins().is_empty() => return decided.into(),
            decided => decided.ok(),
        };
        Self::Needs(Question::Plugins(PluginQuestion { token: Arc::clone(token), otherwise }))
    }
}

impl From<Result<Permit, Denial>> for Decision {
    fn from(decision: Result<Permit, Denial>) -> Self {
        decision.map_or_else(Self::Denied, Self::Allowed)
    }
}

impl GrantQuestion {
    /// May a grant of a named owner, which is one for each credential, allow the request?
    ///
    /// # Errors
    /// [`Denial::TooCostly`].
    pub fn asks_named_owners(&self, access: &AccessRequest<'_>) -> Result<bool, Denial> {
        self.token.has_named_grants(access)
    }

    /// Whose grants can allow the request: none, where no rule of the token records any. Named owners are among them where their
    /// credential is known.
    ///
    /// # Errors
    /// [`Denial::TooCostly`].
    pub fn owners(
        &self,
        access: &AccessRequest<'_>,
        binding: Option<&CredentialBinding>,
    ) -> Result<Vec<Partition>, Denial> {
        self.token.grant_owners(access, binding)
    }

    /// Goes on with a grant that one of the owners holds for the request's path. The question comes back where it does not allow
    /// the request: another one may.
    ///
    /// # Errors
    /// The question.
    pub fn held(
        self,
        access: &AccessRequest<'_>,
        held: HeldGrant,
        binding: Option<&CredentialBinding>,
    ) -> Result<Decision, Self> {
        match self.token.authorize_held(access, held, binding) {
            Err(Denial::NotAllowed) => Err(self),
            decision => Ok(Decision::before_plugins(&self.token, decision)),
        }
    }

    /// Goes on where no grant allows the request.
    pub fn nothing_held(self) -> Decision {
        Decision::before_plugins(&self.token, Err(Denial::NotAllowed))
    }
}

impl PluginQuestion {
    /// The plugins, all of which are to be asked.
    #[must_use]
    pub fn plugins(&self) -> &[PluginName] {
        self.token.plugins()
    }

    /// Goes on with what they said, in their order. One of whom nothing is said did not allow it, and might have denied it.
    pub fn answered(self, access: &AccessRequest<'_>, said: &[(PluginName, Verdict)]) -> Decision {
        let all_asked = said.iter().map(|(plugin, _)| plugin).eq(self.plugins());
        if !all_asked || said.iter().any(|(_, verdict)| matches!(verdict, Verdict::Deny(_))) {
            return Decision::Denied(Denial::NotAllowed);
        }
        let consent = said.iter().find_map(|(plugin, verdict)| Consent::of(plugin, verdict));
        match (self.otherwise, consent) {
            (Some(permit), _) => Decision::Allowed(permit),
            (None, Some(consent)) => self.token.authorize_agreed(access, consent).into(),
            (None, None) => Decision::Denied(Denial::NotAllowed),
        }
    }
}

impl<'j> RulesDecision<'j> {
    pub(super) fn of(permit: &'j Permit) -> Self {
        Self(permit)
    }

    /// The rule that allows it, as it was written.
    #[must_use]
    pub fn rule(&self) -> &'j Arc<str> {
        self.0.rule()
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &'j Arc<VerifiedToken> {
        self.0.token()
    }

    /// Would a store keep something for the request?
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.0.keeps_rows()
    }
}
