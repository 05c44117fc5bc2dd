//! The claims of a version 2 token. `token-v2.md` section 2.

use serde::{Deserialize, Serialize};

use crate::json::{self, present};
use crate::key::Kem;
use crate::rule::{MAX_RULES, RawRule};
use crate::time::UnixTime;
use crate::token::claims_fault::{ClaimsFault, Times};
use crate::token::is_token_id;
use crate::token::label::{Label, present_subject};
use crate::token::mint_request::SEALED_CLAIMS;
use crate::upstream_name::UpstreamName;

/// The claims of a version 2 token as written, checked for their form only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedClaims {
    /// The id of the sealing key.
    pub kid: String,
    /// The KEM of the sealing key.
    pub kem: Kem,
    /// The token's id.
    pub jti: String,
    /// The time of minting.
    pub iat: UnixTime,
    /// The end of the token.
    pub exp: UnixTime,
    /// The start of the token's life.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<UnixTime>,
    /// The upstream of the credential.
    pub aud: UpstreamName,
    /// The label of the person or program that gets the token.
    #[serde(
        default,
        deserialize_with = "present_subject",
        skip_serializing_if = "Option::is_none"
    )]
    pub sub: Option<Label>,
    /// The rules.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<RawRule>>,
    /// The names of scopes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// True if a refusal may tell the client the rule that would be needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
    /// The key id of the minter who signed the token.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub minter: Option<String>,
}

impl SealedClaims {
    pub(in crate::token) fn from_json(json: &[u8]) -> Result<Self, ClaimsFault> {
        // The form comes first, so that every reader tells text that is not JSON from wrong claims
        // in the same way.
        let claims: Self =
            json::compact_object(json).map_err(|error| SEALED_CLAIMS.faults(json, &error))?;
        claims.check()?;
        Ok(claims)
    }

    /// Checks the conditions that the types of the members do not express.
    fn check(&self) -> Result<(), ClaimsFault> {
        Times { iat: self.iat, exp: self.exp, nbf: self.nbf }.check()?;
        if !is_token_id(&self.jti) {
            return Err(ClaimsFault::TokenId);
        }
        if self.allowed.is_some() == self.scopes.is_some() {
            return Err(ClaimsFault::RuleSource);
        }
        if self.scopes.as_ref().is_some_and(|names| names.is_empty() || names.len() > MAX_RULES) {
            return Err(ClaimsFault::ScopeCount);
        }
        if self.allowed.iter().flatten().any(RawRule::is_the_operators) {
            return Err(ClaimsFault::OperatorsMember);
        }
        Ok(())
    }
}
