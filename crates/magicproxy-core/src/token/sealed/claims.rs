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

/// The claims as they stand in the token, checked for their form only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedClaims {
    /// The sealing key.
    pub kid: String,
    /// How a key is agreed on.
    pub kem: Kem,
    /// The token's id.
    pub jti: String,
    /// When it was minted.
    pub iat: UnixTime,
    /// When it ends.
    pub exp: UnixTime,
    /// When it begins.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<UnixTime>,
    /// The upstream.
    pub aud: UpstreamName,
    /// Whom it is for.
    #[serde(
        default,
        deserialize_with = "present_subject",
        skip_serializing_if = "Option::is_none"
    )]
    pub sub: Option<Label>,
    /// Rules.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<RawRule>>,
    /// Names of scopes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// May a refusal say which rule would be needed?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
    /// The key of the minter who signed it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub minter: Option<String>,
}

impl SealedClaims {
    pub(in crate::token) fn from_json(json: &[u8]) -> Result<Self, ClaimsFault> {
        // Before the rest, so that what is no JSON at all is told from wrong claims in the same way by every reader.
        let claims: Self =
            json::compact_object(json).map_err(|error| SEALED_CLAIMS.faults(json, &error))?;
        claims.check()?;
        Ok(claims)
    }

    /// Checks what the types of the members do not.
    fn check(&self) -> Result<(), ClaimsFault> {
        Times { iat: self.iat, exp: self.exp, nbf: self.nbf }.check()?;
        if !is_token_id(&self.jti) {
            return Err(ClaimsFault::TokenId);
        }
        if self.allowed.is_some() == self.scopes.is_some() {
            return Err(ClaimsFault::Grant);
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
