//! Caveats: restrictions that a holder appends to a token and nobody can remove. `token-v2.md`
//! section 5.

mod narrow_request;

use serde::{Deserialize, Serialize};

use super::label::Label;
use super::mint_request::TOKEN_CAVEAT;
use super::network::Network;
use super::origin::Origin;
use crate::json::form::FormFaults;
use crate::json::{self, present, present_object};
use crate::limit::Limit;
use crate::rule::RawRule;
use crate::time::{MAX_UNIX_TIME, UnixTime};
use crate::upstream_name::UpstreamName;

/// The largest number of caveats in one token.
pub const MAX_CAVEATS: usize = 16;
/// The largest number of networks in one caveat.
const MAX_NETWORKS: usize = 32;

/// A caveat: every member present must hold for a request. The rules in a caveat are not yet
/// checked. [`Self::append_to`] and [`KeyRing::narrow`](crate::KeyRing::narrow) append a caveat to
/// a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caveat {
    /// Rules; each reading of the request's target must be allowed by at least one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<RawRule>>,
    /// The end of the token.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub exp: Option<UnixTime>,
    /// The start of the token's life.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<UnixTime>,
    /// The upstream for which the request must be.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub aud: Option<UpstreamName>,
    /// A label for the log.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub sub: Option<Label>,
    /// The clients that may send the request.
    #[serde(default, deserialize_with = "present_object", skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// The largest number of requests.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The token from which the proxy made this token. Revoking the older token ends this token,
    /// too.
    #[serde(default, deserialize_with = "present_object", skip_serializing_if = "Option::is_none")]
    pub from: Option<Origin>,
}

/// The clients that may send a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The networks, at least one of which must contain the client's address.
    pub cidr: Vec<Network>,
}

/// The reason for which a text is no caveat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseCaveatError {
    /// Not a JSON object of the form.
    #[error(transparent)]
    Form(#[from] FormFaults),
    /// An object without a member.
    #[error(
        "a caveat without a member changes nothing: expected one at least of `allowed`, `exp`, `nbf`, `aud`, `sub`, `sender`, `limit` and `from`"
    )]
    Empty,
    /// A time beyond 9999-12-31T23:59:59Z.
    #[error("exp, nbf: expected moments before the year 10000")]
    Time,
    /// No network, or too many.
    #[error("sender.cidr: expected 1 to {MAX_NETWORKS} networks")]
    Networks,
    /// A rule with effects, or a plugin.
    #[error(
        "allowed: expected rules that give nothing and count nothing (a caveat's own `limit` counts)"
    )]
    Stateful,
}

impl Caveat {
    /// Reads a caveat as written in a token.
    ///
    /// # Errors
    /// [`ParseCaveatError`].
    pub fn from_json(json: &[u8]) -> Result<Self, ParseCaveatError> {
        let caveat: Self =
            json::compact_object(json).map_err(|error| TOKEN_CAVEAT.faults(json, &error))?;
        caveat.check()?;
        Ok(caveat)
    }

    /// Checks the conditions that the types of the members do not express.
    ///
    /// # Errors
    /// [`ParseCaveatError`].
    pub fn check(&self) -> Result<(), ParseCaveatError> {
        if *self == Self::default() {
            return Err(ParseCaveatError::Empty);
        }
        if [self.exp, self.nbf].into_iter().flatten().any(|time| time.0 > MAX_UNIX_TIME) {
            return Err(ParseCaveatError::Time);
        }
        if self
            .sender
            .as_ref()
            .is_some_and(|sender| !(1..=MAX_NETWORKS).contains(&sender.cidr.len()))
        {
            return Err(ParseCaveatError::Networks);
        }
        if !self.allowed.iter().flatten().all(RawRule::is_stateless) {
            return Err(ParseCaveatError::Stateful);
        }
        Ok(())
    }

    /// Returns the JSON that a token carries.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
