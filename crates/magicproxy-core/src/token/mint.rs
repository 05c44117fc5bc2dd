//! Minting a version 1 token. `token-v1.md` section 6.

use std::fmt;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::caveat::Caveat;
use super::claims::{Claims, Header};
use super::sealed::MAX_SEALED_TOKEN_BYTES;
use super::{Label, MAX_TOKEN_BYTES, UnnamedTokens};
use crate::credential::Credential;
use crate::encoding::base64url;
use crate::key::{KeyError, KeyRing, PrivateKey};
use crate::limit::Limit;
use crate::policy::{Policy, PolicyError, Work};
use crate::rule::{RawRule, Rule, RuleFault, write_list};
use crate::scope::ScopeName;
use crate::seal::seal;
use crate::time::UnixTime;
use crate::upstream_name::UpstreamName;

/// The source of a token's rules.
#[derive(Debug, Clone)]
pub enum RuleSource {
    /// A list of rules, from [`Rule::parse_list`].
    Rules(Vec<Rule>),
    /// Scopes of the proxy's configuration. The code that makes this value has checked that they
    /// exist.
    Scopes(Vec<ScopeName>),
    /// Scopes as above, at least one of which has rules with effects or a plugin. The Python
    /// program may have a scope of the same name without them.
    GuardedScopes(Vec<ScopeName>),
}

/// Everything from which a version 1 token is minted. A checked mint request makes a specification
/// ([`MintRequest::check`](super::MintRequest::check)), and so does code that is not bound by an
/// operator's limits.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// The upstream's secret.
    pub credential: Credential,
    /// The rules of the token.
    pub source: RuleSource,
    /// The upstream of the credential.
    pub upstream: Option<UpstreamName>,
    /// The setting of that upstream for tokens without `aud`. The upstream that accepts them is
    /// also the API of the Python program.
    pub unnamed: UnnamedTokens,
    /// The time of minting.
    pub issued_at: UnixTime,
    /// The end of the token.
    pub expires_at: UnixTime,
    /// The start of the token's life, if later than now.
    pub not_before: Option<UnixTime>,
    /// The label of the person or program that gets the token, as the log shows it.
    pub subject: Option<Label>,
    /// True if a refusal may tell the client the rule that would be needed.
    pub explain: bool,
    /// The largest number of requests with the token.
    pub limit: Option<Limit>,
}

/// A new token of either version, from [`KeyRing::mint`] or
/// [`SealingPublicKey::mint`](crate::SealingPublicKey::mint).
pub struct MintedToken {
    /// The token, a secret of its holder.
    pub token: Zeroizing<String>,
    /// The `jti` of the token.
    pub id: String,
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MintedToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The reason for which no token was minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// A version 1 token longer than the proxy accepts.
    #[error(
        "the token would be {0} bytes long; at most {MAX_TOKEN_BYTES} are accepted: use fewer or shorter rules, or a scope"
    )]
    TooLong(usize),
    /// A version 2 token longer than the proxy accepts.
    #[error(
        "the token would be {0} bytes long; at most {MAX_SEALED_TOKEN_BYTES} are accepted: use fewer or shorter rules, or a scope"
    )]
    SealedTooLong(usize),
    /// Rules that are too complex together.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Too many rules after each rule with several methods was written once for each method.
    #[error(transparent)]
    Rules(#[from] RuleFault),
    /// A failure of the key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl KeyRing {
    /// Mints a token with the active key.
    ///
    /// # Errors
    /// [`MintError`]. A token that this proxy would refuse is not minted.
    pub fn mint(&self, request: &TokenSpec) -> Result<MintedToken, MintError> {
        self.mint_within(request, &Work::unlimited())
    }

    /// Mints a token within a limit of work. Once the work is spent, an error says nothing about
    /// the mint request.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn mint_within(&self, request: &TokenSpec, work: &Work) -> Result<MintedToken, MintError> {
        let allowed = match &request.source {
            RuleSource::Rules(rules) => Some(written(rules, work)?),
            RuleSource::Scopes(_) | RuleSource::GuardedScopes(_) => None,
        };
        let id = random_id()?;
        let claims = Claims {
            iat: request.issued_at.0,
            exp: request.expires_at.0,
            nbf: request.not_before.map(|time| time.0),
            token: Some(seal(&request.credential, self.active().public())?),
            sealed: None,
            allowed,
            scopes: match &request.source {
                RuleSource::Rules(_) => None,
                RuleSource::Scopes(names) | RuleSource::GuardedScopes(names) => {
                    Some(names.iter().map(|name| name.as_str().to_owned()).collect())
                }
            },
            jti: Some(id.clone()),
            aud: request.upstream.as_ref().map(|name| name.as_str().to_owned()),
            sub: request.subject.clone(),
            explain: request.explain,
            caveats: request
                .limit
                .map(|limit| vec![Caveat { limit: Some(limit), ..Caveat::default() }]),
        };
        // The Python program has one API and ignores `aud`: it would send another upstream's
        // credential there.
        let is_of_another = claims.aud.is_some() && request.unnamed == UnnamedTokens::Refuse;
        // The Python program would apply its own scope of the same name, without effects and
        // plugins.
        let is_guarded = matches!(request.source, RuleSource::GuardedScopes(_));
        let claims = if is_of_another || is_guarded { claims.hidden_from_python() } else { claims };
        Ok(MintedToken { token: self.sign_token(claims, self.active())?, id })
    }

    pub(super) fn sign_token(
        &self,
        claims: Claims,
        key: &PrivateKey,
    ) -> Result<Zeroizing<String>, MintError> {
        let header = Header {
            typ: "JWT".to_owned(),
            alg: "RS256".to_owned(),
            kid: Some(key.public().id().as_str().to_owned()),
        };
        let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|_| KeyError::Operation);
        let header = base64url(&json(serde_json::to_vec(&header))?);
        let payload = base64url(&json(serde_json::to_vec(&claims.into_signed()))?);
        let mut token = Zeroizing::new(format!("{header}.{payload}"));
        let signature = base64url(&key.sign(token.as_bytes())?);
        token.push('.');
        token.push_str(&signature);
        if token.len() > MAX_TOKEN_BYTES {
            return Err(MintError::TooLong(token.len()));
        }
        Ok(token)
    }
}

/// Returns the rules in the form of the token, after checking that verification accepts them.
fn written(rules: &[Rule], work: &Work) -> Result<Vec<RawRule>, MintError> {
    let (allowed, read) = write_list(rules, work)?;
    Policy::check_brought(&read, work)?;
    Ok(allowed)
}

/// Returns a token id of 127 random bits. The id begins with a letter, so that no program mistakes
/// the id for an option.
pub(super) fn random_id() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| KeyError::Operation)?;
    let [first, ..] = &mut bytes;
    *first &= 0x7f;
    Ok(base64url(&bytes))
}
