//! A mint request as a minter writes it: the body of `POST /__magictoken`, and the input of
//! `magicproxy mint`.
//!
//! All faults of a mint request are reported together, and a request with a fault mints nothing.

mod form;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Label, RuleSource, TokenSpec, UnnamedTokens, label};
use crate::credential::{Credential, ParseCredentialError};
use crate::duration::Seconds;
use crate::excerpt::shorten;
use crate::json::form::{FormFault, ValueFault};
use crate::json::{one_or_more, present};
use crate::limit::Limit;
use crate::pattern::{PatternMode, Work};
use crate::rule::{RawRule, Rule, RuleFault};
use crate::scope::{Scope, ScopeName, Scopes};
use crate::time::{MAX_UNIX_TIME, UnixTime};
use crate::upstream_name::UpstreamName;

pub(super) use form::{CLAIMS, NARROWING, SEALED_CLAIMS, TOKEN_CAVEAT};

/// The longest mint request, in bytes of JSON.
pub const MAX_MINT_REQUEST_BYTES: usize = 64 * 1024;

/// A mint request as read, not yet checked: [`Self::check`] makes a [`TokenSpec`] of the request. A
/// single value may stand for a list of one. Unknown members are refused, and so is null for any
/// member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    /// The credential.
    #[serde(deserialize_with = "secret")]
    pub token: Zeroizing<String>,
    /// The rules. Not together with `scope` and `scopes`.
    #[serde(default, deserialize_with = "one_or_more")]
    pub allowed: Option<Vec<RawRule>>,
    /// The name of one scope.
    #[serde(default, deserialize_with = "present")]
    pub scope: Option<String>,
    /// The names of several scopes.
    #[serde(default, deserialize_with = "one_or_more")]
    pub scopes: Option<Vec<String>>,
    /// The life of the token in seconds, written as a number, or as a text such as `1h`.
    #[serde(default, deserialize_with = "expires_in")]
    pub expires_in: Option<u64>,
    /// The upstream's name.
    #[serde(default, deserialize_with = "present")]
    pub aud: Option<String>,
    /// The label of the person or program that gets the token, as the proxy's log shows it.
    #[serde(default, deserialize_with = "label::present_subject")]
    pub sub: Option<Label>,
    /// True if a refusal may tell the client the rule that would be needed.
    #[serde(default)]
    pub explain: bool,
    /// The largest number of requests with the token.
    #[serde(default, deserialize_with = "present")]
    pub limit: Option<Limit>,
}

impl std::fmt::Debug for MintRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MintRequest")
            .field("allowed", &self.allowed)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// The limits that the operator sets for minters.
#[derive(Debug, Clone)]
pub struct MintLimits<'a> {
    /// The upstream for which tokens are minted.
    pub upstream: &'a UpstreamName,
    /// The setting of the upstream for tokens without `aud`.
    pub unnamed: UnnamedTokens,
    /// The scopes that may be named.
    pub scopes: &'a Scopes,
    /// The matching of patterns that the upstream is configured for.
    pub patterns: PatternMode,
    /// The lifetime where the mint request has no `expires_in`.
    pub default_lifetime: Duration,
    /// The longest lifetime that may be requested.
    pub max_lifetime: Duration,
    /// True if a token must have a label (`sub`).
    pub require_sub: bool,
    /// The work that reading the rules may take. Once the work is spent, faults say nothing about
    /// the mint request.
    pub work: Work,
    /// A second name of the upstream that mint requests may use.
    pub alias: Option<&'a UpstreamName>,
    /// The setting whether faults may list the configured names.
    pub names: KnownNames,
}

/// The setting whether a minting client may learn the names in the operator's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownNames {
    /// Faults list the names: the mint request is the operator's own, or its client may know the
    /// names.
    Listed,
    /// A fault only says that a name is unknown: the client is a stranger.
    Withheld,
}

impl MintRequest {
    /// Reads a mint request from JSON.
    ///
    /// # Errors
    /// Every fault of the form. No fault repeats the text of the mint request, since it holds a
    /// secret.
    pub fn from_json(json: &[u8]) -> Result<Self, Vec<MintRequestFault>> {
        if json.len() > MAX_MINT_REQUEST_BYTES {
            return Err(vec![MintRequestFault::TooLarge]);
        }
        form::MINT_REQUEST
            .read(json)
            .map_err(|faults| faults.into_iter().map(MintRequestFault::Form).collect())
    }

    /// Checks a mint request against the limits of the operator.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(
        self,
        limits: &MintLimits<'_>,
        now: UnixTime,
    ) -> Result<TokenSpec, Vec<MintRequestFault>> {
        let mut faults = Vec::new();
        let source = match source(self.allowed, self.scope, self.scopes, limits) {
            Ok(source) => Some(source),
            Err(found) => {
                faults.extend(found);
                None
            }
        };
        let expires_at = match expiry(self.expires_in, limits, now) {
            Ok(expires_at) => Some(expires_at),
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        if let Some(aud) = &self.aud
            && !limits.names_upstream(aud)
        {
            let is_listed = limits.names == KnownNames::Listed;
            let known = is_listed.then(|| vec![limits.upstream.clone()]);
            faults.push(MintRequestFault::Upstream { known });
        }
        if limits.require_sub && self.sub.is_none() {
            faults.push(MintRequestFault::Subject);
        }
        let credential = match Credential::parse_new(&self.token) {
            Ok(credential) => Some(credential),
            Err(fault) => {
                faults.push(fault.into());
                None
            }
        };
        match (source, expires_at, credential) {
            (Some(source), Some(expires_at), Some(credential)) if faults.is_empty() => {
                Ok(TokenSpec {
                    credential,
                    source,
                    upstream: Some(limits.upstream.clone()),
                    unnamed: limits.unnamed,
                    issued_at: now,
                    expires_at,
                    not_before: None,
                    subject: self.sub,
                    explain: self.explain,
                    limit: self.limit,
                })
            }
            _ => Err(faults),
        }
    }
}

/// A fault of a mint request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintRequestFault {
    /// Longer than [`MAX_MINT_REQUEST_BYTES`].
    #[error("the request body is longer than {MAX_MINT_REQUEST_BYTES} bytes")]
    TooLarge,
    /// Not a JSON object of the expected form.
    #[error(transparent)]
    Form(#[from] FormFault),
    /// A fault of the credential.
    #[error("token: {0}")]
    Credential(#[from] ParseCredentialError),
    /// Both rules and scopes, or neither.
    #[error("exactly one of `allowed` (rules), `scope` (a name) and `scopes` (names) is needed")]
    RuleSource,
    /// A list of scopes without a name in it.
    #[error("scopes: the list is empty, and a token must allow something")]
    NoScope,
    /// A scope that the proxy does not know.
    #[error("scope `{name}` is not configured on this proxy{}", known_names(.known.as_deref()))]
    UnknownScope {
        /// The name in the mint request.
        name: String,
        /// The names that the proxy knows, where the client may learn them.
        known: Option<Vec<String>>,
    },
    /// A fault of a rule.
    #[error("allowed: {0}")]
    Rule(#[from] RuleFault),
    /// A rule with `owner`.
    #[error("allowed: `owner` is the operator's to give, in a scope of the configuration")]
    Owner,
    /// A life of zero seconds, or longer than the operator allows.
    #[error("expires_in: expected 1 to {max} seconds{}, which is the most that this proxy allows", in_days(*.max))]
    Lifetime {
        /// The operator's limit.
        max: u64,
    },
    /// No label, where the operator requires a label.
    #[error("`sub` is needed: this proxy wants tokens that name whom they are for")]
    Subject,
    /// An upstream that is not served here, or none where there are several.
    #[error("aud: expected the name of the upstream that the token is for{}", listed(.known.as_deref()))]
    Upstream {
        /// The upstreams that are served, where the client may learn them.
        known: Option<Vec<UpstreamName>>,
    },
}

fn source(
    allowed: Option<Vec<RawRule>>,
    scope: Option<String>,
    scopes: Option<Vec<String>>,
    limits: &MintLimits<'_>,
) -> Result<RuleSource, Vec<MintRequestFault>> {
    let named = scope.is_some() || scopes.is_some();
    match allowed {
        Some(rules) if !named => {
            let faults = |faults: Vec<RuleFault>| {
                faults.into_iter().map(MintRequestFault::Rule).collect::<Vec<_>>()
            };
            let rules =
                Rule::parse_new_list_with(&rules, limits.patterns, &limits.work).map_err(faults)?;
            if rules.iter().any(Rule::names_owner) {
                Err(vec![MintRequestFault::Owner])
            } else {
                Ok(RuleSource::Rules(rules))
            }
        }
        None if named => {
            scope_source(scope.into_iter().chain(scopes.into_iter().flatten()).collect(), limits)
        }
        _ => Err(vec![MintRequestFault::RuleSource]),
    }
}

fn scope_source(
    names: Vec<String>,
    limits: &MintLimits<'_>,
) -> Result<RuleSource, Vec<MintRequestFault>> {
    let known = limits.scopes;
    if names.is_empty() {
        return Err(vec![MintRequestFault::NoScope]);
    }
    let mut faults = Vec::new();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        match ScopeName::parse(&name).filter(|name| known.scope(name.as_str()).is_some()) {
            Some(name) => found.push(name),
            None => {
                let listed = limits.names == KnownNames::Listed;
                let known = listed.then(|| known.names().map(str::to_owned).collect());
                faults.push(MintRequestFault::UnknownScope { name: shorten(&name), known });
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let guarded = found.iter().filter_map(|name| known.scope(name.as_str())).any(Scope::is_guarded);
    Ok(if guarded { RuleSource::GuardedScopes(found) } else { RuleSource::Scopes(found) })
}

/// Renders limits of whole days as ` (366 days)`.
fn in_days(seconds: u64) -> String {
    match (seconds / 86_400, seconds % 86_400) {
        (0, _) | (_, 1..) => String::new(),
        (1, 0) => " (1 day)".to_owned(),
        (days, 0) => format!(" ({days} days)"),
    }
}

fn expiry(
    seconds: Option<u64>,
    limits: &MintLimits<'_>,
    now: UnixTime,
) -> Result<UnixTime, MintRequestFault> {
    let max = limits.max_lifetime.as_secs();
    let seconds = seconds.unwrap_or_else(|| limits.default_lifetime.as_secs().min(max));
    match now.0.checked_add(seconds) {
        Some(end) if (1..=max).contains(&seconds) && end <= MAX_UNIX_TIME => Ok(UnixTime(end)),
        _ => Err(MintRequestFault::Lifetime { max }),
    }
}

fn known_names(known: Option<&[String]>) -> String {
    match known {
        None => String::new(),
        Some([]) => " (it has none)".to_owned(),
        Some(known) => format!(" (it has: {})", known.join(", ")),
    }
}

fn listed(known: Option<&[UpstreamName]>) -> String {
    let Some(known) = known else { return String::new() };
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("; served here: {}", names.join(", "))
}

impl MintLimits<'_> {
    fn names_upstream(&self, aud: &str) -> bool {
        aud == self.upstream.as_str() || self.alias.is_some_and(|alias| aud == alias.as_str())
    }
}

fn expires_in<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let seconds = Seconds::deserialize(deserializer);
    seconds.map(|seconds| Some(seconds.0)).map_err(|_| D::Error::custom(ValueFault::ExpiresIn))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}
