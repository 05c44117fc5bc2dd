//! A request for a narrower token: the body of `POST /__magictoken/narrow`. `token-v2.md` section
//! 9.

use serde::Deserialize;

use super::{Caveat, ParseCaveatError, Sender};
use crate::json::{self, inner_object, one_or_more, present};
use crate::limit::Limit;
use crate::rule::RawRule;
use crate::time::UnixTime;
use crate::token::mint_request::NARROWING;
use crate::token::origin::Origin;
use crate::token::{Label, Network};
use crate::upstream_name::UpstreamName;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NarrowRequest {
    #[serde(deserialize_with = "inner_object")]
    caveat: Members,
}

/// The members of a [`Caveat`], where a single value may stand for a list of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[serde(default, deserialize_with = "one_or_more")]
    allowed: Option<Vec<RawRule>>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<UnixTime>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<UnixTime>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<UpstreamName>,
    #[serde(default, deserialize_with = "present")]
    sub: Option<Label>,
    #[serde(default, deserialize_with = "json::present_object")]
    sender: Option<SenderMembers>,
    #[serde(default, deserialize_with = "present")]
    limit: Option<Limit>,
    #[serde(default, deserialize_with = "json::present_object")]
    from: Option<Origin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SenderMembers {
    #[serde(default, deserialize_with = "one_or_more")]
    cidr: Option<Vec<Network>>,
}

impl Caveat {
    /// Reads the body of a narrow request, `{"caveat": …}`. Rules are brought into the form that
    /// every reader of tokens knows. Only the form is checked, so that a client without a valid
    /// token learns nothing more.
    ///
    /// # Errors
    /// [`ParseCaveatError`], with every fault of the form in words.
    pub fn from_narrow_request(json: &[u8]) -> Result<Self, ParseCaveatError> {
        let request: NarrowRequest = NARROWING.read(json)?;
        let Members { allowed, exp, nbf, aud, sub, sender, limit, from } = request.caveat;
        let sender = sender.map(|sender| Sender { cidr: sender.cidr.unwrap_or_default() });
        Ok(Self { allowed: allowed.map(normal), exp, nbf, aud, sub, sender, limit, from })
    }
}

fn normal(rules: Vec<RawRule>) -> Vec<RawRule> {
    rules.into_iter().map(|rule| rule.to_object_form().unwrap_or(rule)).collect()
}
