//! The claims of a version 2 token. `token-v2.md` section 2.

use serde::{Deserialize, Serialize};

use crate::json::{self, present};
use crate::key::Kem;
use crate::rule::{MAX_RULES, OPERATORS_MEMBER, RawRule};
use crate::time::UnixTime;
use crate::token::label::{Label, present_subject};
use crate::token::order::SEALED_CLAIMS;
use crate::token::verify::times_fault;
use crate::token::{VerifyError, is_token_id};
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
    #[serde(default, deserialize_with = "present_subject", skip_serializing_if = "Option::is_none")]
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
    pub(in crate::token) fn from_json(json: &[u8]) -> Result<Self, VerifyError> {
        // Before the rest, so that what is no JSON at all is told from wrong claims in the same way by every reader.
        let claims: Self =
            json::compact_object(json).map_err(|error| VerifyError::Claims(SEALED_CLAIMS.faults(json, &error).join("; ")))?;
        let fault = |what: &str| Err(VerifyError::Claims(what.to_owned()));
        if let Some(what) = times_fault(claims.iat, claims.exp, claims.nbf) {
            return fault(what);
        }
        if !is_token_id(&claims.jti) {
            return fault("jti: expected 1 to 128 characters of `A-Z a-z 0-9 - _`");
        }
        if claims.allowed.is_some() == claims.scopes.is_some() {
            return fault("expected exactly one of `allowed` and `scopes`");
        }
        if claims.scopes.as_ref().is_some_and(|names| names.is_empty() || names.len() > MAX_RULES) {
            return fault("scopes: expected 1 to 1,000 names");
        }
        if claims.allowed.iter().flatten().any(RawRule::is_the_operators) {
            return fault(OPERATORS_MEMBER);
        }
        Ok(claims)
    }
}
