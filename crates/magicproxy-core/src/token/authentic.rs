//! A token that is genuine and alive, before its rules are compiled: the first half of verification, which costs the same for
//! every token. The second half can cost a thousand times as much, so whoever has many tokens to verify tells them apart here.

use super::caveat::Caveat;
use super::rule_source::{ClaimedRules, policy_of};
use super::{Narrowing, Provenance, VerifiedToken, VerifyContext, VerifyError, counter, label};
use crate::credential::TypedCredential;
use crate::pattern::PatternMode;
use crate::policy::{Policy, RuleCompiler};
use crate::seal::TokenCredential;
use crate::state::Partition;
use crate::upstream_name::UpstreamName;

/// A token whose signature, or seal and chain, and times were checked, and whose rules were not yet.
///
/// INVARIANT: made only by [`KeyRing::authenticate`](crate::KeyRing::authenticate). It authorises nothing.
///
/// ```compile_fail,E0599
/// fn skip(token: std::sync::Arc<magicproxy_core::AuthenticToken>, access: &magicproxy_core::AccessRequest<'_>) {
///     let _ = token.authorize(access);
/// }
/// ```
///
/// The token inside does not come out without its rules:
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
/// Nobody else makes one:
///
/// ```compile_fail,E0624
/// fn forge(token: magicproxy_core::VerifiedToken) -> magicproxy_core::AuthenticToken {
///     magicproxy_core::AuthenticToken::new(token, todo!(), todo!())
/// }
/// ```
#[derive(Debug)]
pub struct AuthenticToken {
    // INVARIANT: it allows nothing, until it leaves by `with_rules`.
    token: VerifiedToken,
    granted: ClaimedRules,
    caveats: Result<Vec<Caveat>, VerifyError>,
    credential: Option<Result<TypedCredential, VerifyError>>,
}

/// Why an authentic token did not become a verified one.
#[derive(Debug)]
pub enum CompileError {
    /// It is not accepted.
    Refused(VerifyError),
    /// There was too little work left to know: it may be tried again with more.
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

    /// With the credential that was sealed in it, or what is wrong with its form, which is judged last of all.
    pub(super) fn with_credential(self, credential: Result<TypedCredential, VerifyError>) -> Self {
        Self { credential: Some(credential), ..self }
    }

    /// Whom what it makes belongs to. `state.md` section 1.
    #[must_use]
    pub fn owner(&self) -> Partition {
        self.token.owner()
    }

    /// Who could have minted it.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.token.provenance()
    }

    /// The upstream that its claims name.
    #[must_use]
    pub fn upstream(&self) -> Option<&UpstreamName> {
        self.token.upstream()
    }

    /// Compiles its rules, those of its caveats included, or finds them compiled.
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

    /// Of its claims, and of each caveat.
    fn policies(
        &self,
        context: &VerifyContext<'_>,
        compiler: &RuleCompiler<'_>,
    ) -> Result<(Policy, Vec<Narrowing>), VerifyError> {
        let mut brought = compiler.token();
        let policy = self.granted.policy(context, &mut brought)?;
        let caveats = self.caveats.as_deref().map_err(Clone::clone)?;
        let mut narrowing = Vec::with_capacity(caveats.len());
        for (number, caveat) in caveats.iter().enumerate() {
            let rules = caveat.allowed.as_deref();
            narrowing.push(Narrowing {
                policy: rules
                    .map(|rules| policy_of(rules, PatternMode::Whole, &mut brought))
                    .transpose()?,
                upstream: caveat.aud.clone(),
                networks: caveat.sender.as_ref().map(|sender| sender.cidr.clone()),
                limit: caveat
                    .limit
                    .map(|limit| (limit, counter(caveats.get(..=number).unwrap_or(caveats)))),
            });
        }
        Ok((policy, narrowing))
    }

    /// The verified token. What caveats demand is added; nothing here can give.
    fn with_rules(
        self,
        policy: Policy,
        narrowing: Vec<Narrowing>,
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
