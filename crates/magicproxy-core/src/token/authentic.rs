//! A genuine and live token before its rules are compiled: the first half of verification, at the
//! same cost for every token. The second half can cost a thousand times as much, so code with many
//! tokens to verify can decide between the halves which tokens to go on with.

use super::caveat::Caveat;
use super::rule_source::{ClaimedRules, policy_of};
use super::{
    CaveatConditions, Provenance, VerifiedToken, VerifyContext, VerifyError, counter, label,
};
use crate::credential::TypedCredential;
use crate::pattern::PatternMode;
use crate::policy::{Policy, RuleCompiler};
use crate::seal::TokenCredential;
use crate::state::Partition;
use crate::upstream_name::UpstreamName;

/// A token whose times, and signature or seal and chain, were checked, but whose rules were not.
///
/// INVARIANT: made only by [`KeyRing::authenticate`](crate::KeyRing::authenticate). An authentic
/// token authorises nothing.
///
/// ```compile_fail,E0599
/// fn skip(token: std::sync::Arc<magicproxy_core::AuthenticToken>, access: &magicproxy_core::AccessRequest<'_>) {
///     let _ = token.authorize(access);
/// }
/// ```
///
/// The token inside is not accessible without its rules:
///
/// ```compile_fail,E0616
/// fn take(token: magicproxy_core::AuthenticToken) -> magicproxy_core::VerifiedToken {
///     token.token
/// }
/// ```
///
/// ```compile_fail,E0624
/// fn skip(token: magicproxy_core::AuthenticToken) -> magicproxy_core::VerifiedToken {
///     token.with_rules(todo!(), todo!()).unwrap()
/// }
/// ```
///
/// No other code makes an authentic token:
///
/// ```compile_fail,E0624
/// fn forge(token: magicproxy_core::VerifiedToken) -> magicproxy_core::AuthenticToken {
///     magicproxy_core::AuthenticToken::new(token, todo!(), todo!())
/// }
/// ```
#[derive(Debug)]
pub struct AuthenticToken {
    // INVARIANT: the policy allows nothing until the token leaves by `with_rules`.
    token: VerifiedToken,
    granted: ClaimedRules,
    caveats: Result<Vec<Caveat>, VerifyError>,
    credential: Option<Result<TypedCredential, VerifyError>>,
}

/// The reason for which an authentic token did not become a verified token.
#[derive(Debug)]
pub enum CompileError {
    /// The token is refused.
    Refused(VerifyError),
    /// The work ran out before the result was known; the token may be tried again with more.
    WorkSpent(Box<AuthenticToken>),
}

impl AuthenticToken {
    pub(super) fn new(
        token: VerifiedToken,
        granted: ClaimedRules,
        caveats: Result<Vec<Caveat>, VerifyError>,
    ) -> Self {
        Self { token, granted, caveats, credential: None }
    }

    /// Adds the credential that was sealed in the token, or the fault in its form. That fault is
    /// reported only after all others.
    pub(super) fn with_credential(self, credential: Result<TypedCredential, VerifyError>) -> Self {
        Self { credential: Some(credential), ..self }
    }

    /// Returns the owner of everything that the token's requests create. `state.md` section 1.
    #[must_use]
    pub fn owner(&self) -> Partition {
        self.token.owner()
    }

    /// Returns the parties that could have minted the token.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.token.provenance()
    }

    /// Returns the upstream that the claims name.
    #[must_use]
    pub fn upstream(&self) -> Option<&UpstreamName> {
        self.token.upstream()
    }

    /// Compiles the rules of claims and caveats, or finds them in the compiler's cache.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn compile(
        self,
        context: &VerifyContext<'_>,
        compiler: &RuleCompiler<'_>,
    ) -> Result<VerifiedToken, CompileError> {
        match self.policies(context, compiler) {
            Ok((policy, narrowing)) => {
                self.with_rules(policy, narrowing).map_err(CompileError::Refused)
            }
            Err(_) if compiler.work().is_spent() => Err(CompileError::WorkSpent(Box::new(self))),
            Err(error) => Err(CompileError::Refused(error)),
        }
    }

    /// Compiles the policies of the claims and of each caveat.
    fn policies(
        &self,
        context: &VerifyContext<'_>,
        compiler: &RuleCompiler<'_>,
    ) -> Result<(Policy, Vec<CaveatConditions>), VerifyError> {
        let mut brought = compiler.token();
        let policy = self.granted.policy(context, &mut brought)?;
        let caveats = self.caveats.as_deref().map_err(Clone::clone)?;
        let mut narrowing = Vec::with_capacity(caveats.len());
        for (number, caveat) in caveats.iter().enumerate() {
            let policy = match &caveat.allowed {
                Some(rules) => Some(policy_of(rules, PatternMode::Whole, &mut brought)?),
                None => None,
            };
            let up_to_this = caveats.get(..=number).unwrap_or(caveats);
            narrowing.push(CaveatConditions {
                policy,
                upstream: caveat.aud.clone(),
                networks: caveat.sender.as_ref().map(|sender| sender.cidr.clone()),
                limit: caveat.limit.map(|limit| (limit, counter(up_to_this))),
            });
        }
        Ok((policy, narrowing))
    }

    /// Returns the verified token. Caveats only add conditions; no member of a caveat can extend
    /// the token.
    fn with_rules(
        self,
        policy: Policy,
        narrowing: Vec<CaveatConditions>,
    ) -> Result<VerifiedToken, VerifyError> {
        let Self { mut token, caveats, credential, .. } = self;
        let subject = token.labels.first().cloned();
        for caveat in caveats? {
            token.expires_at = caveat.exp.map_or(token.expires_at, |end| end.min(token.expires_at));
            token.not_before = caveat.nbf.max(token.not_before);
            token.labels.extend(caveat.sub);
        }
        let holders = token.labels.get(subject.iter().count()..).unwrap_or_default();
        token.label = label::in_logs(subject.as_ref(), holders);
        (token.policy, token.narrowing) = (policy, narrowing);
        if let Some(credential) = credential {
            token.sealed = TokenCredential::Opened(credential?);
        }
        Ok(token)
    }
}
