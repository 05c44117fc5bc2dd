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

/// What a token allows.
#[derive(Debug, Clone)]
pub enum RuleSource {
    /// A list of rules, from [`Rule::parse_list`].
    Rules(Vec<Rule>),
    /// Scopes that the proxy knows; the caller has checked that it does.
    Scopes(Vec<ScopeName>),
    /// The same, where one of them asks for state or for a plugin, of which a scope of that name elsewhere need know nothing.
    GuardedScopes(Vec<ScopeName>),
}

/// Everything that a token is made of.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// The upstream's secret.
    pub credential: Credential,
    /// What is allowed.
    pub grant: RuleSource,
    /// The upstream that the credential is for.
    pub upstream: Option<UpstreamName>,
    /// What that upstream makes of tokens that name none: the one that accepts them is the Python program's API as well.
    pub unnamed: UnnamedTokens,
    /// Now.
    pub issued_at: UnixTime,
    /// The end.
    pub expires_at: UnixTime,
    /// The beginning, if not now.
    pub not_before: Option<UnixTime>,
    /// Whom the token is for, as the log shows it.
    pub subject: Option<Label>,
    /// May a refusal say which rule would be needed?
    pub explain: bool,
    /// How many requests there may be with it.
    pub limit: Option<Limit>,
}

/// A new token.
pub struct MintedToken {
    /// The token. It is a secret of its holder.
    pub token: Zeroizing<String>,
    /// Its `jti`.
    pub id: String,
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MintedToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why no token was minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// It would be longer than the proxy accepts.
    #[error(
        "the token would be {0} bytes long; at most {MAX_TOKEN_BYTES} are accepted: use fewer or shorter rules, or a scope"
    )]
    TooLong(usize),
    /// The same, of version 2.
    #[error(
        "the token would be {0} bytes long; at most {MAX_SEALED_TOKEN_BYTES} are accepted: use fewer or shorter rules, or a scope"
    )]
    SealedTooLong(usize),
    /// The rules are too complex together.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A rule with several methods is written once for each, and then they are too many.
    #[error(transparent)]
    Rules(#[from] RuleFault),
    /// The key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl KeyRing {
    /// Mints a token with the active key.
    ///
    /// # Errors
    /// [`MintError`]. What this proxy would refuse is not minted.
    pub fn mint(&self, request: &TokenSpec) -> Result<MintedToken, MintError> {
        self.mint_within(request, &Work::unlimited())
    }

    /// The same, with as much work as may be done. Where that is spent, an error says nothing about the mint request.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn mint_within(&self, request: &TokenSpec, work: &Work) -> Result<MintedToken, MintError> {
        let allowed = match &request.grant {
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
            scopes: match &request.grant {
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
        // Another upstream's credential would go to the Python program's only API, which asks for no name.
        let is_of_another = claims.aud.is_some() && request.unnamed == UnnamedTokens::Refuse;
        // It would obey its own scope of that name, where it has one.
        let is_guarded = matches!(request.grant, RuleSource::GuardedScopes(_));
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

/// The rules in the form that a token carries, which verification must accept.
fn written(rules: &[Rule], work: &Work) -> Result<Vec<RawRule>, MintError> {
    let (allowed, read) = write_list(rules, work)?;
    Policy::check_brought(&read, work)?;
    Ok(allowed)
}

/// 127 random bits. It begins with a letter, so that no program takes it for an option.
pub(super) fn random_id() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| KeyError::Operation)?;
    let [first, ..] = &mut bytes;
    *first &= 0x7f;
    Ok(base64url(&bytes))
}
